//! Augmentation and prefetch against their definitions.
#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "a test; copies are compared bit for bit")]
#![expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "small numbers")]
#![expect(clippy::naive_bytecount, reason = "one dependency less")]

use proptest::prelude::*;
use segment::augment::apply::apply;
use segment::augment::draw::{Augmentation, Bias, ChannelChange, Geometry, Noise, Paste};
use segment::augment::filter::Scratch;
use segment::augment::gather::Mapping;
use segment::prefetch::{Feed, Prefetch};
use segment::random::Rng;
use segment::recipe::drawing::{Augmenting, Chance, Pasting, Rotation, Sampling, Zoom};
use segment::recipe::training::Stage;
use segment::sample::{Case, Patch, PatchPlan, Request, Sources, draw_patch};

/// A head of 20 x 22 x 24 with a brain that is a ball, and a tumour of three shells in it.
fn case(name: &str, seed: u64, tumour: [f64; 3]) -> Case {
    let shape = [20, 22, 24];
    let n = shape.iter().product::<usize>();
    let mut rng = Rng::new(seed);
    let (mut image, mut labels) = (vec![0.0; 4 * n], vec![0; n]);
    for voxel in 0..n {
        let at = [voxel / (22 * 24), voxel / 24 % 22, voxel % 24].map(|v| v as f64);
        let distance = |centre: [f64; 3]| (0..3).map(|axis| (at[axis] - centre[axis]).powi(2)).sum::<f64>().sqrt();
        if distance([9.5, 10.5, 11.5]) > 9.3 {
            continue;
        }
        (0..4).for_each(|channel| image[channel * n + voxel] = rng.between([-2.0, 3.0]) as f32 + 0.001);
        labels[voxel] = match distance(tumour) {
            d if d < 1.5 => 1,
            d if d < 2.6 => 3,
            d if d < 4.0 => 2,
            _ => 0,
        };
    }
    Case { name: name.to_owned(), shape, image, labels }
}

fn sources() -> Sources {
    let real = vec![case("a", 1, [9.0, 9.0, 8.0]), case("b", 2, [10.0, 13.0, 14.0]), case("c", 3, [99.0; 3])];
    Sources::new(real, vec![case("phantom", 4, [9.0, 11.0, 14.0])], 2).unwrap()
}

fn sampling() -> Sampling {
    Sampling { foreground: 0.6, jitter: 0.2, phantom_share: 0.1, phantoms: 1 }
}

fn augmenting(probability: f64) -> Augmenting {
    let chance = |low, high| Chance { probability, range: [low, high] };
    Augmenting {
        flip: [0.5; 3],
        rotation: Rotation { probability, in_plane: [-40.0, 40.0], tilt: [-20.0, 20.0] },
        zoom: Zoom { probability, range: [0.7, 1.4], anisotropy: 0.1 },
        paste: Pasting { probability, margin: 2, rotation: 15.0, displacement: 3.0 },
        bias: chance(0.1, 0.8),
        blur: chance(0.5, 1.2),
        low_resolution: chance(0.5, 0.9),
        noise: chance(0.0, 0.2),
        contrast: chance(0.7, 1.3),
        brightness: chance(0.7, 1.3),
        shift: chance(-0.2, 0.2),
        gamma: chance(0.7, 1.5),
        inverted_gamma: chance(0.7, 1.5),
        without_contrast: 0.1,
        tumour_contrast: chance(0.5, 1.2),
        drop_sequence: 0.1,
    }
}

fn feed(probability: f64) -> Feed {
    let stages =
        vec![Stage { steps: 5, patch: [12, 10, 14], batch: 2 }, Stage { steps: 4, patch: [16, 16, 16], batch: 1 }];
    Feed { sources: sources(), seed: 11, sampling: sampling(), augmenting: augmenting(probability), stages }
}

/// Code and channels of a voxel of a case; air outside of it.
fn voxel_of(sources: &Sources, case: usize, at: [i64; 3]) -> (u8, [f32; 4]) {
    let source = &sources.all()[case];
    let place: Option<Vec<usize>> =
        (0..3).map(|axis| usize::try_from(at[axis]).ok().filter(|&v| v < source.shape[axis])).collect();
    place.map_or((255, [0.0; 4]), |p| {
        let voxel = (p[0] * source.shape[1] + p[1]) * source.shape[2] + p[2];
        (source.codes[voxel], source.voxels[voxel])
    })
}

fn label(code: u8) -> u8 {
    if code == 255 { 0 } else { code }
}

fn made(sources: &Sources, plan: &PatchPlan, augmentation: &Augmentation) -> Patch {
    let mut patch = Patch::empty([1, 1, 1]);
    apply(sources, plan, augmentation, &mut Scratch::default(), &mut patch);
    patch
}

fn any_plan() -> impl Strategy<Value = PatchPlan> {
    (0..4_usize, [-14_i64..16, -14_i64..16, -14_i64..16], [1_usize..18, 1_usize..18, 1_usize..18])
        .prop_map(|(case, start, patch)| PatchPlan { case, start, patch })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Without rotation and zoom every voxel is a voxel of the case, flipped about the middle of the patch.
    #[test]
    fn plain_patches_are_copies(plan in any_plan(), flips in any::<[bool; 3]>()) {
        let sources = sources();
        let drawn = Augmentation { geometry: Geometry { flips, ..Geometry::IDENTITY }, ..Augmentation::NONE };
        let patch = made(&sources, &plan, &drawn);
        let [d, h, w] = plan.patch;
        for voxel in 0..d * h * w {
            let at = [voxel / (h * w), voxel / w % h, voxel % w];
            let from: [i64; 3] = std::array::from_fn(|axis| {
                let offset = if flips[axis] { plan.patch[axis] - 1 - at[axis] } else { at[axis] };
                plan.start[axis] + offset as i64
            });
            let (code, value) = voxel_of(&sources, plan.case, from);
            prop_assert_eq!(patch.labels[voxel], label(code));
            (0..4).for_each(|channel| assert_eq!(patch.image[channel * d * h * w + voxel], value[channel]));
        }
    }

    /// With rotation and zoom every voxel is the trilinear value of its definition in f64, its label the nearest one.
    #[test]
    fn turned_patches_follow_the_definition(
        plan in any_plan(),
        flips in any::<[bool; 3]>(),
        rotation in [-90.0..90.0, -40.0..40.0, -40.0..40.0],
        zoom in [0.6..1.6, 0.6..1.6, 0.6..1.6],
    ) {
        let sources = sources();
        let geometry = Geometry { flips, zoom, rotation };
        let patch = made(&sources, &plan, &Augmentation { geometry, ..Augmentation::NONE });
        let mapping = Mapping::of(&geometry, plan.start, plan.patch);
        let [d, h, w] = plan.patch;
        let shape = sources.all()[plan.case].shape;
        for voxel in 0..d * h * w {
            let out = [voxel / (h * w), voxel / w % h, voxel % w].map(|v| v as f64);
            let q: [f64; 3] = std::array::from_fn(|axis| {
                mapping.origin[axis] + (0..3).map(|o| mapping.matrix[axis][o] * out[o]).sum::<f64>()
            });
            // Where rounding decides, either side is right.
            let undecided = q.iter().zip(shape).any(|(v, n)| {
                (v - v.floor() - 0.5).abs() < 1e-6 || v.abs() < 1e-6 || (v - (n as f64 - 1.0)).abs() < 1e-6
            });
            if undecided {
                continue;
            }
            let inside = q.iter().zip(shape).all(|(&v, n)| v >= 0.0 && v <= n as f64 - 1.0);
            let nearest = if inside { q.map(|v| v.round() as i64) } else { [-1; 3] };
            let (code, _) = voxel_of(&sources, plan.case, nearest);
            prop_assert_eq!(patch.labels[voxel], label(code));
            for channel in 0..4 {
                let expected = if code == 255 { 0.0 } else { trilinear(&sources, plan.case, q, channel) };
                let got = f64::from(patch.image[channel * d * h * w + voxel]);
                prop_assert!((got - expected).abs() < 2e-5, "voxel {voxel}: {got} instead of {expected}");
            }
        }
    }

    /// Whatever is drawn: air stays exactly 0, everything is finite, labels are tissues in brain, and a replay is equal.
    #[test]
    fn everything_at_once_keeps_air(number in 0_u64..10_000, seed in any::<u64>()) {
        let mut feed = feed(0.8);
        feed.seed = seed;
        let request = Request { seed, step: number, index: 0, number, patch: [14, 15, 13] };
        let first = feed.make(request, &mut Scratch::default(), Patch::empty([1, 1, 1]));
        let mut used = Patch::empty([20, 20, 20]);
        used.image.fill(f32::NAN);
        let again = feed.make(request, &mut Scratch::default(), used);
        prop_assert_eq!(&first, &again);
        let geometry_only = Augmentation { geometry: first.augmentation.geometry, ..Augmentation::NONE };
        let plain = made(&feed.sources, &first.plan, &geometry_only);
        let n = first.patch.labels.len();
        for voxel in 0..n {
            let air = (0..4).all(|channel| plain.image[channel * n + voxel] == 0.0);
            let values: Vec<f32> = (0..4).map(|channel| first.patch.image[channel * n + voxel]).collect();
            prop_assert!(values.iter().all(|v| v.is_finite()));
            prop_assert!(!air || (values == [0.0; 4] && first.patch.labels[voxel] == 0), "air changed at {voxel}");
            prop_assert!(first.patch.labels[voxel] <= 3);
        }
    }
}

fn trilinear(sources: &Sources, case: usize, q: [f64; 3], channel: usize) -> f64 {
    let mut sum = 0.0;
    for corner in 0..8_i64 {
        let up = [corner >> 2 & 1, corner >> 1 & 1, corner & 1];
        let weight: f64 = (0..3)
            .map(|axis| if up[axis] == 1 { q[axis] - q[axis].floor() } else { 1.0 - (q[axis] - q[axis].floor()) })
            .product();
        let at: [i64; 3] = std::array::from_fn(|axis| q[axis].floor() as i64 + up[axis]);
        sum += weight * f64::from(voxel_of(sources, case, at).1[channel]);
    }
    sum
}

/// The reason for nearest labels: a rim of one voxel keeps its volume, and a vote of the eight neighbours loses part of it.
#[test]
fn a_thin_rim_keeps_its_volume() {
    let n = 48_usize;
    let mut labels = vec![0_u8; n.pow(3)];
    for (voxel, label) in labels.iter_mut().enumerate() {
        let at = [voxel / (n * n), voxel / n % n, voxel % n];
        let radius = at.iter().map(|&v| (v as f64 - 23.5).powi(2)).sum::<f64>().sqrt();
        *label = match radius {
            r if r < 8.0 => 1,
            r if r < 8.8 => 3,
            r if r < 12.0 => 2,
            _ => 0,
        };
    }
    let rim = labels.iter().filter(|&&l| l == 3).count() as f64;
    let case = Case { name: "rim".into(), shape: [n; 3], image: vec![1.0; 4 * n.pow(3)], labels };
    let sources = Sources::new(vec![case], Vec::new(), 1).unwrap();
    let plan = PatchPlan { case: 0, start: [0; 3], patch: [n; 3] };
    let (mut kept, mut voted) = (0.0, 0.0);
    let mut rng = Rng::new(3);
    for _ in 0..12 {
        let rotation = [0; 3].map(|_| rng.between([-45.0, 45.0]));
        let geometry = Geometry { rotation, ..Geometry::IDENTITY };
        let patch = made(&sources, &plan, &Augmentation { geometry, ..Augmentation::NONE });
        kept += patch.labels.iter().filter(|&&l| l == 3).count() as f64 / rim / 12.0;
        voted += rim_by_vote(&sources, &Mapping::of(&geometry, plan.start, plan.patch)) / rim / 12.0;
    }
    assert!((kept - 1.0).abs() < 0.02, "nearest labels keep {kept} of the rim");
    assert!(voted < 0.97, "a vote keeps {voted} of the rim: then it might be preferred for its smoother borders");
}

fn rim_by_vote(sources: &Sources, mapping: &Mapping) -> f64 {
    let n = sources.all()[0].shape[0];
    let mut count = 0.0;
    for voxel in 0..n.pow(3) {
        let out = [voxel / (n * n), voxel / n % n, voxel % n].map(|v| v as f64);
        let q: [f64; 3] = std::array::from_fn(|axis| {
            mapping.origin[axis] + (0..3).map(|o| mapping.matrix[axis][o] * out[o]).sum::<f64>()
        });
        let mut votes = [0.0; 4];
        for corner in 0..8_i64 {
            let at: [i64; 3] = std::array::from_fn(|axis| q[axis].floor() as i64 + (corner >> (2 - axis) & 1));
            let weight: f64 = (0..3).map(|axis| 1.0 - (q[axis] - at[axis] as f64).abs()).product();
            votes[usize::from(label(voxel_of(sources, 0, at).0))] += weight;
        }
        count += f64::from(u8::from((0..4).all(|class| votes[class] <= votes[3])));
    }
    count
}

#[test]
fn a_pasted_tumour_lies_where_it_lay_in_its_own_head() {
    let sources = sources();
    let plan = PatchPlan { case: 2, start: [0; 3], patch: [20, 22, 24] };
    let paste = Paste { donor: 0, mirrored: false, rotation: [0.0; 3], displacement: [0.0; 3] };
    let patch = made(&sources, &plan, &Augmentation { paste: Some(paste), ..Augmentation::NONE });
    let n = patch.labels.len();
    let (target, donor) = (&sources.all()[2], &sources.all()[0]);
    for voxel in 0..n {
        let tumour = (1..=3).contains(&donor.codes[voxel]) && target.codes[voxel] != 255;
        assert_eq!(patch.labels[voxel], if tumour { donor.codes[voxel] } else { 0 }, "label of voxel {voxel}");
        if tumour {
            (0..4).for_each(|c| assert!((patch.image[c * n + voxel] - donor.voxels[voxel][c]).abs() < 1e-6));
        }
    }
    let changed = (0..n).filter(|&v| (0..4).any(|c| patch.image[c * n + v] != target.voxels[v][c])).count();
    let marked = patch.labels.iter().filter(|&&l| l > 0).count();
    assert!(changed > marked, "the margin was not mixed: {changed} voxels changed, {marked} marked");

    let mirrored = Paste { mirrored: true, ..paste };
    let patch = made(&sources, &plan, &Augmentation { paste: Some(mirrored), ..Augmentation::NONE });
    for (voxel, &got) in patch.labels.iter().enumerate() {
        let opposite = voxel / 24 * 24 + 23 - voxel % 24;
        let tumour = (1..=3).contains(&donor.codes[opposite]) && target.codes[voxel] != 255;
        assert_eq!(got, if tumour { donor.codes[opposite] } else { 0 }, "mirrored label of voxel {voxel}");
    }
}

#[test]
fn without_contrast_t1c_is_t1n_and_nothing_enhances() {
    let sources = sources();
    let plan = PatchPlan { case: 0, start: [0; 3], patch: [20, 22, 24] };
    let usual = made(&sources, &plan, &Augmentation::NONE);
    let unenhanced = made(&sources, &plan, &Augmentation { unenhanced: true, ..Augmentation::NONE });
    let n = usual.labels.len();
    assert!(usual.labels.contains(&3));
    for (voxel, (&before, &after)) in usual.labels.iter().zip(&unenhanced.labels).enumerate() {
        assert_eq!(after, if before == 3 { 1 } else { before }, "label of voxel {voxel}");
    }
    for (channel, from) in [0, 0, 2, 3].into_iter().enumerate() {
        assert_eq!(unenhanced.image[channel * n..][..n], usual.image[from * n..][..n], "channel {channel}");
    }
}

#[test]
fn phantoms_take_no_real_tumour() {
    let sources = sources();
    assert!(sources.donors_for(3).is_empty());
    assert_eq!(sources.donors_for(0), [1]);
    assert_eq!(sources.donors_for(2), [0, 1]);
}

#[test]
fn cases_and_tissues_come_in_their_shares() {
    let sources = sources();
    let n = 9000;
    let (mut cases, mut tissues, mut tumour) = ([0_u32; 4], [0_u32; 4], 0_u32);
    for number in 0..u64::from(n) {
        let request = Request { seed: 5, step: number, index: 0, number, patch: [8, 8, 8] };
        let sampling = Sampling { foreground: 0.6, jitter: 0.0, ..sampling() };
        let plan = draw_patch(&sources, &sampling, &request, &mut request.rng());
        cases[plan.case] += 1;
        if plan.case == 0 {
            let code = voxel_of(&sources, 0, plan.start.map(|s| s + 4)).0;
            tissues[usize::from(label(code))] += 1;
            tumour += u32::from((1..=3).contains(&code));
        }
    }
    // A tenth for the phantom, the rest in equal parts; bounds of about five standard errors.
    assert!(cases[3].abs_diff(n / 10) < 145, "{cases:?}");
    assert!(cases[..3].iter().all(|c| c.abs_diff(n * 3 / 10) < 145), "{cases:?}");
    let share = f64::from(tumour) / f64::from(cases[0]);
    assert!(share > 0.55 && share < 0.75, "{share} of the patches are centred in the tumour");
    let rare = f64::from(tissues[1].min(tissues[3])) / f64::from(tumour);
    assert!(rare > 0.22, "tissues {tissues:?} are not seen about equally");
}

#[test]
fn patches_stay_inside_large_cases_and_hold_small_ones() {
    let sources = sources();
    for number in 0..200 {
        let request = Request { seed: 1, step: number, index: 0, number, patch: [40, 10, 24] };
        let plan = draw_patch(&sources, &sampling(), &request, &mut request.rng());
        assert!((-20..=0).contains(&plan.start[0]), "depth 20 in a patch of 40 from {}", plan.start[0]);
        assert!((0..=12).contains(&plan.start[1]) && plan.start[2] == 0, "{:?}", plan.start);
    }
}

#[test]
fn prefetch_delivers_the_same_patches_whatever_the_threads() {
    let feed = feed(0.3);
    let expected: Vec<_> = (0..14)
        .map(|number| feed.make(feed.request(number).unwrap(), &mut Scratch::default(), Patch::empty([1, 1, 1])))
        .collect();
    assert_eq!(feed.request(14), None);
    let steps: Vec<(u64, u64)> = expected.iter().map(|s| (s.request.step, s.request.index)).collect();
    assert_eq!(steps[..4], [(0, 0), (0, 1), (1, 0), (1, 1)]);
    assert_eq!(steps[10..], [(5, 0), (6, 0), (7, 0), (8, 0)]);
    for (threads, depth, first_step) in [(1, 1, 0), (1, 4, 0), (3, 2, 0), (2, 8, 3), (2, 3, 7)] {
        let mut prefetch = Prefetch::start(feed.clone(), first_step, threads, depth);
        let mut got = Vec::new();
        while let Some(sample) = prefetch.next_sample().unwrap() {
            got.push(sample.clone());
            prefetch.recycle(sample.patch);
        }
        let first = usize::try_from(feed.n_patches_before(first_step)).unwrap();
        assert_eq!(got, expected[first..], "{threads} threads, depth {depth}, from step {first_step}");
    }
}

#[test]
fn prefetch_ends_when_dropped_and_says_when_it_broke() {
    drop(Prefetch::start(feed(0.3), 0, 2, 1));
    // So large a patch has no length in bytes: the thread panics instead of leaving training to wait for ever.
    let mut feed = feed(0.3);
    feed.stages[0].patch = [1 << 20; 3];
    assert!(Prefetch::start(feed, 0, 2, 2).next_sample().is_err(), "the broken thread went unnoticed");
}

#[test]
fn bias_powers_are_those_of_degree_one_to_three() {
    let powers: Vec<[usize; 3]> = Bias::powers().collect();
    assert_eq!(powers.len(), 19);
    assert!(powers.iter().all(|p| (1..=3).contains(&p.iter().sum::<usize>())), "{powers:?}");
}

/// Prints the time of a patch of 96^3; the bounds are wide, for other programs may run beside.
#[test]
fn a_patch_takes_milliseconds() {
    let n = 150_usize;
    let mut rng = Rng::new(8);
    let image = (0..4 * n.pow(3)).map(|_| rng.between([-2.0, 2.0]) as f32).collect::<Vec<f32>>();
    let labels: Vec<u8> = (0..n.pow(3)).map(|v| if v / (n * n) > 100 && v % n > 110 { 2 } else { 0 }).collect();
    let make = |name: &str| Case { name: name.into(), shape: [n; 3], image: image.clone(), labels: labels.clone() };
    let sources = Sources::new(vec![make("a"), make("b")], Vec::new(), 3).unwrap();
    let plan = PatchPlan { case: 0, start: [30; 3], patch: [96; 3] };
    let geometry = Geometry { flips: [true; 3], zoom: [0.8, 0.9, 1.1], rotation: [30.0, 10.0, -10.0] };
    let turned = Augmentation { geometry, ..Augmentation::NONE };
    let change = ChannelChange {
        bias: Some(Bias { coefficients: [0.01; 19] }),
        blur: Some(1.2),
        low_resolution: Some([0.7; 3]),
        noise: Some(Noise { deviation: 0.1, seed: 1 }),
        contrast: Some(1.1),
        brightness: Some(0.9),
        shift: Some(0.1),
        gamma: Some(0.8),
        inverted_gamma: Some(1.2),
        dropped: false,
    };
    let paste = Paste { donor: 1, mirrored: true, rotation: [5.0; 3], displacement: [1.0; 3] };
    let all = Augmentation {
        geometry,
        paste: Some(paste),
        unenhanced: true,
        tumour_contrast: Some(0.5),
        channels: [const { ChannelChange::NONE }; 4].map(|_| change.clone()),
    };
    let (mut scratch, mut patch) = (Scratch::default(), Patch::empty([96; 3]));
    for (name, drawn) in [("copied", Augmentation::NONE), ("turned", turned), ("all at once", all)] {
        let time = (0..5).map(|_| {
            let begun = std::time::Instant::now();
            apply(&sources, &plan, &drawn, &mut scratch, &mut patch);
            begun.elapsed()
        });
        let least = time.min().unwrap();
        println!("96^3 {name}: {least:?}");
        assert!(least.as_millis() < 1000, "96^3 {name} takes {least:?}");
    }
}
