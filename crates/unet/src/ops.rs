//! The convolutions of a network for one shape: which kernel each pass takes, and how its weights are packed.

use crate::memory::Purpose;
use crate::packed::Packed;
use kernels::{
    Canonical, Cell, ConvTiles, Cpu, DirectBytes, Direction, Gather, GradientTiles, Integers, LANES, Moments, Shape,
    Source, StridedIntegers, UpIntegers, UpTiles, Winograd, Write, add_bias, blocks, convolve, convolve_scratch,
    convolve_up, convolve_up_scratch, largest, pack_weights, packed_len, partial_len, voxels, weight_gradient,
    weight_gradient_scratch,
};

/// One convolution of any kind.
#[derive(Debug)]
pub(crate) struct Conv {
    forward: Vec<Gather>,
    backward: Vec<Gather>,
    /// Order of the canonical weights as the forward gather sees it; the backward one sees the other.
    order: Canonical,
    n_weights: usize,
    i: usize,
    o: usize,
    winograd: Plans,
    /// The weights in fewer bits than f32, if this machine has the products, and all is known that they ask for.
    narrow: Option<Narrow>,
    /// The widest point of the input, if it is known; only forward.
    widest: Option<f32>,
    /// Whether products are bytes, whatever the shape and whatever is known of the input.
    in_bytes: bool,
    /// Products of bf16, whatever the shape and whatever is known of the input.
    tiles: Option<ConvTiles>,
    gaps: Option<Gaps>,
    up: Option<Up>,
    /// The ways back in tiles, if they are taken.
    back: Option<BackInTiles>,
}

/// The gradients of a 3x3x3 convolution of stride 1 in tiles.
#[derive(Debug)]
struct BackInTiles {
    d_src: ConvTiles,
    gradient: GradientTiles,
}

/// A transposed convolution.
#[derive(Clone, Copy, Debug)]
struct Up {
    /// Of the input.
    shape: Shape,
    products: UpProducts,
}

/// In which numbers a transposed convolution multiplies.
#[derive(Clone, Copy, Debug)]
enum UpProducts {
    Floats,
    Integers,
    /// Forward, and back if there is a way back.
    Tiles(UpTiles),
}

/// Weights in fewer bits than f32, for the one way or the other.
#[derive(Debug)]
enum Narrow {
    Winograd(Integers),
    Strided(Box<StridedIntegers>),
    Bytes(Box<DirectBytes>),
    Up(Box<UpIntegers>),
}

/// Input channels up to which a convolution with a stride takes its scale from a calibration. More are of low levels, whose
/// inputs are small enough to be looked at each time.
const FEW: usize = 64;

/// Every source begins a block of its own. Where one that is not the last ends inside a block, the weights are spread out:
/// zeros for the channels that are not there.
#[derive(Debug)]
struct Gaps {
    channels: Vec<usize>,
    /// Weights, or their gradient, `[O][channels and gaps][27]`.
    spread: Vec<f32>,
}

impl Gaps {
    /// Inputs with the gaps counted.
    fn width(channels: &[usize]) -> usize {
        let (last, rest) = channels.split_last().map_or((0, channels), |(last, rest)| (*last, rest));
        last + rest.iter().map(|&c| blocks(c) * LANES).sum::<usize>()
    }

    /// Calls `meet(canonical, spread, length)` for each run of weights that stay together.
    fn runs(channels: &[usize], o: usize, mut meet: impl FnMut(usize, usize, usize)) {
        let (mut from, width) = (0, Self::width(channels));
        for oi in 0..o {
            let mut to = oi * width * 27;
            for &c in channels {
                meet(from, to, c * 27);
                from += c * 27;
                to += blocks(c) * LANES * 27;
            }
        }
    }
}

/// Minimal filtering instead of the gathers, for the passes in which it is faster.
#[derive(Debug, Default)]
struct Plans {
    forward: Option<Winograd>,
    d_src: Option<Winograd>,
    d_weights: Option<Winograd>,
}

impl Plans {
    /// For a 3x3x3 convolution of stride 1.
    fn new(shape: Shape, (i, o): (usize, usize)) -> Self {
        let plan = |i, o| Winograd::new(shape, blocks(i), blocks(o)).with_inputs(i);
        Self {
            forward: Winograd::pays(shape, i).then(|| plan(i, o)),
            d_src: Winograd::pays(shape, o).then(|| plan(o, i)),
            d_weights: Some(plan(i, o)),
        }
    }
}

/// The gradient of a convolution's weights is wanted with these.
pub(crate) struct Buffers<'a> {
    pub(crate) scratch: &'a mut [f32],
    pub(crate) partial: &'a mut [f32],
}

impl Conv {
    /// 3x3x3 on an input of `shape`, of sources with so many `channels` each.
    pub(crate) fn conv3(shape: Shape, stride: usize, (channels, o): (&[usize], usize)) -> Self {
        let i = Gaps::width(channels);
        let (forward, backward) = (vec![Gather::conv3(shape, stride)], Gather::conv3_back(shape, stride));
        let mut conv = Self::new(forward, backward, Canonical::OutIn, (27, i, o));
        if stride == 1 {
            conv.winograd = Plans::new(shape, (i, o));
        }
        if i > channels.iter().sum() {
            conv.gaps = Some(Gaps { channels: channels.to_vec(), spread: vec![0.0; o * i * 27] });
        }
        conv
    }

    /// Takes no pass by minimal filtering.
    pub(crate) fn stay_direct(&mut self) {
        self.winograd = Plans::default();
    }

    /// Transposed 2x2x2, stride 2, on an input of `shape`.
    pub(crate) fn up2(shape: Shape, (i, o): (usize, usize)) -> Self {
        let conv = Self::new(Gather::up2(shape), vec![Gather::up2_back(shape)], Canonical::InOut, (8, i, o));
        Self { up: Some(Up { shape, products: UpProducts::Floats }), ..conv }
    }

    fn new(
        forward: Vec<Gather>,
        backward: Vec<Gather>,
        order: Canonical,
        (n_weights, i, o): (usize, usize, usize),
    ) -> Self {
        Self {
            forward,
            backward,
            order,
            n_weights,
            i,
            o,
            winograd: Plans::default(),
            narrow: None,
            widest: None,
            in_bytes: false,
            tiles: None,
            gaps: None,
            up: None,
            back: None,
        }
    }

    /// Lets the products be integers where they can, for inputs about as wide as `widest`.
    pub(crate) fn quantise(&mut self, cpu: Cpu, widest: f32) {
        let known = widest > 0.0 || self.finds_widest();
        let can =
            self.is_strided() || self.winograd.forward.as_ref().is_some_and(|winograd| winograd.has_integers(cpu));
        self.widest = (can && cpu.has_int16() && known).then_some(widest);
    }

    /// Lets the products of a 3x3x3 convolution be bytes where they can. Returns the scratch that it needs, whatever the number of
    /// threads.
    pub(crate) fn quantise_to_bytes(&mut self, cpu: Cpu) -> usize {
        let can = cpu.has_int16() && DirectBytes::holds(self.i);
        self.in_bytes = can;
        if can { DirectBytes::scratch_len(&self.forward[0], blocks(self.i)) } else { 0 }
    }

    /// Lets the products of any convolution be of bf16 where they can, tile by tile. Returns the scratch that it needs with so
    /// many threads, and the partial sums.
    pub(crate) fn round_to_tiles(&mut self, cpu: Cpu, threads: usize) -> (usize, usize) {
        if !cpu.has_tiles() {
            return (0, 0);
        }
        if let Some(up) = self.multiply_up_in_tiles() {
            return (threads * up.scratch_len(), 0);
        }
        let tiles = self.tiles.insert(ConvTiles::new(&self.forward[0], (self.i, self.o)));
        (threads * tiles.scratch_len(), tiles.sums_len())
    }

    /// Lets the products of a transposed convolution, or of a 3x3x3 one of stride 1, be of bf16, tile by tile, forward and back,
    /// where the machine has them.
    pub(crate) fn train_in_tiles(&mut self, cpu: Cpu) {
        if !cpu.has_tiles() || self.multiply_up_in_tiles().is_some() {
            return;
        }
        if self.winograd.d_weights.is_some() {
            let (gather, channels) = (&self.forward[0], (self.i, self.o));
            self.tiles = Some(ConvTiles::new(gather, channels));
            let d_src = ConvTiles::new(gather, (self.o, self.i));
            self.back = Some(BackInTiles { d_src, gradient: GradientTiles::new(gather.src_shape(), channels) });
            self.winograd = Plans::default();
        }
    }

    /// The tiles of a transposed convolution, from now on.
    fn multiply_up_in_tiles(&mut self) -> Option<UpTiles> {
        let up = self.up.as_mut()?;
        let tiles = UpTiles::new(up.shape, (self.i, self.o));
        up.products = UpProducts::Tiles(tiles);
        Some(tiles)
    }

    /// The tiles of a transposed convolution that multiplies in them.
    fn up_tiles(&self) -> Option<UpTiles> {
        match self.up?.products {
            UpProducts::Tiles(tiles) => Some(tiles),
            UpProducts::Floats | UpProducts::Integers => None,
        }
    }

    /// Lets the products be integers where they can without knowing how wide inputs are: those of a transposed convolution.
    pub(crate) fn quantise_up(&mut self, cpu: Cpu) {
        if let Some(up) = self.up.as_mut().filter(|_| cpu.has_int16()) {
            up.products = UpProducts::Integers;
        }
    }

    /// Whether products in integers are those of a stride, [`StridedIntegers`].
    fn is_strided(&self) -> bool {
        self.up.is_none() && self.winograd.d_weights.is_none()
    }

    /// Whether that finds out itself how wide each input is.
    fn finds_widest(&self) -> bool {
        self.is_strided() && self.i > FEW
    }

    /// How wide these inputs are: their widest point, or number where there is a stride; 0 where they never are integers or it is
    /// not asked.
    pub(crate) fn widest<T: Cell>(&self, cpu: Cpu, sources: &[Source<'_, T>]) -> f32 {
        if self.is_strided() && !self.finds_widest() {
            return largest(cpu, sources, voxels(self.forward[0].src_shape()));
        }
        self.winograd.forward.as_ref().map_or(0.0, |winograd| winograd.widest(cpu, sources))
    }

    /// Whether its input is a planar image, which [`Conv::forward_image`] takes as it is.
    pub(crate) fn reads_images(&self, cpu: Cpu) -> bool {
        self.widest.is_some() && self.winograd.forward.as_ref().is_some_and(|winograd| winograd.reads_images(cpu))
    }

    /// What [`Conv::forward`] does, and in which numbers it multiplies.
    pub(crate) fn algorithm(&self) -> &'static str {
        if let Some(tiles) = &self.tiles {
            return if tiles.is_filtered() { "Winograd 2 x 1 x 1, bf16 tiles" } else { "direct, bf16 tiles" };
        }
        match (&self.winograd.forward, self.widest) {
            _ if self.in_bytes => "direct, int8",
            (_, Some(_)) if self.is_strided() => "Winograd 2 x 2 x 1, int16",
            (Some(winograd), Some(_)) if winograd.integer_tile() == Some([4; 3]) => "Winograd 4 x 4 x 4, int16",
            (Some(_), Some(_)) => "Winograd 2 x 4 x 4, int16",
            (Some(winograd), None) if winograd.tile() == [4; 3] => "Winograd 4 x 4 x 4, f32",
            (Some(_), None) => "Winograd 2 x 4 x 4, f32",
            (None, _) => match self.up.map(|up| up.products) {
                Some(UpProducts::Tiles(_)) => "direct, bf16 tiles",
                Some(UpProducts::Integers) => "direct, int16",
                Some(UpProducts::Floats) | None => "direct, f32",
            },
        }
    }

    /// Whether [`Conv::forward`] measures its output when it is asked to.
    pub(crate) fn measures(&self) -> bool {
        let filtered = || self.widest.is_some() || self.winograd.forward.as_ref().is_some_and(Winograd::measures);
        self.tiles.is_some() || !self.in_bytes && filtered()
    }

    /// Partial sums for that.
    pub(crate) fn sums_len(&self) -> usize {
        match &self.tiles {
            Some(tiles) => tiles.sums_len(),
            None if self.is_strided() => StridedIntegers::sums_len(self.forward[0].src_shape(), (self.i, self.o)),
            None => self.winograd.forward.as_ref().map_or(0, Winograd::sums_len),
        }
    }

    /// Scratch for `threads` threads, and partial sums.
    pub(crate) fn needs(&self, threads: usize, purpose: Purpose) -> (usize, usize) {
        if let (Some(tiles), Some(back)) = (&self.tiles, &self.back) {
            let scratch = tiles.scratch_len().max(back.d_src.scratch_len()).max(back.gradient.scratch_len());
            return (threads * scratch, back.gradient.partial_len());
        }
        if let Some(up) = self.up_tiles() {
            return (threads * up.scratch_len(), if purpose == Purpose::Infer { 0 } else { up.partial_len() });
        }
        let most =
            |gathers: &[Gather], scratch: &dyn Fn(&Gather) -> usize| gathers.iter().map(scratch).max().unwrap_or(0);
        let direct = |gathers: &[Gather], i| threads * most(gathers, &|g| convolve_scratch(g, blocks(i)));
        let plans = &self.winograd;
        let forward = match (&plans.forward, self.up) {
            (Some(winograd), _) => winograd.scratch_len(threads),
            (None, Some(up)) => threads * convolve_up_scratch(up.shape, blocks(self.i)),
            (None, None) => direct(&self.forward, self.i),
        };
        if purpose == Purpose::Infer {
            let strided =
                if self.is_strided() { StridedIntegers::scratch_len(self.forward[0].src_shape(), self.i) } else { 0 };
            return (forward.max(threads * strided), 0);
        }
        let d_src = plans.d_src.as_ref().map_or_else(|| direct(&self.backward, self.o), |w| w.scratch_len(threads));
        let (d_weights, partial) = match &plans.d_weights {
            Some(winograd) => (winograd.gradient_scratch_len(threads), 0),
            None => (
                threads * weight_gradient_scratch(&self.forward, (self.i, self.o)),
                partial_len(&self.forward, (self.i, self.o)),
            ),
        };
        (forward.max(d_src).max(d_weights), partial)
    }

    /// Values of the packed weights, of the way that has more of them.
    pub(crate) fn packed_len(&self) -> usize {
        if let (Some(tiles), Some(back)) = (&self.tiles, &self.back) {
            return tiles.weights_len().max(back.d_src.weights_len());
        }
        if let Some(up) = self.up_tiles() {
            return up.weights_len();
        }
        let direct = packed_len(self.n_weights, self.i, self.o);
        let len = |plan: &Option<Winograd>| plan.as_ref().map_or(direct, Winograd::weights_len);
        len(&self.winograd.forward).max(len(&self.winograd.d_src))
    }

    /// Packs weights, canonical, for [`Conv::forward`]: as integers of its own, or into `packed`.
    pub(crate) fn pack(&mut self, cpu: Cpu, weights: &[f32], packed: &mut Packed) {
        self.spread(weights, |conv, weights| conv.pack_spread(cpu, weights, packed));
    }

    /// Packs weights, canonical, for [`Conv::d_src`].
    pub(crate) fn pack_back(&mut self, cpu: Cpu, weights: &[f32], packed: &mut Packed) {
        self.spread(weights, |conv, weights| conv.pack_back_spread(cpu, weights, packed));
    }

    /// Gives `pack` the weights with zeros for the channels that are not there.
    fn spread(&mut self, weights: &[f32], pack: impl FnOnce(&mut Self, &[f32])) {
        let Some(mut gaps) = self.gaps.take() else { return pack(self, weights) };
        let spread = &mut gaps.spread;
        spread.fill(0.0);
        Gaps::runs(&gaps.channels, self.o, |from, to, n| spread[to..to + n].copy_from_slice(&weights[from..from + n]));
        pack(self, spread);
        self.gaps = Some(gaps);
    }

    fn pack_spread(&mut self, cpu: Cpu, weights: &[f32], packed: &mut Packed) {
        let (i, o) = (self.i, self.o);
        if let Some(tiles) = &self.tiles {
            tiles.pack(cpu, Direction::Forward, weights, packed.room(tiles.weights_len()));
        } else if let Some(up) = self.up_tiles() {
            up.pack(cpu, Direction::Forward, weights, packed.room(up.weights_len()));
        } else if self.in_bytes {
            let bytes = DirectBytes::new(self.forward[0].clone(), (i, o), weights);
            self.narrow = Some(Narrow::Bytes(Box::new(bytes)));
        } else if let (Some(widest), true) = (self.widest, self.is_strided()) {
            let integers = StridedIntegers::new((i, o), weights, widest);
            self.narrow = Some(Narrow::Strided(Box::new(integers)));
        } else if let Some(UpProducts::Integers) = self.up.map(|up| up.products) {
            self.narrow = Some(Narrow::Up(Box::new(UpIntegers::new((i, o), weights))));
        } else if let (Some(winograd), Some(widest)) = (&self.winograd.forward, self.widest) {
            self.narrow = Some(Narrow::Winograd(winograd.integers(cpu, (o, i), weights, widest)));
        } else if let Some(winograd) = &self.winograd.forward {
            let packed = packed.room(winograd.weights_len());
            winograd.transform_weights(cpu, Direction::Forward, (o, i), weights, packed);
        } else {
            let packed = packed.room(packed_len(self.n_weights, i, o));
            pack_weights(self.order, self.n_weights, (i, o), weights, packed);
        }
    }

    fn pack_back_spread(&self, cpu: Cpu, weights: &[f32], packed: &mut Packed) {
        let (i, o) = (self.i, self.o);
        if let Some(BackInTiles { d_src, .. }) = &self.back {
            d_src.pack(cpu, Direction::Backward, weights, packed.room(d_src.weights_len()));
        } else if let Some(up) = self.up_tiles() {
            up.pack(cpu, Direction::Backward, weights, packed.room(up.weights_len()));
        } else if let Some(winograd) = &self.winograd.d_src {
            let packed = packed.room(winograd.weights_len());
            winograd.transform_weights(cpu, Direction::Backward, (o, i), weights, packed);
        } else {
            let other = if self.order == Canonical::OutIn { Canonical::InOut } else { Canonical::OutIn };
            let packed = packed.room(packed_len(self.n_weights, o, i));
            pack_weights(other, self.n_weights, (o, i), weights, packed);
        }
    }

    /// Writes the raw output by the weights of [`Conv::pack`], and measures it into `moments` if there are some, which asks for
    /// [`Conv::measures`]. Returns how many numbers of the input lay outside of what integers can hold.
    pub(crate) fn forward<T: Cell>(
        &self,
        cpu: Cpu,
        sources: &[Source<'_, T>],
        (packed, bias): (&[f32], &[f32]),
        (dst, moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        if let (Some(up), [source]) = (self.up, sources) {
            return self.forward_up(cpu, (up.shape, source), (packed, bias), dst, scratch);
        }
        if let Some(tiles) = &self.tiles {
            tiles.convolve(cpu, (sources, packed), (&mut *dst, Write::Overwrite), moments, scratch);
            if !bias.is_empty() {
                add_bias(cpu, bias, dst);
            }
            return 0;
        }
        let lost = match (&self.narrow, &self.winograd.forward, moments) {
            (Some(Narrow::Strided(integers)), _, moments) => {
                integers.convolve(cpu, (sources, self.forward[0].src_shape()), (dst, moments), scratch)
            }
            (Some(Narrow::Bytes(bytes)), ..) => bytes.convolve(cpu, sources, dst, scratch),
            (Some(Narrow::Winograd(integers)), Some(winograd), moments) => {
                winograd.convolve_integers(cpu, sources, integers, (dst, moments), scratch)
            }
            (_, Some(winograd), Some(moments)) => {
                winograd.convolve_and_measure(cpu, sources, packed, (dst, moments), scratch);
                0
            }
            (_, Some(winograd), None) => {
                winograd.convolve(cpu, sources, packed, (dst, Write::Overwrite), scratch);
                0
            }
            (_, None, _) => {
                let weights = (packed, bias);
                for gather in &self.forward {
                    convolve(cpu, gather, (sources, self.i), weights, (dst, Write::Overwrite), scratch);
                }
                return 0;
            }
        };
        if !bias.is_empty() {
            add_bias(cpu, bias, dst);
        }
        lost
    }

    /// [`Conv::forward`] of a planar image, which asks for [`Conv::reads_images`].
    pub(crate) fn forward_image<T: Cell>(
        &self,
        cpu: Cpu,
        (image, bias): (&[f32], &[f32]),
        (dst, moments): (&mut [T], Option<&mut Moments<'_>>),
        scratch: &mut [f32],
    ) -> u64 {
        let Some(Narrow::Winograd(integers)) = &self.narrow else { unreachable!("it has weights") };
        let Some(winograd) = &self.winograd.forward else { unreachable!("it reads images") };
        let lost = winograd.convolve_image(cpu, image, integers, (&mut *dst, moments), scratch);
        if !bias.is_empty() {
            add_bias(cpu, bias, dst);
        }
        lost
    }

    fn forward_up<T: Cell>(
        &self,
        cpu: Cpu,
        (shape, source): (Shape, &Source<'_, T>),
        (packed, bias): (&[f32], &[f32]),
        dst: &mut [T],
        scratch: &mut [f32],
    ) -> u64 {
        if let Some(Narrow::Up(integers)) = &self.narrow {
            return integers.convolve(cpu, shape, (source, bias), dst, scratch);
        }
        if let Some(tiles) = self.up_tiles() {
            tiles.convolve(cpu, source, (packed, bias), dst, scratch);
            return 0;
        }
        convolve_up(cpu, shape, (source, self.i), (packed, bias), dst, scratch);
        0
    }

    /// From the gradient of the raw output to that of what the sources showed, by the weights of [`Conv::pack_back`].
    pub(crate) fn d_src(
        &self,
        cpu: Cpu,
        (d_dst, packed): (&[f32], &[f32]),
        (d_src, write): (&mut [f32], Write),
        scratch: &mut [f32],
    ) {
        let source = [Source::plain(d_dst)];
        if let Some(back) = &self.back {
            back.d_src.convolve(cpu, (&source, packed), (d_src, write), None, scratch);
            return;
        }
        if let Some(up) = self.up_tiles() {
            up.convolve_back(cpu, (d_dst, packed), (d_src, write), scratch);
            return;
        }
        if let Some(winograd) = &self.winograd.d_src {
            winograd.convolve(cpu, &source, packed, (d_src, write), scratch);
            return;
        }
        for gather in &self.backward {
            convolve(cpu, gather, (&source, self.o), (packed, &[]), (d_src, write), scratch);
        }
    }

    /// Adds the gradient of the weights, canonical.
    pub(crate) fn weights(
        &mut self,
        cpu: Cpu,
        pair: (&[Source<'_>], &[f32]),
        d_weights: &mut [f32],
        buffers: &mut Buffers<'_>,
    ) {
        let Some(mut gaps) = self.gaps.take() else { return self.add_weights(cpu, pair, d_weights, buffers) };
        let spread = &mut gaps.spread;
        spread.fill(0.0);
        self.add_weights(cpu, pair, spread, buffers);
        Gaps::runs(&gaps.channels, self.o, |from, to, n| {
            d_weights[from..from + n].iter_mut().zip(&spread[to..to + n]).for_each(|(sum, d)| *sum += d);
        });
        self.gaps = Some(gaps);
    }

    fn add_weights(
        &self,
        cpu: Cpu,
        (sources, d_dst): (&[Source<'_>], &[f32]),
        d_weights: &mut [f32],
        buffers: &mut Buffers<'_>,
    ) {
        if let Some(back) = &self.back {
            back.gradient.add(cpu, (sources, d_dst), d_weights, (buffers.partial, buffers.scratch));
            return;
        }
        if let (Some(up), [source]) = (self.up_tiles(), sources) {
            up.add_gradient(cpu, (source, d_dst), d_weights, (buffers.partial, buffers.scratch));
            return;
        }
        if let Some(winograd) = &self.winograd.d_weights {
            let (pair, channels) = ((sources, d_dst), (self.o, self.i));
            winograd.weight_gradient(cpu, pair, channels, (d_weights, Write::Add), buffers.scratch);
            return;
        }
        weight_gradient(
            cpu,
            &self.forward,
            (sources, d_dst),
            (self.order, self.i, self.o),
            (d_weights, Write::Add),
            (buffers.partial, buffers.scratch),
        );
    }

    /// Values of the padded bias.
    pub(crate) fn bias_len(&self) -> usize {
        blocks(self.o) * LANES
    }
}
