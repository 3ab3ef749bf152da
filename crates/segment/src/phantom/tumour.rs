//! Tumours: warped balls of core with a rim, oedema along the white matter around them, and the push on their surroundings.

use super::anatomy::{Head, Place};
use super::noise::{Dice, Field, P3, covered, dot, length, lerp, minus, ramp, smooth_min};

/// Shares of the tumour's tissues in one voxel: `core` replaces the brain, `rim` of that core enhances.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lesion {
    /// Share of tumour core (necrotic, non-enhancing or enhancing).
    pub core: f32,
    /// Share of the core that enhances.
    pub rim: f32,
    /// Share of the remaining brain that is swollen.
    pub oedema: f32,
    /// How much water the swollen tissue holds, 0.6..1.
    pub wet: f32,
    /// Structure inside the core, about -1 to 1.
    pub grain: f32,
}

/// How the core of a focus is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    /// Necrosis inside an enhancing rim.
    Ring,
    /// Enhancing throughout.
    Solid,
    /// Nothing enhances.
    Dull,
}

/// One ball of tumour.
#[derive(Clone, Debug)]
struct Focus {
    centre: P3,
    radius: f32,
    axis: P3,
    stretch: f32,
    build: Build,
    rim: f32,
    gaps: f32,
    push: f32,
    reach: f32,
    ragged: f32,
    shape: [Field; 2],
    inside: [Field; 2],
}

/// All tumour of one head.
#[derive(Clone, Debug)]
pub(super) struct Tumour {
    foci: Vec<Focus>,
    spread: Field,
    water: Field,
    edge: f32,
}

impl Tumour {
    /// Draws a tumour that fits `head`, none of whose foci is smaller than two voxels of `voxel` mm.
    pub(super) fn draw(dice: &mut Dice, head: &Head, voxel: f32) -> Self {
        let build = match dice.unit() {
            u if u < 0.72 => Build::Ring,
            u if u < 0.85 => Build::Solid,
            _ => Build::Dull,
        };
        let small = dice.chance(0.15);
        let count = if dice.chance(0.18) { 2 + usize::from(dice.chance(0.4)) } else { 1 };
        let reach = if dice.chance(0.2) { dice.between(1.5, 6.0) } else { dice.between(8.0, 24.0) };
        let mut foci: Vec<Focus> = Vec::new();
        for n in 0..count {
            let radius = if small { dice.between(5.0, 9.0) } else { dice.between(12.0, 25.0) };
            let radius = if n == 0 { radius } else { radius * dice.between(0.25, 0.6) }.max(2.0 * voxel);
            let near = foci.first().map(|first| (first.centre, 3.2 * first.radius));
            let centre = seat(dice, head, radius, near);
            foci.push(Focus::draw(dice, centre, radius, build, reach));
        }
        Self { foci, spread: dice.field(), water: dice.field(), edge: voxel.max(1.2) }
    }

    /// Where the tissue at `p` came from before the tumour pushed it away.
    pub(super) fn origin(&self, p: P3) -> P3 {
        let mut from = p;
        for focus in &self.foci {
            let way = minus(p, focus.centre);
            let far = dot(way, way) / (focus.radius * focus.radius * 3.2);
            if far < 4.0 {
                let fall = (1.0 - 0.25 * far) * (1.0 - 0.25 * far);
                for axis in 0..3 {
                    from[axis] -= way[axis] * focus.push * fall;
                }
            }
        }
        from
    }

    /// The tumour's share at `p`, where the brain's border is `hull` mm away and `place` is the pushed anatomy, which
    /// came from `origin`.
    pub(super) fn lesion(&self, p: P3, origin: P3, hull: f32, place: &Place) -> Lesion {
        let mut lesion = Lesion::default();
        let mut swelling = -99.0_f32;
        for focus in &self.foci {
            let range = 1.9 * focus.radius + 1.6 * focus.reach + 4.0;
            let way = minus(p, focus.centre);
            if dot(way, way) > range * range {
                continue;
            }
            let depth = focus.depth(p);
            // The falx and the skull are walls.
            let across = focus.centre[0].signum() * origin[0] + 1.0;
            let depth = smooth_min(depth, across.min(hull - 0.8), 3.0);
            let core = covered(depth, lerp(1.3, 3.0, focus.ragged) * self.edge);
            if core > lesion.core {
                lesion.core = core;
                (lesion.rim, lesion.grain) = focus.rim(p, depth, self.edge);
            }
            let other_side = (-across).max(0.0) * 0.9;
            swelling = swelling.max(depth + focus.reach * (0.72 + 1.3 * self.spread.at(origin, 21.0)) - other_side);
        }
        // Water runs along white matter; cortex, nuclei and ventricles hold it back, except right beside the core.
        let beside = ramp(0.3, 0.9, lesion.core);
        let road = (place.white + 0.25 * place.stem + beside * place.grey).min(1.0)
            * ramp(-1.0, 0.6, place.under_cortex + 3.0 * beside);
        lesion.wet = (0.62 + 0.03 * swelling.max(0.0) + 0.35 * self.water.at(origin, 15.0)).clamp(0.55, 1.0);
        lesion.oedema = covered(swelling, 3.5 * self.edge) * road * (1.0 - covered(place.ventricle, self.edge));
        lesion
    }
}

impl Focus {
    fn draw(dice: &mut Dice, centre: P3, radius: f32, build: Build, reach: f32) -> Self {
        let axis = [dice.between(-1.0, 1.0), dice.between(-1.0, 1.0), dice.between(-1.0, 1.0)];
        let norm = length(axis).max(0.1);
        Self {
            centre,
            radius,
            axis: axis.map(|v| v / norm),
            stretch: dice.between(0.72, 1.15),
            build,
            rim: dice.between(1.6, 4.2) + 0.06 * radius,
            gaps: dice.between(0.6, 1.9),
            push: dice.between(0.08, 0.34),
            reach: reach * dice.between(0.8, 1.2),
            ragged: if build == Build::Dull { dice.between(0.4, 1.0) } else { dice.between(0.0, 0.35) },
            shape: [dice.field(), dice.field()],
            inside: [dice.field(), dice.field()],
        }
    }

    /// Depth inside the core in mm, negative outside.
    fn depth(&self, p: P3) -> f32 {
        let way = minus(p, self.centre);
        let along = dot(way, self.axis) * (self.stretch - 1.0);
        let away =
            length([way[0] + self.axis[0] * along, way[1] + self.axis[1] * along, way[2] + self.axis[2] * along]);
        let coarse = self.shape[0].at(p, 0.95 * self.radius);
        let fine = self.shape[1].at(p, 0.38 * self.radius);
        self.radius * (0.95 + 0.75 * coarse + 0.3 * fine) - away
    }

    /// Share of enhancing tissue at a depth inside the core, and the grain of the tissue there.
    fn rim(&self, p: P3, depth: f32, edge: f32) -> (f32, f32) {
        let coarse = self.inside[0].at(p, 0.55 * self.radius + 2.0);
        let fine = self.inside[1].at(p, 0.2 * self.radius + 2.5);
        let grain = 1.4 * coarse + 1.4 * fine;
        let thick = self.rim * (1.0 + self.gaps * (1.6 * coarse + 1.1 * fine));
        let rim = match self.build {
            Build::Solid => 1.0,
            Build::Dull => 0.0,
            Build::Ring => {
                // Strands of living tumour run through the necrosis where two noises cross zero.
                let strand = 0.9 - (coarse * 0.55 * self.radius).abs() + 2.0 * fine;
                covered(thick - depth, 2.0 * edge).max(0.9 * covered(strand - 0.12 * depth, 2.0 * edge))
            }
        };
        (rim, grain)
    }
}

/// A place for a ball of the given radius in the white matter of the cerebrum, if given within `near.1` mm of `near.0`.
fn seat(dice: &mut Dice, head: &Head, radius: f32, near: Option<(P3, f32)>) -> P3 {
    let mut best = ([32.0, -12.0, 28.0], -99.0_f32);
    for _ in 0..48 {
        let side = if dice.chance(0.5) { 1.0 } else { -1.0 };
        let p = [side * dice.between(14.0, 52.0), dice.between(-78.0, 44.0), dice.between(-22.0, 58.0)];
        let hull = head.hull(p);
        let place = head.place(p, hull);
        let fits = (hull - 0.62 * radius).min(8.0)
            + (-place.ventricle - 0.45 * radius).min(4.0)
            + 4.0 * place.white
            + (p[0].abs() - 0.8 * radius).min(4.0)
            - 30.0 * ramp(-14.0, -24.0, p[2]) * ramp(-20.0, -50.0, p[1])
            - near.map_or(0.0, |(first, far)| {
                let away = length(minus(p, first));
                (away - far).max(0.0) + (0.45 * far - away).max(0.0)
            });
        if fits > best.1 {
            best = (p, fits);
        }
        if fits > 19.0 {
            break;
        }
    }
    best.0
}
