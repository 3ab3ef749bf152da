//! A child at work: started with its task, heard until its end.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tracing::warn;

use super::child::{Said, Task};
use super::queue::Progress;
use super::worker::{Fault, Settings};
use super::{Failure, FailureCode};

/// How far behind others a child stands; 19 is the most.
const NICE: i32 = 10;

/// A child at work. It is killed when this is dropped, and ends by itself when its input does.
pub(super) struct Run {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

impl Run {
    /// Starts it and tells it what to do.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) async fn start(settings: &Settings, task: &Task) -> Result<Self, Fault> {
        let mut child = start(settings)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(output), Some(errors)) = pipes else {
            return Err(io::Error::other("a child has no pipes").into());
        };
        let mut line = serde_json::to_vec(task).map_err(io::Error::other)?;
        line.push(b'\n');
        match input.write_all(&line).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()), // else its end will say why
            _ => Ok(Self { child, input, output, errors }),
        }
    }

    /// Hears the child out: how it used the model, or why there is nothing.
    ///
    /// # Errors
    /// [`Fault::Of`] says what the child said, or how it died.
    pub(super) async fn listen(mut self, tell: &watch::Sender<Progress>) -> Result<serde_json::Value, Fault> {
        let mut lines = BufReader::new(self.output).lines();
        let began = Instant::now();
        let mut last = None;
        let hearing = async {
            while let Some(line) = lines.next_line().await? {
                match serde_json::from_str::<Said>(&line) {
                    Ok(Said::Progress { stage, share }) => {
                        let stage = serde_json::to_value(stage).ok().and_then(|name| Some(name.as_str()?.to_owned()));
                        tell.send_replace(Progress { stage, share, eta: eta(began.elapsed(), share) });
                    }
                    Ok(said) => last = Some(said),
                    Err(error) => warn!(%error, "a child said something strange"),
                }
            }
            Ok::<_, io::Error>(())
        };
        let (heard, errors) = tokio::join!(hearing, tail(self.errors));
        heard?;
        let status = self.child.wait().await?;
        drop(self.input); // until now: the child ends when it is closed
        match last {
            Some(Said::Done { inference }) if status.success() => {
                Ok(serde_json::to_value(inference).map_err(io::Error::other)?)
            }
            Some(Said::Failed(failure)) => Err(Fault::Of(failure)),
            _ => Err(Fault::Of(died(status, &errors))),
        }
    }
}

/// Starts the program behind the page: a segmentation takes every core for seconds, and who opens a study meanwhile waits
/// for each of its volumes. The program `nice` makes it so without a system call of our own, which would be `unsafe`;
/// where there is no such program, the child runs like any other.
fn start(settings: &Settings) -> io::Result<Child> {
    let mut nice = Command::new("nice");
    nice.arg("-n").arg(NICE.to_string()).arg(&settings.program);
    match spawn(nice, settings) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => spawn(Command::new(&settings.program), settings),
        started => started,
    }
}

fn spawn(mut command: Command, settings: &Settings) -> io::Result<Child> {
    command
        .args(&settings.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A trace needs memory where there may be none, and pushes out the line that says so.
        .env("RUST_BACKTRACE", "0")
        .kill_on_drop(true)
        .spawn()
}

/// How long it still takes, if it goes on like this; nothing while that is a guess.
fn eta(elapsed: Duration, share: f64) -> Option<Duration> {
    (share > 0.05 && share <= 1.0).then(|| elapsed.mul_f64((1.0 - share) / share))
}

/// The last lines that a child wrote to its standard error.
async fn tail(errors: ChildStderr) -> String {
    let mut lines = BufReader::new(errors).lines();
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if last.len() == 20 {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}

/// Why a child ended without a word.
fn died(status: ExitStatus, errors: &str) -> Failure {
    warn!(%status, errors, "a child died");
    let (code, detail) = match status.signal() {
        // Of an allocation, or of a thread that found no room for its stack.
        _ if ["memory allocation of", "(os error 12)"].iter().any(|text| errors.contains(text)) => {
            (FailureCode::OutOfMemory, "It needed more memory than it may have.".to_owned())
        }
        Some(signal) => (FailureCode::Crashed, format!("The process that segmented was ended by signal {signal}.")),
        None => (
            FailureCode::Crashed,
            format!("The process that segmented ended with code {}.", status.code().unwrap_or(-1)),
        ),
    };
    Failure { code, detail }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ids::Sha;
    use crate::jobs::child::Scan;

    #[tokio::test]
    async fn a_child_stands_behind_whoever_looks_at_the_page() {
        let said = r#"read task; printf '{"said":"failed","code":"internal","detail":"%s"}\n' "$(nice)""#;
        let settings = Settings {
            name: "test".to_owned(),
            program: "sh".into(),
            arguments: vec!["-c".into(), said.into()],
            lease: Duration::from_secs(1),
            memory: None,
            cache: None,
            limit: Duration::from_mins(1),
        };
        let scan = Scan { path: PathBuf::new(), sha: Sha([0; 32]) };
        let task = Task {
            name: String::new(),
            scans: std::array::from_fn(|_| scan.clone()),
            model: None,
            model_sha: Sha([0; 32]),
            out: PathBuf::new(),
            memory: None,
            cache: None,
        };
        let ours = Command::new("nice").output().await.unwrap().stdout;
        let ours: i32 = String::from_utf8(ours).unwrap().trim().parse().unwrap();
        let run = Run::start(&settings, &task).await.unwrap();
        let fault = run.listen(&watch::channel(Progress::default()).0).await.unwrap_err();
        assert_eq!(fault.to_string(), (ours + NICE).min(19).to_string());
    }

    #[test]
    fn the_time_left_follows_from_the_time_taken() {
        assert_eq!(eta(Duration::from_secs(10), 0.5), Some(Duration::from_secs(10)));
        assert_eq!(eta(Duration::from_secs(10), 1.0), Some(Duration::ZERO));
        assert_eq!(eta(Duration::from_secs(10), 0.01), None, "a guess");
    }
}
