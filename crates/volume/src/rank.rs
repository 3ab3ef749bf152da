//! Values at a rank, without sorting.

/// Voxels that are passed over together where none is wanted: most of a scan is air.
const STRIDE: usize = 16;

/// Numbers that a half of a key can take.
const HALF: usize = 1 << 16;

/// The values at `ranks` (counted from 0) among those that are `wanted`, in the order of [`f32::total_cmp`]; none if
/// nothing is wanted.
///
/// `ranks` hears how many are wanted; a rank beyond the last is the last. Cost: two passes over `values`, which count the
/// upper and then the lower halves of their bits.
pub fn ranked<const N: usize>(
    values: &[f32],
    wanted: impl Fn(f32) -> bool,
    ranks: impl FnOnce(usize) -> [usize; N],
) -> Option<[f32; N]> {
    let mut upper = vec![0_usize; HALF];
    each(values, &wanted, |[high, _]| upper[high] += 1);
    let n: usize = upper.iter().sum();
    let last = n.checked_sub(1)?;
    let found = ranks(n).map(|rank| place(&upper, rank.min(last)));
    let mut lower = vec![0_usize; N * HALF];
    each(values, &wanted, |[high, low]| {
        for (k, (of_rank, _)) in found.iter().enumerate() {
            if *of_rank == high {
                lower[k * HALF + low] += 1;
            }
        }
    });
    Some(std::array::from_fn(|k| {
        let (high, rest) = found[k];
        value([high, place(&lower[k * HALF..][..HALF], rest).0])
    }))
}

/// Calls `meet` with both halves of the key of each wanted value.
fn each(values: &[f32], wanted: &impl Fn(f32) -> bool, mut meet: impl FnMut([usize; 2])) {
    let (parts, rest) = values.as_chunks::<STRIDE>();
    for part in parts {
        if part.iter().fold(false, |any, &value| any | wanted(value)) {
            for &value in part {
                if wanted(value) {
                    meet(key(value));
                }
            }
        }
    }
    for &value in rest {
        if wanted(value) {
            meet(key(value));
        }
    }
}

/// Both halves of a number that grows as [`f32::total_cmp`] orders.
#[inline]
fn key(value: f32) -> [usize; 2] {
    let bits = value.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    [(ordered >> 16) as usize, (ordered & 0xFFFF) as usize]
}

/// The inverse of [`key`].
#[expect(clippy::cast_possible_truncation, reason = "two halves of 32 bits")]
fn value([high, low]: [usize; 2]) -> f32 {
    let ordered = (high << 16 | low) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

/// The count that holds a rank, and the rank among what it counts.
fn place(counts: &[usize], mut rank: usize) -> (usize, usize) {
    for (at, &count) in counts.iter().enumerate() {
        if rank < count {
            return (at, rank);
        }
        rank -= count;
    }
    unreachable!("a rank below the sum of the counts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_their_own_inverse_and_grow() {
        let values = [f32::NEG_INFINITY, -3.5, -f32::MIN_POSITIVE, -0.0, 0.0, 1e-40, 1.0, 1.5, 7e9, f32::INFINITY];
        for pair in values.windows(2) {
            assert!(key(pair[0]) < key(pair[1]), "{pair:?}");
            assert_eq!(value(key(pair[0])).to_bits(), pair[0].to_bits(), "{pair:?}");
        }
    }

    #[test]
    fn nothing_wanted_has_no_rank() {
        assert_eq!(ranked(&[0.0, -1.0], |v| v > 0.0, |n| [n]), None, "nothing positive");
        assert_eq!(ranked(&[3.0, 0.0, 2.0], |v| v > 0.0, |n| [0, n]), Some([2.0, 3.0]), "beyond the last");
    }
}
