//! The model inside the program: it finds a phantom's tumour, and what it says of a patient does not depend on how the
//! files were stored or quantised.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test's material fails, and is missed, loudly")]

mod patients;

use kernels::Cpu;
use metrics::{Convention, Counts, Measure};
use patients::{case, packed};
use segment::artefact::Artefact;
use segment::infer::infer;
use segment::labels::{LabelMap, Region, Tissue};
use segment::phantom::{FULL_SHAPE, phantom};
use segment::precision::Precision;
use segment::prepare::prepare;
use segment::study::{Sequence, Study};
use segment::train::Flow;
use volume::{Limits, Orientation};

fn labels_of(artefact: &Artefact, study: &Study) -> LabelMap {
    let (tensor, preparation) = prepare(study, artefact.card.recipe.preparing.method).unwrap();
    let how = &artefact.card.recipe.inference;
    let cpu = Cpu::detect();
    let model = (&artefact.model, Precision::fastest(cpu, &artefact.model));
    let inferred = infer(cpu, model, how, &tensor, &mut |_| Flow::Continue).unwrap();
    preparation.restore(&inferred.codes).unwrap()
}

fn dice(region: Region, a: &LabelMap, b: &LabelMap) -> f64 {
    let mask = |labels: &LabelMap| labels.voxels().iter().map(|&t| region.contains(t)).collect::<Vec<bool>>();
    Convention::Brats2020.number(Measure::Dice, Counts::of(&mask(a), &mask(b)).dice())
}

fn real(name: &str) -> Option<Study> {
    Some(Study::read(&case(name)?, &Limits::default()).unwrap())
}

#[test]
fn finds_the_tumour_of_phantoms_that_it_never_saw() {
    let artefact = Artefact::embedded().unwrap();
    let seeds = [1, 2];
    let mean: f64 = seeds
        .map(|seed| {
            let made = phantom(seed, FULL_SHAPE);
            let scans = Sequence::ALL.map(|sequence| made.scan(sequence).unwrap());
            let study = Study::in_memory(made.name.clone(), scans).unwrap();
            dice(Region::Wt, &made.label_map().unwrap(), &labels_of(&artefact, &study))
        })
        .iter()
        .sum::<f64>()
        / seeds.len() as f64;
    assert!(mean >= 0.8, "mean Dice of WT over the seeds {seeds:?}: {mean:.3}");
}

#[test]
fn real_labels_are_the_same_for_three_storage_orders() {
    let Some(study) = real("BraTS2021_01481") else { return };
    let artefact = Artefact::embedded().unwrap();
    let own = Orientation::of(study.grid().affine());
    let expected = own.to_ras(&labels_of(&artefact, &study));
    assert!(expected.voxels().iter().any(|&t| t != Tissue::Background), "the case has a tumour");
    for code in ["RAS", "SAR", "PIL"] {
        let order = Orientation::all().into_iter().find(|order| order.code() == code).unwrap();
        let scans = study.scans().each_ref().map(|scan| order.from_ras(&own.to_ras(scan)));
        let labels = labels_of(&artefact, &Study::in_memory("turned".to_owned(), scans).unwrap());
        assert!(order.to_ras(&labels).voxels() == expected.voxels(), "{code}");
    }
}

#[test]
fn real_labels_hardly_change_when_a_case_is_quantised() {
    for name in ["BraTS2021_00002", "BraTS-SSA-00047-000"] {
        let Some(study) = real(name) else { return };
        let artefact = Artefact::embedded().unwrap();
        let quantised = Study::in_memory(name.to_owned(), study.scans().each_ref().map(packed)).unwrap();
        let (a, b) = (labels_of(&artefact, &study), labels_of(&artefact, &quantised));
        let same = dice(Region::Wt, &a, &b);
        eprintln!("{name}: Dice of WT between original and quantised {same:.4}");
        assert!(same >= 0.99, "{name}: {same:.4}");
    }
}
