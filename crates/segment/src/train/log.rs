//! The curves of a training, as JSON lines and as TensorBoard events.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use volume::write_atomically;

use super::step::StepLoss;

/// The lines cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct LogError {
    path: PathBuf,
    source: std::io::Error,
}

/// Open files of one start of a run.
pub(super) struct Log {
    path: PathBuf,
    lines: BufWriter<File>,
}

impl Log {
    /// Continues `metrics.jsonl` after step `done`; lines of later steps, written after the last checkpoint, go.
    pub(super) fn open(run: &Path, done: u64) -> Result<Self, LogError> {
        let path = run.join("metrics.jsonl");
        let failed = |source| LogError { path: path.clone(), source };
        let old = if path.exists() { std::fs::read_to_string(&path).map_err(failed)? } else { String::new() };
        let step = |line: &str| serde_json::from_str::<Value>(line).ok().and_then(|v| v["step"].as_u64());
        let kept = old.lines().filter(|line| step(line).is_some_and(|s| s <= done));
        let kept: String = kept.flat_map(|line| [line, "\n"]).collect();
        write_atomically(&path, |out| out.write_all(kept.as_bytes())).map_err(failed)?;
        let lines = BufWriter::new(OpenOptions::new().append(true).open(&path).map_err(failed)?);
        Ok(Self { path, lines })
    }

    pub(super) fn step(&mut self, done: u64, loss: &StepLoss, lr: f64, elapsed: Duration, waited: Duration) -> Result<(), LogError> {
        self.line(&json!({
            "step": done,
            "loss": loss.total,
            "dice_loss": loss.dice_loss,
            "cross_entropy": loss.cross_entropy,
            "soft_dice": loss.dice,
            "gradient": loss.gradient,
            "lr": lr,
            "seconds": elapsed.as_secs_f64(),
            "waited": waited.as_secs_f64(),
        }))
    }

    pub(super) fn validated(&mut self, done: u64, dice: [f64; 3]) -> Result<(), LogError> {
        self.line(&json!({ "step": done, "validation_dice": dice }))
    }

    fn line(&mut self, value: &Value) -> Result<(), LogError> {
        let write = |lines: &mut BufWriter<File>| {
            writeln!(lines, "{value}")?;
            lines.flush()
        };
        write(&mut self.lines).map_err(|source| LogError { path: self.path.clone(), source })
    }
}
