//! Mean and variance of outputs, summed while they are still in registers.

use crate::isa::Isa;
use crate::layout::LANES;

/// Where a convolution leaves what an instance norm asks for: mean and variance (of the population) of each channel of its
/// output, `[out_blocks * 16]`.
#[derive(Debug)]
pub struct Moments<'a> {
    /// As many as `sums_len` of [`Winograd`](crate::Winograd), [`ConvTiles`](crate::ConvTiles) or
    /// [`StridedIntegers`](crate::StridedIntegers) says, with whatever in it.
    pub sums: &'a mut [f64],
    /// Means.
    pub mean: &'a mut [f32],
    /// Variances.
    pub variance: &'a mut [f32],
}

impl Moments<'_> {
    /// From what each task summed, `[task][block of channels]`, and how many values a channel has in it.
    pub(crate) fn join(&mut self, values: &[f64]) {
        let sums: &[Sums] = self.sums.as_chunks().0.as_chunks().0;
        let n_blocks = self.mean.len() / LANES;
        for block in 0..n_blocks {
            let of_block = values.iter().zip(sums[block..].iter().step_by(n_blocks));
            let [mean, variance] = join(of_block.map(|(n, sums)| (*n, sums)));
            self.mean[block * LANES..][..LANES].copy_from_slice(&mean);
            self.variance[block * LANES..][..LANES].copy_from_slice(&variance);
        }
    }
}

/// Of one block of channels in one task: a shift, the sum of what its outputs exceed it by, and that of the squares.
pub(crate) type Sums = [[f64; LANES]; 3];

/// The sums of a batch on their way, four of each so that additions need not wait for each other.
#[derive(Clone, Copy)]
pub(crate) struct Running<I: Isa> {
    pub(crate) shift: I::V,
    sum: [I::V; 4],
    squares: [I::V; 4],
}

impl<I: Isa> Running<I> {
    #[inline(always)]
    pub(crate) fn new(isa: I, sums: &Sums) -> Self {
        let zero = isa.splat(0.0);
        Self { shift: isa.load(&sums[0].map(|x| x as f32)), sum: [zero; 4], squares: [zero; 4] }
    }

    /// The sums of a task before anything was added.
    #[inline(always)]
    pub(crate) fn begun(self, isa: I) -> Sums {
        let mut shift = [0.0; LANES];
        isa.store(self.shift, &mut shift);
        [shift.map(f64::from), [0.0; LANES], [0.0; LANES]]
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, isa: I, i: usize, v: I::V) {
        let t = isa.sub(v, self.shift);
        self.sum[i] = isa.add(self.sum[i], t);
        self.squares[i] = isa.fma(t, t, self.squares[i]);
    }

    #[inline(always)]
    pub(crate) fn add_to(self, isa: I, sums: &mut Sums) {
        for (sums, [a, b, c, d]) in sums[1..].iter_mut().zip([self.sum, self.squares]) {
            let mut lanes = [0.0; LANES];
            isa.store(isa.add(isa.add(a, b), isa.add(c, d)), &mut lanes);
            sums.iter_mut().zip(lanes).for_each(|(sum, x)| *sum += f64::from(x));
        }
    }
}

/// Mean and variance of a block of channels from what several tasks have summed, in their order; of each task the number of its
/// values. The pairwise formula of Chan et al. (1983), all lanes at once: a lane at a time waits for memory.
pub(crate) fn join<'a>(tasks: impl Iterator<Item = (f64, &'a Sums)> + Clone) -> [[f32; LANES]; 2] {
    let all: f64 = tasks.clone().map(|(n, _)| n).sum();
    let (mut mean, mut variance) = ([0.0; LANES], [0.0; LANES]);
    for (n, [shift, sum, _]) in tasks.clone() {
        for lane in 0..LANES {
            mean[lane] += n * (shift[lane] + sum[lane] / n);
        }
    }
    mean = mean.map(|sum: f64| sum / all);
    for (n, [shift, sum, squares]) in tasks {
        for lane in 0..LANES {
            let off = shift[lane] + sum[lane] / n - mean[lane];
            variance[lane] += squares[lane] - sum[lane] * sum[lane] / n + n * off.powi(2);
        }
    }
    [mean.map(|mean| mean as f32), variance.map(|sum: f64| (sum / all).max(0.0) as f32)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cpu;
    use crate::isa::Kernel;

    /// Rows of lanes, summed as a task sums them: in several batches, the first of which begins the sums.
    struct Batches<'a>(&'a [[f32; LANES]], usize);

    impl Kernel for Batches<'_> {
        type Output = Sums;
        #[inline(always)]
        fn run<I: Isa>(self, isa: I) -> Sums {
            let mut sums = [[f64::NAN; LANES]; 3];
            for (n, batch) in self.0.chunks(self.1).enumerate() {
                let mut running = Running::new(isa, if n == 0 { &[[0.0; LANES]; 3] } else { &sums });
                if n == 0 {
                    running.shift = isa.load(&batch[0]);
                    sums = running.begun(isa);
                }
                for (i, row) in batch.iter().enumerate() {
                    running.add(isa, i % 4, isa.load(row));
                }
                running.add_to(isa, &mut sums);
            }
            sums
        }
    }

    /// So many rows about `mean`, with deviation about 1.
    fn rows(n: usize, mean: f32) -> Vec<[f32; LANES]> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            mean + (state >> 8) as f32 / f32::from(1_u16 << 15) / 147.8 - 1.732
        };
        (0..n).map(|_| std::array::from_fn(|_| next())).collect()
    }

    #[test]
    fn means_and_variances_of_several_tasks_are_those_of_the_whole() {
        // The one far from 0 has steps of 2^-10, which are no error here.
        for (mean, tasks) in [(0.0, vec![1000]), (-3.0, vec![1, 7, 500, 64]), (1e4, vec![300, 300, 1]), (0.5, vec![1])]
        {
            let rows = rows(tasks.iter().sum(), mean);
            let mut first: Option<Vec<Sums>> = None;
            for cpu in Cpu::all() {
                let mut from = 0;
                let sums = tasks.iter().map(|n| {
                    from += n;
                    cpu.run(Batches(&rows[from - n..from], 33))
                });
                let sums: Vec<Sums> = sums.collect();
                let first = first.get_or_insert_with(|| sums.clone());
                let bits =
                    |of: &[Sums]| of.as_flattened().as_flattened().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert!(bits(first) == bits(&sums), "{:?}: other bits", cpu.name());
            }
            let sums = first.unwrap_or_default();
            let [means, variances] = join(tasks.iter().zip(&sums).map(|(n, sums)| (*n as f64, sums)));
            for lane in 0..LANES {
                let (got_mean, got_variance) = (means[lane], variances[lane]);
                let values = || rows.iter().map(|row| f64::from(row[lane]));
                let exact = values().sum::<f64>() / rows.len() as f64;
                let variance = values().map(|x| (x - exact).powi(2)).sum::<f64>() / rows.len() as f64;
                let off = (f64::from(got_mean) - exact).abs();
                assert!(off <= 1e-6 * (1.0 + 0.1 * exact.abs()), "{mean}, lane {lane}: {got_mean} for {exact}");
                let off = (f64::from(got_variance) - variance).abs();
                assert!(off <= 1e-5 * variance, "{mean}, lane {lane}: {got_variance} for {variance}");
            }
        }
    }

    #[test]
    fn equal_values_have_no_variance_and_none_is_negative() {
        for (n, x) in [(1.0, 7.5), (1000.0, -0.1_f32)] {
            let sums = [[f64::from(x); LANES], [0.0; LANES], [0.0; LANES]];
            assert_eq!(join([(n, &sums); 3].into_iter()), [[x; LANES], [0.0; LANES]]);
        }
        // Squares that rounding made too small.
        let sums = [[0.0; LANES], [4.0; LANES], [3.999_999; LANES]];
        let [_, variance] = join(std::iter::once((4.0, &sums)));
        assert!(variance[5].to_bits() == 0, "{}", variance[5]);
    }
}
