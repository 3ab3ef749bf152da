//! How a convolution in tiles is worked through: by its shape alone, so that sums have one order whatever the threads.

use crate::gather::{Gather, Shape};
use crate::isa::tiles::{PAIR, Step};
use crate::layout::{LANES, blocks};
use crate::moments::{Moments, join};

/// Bytes of a laid strip: it stays in the second-level cache beside the weights of two blocks of outputs.
const CACHE: usize = 1 << 20;
/// Rows of outputs in a strip, at most.
const ROWS: usize = 16;
/// Planes of outputs that are computed together, at most: as many times fewer are weights brought in. An even number.
const PLANES: usize = 8;
/// Tasks, at least, if there is enough to do: threads end together.
const TASKS: usize = 16;
/// Planes of outputs of a task, at least: each lays two planes of its neighbours too.
const LEAST: usize = 8;
/// Places past the end of a laid block that tiles read and nobody asks for.
const SLACK: usize = 80;

/// Voxels that are asked for ahead of those that are laid.
pub(super) const AHEAD: usize = 32;

/// Spots that are worked through together: the weights of a pair of blocks and a plane of taps, 18 KiB, are used as often
/// while they are in the first-level cache. Without that they come from the second again and again, and where another
/// program shares it a third of the speed is left.
pub(super) const SPOTS: usize = 8;
/// Sums of two tiles of places and two blocks of outputs, or four of one.
pub(super) const SUMS: usize = 4 * LANES * LANES;
/// Tiles of weights that stay in the first-level cache from spot to spot, beside what they are multiplied with: of few channels.
pub(super) const NEAR: usize = 12;

/// What a place holds, 32 values: a row of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// Two blocks of channels of a voxel.
    Pair,
    /// A block of channels of two neighbours along x.
    Block,
    /// Of two neighbours along x and the next two, in their row and the next one: [`FEW`] channels.
    Few,
}

/// Channels of which a row of a tile holds several neighbours in both directions.
pub(super) const FEW: usize = 4;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) src: Shape,
    pub(super) out: Shape,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) out_blocks: usize,
    /// From one output to the next, in inputs.
    pub(super) stride: usize,
    pub(super) row: Row,
    /// Whether planes of outputs are made two at a time, by minimal filtering along z: F(2, 3).
    pub(super) is_filtered: bool,
    /// Pairs of blocks of input channels.
    pub(super) groups: usize,
    /// Rows of outputs in a strip.
    pub(super) rows: usize,
    /// Planes of outputs that are computed together.
    pub(super) planes: usize,
    /// Planes of outputs in a task; a multiple of the above, but for the last.
    depth: usize,
    /// Pairs of blocks of outputs in a task.
    pairs: usize,
    /// Of one plane of taps and one pair of blocks.
    pub(super) plane: Vec<Step>,
}

/// What a task computes: `from..to` in planes and blocks of outputs, and rows from `row` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) task: usize,
    pub(super) z: (usize, usize),
    pub(super) row: usize,
    pub(super) n_rows: usize,
    pub(super) blocks: (usize, usize),
}

impl Plan {
    pub(super) fn new(gather: &Gather, (inputs, outputs): (usize, usize)) -> Self {
        let first = gather.taps.first().map(|tap| tap.at);
        let is_conv3 = gather.taps.len() == 27 && gather.place == 1 && first == Some([-1; 3]);
        assert!(is_conv3, "tiles: not a 3x3x3 convolution");
        let row = if inputs <= FEW {
            Row::Few
        } else if inputs <= LANES {
            Row::Block
        } else {
            Row::Pair
        };
        let mut plan = Self {
            src: gather.src,
            out: gather.dst,
            inputs,
            outputs,
            out_blocks: blocks(outputs),
            stride: gather.step,
            row,
            is_filtered: gather.step == 1 && gather.dst[0] > 1 && row != Row::Few,
            groups: blocks(inputs).div_ceil(2),
            rows: 1,
            planes: 1,
            depth: 1,
            pairs: blocks(outputs).div_ceil(2),
            plane: Vec::new(),
        };
        let [depth, height, _] = plan.out;
        plan.planes = plan.at_once();
        let fits = |plan: &Self| 2 * plan.laid_len() <= CACHE;
        let with_rows = |rows| Self { rows, ..plan.clone() };
        let rows = (1..=height.min(ROWS)).rev().find(|rows| fits(&with_rows(*rows))).unwrap_or(1);
        // Strips about equal.
        plan.rows = height.div_ceil(height.div_ceil(rows));
        let with_planes = |planes| Self { planes, ..plan.clone() };
        let most = depth.next_multiple_of(plan.at_once()).min(PLANES);
        let mut planes = (1..=most / plan.at_once()).rev().map(|n| n * plan.at_once());
        plan.planes = planes.find(|planes| fits(&with_planes(*planes))).unwrap_or(plan.at_once());
        let chunks = TASKS.div_ceil(plan.strips()).min(depth.div_ceil(LEAST)).max(1);
        plan.depth = depth.div_ceil(chunks).next_multiple_of(plan.planes);
        let spatial = plan.strips() * plan.chunks();
        plan.pairs = plan.pairs.div_ceil(TASKS.div_ceil(spatial).min(plan.pairs.div_ceil(2)).max(1));
        plan.plane = plan.plane();
        plan
    }

    /// Voxels along x from a place to the next.
    fn voxels_of_place(&self) -> usize {
        if self.row == Row::Pair { 1 } else { 2 }
    }

    /// Places of a laid row.
    pub(super) fn width(&self) -> usize {
        (self.src[2] + 2).div_ceil(self.voxels_of_place())
    }

    /// Neighbours along x that are made of the same places, by weights of their own.
    pub(super) fn twins(&self) -> usize {
        self.voxels_of_place().div_ceil(self.stride)
    }

    /// From a row of a tile to the next, in places.
    pub(super) fn pitch(&self) -> usize {
        self.stride.div_ceil(self.voxels_of_place())
    }

    /// Whether the places of all rows are one line, those between two rows computed too and left out: where that takes fewer tiles.
    pub(super) fn is_line(&self) -> bool {
        let line = (self.rows - 1) * self.width() + self.places();
        self.stride == 1 && line.div_ceil(LANES) < self.rows * self.places().div_ceil(LANES)
    }

    /// Rows of tiles that a row of outputs takes.
    pub(super) fn places(&self) -> usize {
        self.out[2].div_ceil(self.twins())
    }

    /// Laid rows of a strip.
    pub(super) fn laid_rows(&self) -> usize {
        self.stride * (self.rows - 1) + 3
    }

    /// Values of a laid pair of blocks of a plane.
    pub(super) fn group_len(&self) -> usize {
        (self.laid_rows() * self.width() + SLACK) * PAIR
    }

    /// Values of a laid plane.
    pub(super) fn plane_len(&self) -> usize {
        self.groups * self.group_len()
    }

    /// Planes of outputs that one set of products makes.
    pub(super) fn at_once(&self) -> usize {
        if self.is_filtered { 2 } else { 1 }
    }

    /// Planes of weights: of taps, or of what filtering makes of them.
    pub(super) fn weight_planes(&self) -> usize {
        if self.is_filtered { 4 } else { 3 }
    }

    /// Sums of an output that are kept apart until they are whole.
    pub(super) fn parts(&self) -> usize {
        if self.is_filtered { 4 } else { 1 }
    }

    /// Planes that are laid at a time.
    pub(super) fn slots(&self) -> usize {
        if self.is_filtered { 2 * self.planes } else { self.stride * (self.planes - 1) + 3 }
    }

    /// The laid plane that plane `plane` of weights meets for the outputs of plane `z`.
    pub(super) fn slot(&self, z: usize, plane: usize) -> usize {
        if self.is_filtered { (2 * z + plane) % self.slots() } else { (self.stride * z + plane) % self.slots() }
    }

    /// Values that are laid at a time.
    pub(super) fn laid_len(&self) -> usize {
        self.slots() * self.plane_len()
    }

    /// Values of a row of few channels.
    pub(super) fn row_len(&self) -> usize {
        2 * (self.width() + 1) * FEW
    }

    /// Scratch of one thread, in f32: what is laid, sums, a row, the runs of air, and room to begin on a line of the cache.
    pub(super) fn scratch_len(&self) -> usize {
        self.laid_floats() + self.spots_len() + self.row_len() / 2 + self.runs_len().div_ceil(4) + LANES
    }

    /// Values of the sums of [`SPOTS`].
    pub(super) fn spots_len(&self) -> usize {
        SPOTS * self.parts() * SUMS
    }

    /// Places that are laid at a time, of all pairs of blocks together.
    pub(super) fn runs_len(&self) -> usize {
        self.slots() / self.parts() * self.laid_rows() * self.width()
    }

    /// Places along a laid row that so many tiles of outputs see.
    pub(super) fn seen_by(&self, tiles: usize) -> u8 {
        let last = match self.row {
            Row::Pair => 3,
            Row::Block => 2,
            Row::Few => 1,
        };
        (self.pitch() * (LANES * tiles - 1) + last) as u8
    }

    /// The part of the scratch that is laid.
    pub(super) fn laid_floats(&self) -> usize {
        (self.laid_len() / 2).next_multiple_of(LANES)
    }

    fn strips(&self) -> usize {
        self.out[1].div_ceil(self.rows)
    }

    fn chunks(&self) -> usize {
        self.out[0].div_ceil(self.depth)
    }

    fn spread(&self) -> usize {
        self.out_blocks.div_ceil(2).div_ceil(self.pairs)
    }

    pub(super) fn tasks(&self) -> usize {
        self.strips() * self.chunks() * self.spread()
    }

    /// Tasks of one place have numbers one after another: what they read is in a cache that they share.
    pub(super) fn work(&self, task: usize) -> Work {
        let (at, part) = (task / self.spread(), task % self.spread());
        let (chunk, row) = (at / self.strips(), at % self.strips() * self.rows);
        let (z, block) = (chunk * self.depth, 2 * part * self.pairs);
        Work {
            task,
            z: (z, (z + self.depth).min(self.out[0])),
            row,
            n_rows: self.rows.min(self.out[1] - row),
            blocks: (block, (block + 2 * self.pairs).min(self.out_blocks)),
        }
    }

    /// Tiles of weights of one block of outputs, for each of its twins.
    pub(super) fn steps(&self) -> usize {
        self.weight_planes() * self.groups * self.steps_of_plane()
    }

    /// Planes of pairs of blocks whose products go into one sum after another.
    pub(super) fn run(&self) -> usize {
        self.weight_planes() / self.parts() * self.groups
    }

    /// Whether the weights of a run and of so many blocks of outputs stay near.
    pub(super) fn is_near(&self, blocks: usize) -> bool {
        blocks * self.run() * self.steps_of_plane() <= NEAR
    }

    fn steps_of_plane(&self) -> usize {
        match self.row {
            Row::Pair => 9,
            Row::Block => 6,
            Row::Few => 2,
        }
    }

    /// The row and place along x that a step of a plane of taps begins at.
    fn begin(&self, step: usize) -> (usize, usize) {
        match self.row {
            Row::Pair => (step / 3, step % 3),
            Row::Block => (step / 2, step % 2),
            Row::Few => (step, 0),
        }
    }

    fn plane(&self) -> Vec<Step> {
        let step = |step| {
            let (y, x) = self.begin(step);
            Step { values: (y * self.width() + x) * PAIR, weights: step * LANES }
        };
        (0..self.steps_of_plane()).map(step).collect()
    }

    /// The row of weights of pair `pair` of input channels and tap `tap` of nine, in plane `plane` of weights, for output `twin` of
    /// those that are made of the same places.
    pub(super) fn weight_row(&self, (plane, tap, twin): (usize, usize, usize), pair: usize) -> usize {
        let (y, x) = (tap / 3, tap % 3 + twin);
        let (step, row) = match self.row {
            Row::Pair => (tap, pair % LANES),
            Row::Block => (y * 2 + x / 2, x % 2 * LANES / 2 + pair),
            // Two rows and the next two, of which the last counts.
            Row::Few => (y / 2, y.min(1) * LANES / 2 + x * FEW / 2 + pair),
        };
        ((plane * self.groups + pair / LANES) * self.steps_of_plane() + step) * LANES + row
    }

    /// Room for blocks of outputs in the sums of a task.
    pub(super) fn blocks_of_task(&self) -> usize {
        2 * self.pairs
    }

    /// Sums of all tasks, `[task][block of outputs of a task]`, three of sixteen lanes each.
    pub(super) fn sums_len(&self) -> usize {
        self.tasks() * self.blocks_of_task() * 3 * LANES
    }

    /// Joins the sums of all tasks, in order.
    pub(super) fn finish(&self, moments: &mut Moments<'_>) {
        let sums = moments.sums[..self.sums_len()].as_chunks::<LANES>().0.as_chunks::<3>().0;
        let outputs = |work: &Work| (work.z.1 - work.z.0) * work.n_rows * self.out[2];
        for part in 0..self.spread() {
            let tasks = || (0..self.strips() * self.chunks()).map(|at| self.work(at * self.spread() + part));
            let (from, to) = self.work(part).blocks;
            for block in from..to {
                let of_block = tasks().map(|work| {
                    let sums = &sums[work.task * self.blocks_of_task() + block - from];
                    (outputs(&work) as f64, sums)
                });
                let [mean, variance] = join(of_block);
                moments.mean[block * LANES..][..LANES].copy_from_slice(&mean);
                moments.variance[block * LANES..][..LANES].copy_from_slice(&variance);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::voxels;

    /// Small maps of all kinds, large ones, and as many channels as networks have.
    fn plans() -> Vec<(String, Plan)> {
        let shapes = [
            [1, 1, 1],
            [2, 3, 33],
            [1, 5, 16],
            [5, 4, 2],
            [3, 35, 6],
            [17, 20, 3],
            [40, 3, 3],
            [7, 1, 200],
            [9, 300, 5],
            [4, 4, 4],
            [1, 1, 3000],
            [128, 128, 128],
            [155, 240, 240],
        ];
        let channels = [(1, 1), (3, 17), (4, 16), (5, 33), (16, 48), (17, 1), (70, 130), (130, 16), (640, 320)];
        let mut plans = Vec::new();
        for shape in shapes {
            for channels in channels {
                for stride in [1, 2] {
                    let name = format!("{shape:?}, stride {stride}, {channels:?}");
                    plans.push((name, Plan::new(&Gather::conv3(shape, stride), channels)));
                }
            }
        }
        plans
    }

    fn works(plan: &Plan) -> impl Iterator<Item = Work> {
        (0..plan.tasks()).map(|task| plan.work(task))
    }

    #[test]
    fn every_output_is_of_one_task() {
        for (name, plan) in plans() {
            let [depth, height, _] = plan.out;
            let mut times = vec![0_u8; plan.out_blocks * depth * height];
            for work in works(&plan) {
                assert!(work.blocks.1 - work.blocks.0 <= plan.blocks_of_task(), "{name}: {work:?}");
                for block in work.blocks.0..work.blocks.1 {
                    for z in work.z.0..work.z.1 {
                        let row = (block * depth + z) * height + work.row;
                        times[row..row + work.n_rows].iter_mut().for_each(|n| *n += 1);
                    }
                }
            }
            assert!(times.iter().all(|&n| n == 1), "{name}");
        }
    }

    /// The channel and the voxel, along y and x from the first of its place on, of a value of a row of a tile in a step of a plane.
    fn laid(plan: &Plan, step: usize, value: usize) -> (usize, [usize; 2]) {
        let (y, x) = plan.begin(step);
        match plan.row {
            Row::Pair => (value, [y, x]),
            Row::Block => (value % LANES, [y, 2 * x + value / LANES]),
            Row::Few => (value % FEW, [y + value / LANES, value % LANES / FEW]),
        }
    }

    #[test]
    fn every_weight_meets_its_own_values_and_no_other() {
        for (name, plan) in plans().into_iter().filter(|(_, plan)| voxels(plan.src) <= 64) {
            assert_eq!(plan.steps(), plan.weight_planes() * plan.groups * plan.plane.len(), "{name}");
            let mut times = vec![0_u8; plan.twins() * plan.steps() * LANES];
            let whats = (0..plan.twins()).flat_map(|twin| (0..plan.weight_planes()).map(move |plane| (plane, twin)));
            for (plane, twin) in whats {
                for (pair, tap) in (0..plan.inputs.div_ceil(2)).flat_map(|pair| (0..9).map(move |tap| (pair, tap))) {
                    let row = plan.weight_row((plane, tap, twin), pair);
                    times[twin * plan.steps() * LANES + row] += 1;
                    let (step, row) = (row / LANES, row % LANES);
                    let (of_plane, step) = (step / plan.plane.len(), step % plan.plane.len());
                    assert_eq!(of_plane / plan.groups, plane, "{name}");
                    for value in 0..2 {
                        let (channel, at) = laid(&plan, step, 2 * row + value);
                        let channel = of_plane % plan.groups * PAIR + channel;
                        assert_eq!((channel, at), (2 * pair + value, [tap / 3, tap % 3 + twin]), "{name}");
                    }
                }
            }
            assert!(times.iter().all(|&n| n <= 1), "{name}");
        }
    }

    /// What tiles read past the places that are asked for lies in the same laid block, whose end is 0: nothing is read that was
    /// never written.
    #[test]
    fn tiles_read_within_their_block() {
        for (name, plan) in plans() {
            let whole = |n: usize| n.next_multiple_of(LANES) - 1;
            let last = if plan.is_line() {
                whole((plan.rows - 1) * plan.width() + plan.places())
            } else {
                plan.stride * (plan.rows - 1) * plan.width() + plan.pitch() * whole(plan.places())
            };
            let offset = plan.plane.iter().map(|step| step.values).max().unwrap();
            let end = last * PAIR + offset + PAIR;
            assert!(end <= plan.group_len(), "{name}: {end} of {}", plan.group_len());
        }
    }

    #[test]
    fn what_is_laid_fits_the_cache_if_a_row_does() {
        for (name, plan) in plans() {
            let least = plan.rows == 1 && plan.planes == plan.at_once();
            assert!(least || 2 * plan.laid_len() <= CACHE, "{name}: {} rows, {} planes", plan.rows, plan.planes);
            assert!(plan.laid_floats() * 2 >= plan.laid_len(), "{name}");
        }
    }

    #[test]
    fn large_maps_have_tasks_for_many_threads() {
        for channels in [(1, 1), (32, 32), (640, 320)] {
            for stride in [1, 2] {
                let plan = Plan::new(&Gather::conv3([128; 3], stride), channels);
                assert!(plan.tasks() >= TASKS, "stride {stride}, {channels:?}: {}", plan.tasks());
            }
        }
        let low = Plan::new(&Gather::conv3([8; 3], 1), (640, 320));
        assert!(low.tasks() > 1, "a low level is shared by its outputs");
    }

    /// The maps that tests/tiles.rs compares with their definition are of all these kinds.
    #[test]
    fn tested_maps_are_cut_in_every_way() {
        let of = |shape, channels, stride| Plan::new(&Gather::conv3(shape, stride), channels);
        for stride in [1, 2] {
            assert!(of([3, 35, 6], (17, 1), stride).strips() > 1, "strips");
            assert!(of([17, 20, 3], (4, 2), stride).chunks() > 1, "runs of planes");
            assert!(of([40, 3, 3], (3, 3), stride).chunks() > 1, "runs of planes");
            let plan = of([7, 1, 200], (70, 1), stride);
            assert!(works(&plan).any(|work| work.z.1 - work.z.0 > plan.planes), "planes in several steps");
            let plan = of([2, 3, 4], (16, 130), stride);
            assert!(plan.spread() > 1, "blocks of outputs in several tasks");
            assert!(works(&plan).any(|work| (work.blocks.1 - work.blocks.0) % 2 == 1), "a lone block");
        }
    }
}
