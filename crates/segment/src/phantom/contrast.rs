//! How bright each tissue is in each sequence, drawn anew for each head: no two scanners agree.

use super::anatomy::Place;
use super::noise::{Dice, lerp};
use super::tumour::Lesion;

/// Brightness of the tissues in one sequence; white or grey matter is about 1.
#[derive(Clone, Debug)]
pub(super) struct Contrast {
    csf: f32,
    grey: f32,
    white: f32,
    deep: f32,
    stem: f32,
    blood: f32,
    necrosis: f32,
    rim: f32,
    oedema: f32,
    /// How strongly the grain of the core shows.
    grain: f32,
    /// How strongly the slow unevenness of healthy tissue shows.
    texture: f32,
    /// Stored value of 1.
    pub scale: f32,
}

/// The four contrasts of a head in channel order T1n, T1c, T2w, T2f.
///
/// Means were measured on the real cases' medians: T1 grey/white 0.8, T2 fluid about 2.5 times grey, FLAIR oedema about 1.5.
pub(super) fn draw(dice: &mut Dice) -> [Contrast; 4] {
    let mut near = |mean: f32, spread: f32| mean * dice.between(1.0 - spread, 1.0 + spread);
    let bleed = (near(1.0, 1.0) - 1.6).max(0.0); // old blood in one core of five brightens T1
    let protein = near(1.0, 0.9); // what suppresses or keeps the fluid of the necrosis in FLAIR
    let t1n = Contrast {
        csf: near(0.30, 0.2),
        grey: near(0.80, 0.05),
        white: 1.0,
        deep: near(0.87, 0.04),
        stem: near(0.95, 0.03),
        blood: near(0.55, 0.5),
        necrosis: near(0.58, 0.15) + 0.9 * bleed,
        rim: near(0.77, 0.08) + 0.5 * bleed,
        oedema: near(0.80, 0.06),
        grain: near(0.07, 0.6),
        texture: near(0.035, 0.5),
        scale: near(900.0, 0.65),
    };
    let t1c = Contrast {
        csf: near(0.30, 0.2),
        grey: near(0.85, 0.06),
        white: 1.0,
        deep: near(0.9, 0.04),
        stem: near(0.95, 0.03),
        blood: near(1.9, 0.25),
        necrosis: near(0.58, 0.15) + 0.4 * bleed,
        rim: near(1.55, 0.22),
        oedema: near(0.82, 0.06),
        grain: near(0.12, 0.5),
        texture: near(0.035, 0.5),
        scale: near(1000.0, 0.6),
    };
    let t2w = Contrast {
        csf: near(2.7, 0.12),
        grey: near(1.02, 0.05),
        white: near(0.76, 0.06),
        deep: near(0.86, 0.06),
        stem: near(0.82, 0.06),
        blood: near(0.3, 0.4),
        necrosis: near(2.0, 0.2) - 0.5 * bleed,
        rim: near(1.35, 0.15),
        oedema: near(1.62, 0.12),
        grain: near(0.22, 0.5),
        texture: near(0.05, 0.5),
        scale: near(600.0, 0.6),
    };
    let t2f = Contrast {
        csf: near(0.22, 0.4),
        grey: 1.0,
        white: near(0.83, 0.05),
        deep: near(0.93, 0.05),
        stem: near(0.86, 0.05),
        blood: near(0.35, 0.4),
        necrosis: 0.55 + 0.5 * protein,
        rim: near(1.3, 0.12),
        oedema: near(1.55, 0.1),
        grain: near(0.15, 0.5),
        texture: near(0.05, 0.5),
        scale: near(800.0, 0.6),
    };
    [t1n, t1c, t2w, t2f]
}

impl Contrast {
    /// The signal of one voxel; `texture` is the slow unevenness of tissue, about -1 to 1.
    pub(super) fn signal(&self, place: &Place, lesion: &Lesion, texture: f32) -> f32 {
        let tissue =
            place.grey * self.grey + place.white * self.white + place.deep * self.deep + place.stem * self.stem;
        let healthy = place.csf * self.csf + tissue * (1.0 + self.texture * texture);
        let fed = lerp(healthy, self.blood * (1.0 + 0.2 * texture), place.blood);
        let aged = lerp(fed, self.oedema, 0.6 * place.cap);
        let swollen = lerp(aged, self.oedema * (1.0 + 1.6 * self.texture * texture), lesion.oedema * lesion.wet);
        let dead = self.necrosis * (1.0 + self.grain * lesion.grain);
        let alive = self.rim * (1.0 + 1.2 * self.grain * lesion.grain);
        let whole = lerp(swollen, lerp(dead, alive, lesion.rim), lesion.core);
        lerp(whole, 0.12, place.void).max(0.02)
    }
}
