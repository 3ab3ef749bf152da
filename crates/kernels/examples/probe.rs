//! scratch
use kernels::*;
use std::time::Instant;
struct Fma(u64);
impl Kernel for Fma {
    type Output = f32;
    #[inline(always)]
    fn run<I: Isa>(self, isa: I) -> f32 {
        let n = if I::REGISTERS >= 32 { 16 } else { 4 };
        let mut a = [isa.splat(0.0); 16];
        let b = isa.splat(std::hint::black_box(0.5));
        let c = isa.splat(std::hint::black_box(0.1));
        for _ in 0..self.0 {
            for v in a.iter_mut().take(n) {
                *v = isa.fma(b, *v, c);
            }
        }
        let mut o = [0f32; 16];
        let mut s = 0.;
        for v in a {
            isa.store(v, &mut o);
            s += o[0];
        }
        s
    }
}
fn peak(cpu: Cpu) -> f64 {
    let n = 2_000_000u64;
    let w = if cpu.name() == IsaName::Avx512 { 16 } else { 4 };
    let t = Instant::now();
    rayon::broadcast(|_| std::hint::black_box(cpu.run(Fma(n))));
    (n * w * 32 * rayon::current_num_threads() as u64) as f64 / t.elapsed().as_secs_f64() / 1e9
}
fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    for cpu in Cpu::all().into_iter().skip(1).rev() {
        println!("{:?} peak {:.0}", cpu.name(), peak(cpu));
        for (i, o, s) in [
            (32, 32, 128),
            (16, 16, 96),
            (4, 16, 96),
            (32, 16, 96),
            (32, 32, 48),
            (64, 64, 24),
            (128, 128, 12),
            (256, 256, 6),
        ] {
            let g = Gather::conv3([s; 3], 1);
            let v = s * s * s;
            let src = vec![0.5f32; blocks(i) * v * 16];
            let w = vec![0.1f32; i * o * 27];
            let mut p = vec![0.; packed_len(27, i, o)];
            pack_weights(Canonical::OutIn, 27, (i, o), &w, &mut p);
            let mut d = vec![0f32; blocks(o) * v * 16];
            let mut sc = vec![0f32; convolve_scratch(&g, blocks(i)) * 2];
            let srcs = [Source::plain(&src)];
            let fl = 2.0 * 27.0 * (i * o * v) as f64;
            let mut best = 0f64;
            let mut pk = 0f64;
            for _ in 0..4 {
                pk = pk.max(peak(cpu));
                let t = Instant::now();
                convolve(cpu, &g, (&srcs, i), (&p, &[]), (&mut d, Write::Overwrite), &mut sc);
                best = best.max(fl / t.elapsed().as_secs_f64() / 1e9);
            }
            let mut part = vec![0f32; partial_len(&g, (i, o))];
            let mut sc = vec![0f32; weight_gradient_scratch(&g) * 2];
            let mut dw = vec![0f32; w.len()];
            let mut bw = 0f64;
            for _ in 0..4 {
                let t = Instant::now();
                weight_gradient(
                    cpu,
                    &g,
                    (&srcs, &d),
                    (Canonical::OutIn, i, o),
                    (&mut dw, Write::Overwrite),
                    (&mut part, &mut sc),
                );
                bw = bw.max(fl / t.elapsed().as_secs_f64() / 1e9);
            }
            println!("{i}->{o}@{s}: fwd {best:.0} GF/s ({:.0}% of {pk:.0}) wgrad {bw:.0}", 100. * best / pk);
        }
    }
}
