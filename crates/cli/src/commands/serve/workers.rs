//! The worker processes of a server: started with it, started again when they die, ended with it.
//!
//! A worker reads from its standard input, which the server holds open: when the server is gone, however it
//! went, the input ends, and so does the worker. Its job goes back into the queue.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use server::app::App;
use server::jobs::worker::name;
use server::jobs::{LeaseQueue, Queue as _};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::args::Everywhere;
use crate::args::Place;

/// A worker that dies at once is started again after so long, then after twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A worker that lived so long is taken for a healthy one.
const HEALTHY: Duration = Duration::from_secs(10);

/// How long a worker may take to hand its job back.
const HANDING_BACK: Duration = Duration::from_secs(8);

/// The workers of a server.
pub(super) struct Workers(JoinSet<()>);

impl Workers {
    /// Starts as many as the settings say.
    pub(super) fn start(like: &Like, app: &App) -> Self {
        let mut all = JoinSet::new();
        for _ in 0..app.config.worker.count {
            all.spawn(keep_one(like.clone(), LeaseQueue::new(app.db.clone()), app.closing.clone()));
        }
        Self(all)
    }

    /// Waits until all have ended; `closing` has told them.
    pub(super) async fn end(self) {
        self.0.join_all().await;
    }
}

/// What was typed for the server holds for its workers.
#[derive(Clone, Debug)]
pub(super) struct Like {
    arguments: Vec<OsString>,
    /// Not an argument: everybody on the machine sees those.
    database: Option<String>,
}

impl Like {
    /// As the server.
    pub(super) fn of(place: &Place, everywhere: Everywhere) -> Self {
        let flag = |name: &str, value: Option<OsString>| value.map(|value| [OsString::from(name), value]);
        let isa = everywhere.isa.and_then(|isa| Some(isa.to_possible_value()?.get_name().into()));
        let flags = [
            flag("--config", place.config.clone().map(OsString::from)),
            flag("--data", place.data.clone().map(OsString::from)),
            flag("--threads", everywhere.threads.map(|threads| threads.to_string().into())),
            flag("--isa", isa),
        ];
        Self { arguments: flags.into_iter().flatten().flatten().collect(), database: place.database.clone() }
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["worker", "--until-input-ends"])
            .args(&self.arguments)
            .envs(self.database.iter().map(|url| ("GLIOSCOPE_DATABASE", url)));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn()
    }
}

/// Keeps one worker alive until `closing`; what a dead one had goes back into the queue at once.
async fn keep_one(like: Like, queue: LeaseQueue, closing: CancellationToken) {
    let mut pause = FIRST_PAUSE;
    while !closing.is_cancelled() {
        let began = Instant::now();
        match like.start() {
            Ok(mut worker) => {
                let input = worker.stdin.take(); // `wait` would close it, and the worker would end
                let name = worker.id().map(name);
                match closing.run_until_cancelled(worker.wait()).await {
                    None => return end(worker, input).await,
                    Some(status) => tracing::error!(status = ?status.map(|status| status.to_string()), "a worker died"),
                }
                if let Some(name) = name
                    && let Err(error) = queue.bury(&name).await
                {
                    tracing::warn!(%error, "the job of a dead worker waits for the end of its lease");
                }
            }
            Err(error) => tracing::error!(%error, "a worker cannot be started"),
        }
        pause = if began.elapsed() > HEALTHY { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
        closing.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Closes the worker's input and waits for it to hand its job back.
async fn end(mut worker: Child, input: Option<ChildStdin>) {
    drop(input);
    if timeout(HANDING_BACK, worker.wait()).await.is_err() {
        tracing::warn!("a worker did not end in time; its job goes back when its lease ends");
        worker.kill().await.ok();
    }
}
