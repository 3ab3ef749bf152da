//! Files that are damaged, lie, or mean harm: an error that names the fault, no panic, no memory taken on their word.

#![expect(clippy::expect_used, clippy::float_cmp, reason = "a test")]
#![expect(clippy::wildcard_enum_match_arm, reason = "any other fault fails the test")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use volume::nifti::{Foreign, Image, NiftiError, Transform, Warning, parse};
use volume::{Limits, VoxelIndex};

/// Version 1, little-endian: 4 x 3 x 2 voxels of int16 counting from 0, sform 2 mm, qform 3 mm.
fn good() -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &348_i32.to_le_bytes());
    for (index, length) in [3_i16, 4, 3, 2, 1, 1, 1, 1].into_iter().enumerate() {
        put(40 + 2 * index, &length.to_le_bytes());
    }
    put(70, &4_i16.to_le_bytes());
    put(72, &16_i16.to_le_bytes());
    for (index, length) in [1.0_f32, 3.0, 3.0, 3.0].into_iter().enumerate() {
        put(76 + 4 * index, &length.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(252, &1_i16.to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for row in 0..3 {
        put(280 + 20 * row, &2_f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes.extend((0_i16..24).flat_map(i16::to_le_bytes));
    bytes
}

/// Version 2 of the same, big-endian.
fn good_two() -> Vec<u8> {
    let mut bytes = vec![0; 544];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &540_i32.to_be_bytes());
    put(4, b"n+2\0\r\n\x1a\n");
    put(12, &4_i16.to_be_bytes());
    put(14, &16_i16.to_be_bytes());
    for (index, length) in [3_i64, 4, 3, 2, 1, 1, 1, 1].into_iter().enumerate() {
        put(16 + 8 * index, &length.to_be_bytes());
    }
    put(168, &544_i64.to_be_bytes());
    put(348, &1_i32.to_be_bytes());
    for row in 0..3 {
        put(400 + 40 * row, &2_f64.to_be_bytes());
    }
    bytes.extend((0_i16..24).flat_map(i16::to_be_bytes));
    bytes
}

fn with(mut bytes: Vec<u8>, at: usize, field: &[u8]) -> Vec<u8> {
    bytes[at..at + field.len()].copy_from_slice(field);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn image(bytes: &[u8]) -> Image {
    parse(bytes, &Limits::default()).expect("readable")
}

fn fault(bytes: &[u8]) -> NiftiError {
    let error = parse(bytes, &Limits::default()).expect_err("to be refused");
    assert!(error.to_string().len() > 20, "a sentence: {error}");
    error
}

/// The file is refused, and the fault is of this kind.
macro_rules! refused {
    ($bytes:expr, $fault:pat) => {{
        let error = fault(&$bytes);
        assert!(matches!(error, $fault), "{error:?}");
    }};
}

#[test]
fn the_good_files_are_good() {
    for bytes in [good(), good_two(), gzip(&good()), gzip(&good_two())] {
        let image = image(&bytes);
        assert_eq!(image.geometry.shape(), [4, 3, 2], "shape");
        assert_eq!(image.geometry.affine().spacing(), [2.0; 3], "sform before qform");
        assert_eq!(image.volumes[0].get(VoxelIndex([3, 2, 1])), Some(23.0), "the last voxel");
        assert!(image.warnings.is_empty(), "{:?}", image.warnings);
    }
}

#[test]
fn truncated_anywhere() {
    for whole in [good(), good_two()] {
        for length in 0..whole.len() {
            let cut = &whole[..length];
            match fault(cut) {
                NiftiError::Empty => assert_eq!(length, 0, "empty"),
                NiftiError::Foreign { .. } => assert!(length < 4, "less than a number: {length}"),
                NiftiError::HeaderTruncated { found, .. } => assert_eq!(found, length as u64, "header"),
                NiftiError::Truncated { found, .. } => assert_eq!(found, length as u64, "voxels"),
                other => panic!("{length} bytes: {other:?}"),
            }
            fault(&gzip(cut));
        }
        // A gzip stream that ends early: the last bytes are its checksum.
        let zipped = gzip(&whole);
        for length in 2..zipped.len() {
            fault(&zipped[..length]);
        }
    }
}

#[test]
fn gzip_of_several_members_and_with_damage() {
    let whole = good();
    let mut members = gzip(&whole[..100]);
    members.extend(gzip(&[]));
    members.extend(gzip(&whole[100..360]));
    members.extend(gzip(&whole[360..]));
    assert_eq!(image(&members).volumes[0], image(&whole).volumes[0], "members are one stream");
    let mut padded = gzip(&whole);
    padded.extend([0; 700]);
    assert_eq!(image(&padded).volumes[0], image(&whole).volumes[0], "zeros after the last member are padding");
    padded.push(7);
    refused!(padded, NiftiError::Gzip { .. });
    let mut zipped = gzip(&whole);
    let checksum = zipped.len() - 8;
    zipped[checksum] ^= 1;
    refused!(zipped, NiftiError::Gzip { .. });
    refused!([0x1f, 0x8b], NiftiError::HeaderTruncated { found: 0, .. });
    refused!([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], NiftiError::Gzip { .. });
    refused!(gzip(&gzip(&whole)), NiftiError::Foreign { .. });
}

#[test]
fn bombs_stop_at_the_limit() {
    // 64 MiB of zeros after the voxels in about 64 KiB.
    let mut bomb = good();
    bomb.resize(64 << 20, 0);
    let bomb = gzip(&bomb);
    let limits = Limits { max_file_bytes: 1 << 20, ..Limits::default() };
    let error = parse(&bomb, &limits).expect_err("a bomb");
    assert!(matches!(error, NiftiError::TooLarge { limit: 1_048_576 }), "{error:?}");
    assert_eq!(image(&bomb).warnings, [Warning::TrailingBytes], "within the limits it is only odd");
    // A few bytes that claim 2 GiB cannot hold them: nothing is allocated.
    let claim = with(good(), 40, &[3, 0, 0, 4, 0, 4, 0, 1]);
    refused!(gzip(&claim), NiftiError::Truncated { .. });
}

#[test]
fn axes_that_cannot_be() {
    let dims = |values: [i16; 8]| with(good(), 40, &values.map(i16::to_le_bytes).concat());
    refused!(dims([0, 4, 3, 2, 1, 1, 1, 1]), NiftiError::Axes { axes: 0 });
    refused!(dims([8, 4, 3, 2, 1, 1, 1, 1]), NiftiError::Axes { axes: 8 });
    refused!(dims([-1, 4, 3, 2, 1, 1, 1, 1]), NiftiError::Axes { axes: -1 });
    refused!(dims([3, -4, 3, 2, 1, 1, 1, 1]), NiftiError::AxisLength { axis: 1, length: -4 });
    refused!(dims([3, 4, 3, 0, 1, 1, 1, 1]), NiftiError::AxisLength { axis: 3, length: 0 });
    refused!(
        dims([7, 32767, 32767, 32767, 32767, 32767, 32767, 32767]),
        NiftiError::TooManyVoxels { voxels: None, .. }
    );
    refused!(dims([3, 32767, 32767, 32767, 1, 1, 1, 1]), NiftiError::TooManyVoxels { voxels: Some(_), .. });
    refused!(dims([4, 1, 1, 1, 5000, 1, 1, 1]), NiftiError::TooManyVolumes { volumes: 5000, .. });
    refused!(dims([3, 4, 3, 3, 1, 1, 1, 1]), NiftiError::Truncated { .. });
    assert_eq!(image(&dims([3, 4, 3, 2, -5, 0, 9, 9])).volumes.len(), 1, "axes beyond the number are not looked at");
    assert_eq!(image(&dims([1, 24, 0, 0, 0, 0, 0, 0])).geometry.shape(), [24, 1, 1], "one axis");
    assert_eq!(image(&dims([5, 2, 3, 1, 2, 2, 1, 1])).volumes.len(), 4, "a stack of stacks");
    let long = with(good_two(), 24, &i64::MAX.to_be_bytes());
    refused!(long, NiftiError::TooManyVoxels { voxels: None, .. });
    refused!(with(good_two(), 24, &i64::MIN.to_be_bytes()), NiftiError::AxisLength { axis: 1, length: i64::MIN });
}

#[test]
fn limits_hold_for_the_stack_and_for_the_file() {
    let limits = Limits { max_voxels: 23, ..Limits::default() };
    let error = parse(&good(), &limits).expect_err("24 voxels");
    assert!(matches!(error, NiftiError::TooManyVoxels { voxels: Some(24), limit: 23 }), "{error:?}");
    let limits = Limits { max_file_bytes: 399, ..Limits::default() };
    let error = parse(&good(), &limits).expect_err("400 bytes");
    assert!(matches!(error, NiftiError::TooLarge { limit: 399 }), "{error:?}");
    let error = parse(&gzip(&good()), &limits).expect_err("400 bytes inflated");
    assert!(matches!(error, NiftiError::TooLarge { limit: 399 }), "{error:?}");
}

#[test]
fn types_that_are_no_number_or_contradict() {
    let typed = |code: i16, bits: i16| with(good(), 70, &[code.to_le_bytes(), bits.to_le_bytes()].concat());
    refused!(typed(32, 64), NiftiError::UnsupportedDatatype { name: "complex64" });
    refused!(typed(128, 24), NiftiError::UnsupportedDatatype { name: "rgb24 (colours)" });
    refused!(typed(1536, 128), NiftiError::UnsupportedDatatype { name: "float128" });
    refused!(typed(0, 16), NiftiError::UnknownDatatype { code: 0 });
    refused!(typed(-9510, 16), NiftiError::UnknownDatatype { code: -9510 });
    refused!(typed(4, 8), NiftiError::BitsPerVoxel { bitpix: 8, .. });
    refused!(typed(16, 16), NiftiError::BitsPerVoxel { bitpix: 16, .. });
    refused!(typed(64, 64), NiftiError::Truncated { .. });
    assert!(fault(&typed(32, 64)).to_string().contains("complex64"), "named");
}

#[test]
fn voxels_that_begin_nowhere() {
    let offset = |offset: f32| with(good(), 108, &offset.to_le_bytes());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -352.0, 1.0, 347.0, 348.0, 352.5, 1e30] {
        refused!(offset(bad), NiftiError::VoxelOffset { least: 352, .. });
    }
    refused!(offset(353.0), NiftiError::Truncated { .. });
    refused!(offset(4e8), NiftiError::Truncated { .. });
    refused!(gzip(&offset(4096.0)), NiftiError::Truncated { .. });
    refused!(offset(1e10), NiftiError::TooLarge { .. });
    assert_eq!(image(&offset(0.0)).volumes[0], image(&good()).volumes[0], "0 means the least");
    refused!(with(good_two(), 168, &(-1_i64).to_be_bytes()), NiftiError::VoxelOffset { least: 544, .. });
    refused!(with(good_two(), 168, &i64::MAX.to_be_bytes()), NiftiError::TooLarge { .. });
    // Extensions are skipped, whatever they claim about themselves.
    let mut extended = offset(384.0);
    extended.splice(348..352, [[1, 0, 0, 0], [0xff; 4], [0xff; 4]].concat());
    extended.splice(360..360, [0xee; 24]);
    assert_eq!(image(&extended).volumes[0], image(&good()).volumes[0], "extension of nonsense");
}

#[test]
fn the_scale_is_used_only_if_it_means_something() {
    let scaled = |slope: f32, inter: f32| {
        let image = image(&with(good(), 112, &[slope.to_le_bytes(), inter.to_le_bytes()].concat()));
        (image.volumes[0].get(VoxelIndex([1, 0, 0])).expect("inside"), image.non_finite, image.warnings)
    };
    assert_eq!(scaled(2.5, 10.0), (12.5, 0, vec![]), "scaled");
    assert_eq!(scaled(0.0, 10.0), (1.0, 0, vec![]), "slope 0");
    assert_eq!(scaled(f32::NAN, 10.0), (1.0, 0, vec![]), "slope NaN");
    assert_eq!(scaled(f32::INFINITY, 10.0), (1.0, 0, vec![]), "slope infinite");
    assert_eq!(scaled(2.0, f32::NAN), (1.0, 0, vec![Warning::ScaleIgnored]), "intercept NaN");
    assert_eq!(scaled(-1.0, 0.0), (-1.0, 0, vec![]), "a negative slope is a slope");
    assert_eq!(scaled(3e38, 0.0).1, 22, "voxels from 2 on overflow and are counted");
}

#[test]
fn voxels_that_are_not_finite_are_kept_and_counted() {
    let mut bytes = with(good(), 70, &[16, 0, 32, 0]);
    bytes.truncate(352);
    bytes.extend((0_u8..24).flat_map(|k| match k {
        3 => f32::NAN.to_le_bytes(),
        5 => f32::NEG_INFINITY.to_le_bytes(),
        _ => f32::from(k).to_le_bytes(),
    }));
    let image = image(&bytes);
    assert_eq!(image.non_finite, 2, "counted");
    assert!(image.volumes[0].voxels()[3].is_nan(), "kept");
}

#[test]
fn transforms_that_mean_nothing() {
    let no_sform = with(good(), 254, &[0, 0]);
    assert_eq!(image(&no_sform).geometry.affine().spacing(), [3.0; 3], "qform if there is no sform");
    let neither = with(good(), 252, &[0; 4]);
    let guess = image(&neither);
    assert_eq!(guess.warnings, [Warning::NoOrientation], "a guess is announced");
    assert_eq!(guess.geometry.affine().rows()[0], [-3.0, 0.0, 0.0, 4.5], "x to the left, centred");
    let flat = with(good(), 280, &[0; 48]);
    let other = image(&flat);
    assert_eq!(other.warnings, [Warning::SformUnusable], "announced");
    assert_eq!(other.geometry.affine().spacing(), [3.0; 3], "the qform instead");
    refused!(with(flat, 252, &[0, 0]), NiftiError::Transform { transform: Transform::Sform, .. });
    let nan = with(with(good(), 252, &[0, 0]), 292, &f32::NAN.to_le_bytes());
    refused!(nan, NiftiError::Transform { transform: Transform::Sform, .. });
    let nan = with(no_sform.clone(), 256, &f32::NAN.to_le_bytes());
    refused!(nan, NiftiError::Transform { transform: Transform::Qform, .. });
    let infinite = with(no_sform.clone(), 268, &f32::INFINITY.to_le_bytes());
    refused!(infinite, NiftiError::Transform { transform: Transform::Qform, .. });
    let zero = image(&with(no_sform.clone(), 80, &[0; 4]));
    assert_eq!(zero.warnings, [Warning::SpacingRepaired], "announced");
    assert_eq!(zero.geometry.affine().spacing(), [1.0, 3.0, 3.0], "a spacing of 0 means 1");
    let mirrored = image(&with(no_sform, 76, &(-1_f32).to_le_bytes()));
    assert!(mirrored.geometry.affine().determinant() < 0.0, "qfac mirrors the third axis");
    let micrometres = image(&with(good(), 123, &[3]));
    assert_eq!(micrometres.warnings, [Warning::NotMillimetres], "announced");
}

#[test]
fn other_formats_are_named() {
    let foreign = |bytes: &[u8]| match fault(bytes) {
        NiftiError::Foreign { found } => found,
        other => panic!("{other:?}"),
    };
    let mut dicom = vec![0; 500];
    dicom[128..132].copy_from_slice(b"DICM");
    assert_eq!(foreign(&dicom), Foreign::Dicom, "DICOM");
    assert_eq!(foreign(&gzip(&dicom)), Foreign::Dicom, "DICOM in gzip");
    assert_eq!(foreign(b"PK\x03\x04 and so on"), Foreign::Zip, "ZIP");
    assert_eq!(foreign(b"<html>not found</html>"), Foreign::Text, "a web page");
    assert_eq!(foreign("métadonnées\n".as_bytes()), Foreign::Text, "text in UTF-8");
    assert_eq!(foreign(b"NRRD0004\n"), Foreign::Nrrd, "NRRD");
    assert_eq!(foreign(&[0; 1000]), Foreign::Unknown, "zeros");
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    assert_eq!(foreign(&gzip(&tar)), Foreign::Tar, "tar in gzip");
    assert_eq!(foreign(&with(good(), 344, &[0; 4])), Foreign::Analyze, "ANALYZE");
    refused!(with(good(), 344, b"ni1\0"), NiftiError::Pair);
    refused!(with(good_two(), 4, b"ni2\0\r\n\x1a\n"), NiftiError::Pair);
    refused!(with(good_two(), 4, b"n+2\0\n\n\x1a\n"), NiftiError::TextTransfer);
    refused!(with(good_two(), 504, &3001_i32.to_be_bytes()), NiftiError::Cifti { intent: 3001 });
    refused!([], NiftiError::Empty);
    refused!(gzip(&[]), NiftiError::HeaderTruncated { found: 0, .. });
}

#[test]
fn paths_that_are_no_files() {
    let folder = tempfile::tempdir().expect("folder");
    let error = volume::nifti::read(folder.path(), &Limits::default()).expect_err("a folder");
    assert!(matches!(error.fault(), NiftiError::NotAFile), "{error}");
    let missing = folder.path().join("missing.nii.gz");
    let error = volume::nifti::read(&missing, &Limits::default()).expect_err("missing");
    assert!(error.to_string().contains("missing.nii.gz"), "{error}");
    assert!(matches!(error.fault(), NiftiError::Unreadable { .. }), "{error}");
    let device = volume::nifti::read("/dev/zero".as_ref(), &Limits::default()).expect_err("endless");
    assert!(matches!(device.fault(), NiftiError::NotAFile), "{device}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_few_bytes_changed_never_panic(
        second in any::<bool>(), zipped in any::<bool>(),
        changes in proptest::collection::vec((0_usize..590, any::<u8>()), 1..6), length in 0_usize..700,
    ) {
        let mut bytes = if second { good_two() } else { good() };
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if length < bytes.len() && length % 3 == 0 {
            bytes.truncate(length);
        }
        let limits = Limits { max_voxels: 1 << 16, max_file_bytes: 1 << 20, max_volumes: 64 };
        let result = if zipped { parse(&gzip(&bytes), &limits) } else { parse(&bytes, &limits) };
        if let Ok(image) = result {
            let voxels: usize = image.volumes.iter().map(|volume| volume.voxels().len()).sum();
            prop_assert!(voxels <= 1 << 16, "within the limits");
        }
    }

    #[test]
    fn damaged_gzip_never_panics(at in 0_usize..200, byte in any::<u8>()) {
        let mut bytes = gzip(&good());
        let at = at % bytes.len();
        bytes[at] = byte;
        parse(&bytes, &Limits { max_file_bytes: 1 << 20, ..Limits::default() }).ok();
    }
}
