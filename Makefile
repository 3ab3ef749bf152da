# The verbs of this repository. CI calls the same ones: .ci/run is `make test`.
# There is one build, `--release`: the tests run whole networks.

SHELL := bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help

CARGO_FLAGS := --release --locked --workspace
GLIOSCOPE := target/release/glioscope
PAGE := web/dist/index.html
PAGE_TOOLS := web/node_modules/.package-lock.json
VENV := target/golden-venv
# Real scans, which the repository does not hold: the tests named real_* and golden/nifti.py read them.
REAL := $(or $(GLIOSCOPE_REAL),../shared/data)

.PHONY: help build run test check check-rust check-page test-page api bench bench-peers bench-server fuzz deb golden size

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(PAGE) ## Build the program, the page inside: target/release/glioscope
	cargo build --release --locked --package cli

$(PAGE_TOOLS): web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGE): $(PAGE_TOOLS) web/index.html web/vite.config.ts $(shell find web/src web/public -type f)
	cd web && npm run --silent build
	@touch $@

run: build ## Start the application: prints its address, shows a phantom patient, runs until Ctrl-C
	@exec $(GLIOSCOPE) serve

check: check-rust check-page ## Format, lints, tidy (the rules of the house), licences and sources of dependencies

check-rust: $(PAGE)
	cargo fmt --all --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo test --release --locked --package tidy --quiet -- --nocapture
	@if cargo deny --version >/dev/null 2>&1; then \
		cargo deny --locked check bans licenses sources; \
	else \
		echo "SKIPPED: cargo-deny is not installed, so licences and sources were not checked (cargo install cargo-deny --locked)" >&2; \
	fi

check-page: $(PAGE_TOOLS)
	cd web && npm run --silent check

# Beside the lints of Rust, which leave a processor idle at times.
test-page: check-page
	@.ci/packages
	cd web && npm run --silent test

test: ## Everything that must hold: check, then all tests, of the page in a browser too
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target check test-page
	@status=0; \
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run $(CARGO_FLAGS) --no-fail-fast || status=$$?; \
	else \
		cargo test $(CARGO_FLAGS) --no-fail-fast 2>&1 | tee target/tests.log || status=$$?; \
		awk '/^test result:/ {p += $$4; f += $$6; s += $$8} END {printf "tests: %d passed, %d failed, %d skipped\n", p, f, s}' target/tests.log; \
	fi; \
	(cd web && npm run --silent e2e) || status=$$?; \
	exit $$status

api: ## Write the API's description again: docs/openapi.json
	UPDATE_OPENAPI=1 cargo test --release --locked --package server --test all http::document
	cd web && npm run --silent api

bench: build ## Time peaks, layers, networks and a case: lines of JSON in target/bench.jsonl, a page with a roofline beside it
	@bench() { \
		line=$$($(GLIOSCOPE) bench "$$@" --json | tr -s '\n ' ' '); \
		echo "{\"commit\": \"$$(git describe --always --dirty)\",$${line#\{}" | tee -a target/bench.jsonl; \
	}; \
	bench peak; \
	bench conv; \
	bench layers --name n32 --patch 128; \
	bench layers --name default --patch 96; \
	for net in original default n32; do \
		for side in 64 96 128; do \
			for pass in forward train; do bench net --name $$net --patch $$side --pass $$pass --runs 5; done; \
		done; \
	done; \
	if [ -d "$(REAL)/brats" ]; then \
		bench case "$(REAL)/brats/BraTS2021_01481"; \
	else \
		echo "SKIPPED: the whole case needs $(REAL)/brats" >&2; \
	fi
	python3 bench/page.py target/bench.jsonl target/bench.html target/roofline.svg
	@echo "target/bench.html"

PEERS := target/peers-venv

bench-peers: build $(PEERS)/installed ## PyTorch, OpenVINO and ONNX Runtime beside ours, in one interleaved run each
	cargo build --release --locked --package segment --example numbers
	GLIOSCOPE_REAL="$(REAL)" $(PEERS)/bin/python bench/peers all

$(PEERS)/installed: bench/peers/requirements.txt
	python3 -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement bench/peers/requirements.txt
	@touch $@

bench-server: build ## Load on the application: 50 uploads at once, 1,000 worklist reads a second for a minute
	python3 bench/server.py $(GLIOSCOPE)

fuzz: build target/fuzz-venv/installed ## Schemathesis on the API of a server with studies in it, for two minutes
	python3 bench/fuzz.py $(GLIOSCOPE) target/fuzz-venv/bin/schemathesis 120

target/fuzz-venv/installed:
	python3 -m venv target/fuzz-venv
	target/fuzz-venv/bin/pip install --quiet schemathesis==4.32.5
	@touch $@

deb: build ## Make the Debian package, with cargo-deb: target/debian/glioscope_*.deb
	packaging/completions.sh $(GLIOSCOPE)
	cargo deb --no-build --package cli

golden: $(VENV)/installed ## Make the golden values again, with the pinned public tools of golden/requirements.txt
	@for script in $(filter-out golden/nifti.py,$(wildcard golden/*.py)); do echo "$$script"; $(VENV)/bin/python "$$script"; done
	@if [ -d "$(REAL)/nifti_odd" ]; then \
		echo golden/nifti.py; \
		$(VENV)/bin/python golden/nifti.py "$(REAL)/nifti_odd" > target/nifti_odd.json; \
		mv target/nifti_odd.json crates/volume/tests/golden/; \
	else \
		echo "SKIPPED: golden/nifti.py needs $(REAL)/nifti_odd" >&2; \
	fi
	git status --short -- golden crates

# PyTorch is large: this downloads some gigabytes, once.
$(VENV)/installed: golden/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement golden/requirements.txt
	@touch $@

size: ## Lines of Rust a crate, and the change against main
	@printf '%-16s %7s %7s   %s\n' crate source tests 'against main'
	@for crate in crates/* tidy; do \
		lines() { find "$$@" -name '*.rs' -print0 2>/dev/null | xargs -0 -r cat | wc -l; }; \
		change=$$(git diff --numstat main -- "$$crate" | awk '{a += $$1; d += $$2} END {printf "+%d -%d", a, d}'); \
		printf '%-16s %7d %7d   %s\n' "$${crate#crates/}" "$$(lines "$$crate/src")" "$$(lines "$$crate/tests" "$$crate/benches" || true)" "$$change"; \
	done
