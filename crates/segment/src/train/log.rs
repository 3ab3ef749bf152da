//! What a training writes of itself at each step, by name.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::step::StepLoss;
use crate::recipe::training::Outputs;
use crate::tensorboard::Curves;

/// The curves cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: the curves of the training cannot be written ({source}); see that there is room, and that you may, \
     then go on with --resume",
    folder.display()
)]
pub struct LogError {
    folder: PathBuf,
    source: std::io::Error,
}

/// Open files of one start of a run.
pub(super) struct Log {
    folder: PathBuf,
    curves: Curves,
    began: Instant,
    wall_time: f64,
    soft_dice: Vec<String>,
}

impl Log {
    /// Begins in the run's folder, or goes on after step `done`. `wall_time`: seconds since 1970.
    pub(super) fn begin(folder: &Path, wall_time: f64, done: u64, outputs: Outputs) -> Result<Self, LogError> {
        let curves =
            Curves::begin(folder, wall_time, done).map_err(|source| LogError { folder: folder.to_owned(), source })?;
        let soft_dice = outputs.names().iter().map(|name| format!("train/soft_dice_{}", name.to_lowercase())).collect();
        Ok(Self { folder: folder.to_owned(), curves, began: Instant::now(), wall_time, soft_dice })
    }

    /// Step `step`, counted from 0; `seconds` is what it took, `waited` what of that went by waiting for patches.
    pub(super) fn step(
        &mut self,
        step: u64,
        loss: &StepLoss,
        lr: f64,
        (seconds, waited): (f64, f64),
    ) -> Result<(), LogError> {
        let mut scalars = vec![
            ("train/loss", loss.total),
            ("train/dice_loss", loss.dice_loss),
            ("train/cross_entropy", loss.cross_entropy),
            ("train/gradient_norm", loss.gradient),
            ("train/learning_rate", lr),
            ("time/step_seconds", seconds),
            ("time/waited_seconds", waited),
        ];
        scalars.extend(self.soft_dice.iter().map(String::as_str).zip(loss.dice.iter().copied()));
        let now = self.now();
        let written = self.curves.write(now, step, &scalars);
        written.map_err(|source| LogError { folder: self.folder.clone(), source })
    }

    /// Mean Dice of WT, TC, ET over the validation cases after step `step`.
    pub(super) fn validated(&mut self, step: u64, dice: [f64; 3]) -> Result<(), LogError> {
        let names = ["validation/dice_wt", "validation/dice_tc", "validation/dice_et"];
        let scalars: Vec<(&str, f64)> = names.into_iter().zip(dice).collect();
        let now = self.now();
        let written = self.curves.write(now, step, &scalars);
        written.map_err(|source| LogError { folder: self.folder.clone(), source })
    }

    fn now(&self) -> f64 {
        self.wall_time + self.began.elapsed().as_secs_f64()
    }
}
