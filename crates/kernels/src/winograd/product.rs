//! The matrix products at one point: forward `M = V U`, and for the weight gradient `U += V^T M`.

use super::tiles::Lanes;
use crate::gather::Write;
use crate::isa::Isa;
use crate::layout::LANES;

/// `m[ob][r] = sum over k of v[k / 16][r][k % 16] * u[ob][k]`, over what was there or added to it.
///
/// `v`: `[in_blocks][rows][16]`, of which the last block has `last` lanes; `u`: `[out_blocks][in_blocks * 16][16]`; `m`:
/// `[out_blocks][rows][16]`; `rows` a multiple of four. Each sum runs over `k` in order, whatever the tile.
#[inline(always)]
pub(super) fn multiply<I: Isa>(
    isa: I,
    (rows, last): (usize, usize),
    v: &[Lanes],
    u: &[Lanes],
    (m, write): (&mut [Lanes], Write),
) {
    let k = v.len() / rows * LANES;
    let out_blocks = m.len() / rows;
    let mut ob = 0;
    if I::REGISTERS >= 32 {
        while ob + 2 <= out_blocks {
            let (u0, u1) = u[ob * k..][..2 * k].split_at(k);
            let (m0, m1) = m[ob * rows..][..2 * rows].split_at_mut(rows);
            panel::<I, 12, 2>(isa, (rows, last), v, [u0, u1], (&mut [m0, m1], write));
            ob += 2;
        }
    }
    while ob < out_blocks {
        let (u, m) = (&u[ob * k..][..k], &mut m[ob * rows..][..rows]);
        if I::REGISTERS >= 32 {
            panel::<I, 24, 1>(isa, (rows, last), v, [u], (&mut [m], write));
        } else {
            panel::<I, 6, 1>(isa, (rows, last), v, [u], (&mut [m], write));
        }
        ob += 1;
    }
}

/// All rows of `OB` output blocks, `XT` at a time and the rest in lower tiles.
#[inline(always)]
fn panel<I: Isa, const XT: usize, const OB: usize>(
    isa: I,
    (rows, last): (usize, usize),
    v: &[Lanes],
    u: [&[Lanes]; OB],
    (m, write): (&mut [&mut [Lanes]; OB], Write),
) {
    let mut r = 0;
    while r + XT <= rows {
        tile::<I, XT, OB>(isa, (rows, last, r), v, u, (m, write));
        r += XT;
    }
    if XT > 12 && r + 12 <= rows {
        tile::<I, 12, OB>(isa, (rows, last, r), v, u, (m, write));
        r += 12;
    }
    if XT > 8 && r + 8 <= rows {
        tile::<I, 8, OB>(isa, (rows, last, r), v, u, (m, write));
        r += 8;
    }
    if XT > 4 && r + 4 <= rows {
        tile::<I, 4, OB>(isa, (rows, last, r), v, u, (m, write));
        r += 4;
    }
    if XT == 6 && r < rows {
        tile::<I, 2, OB>(isa, (rows, last, r), v, u, (m, write));
    }
}

#[inline(always)]
fn tile<I: Isa, const XT: usize, const OB: usize>(
    isa: I,
    (rows, last, r): (usize, usize, usize),
    v: &[Lanes],
    u: [&[Lanes]; OB],
    (m, write): (&mut [&mut [Lanes]; OB], Write),
) {
    let mut sum = [[isa.splat(0.0); OB]; XT];
    if write == Write::Add {
        for o in 0..OB {
            let Some(m) = m[o][r..].first_chunk::<XT>() else { unreachable!("a tile lies within the rows") };
            for x in 0..XT {
                sum[x][o] = isa.load(&m[x]);
            }
        }
    }
    let blocks = v.len() / rows;
    for b in 0..blocks {
        let Some(v) = v[b * rows + r..].first_chunk::<XT>() else { unreachable!("a tile lies within the rows") };
        let mut w = [const { &[[0.0; LANES]; LANES] }; OB];
        for o in 0..OB {
            let Some(block) = u[o][b * LANES..].first_chunk() else { unreachable!("weights for each input block") };
            w[o] = block;
        }
        let lanes = if b + 1 == blocks { last.min(LANES) } else { LANES };
        // Apart, so that the usual loop has a constant end: else LLVM keeps the sums in memory.
        if lanes == LANES {
            ranks::<I, XT, OB>(isa, LANES, v, w, &mut sum);
        } else {
            ranks::<I, XT, OB>(isa, lanes, v, w, &mut sum);
        }
    }
    for o in 0..OB {
        let Some(m) = m[o][r..].first_chunk_mut::<XT>() else { unreachable!("a tile lies within the rows") };
        for x in 0..XT {
            isa.store(sum[x][o], &mut m[x]);
        }
    }
}

/// `sum[x][o] += v[x][k] * w[o][k]` for the first `lanes` of `k`.
#[inline(always)]
fn ranks<I: Isa, const XT: usize, const OB: usize>(
    isa: I,
    lanes: usize,
    v: &[Lanes; XT],
    w: [&[Lanes; LANES]; OB],
    sum: &mut [[I::V; OB]; XT],
) {
    for k in 0..lanes {
        let mut wk = [isa.splat(0.0); OB];
        for o in 0..OB {
            wk[o] = isa.load(&w[o][k]);
        }
        for x in 0..XT {
            let s = isa.splat(v[x][k]);
            for o in 0..OB {
                sum[x][o] = isa.fma(s, wk[o], sum[x][o]);
            }
        }
    }
}

/// `du[ib][ob][k] = sum over r < n of v[ib][r][k] * m[ob][r]`, over what was there or added to it.
///
/// `v`: `[in_blocks][rows][16]`; `m`: `[out_blocks][rows][16]`; `du`: `[in_blocks][out_blocks][16][16]`, of which those
/// past the `last` lanes of the last input block may be left out.
#[inline(always)]
pub(super) fn correlate<I: Isa>(
    isa: I,
    (rows, last, n): (usize, usize, usize),
    v: &[Lanes],
    m: &[Lanes],
    (du, write): (&mut [Lanes], Write),
) {
    let (in_blocks, out_blocks) = (v.len() / rows, m.len() / rows);
    for ib in 0..in_blocks {
        let v = &v[ib * rows..][..n];
        let lanes = if ib + 1 == in_blocks { last } else { LANES };
        let du = &mut du[ib * out_blocks * LANES..][..out_blocks * LANES];
        let mut ob = 0;
        if I::REGISTERS >= 32 {
            while ob + 2 <= out_blocks {
                let m = [&m[ob * rows..][..n], &m[(ob + 1) * rows..][..n]];
                let (d0, d1) = du[ob * LANES..][..2 * LANES].split_at_mut(LANES);
                outer::<I, 0, 8, 2>(isa, v, m, &mut [&mut d0[..8], &mut d1[..8]], write);
                if lanes > 8 {
                    outer::<I, 8, 8, 2>(isa, v, m, &mut [&mut d0[8..], &mut d1[8..]], write);
                }
                ob += 2;
            }
        }
        while ob < out_blocks {
            let m = [&m[ob * rows..][..n]];
            let du = &mut du[ob * LANES..][..LANES];
            if I::REGISTERS >= 32 && lanes > 4 {
                outer::<I, 0, 16, 1>(isa, v, m, &mut [du], write);
            } else {
                outer::<I, 0, 4, 1>(isa, v, m, &mut [&mut du[..4]], write);
                if lanes > 4 {
                    outer::<I, 4, 4, 1>(isa, v, m, &mut [&mut du[4..8]], write);
                }
                if lanes > 8 {
                    outer::<I, 8, 4, 1>(isa, v, m, &mut [&mut du[8..12]], write);
                }
                if lanes > 12 {
                    outer::<I, 12, 4, 1>(isa, v, m, &mut [&mut du[12..]], write);
                }
            }
            ob += 1;
        }
    }
}

/// `KT` input lanes from `K` times `OB` output blocks.
#[inline(always)]
fn outer<I: Isa, const K: usize, const KT: usize, const OB: usize>(
    isa: I,
    v: &[Lanes],
    mut m: [&[Lanes]; OB],
    du: &mut [&mut [Lanes]; OB],
    write: Write,
) {
    let mut sum = [[isa.splat(0.0); OB]; KT];
    if write == Write::Add {
        for o in 0..OB {
            for k in 0..KT {
                sum[k][o] = isa.load(&du[o][k]);
            }
        }
    }
    let n = v.len();
    for o in 0..OB {
        m[o] = &m[o][..n];
    }
    for r in 0..n {
        let mut mr = [isa.splat(0.0); OB];
        for o in 0..OB {
            mr[o] = isa.load(&m[o][r]);
        }
        for k in 0..KT {
            let s = isa.splat(v[r][K + k]);
            for o in 0..OB {
                sum[k][o] = isa.fma(s, mr[o], sum[k][o]);
            }
        }
    }
    for o in 0..OB {
        for k in 0..KT {
            isa.store(sum[k][o], &mut du[o][k]);
        }
    }
}
