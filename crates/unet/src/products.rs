//! In which numbers a network that only looks forward multiplies.

use crate::net::{Net, State};
use crate::program::Layer;
use crate::spec::UnetError;
use kernels::Cell;

/// In which numbers the products of convolutions are made, where machine and shape allow it.
#[derive(Clone, Copy, Debug)]
pub enum Products<'a> {
    /// f32.
    Floats,
    /// 16-bit integers, for inputs about as wide as [`Net::calibrate`] found them.
    Integers(&'a [f32]),
    /// The same, but bytes in the 3x3x3 convolutions of the two lowest levels.
    Bytes(&'a [f32]),
    /// bf16 in all convolutions, tile by tile, where the machine multiplies tiles; f32 elsewhere.
    Tiles,
}

/// Levels whose products may be bytes. Their rounding costs the more the higher a level lies (docs/performance.md).
const LOWEST: usize = 2;

impl<T: Cell> Net<T> {
    /// Before weights are loaded.
    ///
    /// # Errors
    /// If the widths are those of another network.
    pub(crate) fn multiply_in(&mut self, products: Products<'_>) -> Result<(), UnetError> {
        let widest = match products {
            Products::Floats => return Ok(()),
            Products::Tiles => {
                self.multiply_in_tiles();
                return Ok(());
            }
            Products::Integers(widest) | Products::Bytes(widest) => widest,
        };
        let (cpu, tensors) = (self.cpu, &self.program.tensors);
        let n_levels = 1 + tensors.iter().map(|tensor| tensor.level).max().unwrap_or(0);
        let convs =
            self.program.layers.iter().zip(&mut self.states).filter_map(|(layer, state)| match (layer, state) {
                (Layer::Conv3 { to, .. }, State::Conv { conv, .. }) => Some((tensors[*to].level, conv)),
                _ => None,
            });
        let convs: Vec<_> = convs.collect();
        if convs.len() != widest.len() || widest.iter().any(|w| !w.is_finite()) {
            return Err(UnetError::Widest { found: widest.len(), expected: convs.len() });
        }
        for ((level, conv), &widest) in convs.into_iter().zip(widest) {
            // The highest level is no low one, however few there are.
            if matches!(products, Products::Bytes(_)) && level > 0 && level + LOWEST >= n_levels {
                let needed = conv.quantise_to_bytes(cpu);
                self.scratch.resize(self.scratch.len().max(needed), 0.0);
            } else {
                conv.quantise(cpu, widest);
            }
        }
        for state in &mut self.states {
            if let State::Conv { conv, .. } = state {
                conv.quantise_up(cpu);
            }
        }
        let mut readers = self.program.layers.iter().zip(&self.states).filter(|(layer, _)| layer.reads().contains(&0));
        self.reads_planar = readers.all(|(layer, state)| {
            matches!(state, State::Conv { conv, .. } if layer.reads() == [0] && conv.reads_images(cpu))
        });
        Ok(())
    }

    fn multiply_in_tiles(&mut self) {
        let (cpu, threads) = (self.cpu, rayon::current_num_threads());
        if !cpu.has_tiles() {
            return;
        }
        for state in &mut self.states {
            if let State::Conv { conv, .. } = state {
                let (scratch, sums) = conv.round_to_tiles(cpu, threads);
                self.scratch.resize(self.scratch.len().max(scratch), 0.0);
                self.exact_sums.resize(self.exact_sums.len().max(sums), 0.0);
            }
        }
    }
}
