//! What a training needs to go on as if it had never stopped.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use unet::ema::Ema;
use unet::optim::OptimState;
use volume::write_atomically;

use super::State;

/// Its name in the folder of a run.
const FILE: &str = "checkpoint.safetensors";

/// Why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error(
        "{}: the checkpoint cannot be read or written ({source}); see that there is room, and that you may, \
         then go on with --resume",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is damaged or of another network.
    #[error("{}: not a checkpoint of this run: {fault}; begin anew in another folder", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// A checkpoint that was read.
pub(super) struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Checkpoint {
    /// Writes the state into the folder of a run, whole or not at all.
    pub(super) fn write(run: &Path, state: &State) -> Result<(), CheckpointError> {
        let path = run.join(FILE);
        let optimiser = state.optimiser.state();
        let arrays = [
            ("weights", state.weights.as_slice()),
            ("average", state.ema.weights()),
            ("first", optimiser.first),
            ("second", optimiser.second),
        ];
        let bytes =
            arrays.map(|(name, values)| (name, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
        let views = bytes
            .iter()
            .filter_map(|(name, bytes)| Some((*name, TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).ok()?)));
        let metadata = HashMap::from([
            ("done".to_owned(), state.done.to_string()),
            ("optimiser_steps".to_owned(), optimiser.n_steps.to_string()),
            ("average_updates".to_owned(), state.ema.n_updates().to_string()),
            ("last".to_owned(), state.last.iter().map(|l| l.to_bits().to_string()).collect::<Vec<_>>().join(" ")),
        ]);
        let whole = safetensors::serialize(views, Some(metadata))
            .map_err(|e| CheckpointError::Broken { path: path.clone(), fault: e.to_string() })?;
        write_atomically(&path, |out| out.write_all(&whole)).map_err(|source| CheckpointError::Io { path, source })
    }

    /// Reads the checkpoint in the folder of a run.
    pub(super) fn read(run: &Path) -> Result<Self, CheckpointError> {
        let path = run.join(FILE);
        let bytes = std::fs::read(&path).map_err(|source| CheckpointError::Io { path: path.clone(), source })?;
        Ok(Self { path, bytes })
    }

    /// Puts it into a fresh state of the same recipe.
    pub(super) fn restore(self, state: &mut State) -> Result<(), CheckpointError> {
        let broken = |fault: String| CheckpointError::Broken { path: self.path.clone(), fault };
        let file = SafeTensors::deserialize(&self.bytes).map_err(|e| broken(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&self.bytes).map_err(|e| broken(e.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let number = |key: &str| {
            metadata.get(key).and_then(|n| n.parse::<u64>().ok()).ok_or_else(|| broken(format!("no number `{key}`")))
        };
        let array = |name: &str| -> Result<Vec<f32>, CheckpointError> {
            let view = file.tensor(name).map_err(|e| broken(e.to_string()))?;
            Ok(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
        };
        let (weights, average) = (array("weights")?, array("average")?);
        if weights.len() != state.weights.len() || average.len() != weights.len() {
            return Err(broken(format!("{} weights for a network of {}", weights.len(), state.weights.len())));
        }
        let (first, second) = (array("first")?, array("second")?);
        let optim = OptimState { n_steps: number("optimiser_steps")?, first: &first, second: &second };
        state.optimiser.restore(optim).map_err(|e| broken(e.to_string()))?;
        state.ema = Ema::restored(state.ema.decay(), number("average_updates")?, average);
        state.weights = weights;
        state.done = number("done")?;
        let last = metadata.get("last").map_or("", String::as_str);
        state.last = last.split_whitespace().filter_map(|l| l.parse().ok().map(f64::from_bits)).collect();
        Ok(())
    }
}
