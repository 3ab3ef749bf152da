//! `glioscope completions`: what makes a shell complete the commands.

use clap::CommandFactory as _;

use crate::args::{Args, Completions};
use crate::{Outcome, show};

pub(crate) fn run(args: &Completions) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "glioscope", &mut script);
    show::result(&String::from_utf8(script)?)?;
    Ok(Outcome::Done)
}
