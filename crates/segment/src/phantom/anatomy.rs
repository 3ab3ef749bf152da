//! A healthy head as distances: which tissue a point holds, in a frame like MNI's (mm, RAS, origin near the anterior
//! commissure).
//!
//! Every structure is a signed distance that is positive inside. A tissue's share of a voxel follows from the distance,
//! so edges are smooth. Sulci are the zero lines of a noise on the brain's surface, carried inwards along its normal:
//! sheets that meander and fork as the real ones do, with grey matter of even thickness on both sides.

use super::noise::{
    Dice, Field, P3, covered, dot, each, ellipsoid, length, lerp, plus, ramp, smooth_max, smooth_min, tube,
};

/// Shares of the tissues in one voxel (they sum to 1) and what the tumour has to know about the place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Fluid: ventricles, sulci, cisterns.
    pub csf: f32,
    /// Cortex of cerebrum and cerebellum.
    pub grey: f32,
    /// White matter.
    pub white: f32,
    /// Thalamus, putamen, caudate.
    pub deep: f32,
    /// Pallidum and brain stem: between white and deep grey.
    pub stem: f32,
    /// Blood that takes up contrast agent: vessels, sinuses, dura, choroid plexus. Lies over the others, 0..1.
    pub blood: f32,
    /// Bone and air that a skull stripping left at the border: no signal. Lies over the others, 0..1.
    pub void: f32,
    /// Age's bright seam of white matter around the ventricles in T2 and FLAIR, 0..1.
    pub cap: f32,
    /// Distance to the nearest ventricle in mm, positive inside.
    pub ventricle: f32,
    /// Depth under the cortex in mm: 0 at the border of grey and white matter.
    pub under_cortex: f32,
}

/// One person's anatomy: sizes and noise fields drawn once.
#[derive(Clone, Debug)]
pub(super) struct Head {
    size: P3,
    taper: f32,
    warp: Field,
    detail: Field,
    lean: Field,
    folds: [Field; 2],
    creases: [Field; 2],
    fold_depth: Field,
    shrink: Field,
    folia: Field,
    vessels: [Field; 2],
    choroid: Field,
    strip: Field,
    ventricles: f32,
    sulcus: f32,
    cortex: f32,
    margin: f32,
    dura: f32,
    caps: f32,
    /// Width of an edge in mm: a voxel of the scan, at least the 1.2 mm of a sharp scan.
    edge: f32,
}

impl Head {
    /// Draws a head whose edges suit voxels of `voxel` mm.
    pub(super) fn draw(dice: &mut Dice, voxel: f32) -> Self {
        let age = dice.unit(); // one number for what goes together: wide sulci, wide ventricles, thin cortex
        Self {
            size: [dice.between(0.91, 1.0), dice.between(0.92, 1.01), dice.between(0.91, 0.99)],
            taper: dice.between(0.0004, 0.0016),
            warp: dice.field(),
            detail: dice.field(),
            lean: dice.field(),
            folds: [dice.field(), dice.field()],
            creases: [dice.field(), dice.field()],
            fold_depth: dice.field(),
            shrink: dice.field(),
            folia: dice.field(),
            vessels: [dice.field(), dice.field()],
            choroid: dice.field(),
            strip: dice.field(),
            ventricles: lerp(0.62, 1.25, age) * dice.between(0.85, 1.2),
            sulcus: lerp(0.15, 0.85, age),
            cortex: lerp(3.0, 2.5, age),
            margin: dice.between(0.3, 1.8),
            dura: dice.between(0.0, 1.0),
            caps: age * dice.between(0.0, 1.0),
            edge: voxel.max(1.2),
        }
    }

    /// Distance to the border of the stripped brain at `p`, positive inside.
    pub(super) fn hull(&self, p: P3) -> f32 {
        let shape = Shape::at(self.individual(p));
        let whole = smooth_max(smooth_max(shape.cerebrum, shape.cerebellum, 9.0), shape.stem, 7.0) + self.margin;
        if whole < -12.0 { whole } else { whole + 2.2 * self.strip.at(p, 17.0) }
    }

    /// Takes the person's size and asymmetry out of a point.
    fn individual(&self, p: P3) -> P3 {
        let warp = self.warp.vector(p, 70.0);
        let shift: P3 = each(|axis| 7.0 * warp[axis]);
        let y = p[1] + shift[1];
        [
            (p[0] + 0.7 * shift[0]) / self.size[0] * (1.0 + self.taper * (y + 18.0)),
            y / self.size[1],
            (p[2] + shift[2]) / self.size[2],
        ]
    }

    /// The tissues at `p`, where the border of the brain is `hull` mm away (a tumour moves tissue but not the skull,
    /// so the two may be asked for different points).
    pub(super) fn place(&self, p: P3, hull: f32) -> Place {
        let wide = self.individual(p);
        let shape = Shape::at(wide);
        let q = plus(wide, self.detail.vector(p, 24.0), 3.0);
        let midline = Midline::at(q, self.sulcus);
        let ventricle = self.ventricles_at(q);
        let sylvian = sylvian(q, self.sulcus);
        let mut place = Place { ventricle, ..Place::default() };
        let rim = hull - self.margin - (0.4 + 1.3 * self.sulcus) * (0.3 + 2.2 * self.shrink.at(p, 30.0)).max(0.0);
        let (pial, cortex) = if shape.cerebellum > shape.cerebrum.max(shape.stem) {
            self.cerebellum(q, shape.cerebellum.min(rim + 1.0), &mut place)
        } else if shape.stem > shape.cerebrum {
            place.stem = 1.0;
            (shape.stem.min(rim), -9.0)
        } else {
            let outer = smooth_min(rim.min(shape.cerebrum + 0.8), midline.fissure.min(sylvian), 1.0);
            self.cerebrum(wide, outer, &midline, &mut place)
        };
        self.mix(q, pial, cortex, &mut place);
        place.blood = self.blood([p, q], hull, pial, ventricle);
        if hull < 4.0 {
            place.void = covered(0.7 - hull + 4.0 * self.shrink.at(p, 9.0), 1.6) * ramp(4.0, 1.0, hull);
        }
        if ventricle > -8.0 {
            let seam = (4.0 + 12.0 * self.choroid.at(q, 16.0)).clamp(1.0, 8.0);
            place.cap = self.caps * ramp(-seam, -0.5, ventricle) * place.white;
        }
        place
    }

    /// Depth under the pia and thickness of the cortex in the cerebrum.
    fn cerebrum(&self, p: P3, outer: f32, midline: &Midline, place: &mut Place) -> (f32, f32) {
        let side = usize::from(p[0] > 0.0);
        let surface = |p: P3| smooth_min(Shape::at(p).cerebrum, midline.half(p), 14.0);
        let depth = surface(p);
        let bare = self.cortex * ramp(1.5, -2.5, midline.middle);
        let cortex = if midline.middle > -3.0 && midline.fissure < outer + 1.0 { bare } else { self.cortex };
        if depth > 30.0 {
            place.under_cortex = outer - cortex;
            return (outer, cortex);
        }
        let step = 1.5;
        let slope: P3 = each(|axis| {
            let mut near = p;
            near[axis] += step;
            (surface(near) - depth) / step
        });
        let steep = length(slope).max(0.3);
        let normal: P3 = each(|axis| slope[axis] / steep);
        // Sulci lean and curve on their way inwards.
        let lean = 6.0 * ramp(1.0, 15.0, depth);
        let foot = plus(plus(p, normal, -0.85 * depth), self.lean.vector(p, 17.0), lean);
        let reach = 23.0 + 17.0 * self.fold_depth.at(foot, 31.0);
        // The medial wall has shallow sulci that do not reach the nuclei.
        let medial = ramp(0.1, 0.8, normal[0] * p[0].signum());
        let reach = reach * lerp(1.0, 0.45, medial);
        let wide =
            0.1 + self.sulcus * (0.3 + 1.0 * ramp(8.0, 0.0, depth)) + 0.9 * self.shrink.at(foot, 26.0) - 0.5 * medial;
        let fold = sheet(self.folds[side], foot, normal, 15.0);
        let deep = (depth - reach.max(3.0)).max(0.0);
        let fold = (fold * fold + deep * deep).sqrt() - wide.max(0.1);
        let crease = sheet(self.creases[side], foot, normal, 11.0);
        let deep = (depth - 0.6 * reach.max(4.0)).max(0.0);
        let crease = (crease * crease + deep * deep).sqrt() - 0.7 * wide.max(0.1) + 6.0 * medial;
        // Deep in the middle there are no sulci: the noise's sheets fade where the callosum and the nuclei lie.
        let fade = 8.0 * ramp(-4.0, 6.0, midline.middle) * ramp(40.0, 22.0, p[0].abs());
        let pial = smooth_min(outer, fold.min(crease) + fade, 0.8);
        (pial, cortex)
    }

    /// The cerebellum: thin folia that fan out from the fourth ventricle around a tree of white matter.
    fn cerebellum(&self, p: P3, outer: f32, place: &mut Place) -> (f32, f32) {
        let (y, z) = (p[1] + 50.0, p[2] + 34.0);
        let fan = z / (y.abs() + z.abs() + 4.0); // grows like the angle around the transverse axis
        let fan = if y > 0.0 { 2.0 - fan } else { fan };
        let along = 32.0 * fan + 0.12 * p[0].abs() + 7.0 * self.folia.at(p, 23.0) + 2.0 * self.folia.at(p, 9.0);
        let fade = 7.0 * ramp(17.0, 9.0, (y * y + z * z).sqrt());
        let groove = |spacing: f32, reach: f32| {
            let turn = along / spacing;
            let across = (turn - turn.floor() - 0.5).abs() * spacing;
            let deep = (outer - reach).max(0.0);
            (across * across + deep * deep).sqrt()
        };
        let fine = 8.0 + 9.0 * self.folia.at(p, 15.0);
        let pial = outer.min(groove(4.5, fine) - 0.3 + fade).min(groove(13.5, 16.0) - 0.5 + fade);
        place.under_cortex = pial - 1.4;
        (pial, 1.4)
    }

    /// Turns distances into shares.
    fn mix(&self, p: P3, pial: f32, cortex: f32, place: &mut Place) {
        place.under_cortex = pial - cortex;
        let tissue = covered(pial, self.edge) * (1.0 - covered(place.ventricle, self.edge));
        let stem = place.stem;
        let inner = if stem > 0.0 { 0.0 } else { covered(pial - cortex, self.edge * 1.2) };
        let (nuclei, pallidum) = nuclei(p, place.ventricle);
        let deep = covered(nuclei, 2.0 * self.edge) * inner;
        let pale = covered(pallidum, 2.5 * self.edge) * inner * (1.0 - deep);
        place.csf = 1.0 - tissue;
        place.grey = tissue * (1.0 - inner) * (1.0 - stem);
        place.deep = tissue * deep;
        place.stem = tissue * (stem + pale);
        place.white = (tissue - place.grey - place.deep - place.stem).max(0.0);
    }

    /// Distance to the ventricles.
    fn ventricles_at(&self, p: P3) -> f32 {
        let x = p[0].abs();
        if x > 48.0 || p[1] > 46.0 || p[1] < -90.0 || p[2] < -52.0 || p[2] > 42.0 {
            return -20.0;
        }
        let (q, w) = ([x, p[1], p[2]], self.ventricles);
        let body =
            tube([x, p[1], p[2] * 0.8], ([5.5 + 1.5 * w, 30.0, 3.0], 2.6 * w), ([6.5 + 2.5 * w, 4.0, 14.5], 4.2 * w));
        let roof = tube([x, p[1], p[2] * 0.9], ([6.5 + 2.5 * w, 4.0, 17.0], 4.2 * w), ([17.0, -30.0, 18.0], 4.6 * w));
        let atrium = tube(q, ([17.0, -30.0, 20.0], 4.4 * w), ([25.0, -44.0, 8.0], 6.2 * w));
        let occipital = tube(q, ([25.0, -46.0, 7.0], 5.0 * w), ([23.0, -76.0, 4.0], 0.6 * w));
        let temporal = tube(q, ([26.0, -42.0, 3.0], 3.2 * w), ([34.0, -10.0, -19.0], 1.5 * w));
        let lateral =
            smooth_max(smooth_max(body, roof, 3.0), smooth_max(atrium, smooth_max(occipital, temporal, 2.0), 3.0), 3.0);
        let lateral = lateral.min(x - 1.1); // the septum between the two
        let third = (1.2 * w + 0.4 - x).min(ellipsoid([0.0, p[1], p[2]], [0.0, -10.0, -3.0], [9.0, 15.0, 12.0]));
        let fourth = ellipsoid(q, [0.0, -44.0, -33.0], [7.0 * w, 4.5 * w + 1.0, 9.0]);
        lateral.max(third).max(fourth)
    }

    /// How much contrast-taking blood is here: sinus, falx, dura, sulcal vessels, choroid plexus.
    ///
    /// The first point is where the voxel's tissue came from, the second the same in the average head.
    fn blood(&self, [p, q]: [P3; 2], hull: f32, pial: f32, ventricle: f32) -> f32 {
        let x = q[0].abs();
        let mut blood = 0.0_f32;
        if ventricle > -0.5 && q[2] > -25.0 {
            let plexus = tube([x, q[1], q[2]], ([8.0, -5.0, 13.0], 0.8), ([24.0, -42.0, 6.0], 2.2));
            blood = 0.8 * covered(plexus + 2.5 * self.choroid.at(p, 5.0), 1.5);
        } else if pial < 1.5 {
            let outside = covered(1.0 - pial, 2.0);
            let width = 3.4 * self.dura;
            let sinus = width - (x * x + (hull - 0.5) * (hull - 0.5)).sqrt();
            if q[2] > 15.0 || q[1] < -60.0 {
                blood = covered(sinus, 1.6);
            }
            let falx = (0.7 - x).min(9.0 - hull + 20.0 * self.choroid.at(p, 30.0));
            blood = blood.max(0.45 * self.dura * covered(falx, 1.5));
            let tear = self.choroid.at(p, 21.0) * 3.0 - 1.3 + self.dura;
            blood = blood.max(0.7 * covered(tear.min(1.4 - hull), 1.5));
            let [a, b] = each(|n| self.vessels[n].at(p, 11.0) * 11.0);
            let vessel = 0.55 + 0.35 * self.dura + 1.5 * self.shrink.at(p, 40.0) - (a * a + b * b).sqrt();
            blood = blood.max((0.55 + 0.45 * self.dura) * covered(vessel, 1.6)) * outside;
        }
        blood
    }
}

/// Distance along the surface to the zero line of a noise at `foot`.
fn sheet(field: Field, foot: P3, normal: P3, wavelength: f32) -> f32 {
    let (value, gradient) = field.with_gradient(foot, wavelength);
    let across = dot(gradient, normal);
    let steep = (dot(gradient, gradient) - across * across).max(0.0);
    value.abs() * wavelength / (steep + 0.05).sqrt()
}

/// The smooth outer shape of the three parts of the brain, as distances.
struct Shape {
    cerebrum: f32,
    cerebellum: f32,
    stem: f32,
}

impl Shape {
    fn at(p: P3) -> Self {
        let [x, y, z] = [p[0].abs(), p[1], p[2]];
        let dome = ellipsoid([x, y, z], [0.0, -18.0, 16.0], [68.0, 88.0, 61.0]);
        let floor = lerp(-14.0, -25.0, ramp(-45.0, 25.0, y)) + 5.0 * ramp(30.0, 0.0, x) * ramp(0.0, 40.0, y);
        let top = smooth_min(dome, z - floor, 13.0);
        let temporal = ellipsoid([x, y, z + 0.22 * (y + 16.0)], [42.0, -18.0, -20.0], [25.0, 45.0, 21.0]);
        let lobe = ellipsoid([x, y, z], [26.0, -64.0, -34.0], [30.0, 29.0, 22.0]);
        let vermis = ellipsoid([x, y, z], [0.0, -64.0, -30.0], [13.0, 22.0, 21.0]);
        let pons = ellipsoid([x, y, z], [0.0, -23.0, -31.0], [17.0, 14.0, 15.0]);
        let midbrain = tube([x, y, z], ([0.0, -20.0, -8.0], 16.0), ([0.0, -26.0, -34.0], 12.0));
        let medulla = tube([x, y, z], ([0.0, -28.0, -40.0], 11.0), ([0.0, -38.0, -66.0], 7.5));
        Self {
            cerebrum: smooth_max(top, temporal, 8.0) - 4.5 * ramp(8.0, 0.0, x) * ramp(0.0, 30.0, z.max(y.abs() - 40.0)),
            cerebellum: smooth_max(lobe, vermis, 6.0),
            stem: smooth_max(smooth_max(pons, midbrain, 3.0), medulla, 4.0),
        }
    }
}

/// The plane between the hemispheres.
struct Midline {
    /// Distance to the fluid of the fissure, negative inside it.
    fissure: f32,
    /// How far inside the connected middle (callosum, thalami, brain stem), where there is no fissure.
    middle: f32,
}

impl Midline {
    fn at(p: P3, sulcus: f32) -> Self {
        let flat = [0.0, p[1], p[2]];
        let callosum = ellipsoid(flat, [0.0, -7.0, 4.0], [50.0, 38.0, 26.0]);
        let trunk = ellipsoid(flat, [0.0, -20.0, -14.0], [50.0, 27.0, 30.0]);
        let middle = smooth_max(callosum, trunk, 4.0);
        let edge = middle.max(0.0);
        let width = (0.3 + sulcus) * (0.7 + 0.5 * ramp(20.0, 60.0, p[1]));
        Self { fissure: (p[0] * p[0] + edge * edge).sqrt() - width, middle }
    }

    /// Distance to the medial wall for the shape of one hemisphere.
    fn half(&self, p: P3) -> f32 {
        p[0].abs() + 12.0 * ramp(-6.0, 8.0, self.middle)
    }
}

/// Distance to the fluid of the Sylvian fissure and the insular cistern.
fn sylvian(p: P3, sulcus: f32) -> f32 {
    let [x, y, z] = [p[0].abs(), p[1], p[2]];
    if x < 24.0 {
        return 20.0;
    }
    let line = -16.0 + 0.5 * (18.0 - y);
    let across = 0.9 * (z - line) - 0.3 * (x - 42.0);
    let ends = (y - 26.0).max(0.0) + (-44.0 - y).max(0.0);
    let inner = (37.0 - x).max(0.0);
    let opening = (0.35 + 0.9 * sulcus) * lerp(0.8, 1.9, ramp(-25.0, 20.0, y));
    let sheet = (across * across + ends * ends + inner * inner).sqrt() - opening;
    let tall = (across.abs() - 11.0).max(0.0);
    let ends = (y - 18.0).max(0.0) + (-28.0 - y).max(0.0);
    let wall = x - 38.5 + 0.025 * across * across;
    let insula = (wall * wall + tall * tall + ends * ends).sqrt() - 0.3 - 0.8 * sulcus;
    sheet.min(insula)
}

/// Distances to the deep grey nuclei, and to what lies between them and white matter in brightness.
fn nuclei(p: P3, ventricle: f32) -> (f32, f32) {
    let q = [p[0].abs(), p[1], p[2]];
    if q[0] > 36.0 || q[1] > 32.0 || q[1] < -38.0 || q[2] < -16.0 || q[2] > 30.0 {
        return (-20.0, -20.0);
    }
    let thalamus = ellipsoid(q, [11.0, -19.0, 7.0], [9.5, 15.0, 9.0]);
    let slant = [q[0] + 0.16 * (q[1] - 4.0), q[1], q[2]];
    let putamen = ellipsoid(slant, [26.5, 3.0, 1.0], [4.8, 16.0, 10.0]);
    let pallidum = ellipsoid(slant, [19.5, 0.0, -1.0], [4.0, 9.0, 6.5]);
    let middle = ellipsoid(q, [0.0, -13.0, -3.0], [11.0, 17.0, 11.0]); // between the thalami, and below them
    let head = ellipsoid(q, [13.0, 15.0, 5.0], [6.0, 9.0, 10.0]);
    let tail = tube(q, ([15.0, 8.0, 17.0], 3.5), ([19.0, -22.0, 21.0], 1.8));
    let caudate = smooth_max(head, tail, 3.0).min(1.0 - ventricle);
    (thalamus.max(putamen).max(caudate), pallidum.max(middle))
}
