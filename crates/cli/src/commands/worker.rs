//! `glioscope worker`: takes jobs from the queue; and `glioscope child`, which a worker starts for each.

use std::ffi::OsString;
use std::io::{self, Read};
use std::time::Duration;

use clap::ValueEnum as _;
use kernels::Cpu;
use server::config::Config;
use server::frame::log;
use server::jobs::child;
use server::jobs::worker::{self, Settings, Worker};
use tokio_util::sync::CancellationToken;

use crate::Outcome;
use crate::args::{self, Everywhere};
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::interrupt::Interrupt;

pub(crate) fn run(args: &args::Worker, everywhere: Everywhere, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let config = args.place.config()?;
    log::start(&config.log)?;
    let settings = settings(args, everywhere, &config)?;
    block_on(async {
        let store = Store::open(&args.place).await?;
        let stop = CancellationToken::new();
        if args.until_input_ends {
            end_with_input(stop.clone());
        }
        let stopping = async {
            while !interrupt.is_asked() && !stop.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(100)).await; // a signal sets a flag and wakes nobody
            }
            stop.cancel();
        };
        let worker = Worker::new(store.db.clone(), store.files, settings);
        tokio::join!(worker.run(&stop), stopping);
        Ok(store.db.close().await?)
    })?;
    Ok(Outcome::Done) // to be asked to end is how a worker ends well
}

/// Segments one study, as its standard input says.
pub(crate) fn child(cpu: Cpu) -> anyhow::Result<Outcome> {
    child::run(cpu)?;
    Ok(Outcome::Done)
}

fn settings(args: &args::Worker, everywhere: Everywhere, config: &Config) -> anyhow::Result<Settings> {
    let mut arguments: Vec<OsString> = vec!["child".into(), "--quiet".into()];
    if let Some(threads) = everywhere.threads {
        arguments.extend(["--threads".into(), threads.to_string().into()]);
    }
    if let Some(isa) = everywhere.isa.and_then(|isa| isa.to_possible_value()) {
        arguments.extend(["--isa".into(), isa.get_name().into()]);
    }
    Ok(Settings {
        name: worker::name(std::process::id()),
        program: std::env::current_exe()?,
        arguments,
        lease: args.lease_ms.map_or(worker::LEASE, Duration::from_millis),
        memory: (config.worker.memory_mib > 0).then_some(config.worker.memory_mib << 20),
        cache: Some(config.cache_folder()),
        limit: Duration::from_secs(config.worker.minutes.max(1) * 60),
    })
}

/// The server holds the worker's input open for as long as it lives, however it ends.
fn end_with_input(stop: CancellationToken) {
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        loop {
            match io::stdin().lock().read(&mut nothing) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return stop.cancel(),
            }
        }
    });
}
