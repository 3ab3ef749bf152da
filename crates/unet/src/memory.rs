//! Where each tensor and each gradient lives: slots planned once per shape, shared by what is never alive together.

use crate::program::{Layer, Program};
use std::ops::Range;

/// What the memory is for: training keeps every activation until its layer's backward pass and adds gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward only.
    Infer,
    /// Forward and backward.
    Train,
}

/// A part of a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    pub(crate) range: Range<usize>,
}

/// Places of values and gradients by tensor, and the slots themselves.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) values: Vec<Place>,
    pub(crate) grads: Vec<Place>,
    pub(crate) slots: Vec<Vec<f32>>,
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

impl Memory {
    /// `len(tensor)`: values of a tensor.
    pub(crate) fn new(program: &Program, purpose: Purpose, len: impl Fn(usize) -> usize) -> Self {
        let mut lives = values(program, purpose, &len);
        if purpose == Purpose::Train {
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
        memory.slots = slots.into_iter().map(|(len, _)| vec![0.0; len]).collect();
        memory
    }

    pub(crate) fn value(&self, tensor: usize) -> &[f32] {
        let place = &self.values[tensor];
        &self.slots[place.slot][place.range.clone()]
    }

    /// Bytes of all slots.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.iter().map(|s| s.len() * size_of::<f32>()).sum()
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
            let to = if purpose == Purpose::Train { back(n, from) } else { last };
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
