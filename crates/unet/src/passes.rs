//! The order of a network's work, and what each piece of it touches in memory: what memory is planned by.

use crate::memory::Purpose;
use crate::program::{Layer, Program};

/// One piece of work, by the number of its layer or tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// A layer writes its tensor, or a head its logits.
    Forward(usize),
    /// A tensor whose memory served others is made again for the way back.
    Remake(usize),
    /// The gradient of what the readers of a convolution saw becomes that of its raw output; that of its norm or bias.
    Raw(usize),
    /// The gradient of a convolution's weights.
    Weights(usize),
    /// The gradient of what a layer read, and of a head's weights.
    Sources(usize),
}

/// What lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// A tensor as its layer wrote it.
    Value(usize),
    /// A tensor made again.
    Remade(usize),
    /// The gradient of a tensor.
    Grad(usize),
}

/// All passes of `program`, in order: those forward, and in training those back.
pub(crate) fn passes(program: &Program, purpose: Purpose) -> Vec<Pass> {
    let mut passes: Vec<Pass> = (0..program.layers.len()).map(Pass::Forward).collect();
    if purpose == Purpose::Infer {
        return passes;
    }
    for (index, layer) in program.layers.iter().enumerate().rev() {
        let own: &[Pass] = match layer {
            // The image has no gradient.
            Layer::Conv3 { from, .. } if from[0] == 0 => &[Pass::Raw(index), Pass::Weights(index)],
            Layer::Conv3 { .. } | Layer::UpTransposed { .. } => {
                &[Pass::Raw(index), Pass::Weights(index), Pass::Sources(index)]
            }
            Layer::Pool { .. } | Layer::UpNearest { .. } | Layer::Dropout { .. } | Layer::Head { .. } => {
                &[Pass::Sources(index)]
            }
        };
        for &pass in own {
            for tenant in touched(program, pass) {
                if let Tenant::Remade(tensor) = tenant {
                    remake(program, tensor, &mut passes);
                }
            }
            passes.push(pass);
        }
    }
    passes
}

/// Makes `tensor` again, and before it what it is made of, unless it was.
fn remake(program: &Program, tensor: usize, passes: &mut Vec<Pass>) {
    if passes.contains(&Pass::Remake(tensor)) {
        return;
    }
    for tenant in touched(program, Pass::Remake(tensor)) {
        if let Tenant::Remade(from) = tenant
            && from != tensor
        {
            remake(program, from, passes);
        }
    }
    passes.push(Pass::Remake(tensor));
}

/// Whether a tensor is made again for the way back instead of being kept. At full resolution it is where that costs little
/// beside the convolutions: the image, what is convolved from it (few channels), and what is brought up from the level below.
/// Of N32 at 96^3 these are 270 MiB and 50 ms of 1.8 s; those of all levels below would be 54 MiB more for 24 ms more.
fn is_remade(program: &Program, tensor: usize) -> bool {
    let is_cheap = match program.writer(tensor).map(|index| &program.layers[index]) {
        Some(Layer::Conv3 { from, .. }) => from[0] == 0,
        _ => true,
    };
    is_cheap && program.tensors[tensor].level == 0
}

/// A tensor as the way back finds it.
pub(crate) fn kept(program: &Program, tensor: usize) -> Tenant {
    if is_remade(program, tensor) { Tenant::Remade(tensor) } else { Tenant::Value(tensor) }
}

/// What a pass reads or writes.
pub(crate) fn touched(program: &Program, pass: Pass) -> Vec<Tenant> {
    let kept = |tensor: &usize| kept(program, *tensor);
    let grad = |tensor: &usize| Tenant::Grad(*tensor);
    match pass {
        Pass::Forward(index) => {
            let layer = &program.layers[index];
            layer.reads().iter().copied().chain(layer.writes()).map(Tenant::Value).collect()
        }
        Pass::Remake(tensor) => {
            let reads = program.writer(tensor).map_or(&[][..], |index| program.layers[index].reads());
            reads.iter().chain([&tensor]).map(kept).collect()
        }
        Pass::Raw(index) => {
            let layer = &program.layers[index];
            // Without a norm and an activation there is nothing to know of the values.
            let seen = layer.writes().filter(|_| matches!(layer, Layer::Conv3 { .. }));
            seen.iter().map(kept).chain(layer.writes().iter().map(grad)).collect()
        }
        Pass::Weights(index) => {
            let layer = &program.layers[index];
            layer.reads().iter().map(kept).chain(layer.writes().iter().map(grad)).collect()
        }
        Pass::Sources(index) => {
            let layer = &program.layers[index];
            let seen: &[usize] =
                if matches!(layer, Layer::Pool { .. } | Layer::Head { .. }) { layer.reads() } else { &[] };
            let grads = layer.reads().iter().chain(layer.writes().as_ref()).map(grad).collect::<Vec<_>>();
            seen.iter().map(kept).chain(grads).collect()
        }
    }
}
