#!/bin/sh
# Writes the completions that the Debian package carries: packaging/completions.sh target/release/glioscope
set -eu
glioscope=$1
to=$(dirname "$0")/completions
mkdir -p "$to"
"$glioscope" completions bash > "$to/glioscope.bash"
"$glioscope" completions zsh > "$to/_glioscope"
"$glioscope" completions fish > "$to/glioscope.fish"
