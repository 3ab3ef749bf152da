//! Where each tensor and each gradient lies: one arena, planned once per shape, shared by what is never alive together.

use crate::passes::{Pass, Tenant, touched};
use crate::program::{Layer, Program};
use kernels::Cell;
use std::cmp::Reverse;
use std::ops::Range;

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// What the memory is for: training goes back from the losses and adds gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward only.
    Infer,
    /// Forward and backward.
    Train,
    /// The same with every convolution direct: what minimal filtering is held against.
    TrainDirectly,
    /// Forward and backward with products of bf16, tile by tile, in transposed convolutions and 3x3x3 ones of stride 1; all sums
    /// and the rest in f32. Where the machine multiplies no tiles ([`kernels::Cpu::has_tiles`]) it is as [`Purpose::Train`].
    TrainInTiles,
}

/// Places of values and gradients by tensor, and the arena they are in.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    /// On the way forward.
    pub(crate) values: Vec<Range<usize>>,
    /// Where the way back finds values.
    pub(crate) kept: Vec<Range<usize>>,
    pub(crate) grads: Vec<Range<usize>>,
    pub(crate) arena: Vec<T>,
}

/// A tenant, its size, and the passes between which it is alive, both included.
#[derive(Clone, Copy, Debug)]
struct Life {
    tenant: Tenant,
    len: usize,
    from: usize,
    to: usize,
}

impl<T: Cell> Memory<T> {
    /// For `passes` of `program`; `len(tensor)`: values of a tensor.
    pub(crate) fn new(program: &Program, passes: &[Pass], len: impl Fn(usize) -> usize) -> Self {
        // Sixteen lanes that lie across two lines of the cache cost as much as thirty-two.
        let line = LINE / size_of::<T>();
        let placed = place(stacks(program, &lives(program, passes, |t| len(t).next_multiple_of(line))));
        let end = placed.iter().map(|(life, start)| start + life.len).max().unwrap_or(0);
        let arena = T::zeros(end + line);
        let skip = arena.as_ptr().align_offset(LINE);
        let none = vec![0..0; program.tensors.len()];
        let mut memory = Self { values: none.clone(), kept: none.clone(), grads: none, arena };
        for (life, start) in placed {
            let range = |t: usize| start + skip..start + skip + len(t);
            match life.tenant {
                Tenant::Value(t) => memory.values[t] = range(t),
                Tenant::Remade(t) => memory.kept[t] = range(t),
                Tenant::Grad(t) => memory.grads[t] = range(t),
            }
        }
        for (kept, value) in memory.kept.iter_mut().zip(&memory.values) {
            if *kept == (0..0) {
                *kept = value.clone();
            }
        }
        memory
    }

    /// Bytes of the arena.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.len() * size_of::<T>()
    }
}

/// Parts of the arena that are used together.
pub(crate) fn parts<T, const N: usize>(arena: &mut [T], ranges: [Range<usize>; N]) -> [&mut [T]; N] {
    let Ok(parts) = arena.get_disjoint_mut(ranges) else { panic!("memory: what is used together overlaps") };
    parts
}

/// From the first pass that touches a tenant to the last.
fn lives(program: &Program, passes: &[Pass], len: impl Fn(usize) -> usize) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for (at, &pass) in passes.iter().enumerate() {
        for tenant in touched(program, pass) {
            if let Some(life) = lives.iter_mut().find(|life| life.tenant == tenant) {
                life.to = at;
                continue;
            }
            let (Tenant::Value(tensor) | Tenant::Remade(tensor) | Tenant::Grad(tensor)) = tenant;
            lives.push(Life { tenant, len: len(tensor), from: at, to: at });
        }
    }
    lives
}

/// What has to lie one after another: gradients of tensors that one layer reads together. All else is alone.
fn stacks(program: &Program, lives: &[Life]) -> Vec<Vec<Life>> {
    let together = program.layers.iter().map(Layer::reads).filter(|reads| reads.len() > 1);
    let of = |tensor: &usize| lives.iter().find(|life| life.tenant == Tenant::Grad(*tensor)).copied();
    let mut stacks: Vec<Vec<Life>> = together.map(|reads| reads.iter().filter_map(of).collect()).collect();
    stacks.retain(|stack| !stack.is_empty());
    for &life in lives {
        if !stacks.iter().flatten().any(|other| other.tenant == life.tenant) {
            stacks.push(vec![life]);
        }
    }
    stacks
}

/// Starts of all parts: the largest stack first, of equal ones the one that ends last, each as low as it can lie. On every
/// network that was tried the arena is then no larger than what is alive at once; in other orders it is up to 1.3 of that.
fn place(mut stacks: Vec<Vec<Life>>) -> Vec<(Life, usize)> {
    stacks.sort_by_key(|stack| {
        let len: usize = stack.iter().map(|life| life.len).sum();
        Reverse((len, stack.iter().map(|life| life.to).max()))
    });
    let mut placed = Vec::new();
    for stack in stacks {
        let mut start = 0;
        while let Some(past) = past_a_clash(&stack, start, &placed) {
            start = past;
        }
        for life in stack {
            placed.push((life, start));
            start += life.len;
        }
    }
    placed
}

/// Where a stack at `start` would meet something that is alive with it, the lowest start past that.
fn past_a_clash(stack: &[Life], start: usize, placed: &[(Life, usize)]) -> Option<usize> {
    let mut at = start;
    for life in stack {
        for (other, there) in placed {
            let together = life.from <= other.to && other.from <= life.to;
            if together && at < there + other.len && *there < at + life.len {
                return Some(there + other.len - (at - start));
            }
        }
        at += life.len;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::passes;
    use crate::spec::{Down, NetSpec, Norm, Up};
    use kernels::{LANES, blocks};

    /// Who wrote each cell of the arena last: what a network that goes through the plan would find there.
    struct Walk<'a> {
        program: &'a Program,
        memory: &'a Memory<f32>,
        cells: Vec<Option<Tenant>>,
        /// Layers that have added to the gradient of a tensor.
        added: Vec<usize>,
    }

    impl Walk<'_> {
        fn write(&mut self, of: Tenant, range: &Range<usize>) {
            self.cells[range.clone()].fill(Some(of));
        }

        fn read(&self, of: Tenant, range: &Range<usize>) {
            let lost = self.cells[range.clone()].iter().find(|cell| **cell != Some(of));
            assert!(lost.is_none(), "{of:?} is read where {lost:?} lies");
        }

        /// A value on the way back.
        fn read_kept(&self, t: usize) {
            self.read(Tenant::Value(t), &self.memory.kept[t]);
        }

        /// A gradient to which all readers of its tensor have added.
        fn read_whole(&self, t: usize) {
            let readers = self.program.layers.iter().filter(|l| l.reads().contains(&t)).count();
            assert_eq!(self.added[t], readers, "gradients added for tensor {t}");
            self.read(Tenant::Grad(t), &self.memory.grads[t]);
        }

        fn go(&mut self, pass: Pass) {
            let (program, memory) = (self.program, self.memory);
            // Sources are read until the result is whole.
            match pass {
                Pass::Forward(index) => {
                    let layer = &program.layers[index];
                    layer.writes().iter().for_each(|&to| self.write(Tenant::Value(to), &memory.values[to]));
                    layer.reads().iter().for_each(|&t| self.read(Tenant::Value(t), &memory.values[t]));
                }
                Pass::Remake(to) => {
                    self.write(Tenant::Value(to), &memory.kept[to]);
                    let reads = program.writer(to).map_or(&[][..], |index| program.layers[index].reads());
                    for &t in reads {
                        self.read_kept(t);
                    }
                }
                Pass::Raw(index) => {
                    let to = program.layers[index].writes().unwrap();
                    self.read_whole(to);
                    let spec = program.tensors[to];
                    if spec.norm.is_some() || spec.slope < 1.0 {
                        self.read_kept(to);
                    }
                }
                Pass::Weights(index) => {
                    let layer = &program.layers[index];
                    self.read_whole(layer.writes().unwrap());
                    layer.reads().iter().for_each(|&t| self.read_kept(t));
                }
                Pass::Sources(index) => self.sources(&program.layers[index]),
            }
        }

        fn sources(&mut self, layer: &Layer) {
            for &t in layer.reads() {
                let range = &self.memory.grads[t];
                // The first is not added to what is there, but put over it.
                if self.added[t] == 0 {
                    self.write(Tenant::Grad(t), range);
                }
                self.read(Tenant::Grad(t), range);
                self.added[t] += 1;
                if matches!(layer, Layer::Pool { .. } | Layer::Head { .. }) {
                    self.read_kept(t);
                }
            }
            layer.writes().iter().for_each(|&to| self.read_whole(to));
        }
    }

    /// Values of a tensor, in blocks of the coarsest level's voxels.
    fn len(program: &Program, t: usize) -> usize {
        let coarsest = program.tensors.iter().map(|t| t.level).max().unwrap_or(0);
        (LANES * blocks(program.tensors[t].channels)) << (3 * (coarsest - program.tensors[t].level))
    }

    fn check(spec: &NetSpec, purpose: Purpose) {
        let program = Program::new(spec);
        let passes = passes(&program, purpose);
        let memory = Memory::<f32>::new(&program, &passes, |t| len(&program, t));
        let cells = vec![None; memory.arena.len()];
        let mut walk = Walk { program: &program, memory: &memory, cells, added: Vec::new() };
        for _ in 0..2 {
            walk.added = vec![0; program.tensors.len()];
            walk.write(Tenant::Value(0), &memory.values[0]);
            for &pass in &passes {
                walk.go(pass);
            }
        }
        if purpose == Purpose::Infer {
            return;
        }
        for (index, layer) in program.layers.iter().enumerate() {
            for pair in layer.reads().windows(2) {
                let [a, b] = [&memory.grads[pair[0]], &memory.grads[pair[1]]];
                assert_eq!(a.end, b.start, "gradients of one reader lie together");
            }
            let weights = matches!(layer, Layer::Conv3 { .. } | Layer::UpTransposed { .. });
            let times = |pass: Pass| passes.iter().filter(|p| **p == pass).count();
            for pass in [Pass::Raw(index), Pass::Weights(index)] {
                assert_eq!(times(pass), usize::from(weights), "{pass:?}");
            }
        }
    }

    /// Values of the arena, and how many are alive at once.
    fn sizes(program: &Program, purpose: Purpose, n: impl Fn(usize) -> usize) -> [usize; 2] {
        let passes = passes(program, purpose);
        let lives = lives(program, &passes, &n);
        let alive = |at: usize| lives.iter().filter(|l| l.from <= at && at <= l.to).map(|l| l.len).sum::<usize>();
        let arena = Memory::<f32>::new(program, &passes, n).arena.len() - LINE / size_of::<f32>();
        [arena, (0..passes.len()).map(alive).max().unwrap()]
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
    fn the_arena_is_what_is_alive_at_once() {
        let check = |spec: &NetSpec, most: f64| {
            let program = Program::new(spec);
            for purpose in [Purpose::Infer, Purpose::Train] {
                let [arena, alive] = sizes(&program, purpose, |t| len(&program, t));
                assert!(arena as f64 <= most * alive as f64, "{purpose:?}, {arena} for {alive} alive: {spec:?}");
            }
        };
        check(&NetSpec::n32(), 1.0);
        every_spec(|spec| check(spec, 1.05));
    }

    /// At full resolution the step holds four tensors of 108 MiB at once, where all values and their gradients would be ten
    /// and the image; a level below a quarter.
    #[test]
    fn a_step_of_the_reference_net_takes_660_million_bytes() {
        let program = Program::new(&NetSpec::n32());
        let voxels = |level: usize| (96_usize >> level).pow(3);
        let len = |t: usize| voxels(program.tensors[t].level) * blocks(program.tensors[t].channels) * LANES;
        let [arena, _] = sizes(&program, Purpose::Train, len);
        assert!(arena * size_of::<f32>() < 660_000_000, "{} bytes", arena * size_of::<f32>());
    }
}
