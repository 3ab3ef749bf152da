//! Phantoms: the same on every machine, sane in every tissue, exact in their labels, whole on disk.

#![expect(clippy::float_cmp, reason = "whole numbers are stored, and must come back exactly")]

use segment::labels::{LabelScheme, Region, Tissue, read_labels};
use segment::phantom::{FULL_SHAPE, Phantom, PhantomError, phantom, write_phantom};
use segment::staging::OutputError;
use segment::study::Sequence;
use volume::nifti::{self, Datatype};
use volume::{Connectivity, Limits, Orientation, components};

/// Two-millimetre heads: every structure is there at an eighth of the work.
const COARSE: [usize; 3] = [120, 120, 78];

fn checksum(phantom: &Phantom) -> u32 {
    let scans = phantom.scans.iter().flatten().fold(0, |sum, value| crc32c::crc32c_append(sum, &value.to_le_bytes()));
    crc32c::crc32c_append(scans, &phantom.labels)
}

fn count(phantom: &Phantom, tissue: Tissue) -> usize {
    phantom.labels.iter().filter(|code| Tissue::from_code(**code) == Some(tissue)).count()
}

/// The middle value of a scan where `wanted` holds for the label; nothing if that is nowhere.
fn median(phantom: &Phantom, sequence: Sequence, wanted: impl Fn(u8) -> bool) -> Option<f32> {
    let scan = phantom.scans[sequence.index()].iter().zip(&phantom.labels);
    let mut values: Vec<i16> =
        scan.filter(|(value, code)| **value > 0 && wanted(**code)).map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.get(values.len() / 2).map(|value| f32::from(*value))
}

#[test]
fn a_seed_gives_the_same_bytes_for_any_number_of_threads_and_on_any_machine() {
    let draw = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| phantom(7, [64, 64, 48]))
    };
    let one = draw(1);
    assert_eq!(one, draw(3), "one thread and three");
    assert_eq!(
        checksum(&one),
        CHECKSUM,
        "the head of seed 7 has changed: if that was meant, write the new number here"
    );
    assert_ne!(checksum(&one), checksum(&phantom(8, [64, 64, 48])), "seeds 7 and 8");
}

/// CRC-32C of the scans (little-endian, in channel order) and the labels of seed 7 on 64 x 64 x 48 voxels.
const CHECKSUM: u32 = 0xC816_12D6;

#[test]
fn ten_seeds_have_brains_and_tumours_of_sane_size_and_contrast() {
    let voxel_ml = (155.0_f64 / 78.0).powi(3) / 1000.0;
    for seed in 0..10 {
        let head = phantom(seed, COARSE);
        let ml = |n: usize| n as f64 * voxel_ml;
        let brain = ml(head.scans[0].iter().filter(|value| **value > 0).count());
        assert!((1100.0..1900.0).contains(&brain), "seed {seed}: brain of {brain} ml");
        let tumour = ml(head.labels.iter().filter(|code| **code != 0).count());
        assert!((1.0..350.0).contains(&tumour), "seed {seed}: tumour of {tumour} ml");
        assert!(ml(count(&head, Tissue::Oedema)) > 0.5, "seed {seed}: oedema");

        let healthy = |sequence| median(&head, sequence, |code| code == 0).unwrap();
        let bright = |sequence, tissue: Tissue| {
            median(&head, sequence, |code| code == tissue.code()).map(|v| v / healthy(sequence))
        };
        let oedema = bright(Sequence::T2f, Tissue::Oedema).unwrap();
        assert!((1.1..2.6).contains(&oedema), "seed {seed}: FLAIR oedema {oedema}");
        let oedema = bright(Sequence::T2w, Tissue::Oedema).unwrap();
        assert!((1.1..3.0).contains(&oedema), "seed {seed}: T2 oedema {oedema}");
        if ml(count(&head, Tissue::Enhancing)) > 1.0 {
            let rim = bright(Sequence::T1c, Tissue::Enhancing).unwrap();
            assert!((1.15..3.0).contains(&rim), "seed {seed}: T1c rim {rim}");
            let rim = bright(Sequence::T1n, Tissue::Enhancing).unwrap();
            assert!((0.5..1.15).contains(&rim), "seed {seed}: T1 rim {rim}");
        }
    }
}

#[test]
fn air_is_zero_in_all_scans_alike_and_labels_lie_in_the_brain() {
    for seed in [3, 11] {
        let head = phantom(seed, COARSE);
        for (n, code) in head.labels.iter().enumerate() {
            let inside = head.scans[0][n] > 0;
            assert!(head.scans.iter().all(|scan| (scan[n] > 0) == inside && scan[n] >= 0), "seed {seed}: voxel {n}");
            assert!(inside || *code == 0, "seed {seed}: label in the air at voxel {n}");
        }
        assert_eq!(head.scans[0][0], 0, "the corner is air");
    }
}

#[test]
fn tumours_of_every_kind_occur() {
    let heads: Vec<Phantom> = (0..40).map(|seed| phantom(seed, [60, 60, 48])).collect();
    let any = |wanted: &dyn Fn(&Phantom) -> bool| heads.iter().filter(|head| wanted(head)).count();
    let n_voxels = |head: &Phantom, tissue| count(head, tissue);
    let dull = any(&|head| n_voxels(head, Tissue::Enhancing) == 0 && n_voxels(head, Tissue::Necrotic) > 0);
    let solid = any(&|head| n_voxels(head, Tissue::Necrotic) == 0 && n_voxels(head, Tissue::Enhancing) > 0);
    let ring = any(&|head| n_voxels(head, Tissue::Necrotic) > 0 && n_voxels(head, Tissue::Enhancing) > 0);
    let several = any(&|head| {
        let core = Region::Tc.mask(&head.labels);
        components(&core, head.shape, Connectivity::Corners26).sizes.iter().filter(|size| **size > 4).count() > 1
    });
    let left = any(&|head| {
        let tumour = head.labels.iter().enumerate().filter(|(_, code)| **code != 0);
        // Stored LPS: the upper half of x is the patient's left.
        let (left, right): (Vec<_>, Vec<_>) = tumour.partition(|(n, _)| n % head.shape[0] >= head.shape[0] / 2);
        left.len() > right.len()
    });
    assert!(
        dull >= 2 && solid >= 2 && ring >= 15 && several >= 3,
        "{dull} dull, {solid} solid, {ring} ring, {several} with several foci"
    );
    assert!((8..=32).contains(&left), "{left} of 40 on the left");
}

#[test]
fn heads_of_any_shape_are_drawn() {
    for shape in [[1, 1, 1], [3, 9, 9], [4, 4, 4], [33, 47, 29], [8, 64, 8]] {
        let head = phantom(1, shape);
        let len = shape.iter().product::<usize>();
        assert!(head.scans.iter().all(|scan| scan.len() == len) && head.labels.len() == len, "{shape:?}");
        assert!(head.labels.iter().all(|code| Tissue::from_code(*code).is_some()), "{shape:?}: known tissues");
    }
    let head = phantom(5, [32, 32, 32]);
    assert!(head.scans[0].iter().filter(|value| **value > 0).count() > 2000, "a brain of 32 voxels");
    assert!(head.labels.iter().filter(|code| **code != 0).count() > 10, "a tumour in a brain of 32 voxels");
}

#[test]
fn a_case_on_disk_is_the_phantom_in_the_layout_of_the_challenges() {
    let folder = tempfile::tempdir().unwrap();
    let head = phantom(2, [60, 64, 48]);
    let case = head.write(folder.path()).unwrap();
    assert_eq!(case, folder.path().join("phantom_0002"), "its own folder");
    let limits = Limits::default();
    let path = |ending: &str| case.join(format!("phantom_0002_{ending}.nii.gz"));
    for (n, ending) in ["t1", "t1ce", "t2", "flair"].into_iter().enumerate() {
        let image = nifti::read(&path(ending), &limits).unwrap();
        assert_eq!(image.datatype, Datatype::I16, "{ending}");
        let scan = image.into_single().unwrap();
        assert_eq!(*scan.grid(), head.grid().unwrap(), "{ending}");
        assert!(scan.voxels().iter().zip(&head.scans[n]).all(|(a, b)| *a == f32::from(*b)), "{ending}: voxels");
    }
    let stored = nifti::read(&path("seg"), &limits).unwrap().into_single().unwrap();
    assert!(stored.voxels().iter().all(|value| [0.0, 1.0, 2.0, 4.0].contains(value)), "numbers of BraTS 2020");
    let (labels, ..) = read_labels(&path("seg"), LabelScheme::Brats2020, &limits).unwrap();
    assert!(labels.voxels().iter().zip(&head.labels).all(|(a, b)| a.code() == *b), "labels");

    std::fs::remove_file(path("t2")).unwrap();
    head.write(folder.path()).unwrap();
    assert!(path("t2").is_file(), "a second time replaces what is there");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["phantom_0002"], "nothing else stays behind");
}

#[test]
fn a_full_phantom_lies_on_the_grid_of_the_challenges() {
    let folder = tempfile::tempdir().unwrap();
    let case = write_phantom(folder.path(), 12345).unwrap();
    let flair =
        nifti::read(&case.join("phantom_12345_flair.nii.gz"), &Limits::default()).unwrap().into_single().unwrap();
    assert_eq!(flair.grid().shape(), FULL_SHAPE, "voxels");
    assert_eq!(Orientation::of(flair.grid().affine()).code(), "LPS", "stored order");
    let expected = [[-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 239.0], [0.0, 0.0, 1.0, 0.0]];
    assert_eq!(*flair.grid().affine().rows(), expected, "affine");
    let ml = flair.voxels().iter().filter(|value| **value > 0.0).count() / 1000;
    assert!((1100..1900).contains(&ml), "brain of {ml} ml");
}

#[test]
fn a_folder_that_is_a_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    std::fs::write(&file, "x").unwrap();
    let fault = phantom(1, [8, 8, 8]).write(&file).unwrap_err();
    assert!(matches!(&fault, PhantomError::Output(OutputError::NotAFolder { path }) if *path == file), "{fault}");
    assert_eq!(std::fs::read(&file).unwrap(), b"x", "the file is as it was");
}
