//! `NIfTI-1` and `NIfTI-2` files: bytes to volumes and back.
//!
//! Read: single files, plain or gzip (told by their bytes, several members too), both byte orders, integers and floats
//! of 8 to 64 bits, 4-D and higher as a stack of volumes; extensions are skipped. Refused with a sentence:
//! .hdr/.img pairs, ANALYZE, CIFTI, colours, complex numbers, everything that is damaged or contradicts itself.
//! Written: one volume on the geometry of a source file, byte for byte the same spatial fields, no free text.

mod datatype;
mod error;
mod geometry;
mod header;
mod read;
mod write;

pub use datatype::Datatype;
pub use error::{Foreign, NiftiError, Transform, Warning};
pub use geometry::Geometry;
pub use header::Version;
pub use read::{Image, geometry, parse, read};
pub use write::{cleaned, mask_bytes, write_floats, write_mask, write_scan};
