//! Where each tensor and each gradient lives: slots planned once per shape, shared by what is never alive together.

use crate::program::{Layer, Program};
use kernels::Cell;
use std::ops::Range;

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// What the memory is for: training keeps every activation until its layer's backward pass and adds gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward only.
    Infer,
    /// Forward and backward.
    Train,
    /// The same with every convolution direct: what minimal filtering is held against.
    TrainDirectly,
}

/// A part of a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) range: Range<usize>,
}

/// Places of values and gradients by tensor, and the slots themselves.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    pub(crate) values: Vec<Place>,
    pub(crate) grads: Vec<Place>,
    pub(crate) slots: Vec<Vec<T>>,
}

/// One buffer: who it serves, its size, and the steps between which it is alive, both included.
struct Life {
    owner: Owner,
    len: usize,
    from: usize,
    to: usize,
}

enum Owner {
    Value(usize),
    /// Gradients of tensors that one layer reads together, one after another.
    Grads(Vec<usize>),
}

impl<T: Cell> Memory<T> {
    /// `len(tensor)`: values of a tensor.
    pub(crate) fn new(program: &Program, purpose: Purpose, len: impl Fn(usize) -> usize) -> Self {
        let mut lives = values(program, purpose, &len);
        if purpose != Purpose::Infer {
            lives.extend(gradients(program, &len));
        }
        lives.sort_by_key(|life| (life.from, std::cmp::Reverse(life.len)));
        let n = program.tensors.len();
        let mut memory =
            Self { values: vec![Place::default(); n], grads: vec![Place::default(); n], slots: Vec::new() };
        // Of each slot: its size, and the last step at which its tenant is alive.
        let mut slots: Vec<(usize, usize)> = Vec::new();
        for life in lives {
            let free = || (0..slots.len()).filter(|&s| slots[s].1 < life.from);
            let fits = free().filter(|&s| slots[s].0 >= life.len).min_by_key(|&s| slots[s].0);
            let slot = fits.or_else(|| free().max_by_key(|&s| slots[s].0)).unwrap_or_else(|| {
                slots.push((0, 0));
                slots.len() - 1
            });
            slots[slot] = (slots[slot].0.max(life.len), life.to);
            match life.owner {
                Owner::Value(t) => memory.values[t] = Place { slot, range: 0..life.len },
                Owner::Grads(tensors) => {
                    let mut start = 0;
                    for t in tensors {
                        memory.grads[t] = Place { slot, range: start..start + len(t) };
                        start += len(t);
                    }
                }
            }
        }
        memory.slots = slots.into_iter().map(|(len, _)| T::zeros(len + LINE / size_of::<T>())).collect();
        // Sixteen lanes that lie across two lines of the cache cost as much as thirty-two.
        for place in memory.values.iter_mut().chain(&mut memory.grads) {
            let skip = memory.slots[place.slot].as_ptr().align_offset(LINE);
            place.range = place.range.start + skip..place.range.end + skip;
        }
        memory
    }

    pub(crate) fn value(&self, tensor: usize) -> &[T] {
        let place = &self.values[tensor];
        &self.slots[place.slot][place.range.clone()]
    }

    /// Bytes of all slots.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.iter().map(|s| s.len() * size_of::<T>()).sum()
    }
}

/// The step at which layer `f` of `n` goes backward.
fn back(n: usize, f: usize) -> usize {
    2 * n - 1 - f
}

fn writer(layers: &[Layer], tensor: usize) -> usize {
    layers.iter().position(|l| l.writes() == Some(tensor)).unwrap_or(0)
}

fn values(program: &Program, purpose: Purpose, len: impl Fn(usize) -> usize) -> Vec<Life> {
    let n = program.layers.len();
    (0..program.tensors.len())
        .map(|t| {
            let from = writer(&program.layers, t);
            let last = program.layers.iter().rposition(|l| l.reads().contains(&t)).unwrap_or(from);
            let to = if purpose == Purpose::Infer { last } else { back(n, from) };
            Life { owner: Owner::Value(t), len: len(t), from, to }
        })
        .collect()
}

/// The image has no gradient. Of the layers that read a tensor only a concatenating one groups it.
fn gradients(program: &Program, len: impl Fn(usize) -> usize) -> Vec<Life> {
    let n = program.layers.len();
    let layers = &program.layers;
    let mut groups: Vec<Vec<usize>> =
        layers.iter().filter(|l| l.reads().len() > 1).map(|l| l.reads().to_vec()).collect();
    for t in 1..program.tensors.len() {
        if !groups.iter().any(|g| g.contains(&t)) {
            groups.push(vec![t]);
        }
    }
    groups
        .into_iter()
        .map(|group| {
            let first = group.iter().filter_map(|t| layers.iter().rposition(|l| l.reads().contains(t))).max();
            let last = group.iter().map(|&t| writer(layers, t)).min().unwrap_or(0);
            Life {
                len: group.iter().map(|&t| len(t)).sum(),
                from: back(n, first.unwrap_or(n - 1)),
                to: back(n, last),
                owner: Owner::Grads(group),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Down, NetSpec, Norm, Up};

    /// A tensor's values, or their gradient.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Tenant {
        Value(usize),
        Grad(usize),
    }

    /// Who wrote each cell of each slot last: what a network that goes through the plan would find there.
    struct Walk<'a> {
        memory: &'a Memory<f32>,
        cells: Vec<Vec<Option<Tenant>>>,
    }

    impl Walk<'_> {
        fn place(&self, of: Tenant) -> &Place {
            match of {
                Tenant::Value(t) => &self.memory.values[t],
                Tenant::Grad(t) => &self.memory.grads[t],
            }
        }

        fn write(&mut self, of: Tenant) {
            let Place { slot, range } = self.place(of).clone();
            self.cells[slot][range].fill(Some(of));
        }

        fn read(&self, of: Tenant) {
            let Place { slot, range } = self.place(of).clone();
            let lost = self.cells[slot][range].iter().find(|cell| **cell != Some(of));
            assert!(lost.is_none(), "{of:?} is read where {lost:?} lies");
        }

        fn forward(&mut self, layer: &Layer) {
            if let Some(to) = layer.writes() {
                self.write(Tenant::Value(to));
            }
            // The sources are read until the result is whole.
            layer.reads().iter().for_each(|&t| self.read(Tenant::Value(t)));
        }

        /// `first`: no layer that went back before reads these tensors, so their gradients are replaced, not added to.
        fn backward(&mut self, layer: &Layer, first: impl Fn(usize) -> bool) {
            for &t in layer.reads().iter().filter(|t| **t > 0) {
                if first(t) {
                    self.write(Tenant::Grad(t));
                }
                self.read(Tenant::Grad(t));
            }
            let values = matches!(layer, Layer::Conv3 { .. } | Layer::UpTransposed { .. });
            if let Some(to) = layer.writes() {
                self.read(Tenant::Grad(to));
                if values {
                    self.read(Tenant::Value(to));
                }
            }
            layer.reads().iter().for_each(|&t| self.read(Tenant::Value(t)));
        }
    }

    /// Values of a tensor, in blocks of the coarsest level's voxels.
    fn len(program: &Program, t: usize) -> usize {
        let coarsest = program.tensors.iter().map(|t| t.level).max().unwrap_or(0);
        program.tensors[t].channels.div_ceil(16) << (3 * (coarsest - program.tensors[t].level))
    }

    fn check(spec: &NetSpec, purpose: Purpose) {
        let program = Program::new(spec);
        let memory = Memory::<f32>::new(&program, purpose, |t| len(&program, t));
        let cells = memory.slots.iter().map(|s| vec![None; s.len()]).collect();
        let mut walk = Walk { memory: &memory, cells };
        for _ in 0..2 {
            walk.write(Tenant::Value(0));
            program.layers.iter().for_each(|layer| walk.forward(layer));
            if purpose == Purpose::Infer {
                continue;
            }
            for (index, layer) in program.layers.iter().enumerate().rev() {
                let last = |t| program.layers.iter().rposition(|l| l.reads().contains(&t));
                walk.backward(layer, |t| last(t) == Some(index));
                for pair in layer.reads().windows(2) {
                    let [a, b] = [&memory.grads[pair[0]], &memory.grads[pair[1]]];
                    assert_eq!((a.slot, a.range.end), (b.slot, b.range.start), "gradients of one reader lie together");
                }
            }
        }
    }

    fn every_spec(mut f: impl FnMut(&NetSpec)) {
        for levels in 1..=5 {
            for deep_supervision in 0..=levels.max(2) - 2 {
                for (down, up) in [(Down::MaxPool, Up::Transposed), (Down::Strided, Up::Nearest)] {
                    for (norm, dropout) in [(Norm::None, 0.5), (Norm::Instance, 0.0)] {
                        let widths = (0..levels).map(|l| 7 << l).collect();
                        let negative_slope = 0.01;
                        f(&NetSpec {
                            inputs: 4,
                            outputs: 3,
                            widths,
                            norm,
                            negative_slope,
                            down,
                            up,
                            dropout,
                            deep_supervision,
                        });
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_overwritten_while_it_is_needed() {
        every_spec(|spec| {
            check(spec, Purpose::Infer);
            check(spec, Purpose::Train);
        });
    }

    #[test]
    fn slots_hold_little_more_than_what_is_alive_at_once() {
        let program = Program::new(&NetSpec::n32());
        let n = |t: usize| len(&program, t);
        let all: usize = (0..program.tensors.len()).map(n).sum();
        for (purpose, lives, most) in [
            (Purpose::Infer, values(&program, Purpose::Infer, n), 1.25),
            (
                Purpose::Train,
                values(&program, Purpose::Train, n).into_iter().chain(gradients(&program, n)).collect(),
                1.25,
            ),
        ] {
            let alive =
                |step: usize| lives.iter().filter(|l| l.from <= step && step <= l.to).map(|l| l.len).sum::<usize>();
            let peak = (0..2 * program.layers.len()).map(alive).max().unwrap_or(0);
            let slots: usize = Memory::<f32>::new(&program, purpose, n).slots.iter().map(Vec::len).sum();
            eprintln!("{purpose:?}: {slots} in slots, {peak} alive at once, {all} values");
            assert!(slots as f64 <= most * peak as f64, "{purpose:?}: {slots} in slots for {peak}");
        }
    }
}
