//! Kinds of voxels, and their way to f32.

use std::fmt;

use super::NiftiError;
use super::header::Order;

/// How a voxel is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// 8 bits, 0 to 255.
    U8,
    /// 8 bits, signed.
    I8,
    /// 16 bits, unsigned.
    U16,
    /// 16 bits, signed.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, signed.
    I32,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, signed.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Codes of nifti1.h that are understood.
const KNOWN: [(i16, Datatype, &str); 10] = [
    (2, Datatype::U8, "uint8"),
    (256, Datatype::I8, "int8"),
    (512, Datatype::U16, "uint16"),
    (4, Datatype::I16, "int16"),
    (768, Datatype::U32, "uint32"),
    (8, Datatype::I32, "int32"),
    (1280, Datatype::U64, "uint64"),
    (1024, Datatype::I64, "int64"),
    (16, Datatype::F32, "float32"),
    (64, Datatype::F64, "float64"),
];

/// Codes of nifti1.h that are refused by name.
const REFUSED: [(i16, &str); 7] = [
    (1, "binary (one bit each)"),
    (32, "complex64"),
    (128, "rgb24 (colours)"),
    (1536, "float128"),
    (1792, "complex128"),
    (2048, "complex256"),
    (2304, "rgba32 (colours)"),
];

impl Datatype {
    /// The type with this code.
    ///
    /// # Errors
    /// [`NiftiError::UnsupportedDatatype`] for colours, complex numbers, bits and float128,
    /// [`NiftiError::UnknownDatatype`] for codes that mean nothing.
    pub(super) fn of_code(code: i16) -> Result<Datatype, NiftiError> {
        if let Some((_, datatype, _)) = KNOWN.iter().find(|known| known.0 == code) {
            return Ok(*datatype);
        }
        match REFUSED.iter().find(|refused| refused.0 == code) {
            Some(&(_, name)) => Err(NiftiError::UnsupportedDatatype { name }),
            None => Err(NiftiError::UnknownDatatype { code }),
        }
    }

    /// The code in nifti1.h.
    pub(super) fn code(self) -> i16 {
        KNOWN.iter().find(|known| known.1 == self).map_or(0, |known| known.0)
    }

    /// Bits of one voxel, as the header gives them.
    pub(super) fn bits(self) -> i16 {
        match self {
            Datatype::U8 | Datatype::I8 => 8,
            Datatype::U16 | Datatype::I16 => 16,
            Datatype::U32 | Datatype::I32 | Datatype::F32 => 32,
            Datatype::U64 | Datatype::I64 | Datatype::F64 => 64,
        }
    }

    /// Bytes of one voxel.
    pub fn size(self) -> usize {
        usize::from(self.bits().unsigned_abs() / 8)
    }

    /// Whether values may have a fraction, or not be finite.
    pub fn is_float(self) -> bool {
        matches!(self, Datatype::F32 | Datatype::F64)
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(KNOWN.iter().find(|known| known.1 == *self).map_or("", |known| known.2))
    }
}

/// Real value = `slope` * stored value + `inter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) slope: f64,
    pub(super) inter: f64,
}

/// Voxels that are widened at a time.
const FEW: usize = 64;

/// Append whole voxels, as they are stored, to `voxels`: swap, widen and scale in one pass.
///
/// Without a scale each value is rounded to f32 once (exact up to 24 bits). With one, the product and the sum are
/// taken in f64 and rounded to f32 at the end, as nibabel's float64 result would be.
pub(super) fn append(datatype: Datatype, order: Order, scale: Option<Scale>, bytes: &[u8], voxels: &mut Vec<f32>) {
    macro_rules! append_as {
        ($number:ty) => {
            match order {
                Order::Little => append_from(bytes, scale, voxels, |b| <$number>::from_le_bytes(b), Lossy::narrow),
                Order::Big => append_from(bytes, scale, voxels, |b| <$number>::from_be_bytes(b), Lossy::narrow),
            }
        };
    }
    match datatype {
        Datatype::U8 => append_as!(u8),
        Datatype::I8 => append_as!(i8),
        Datatype::U16 => append_as!(u16),
        Datatype::I16 => append_as!(i16),
        Datatype::U32 => append_as!(u32),
        Datatype::I32 => append_as!(i32),
        Datatype::U64 => append_as!(u64),
        Datatype::I64 => append_as!(i64),
        Datatype::F32 => append_as!(f32),
        Datatype::F64 => append_as!(f64),
    }
}

/// The loop of [`append`] for numbers of `N` bytes.
fn append_from<const N: usize, S: Lossy>(
    bytes: &[u8],
    scale: Option<Scale>,
    voxels: &mut Vec<f32>,
    stored: impl Fn([u8; N]) -> S,
    plain: impl Fn(S) -> f32,
) {
    let (numbers, _) = bytes.as_chunks::<N>();
    match scale {
        None => {
            // By way of an array, so that it runs in lanes.
            let (parts, rest) = numbers.as_chunks::<FEW>();
            for part in parts {
                let mut few = [0.0; FEW];
                few.iter_mut().zip(part).for_each(|(to, &number)| *to = plain(stored(number)));
                voxels.extend_from_slice(&few);
            }
            voxels.extend(rest.iter().map(|&number| plain(stored(number))));
        }
        Some(Scale { slope, inter }) => {
            voxels.extend(numbers.iter().map(|&number| (stored(number).wide() * slope + inter).narrow()));
        }
    }
}

/// Numbers that are rounded on their way to f32 or f64.
trait Lossy: Copy {
    fn narrow(self) -> f32;
    fn wide(self) -> f64;
}

macro_rules! lossy {
    ($($number:ty)*) => {$(
        #[expect(clippy::allow_attributes, reason = "which cast lints fire depends on the type")]
        #[allow(clippy::cast_lossless, clippy::cast_possible_truncation, trivial_numeric_casts, reason = "rounding is what it is for")]
        impl Lossy for $number {
            fn narrow(self) -> f32 {
                self as f32
            }

            fn wide(self) -> f64 {
                self as f64
            }
        }
    )*};
}

lossy!(u8 i8 u16 i16 u32 i32 u64 i64 f32 f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_and_the_scale() {
        let check = |order, scale, bytes: &[u8], expected: &[f32]| {
            let mut voxels = Vec::new();
            append(Datatype::I16, order, scale, bytes, &mut voxels);
            assert_eq!(voxels, expected, "{order:?} {scale:?}");
        };
        check(Order::Little, None, &[1, 0, 0xff, 0xff], &[1.0, -1.0]);
        check(Order::Big, None, &[0, 1, 0xff, 0xfe], &[1.0, -2.0]);
        check(Order::Little, Some(Scale { slope: 0.5, inter: 10.0 }), &[3, 0], &[11.5]);
    }

    #[test]
    fn codes_are_their_own_inverse() {
        for (code, datatype, name) in KNOWN {
            assert_eq!(Datatype::of_code(code).expect("known"), datatype, "{name}");
            assert_eq!(datatype.code(), code, "{name}");
            assert_eq!(datatype.to_string(), name, "{code}");
        }
    }
}
