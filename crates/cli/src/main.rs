//! The command line of Glioscope.

mod args;
mod commands;
mod interrupt;
mod machine;
mod show;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use commands::{
    backup, bench, check, completions, evaluate, inspect, migrate, model, phantom, recipe, restore, segment, serve,
    train, user, worker,
};
use interrupt::Interrupt;
use machine::Machine;
use show::Show;

#[global_allocator]
static MEMORY: kernels::LargePages = kernels::LargePages;

fn main() -> ExitCode {
    let args = Args::parse(); // ends with exit code 2 where the usage is wrong
    let show = Show::of(&args);
    match run(args, show) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => show::error(&error),
    }
}

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything was done.
    Done,
    /// Some of it could not be done, and was named.
    Partly,
    /// Ctrl-C or SIGTERM.
    Stopped,
}

impl Outcome {
    fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Partly => ExitCode::from(1),
            Self::Stopped => ExitCode::from(interrupt::EXIT),
        }
    }
}

fn run(args: Args, show: Show) -> anyhow::Result<Outcome> {
    let machine = Machine::of(args.everywhere)?;
    let interrupt = Interrupt::listen(args.command.first_signal(), show)?;
    machine.run(|cpu| match args.command {
        Command::Inspect(inspect) => inspect::run(&inspect, show, &interrupt),
        Command::Phantom(phantom) => phantom::run(&phantom, show, &interrupt),
        Command::Train(train) => train::run(cpu, &train, show, &interrupt),
        Command::Segment(segment) => segment::run(cpu, &segment, show, &interrupt),
        Command::Evaluate(evaluate) => evaluate::run(&evaluate, show, &interrupt),
        Command::Bench(bench) => bench::run(cpu, &bench, show, &interrupt),
        Command::Model(model) => model::run(cpu, &model, show, &interrupt),
        Command::Recipe(recipe) => recipe::run(&recipe, show),
        Command::Serve(serve) => serve::run(&serve, args.everywhere, show, &interrupt),
        Command::User(user) => user::run(&user, show),
        Command::Worker(worker) => worker::run(&worker, args.everywhere, &interrupt),
        Command::Migrate(migrate) => migrate::run(&migrate, show),
        Command::Backup(backup) => backup::run(&backup, show),
        Command::Restore(restore) => restore::run(&restore, show),
        Command::Check(check) => check::run(&check, show),
        Command::Child => worker::child(cpu),
        Command::Completions(completions) => completions::run(&completions),
    })
}
