//! A sheet of RGB pixels: rectangles, text, and the encoded PNG.

use super::font;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Ground of the sheet.
pub(super) const GROUND: Colour = [0x0b, 0x0d, 0x10];
/// Text that is read first.
pub(super) const TEXT: Colour = [0xd7, 0xdd, 0xe4];
/// Text that explains.
pub(super) const QUIET: Colour = [0x8b, 0x96, 0xa3];
/// Air, and the ground of a pane.
pub(super) const BLACK: Colour = [0, 0, 0];

/// The pixels of a picture, row by row from the top left.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// An empty sheet of at least one pixel.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        Self { width, height, pixels: GROUND.repeat(width * height) }
    }

    /// The pixels of a row from a column on, as far as the sheet goes, at most `width` of them.
    fn row(&mut self, [x, y]: [usize; 2], width: usize) -> &mut [Colour] {
        if x >= self.width || y >= self.height {
            return &mut [];
        }
        let from = 3 * (x + self.width * y);
        self.pixels[from..from + 3 * width.min(self.width - x)].as_chunks_mut().0
    }

    /// Lays an image of `width` pixels a row with its upper left corner at a place.
    pub(super) fn image(&mut self, [left, top]: [usize; 2], width: usize, image: &[Colour]) {
        for (y, from) in image.chunks(width).enumerate() {
            self.row([left, top + y], from.len()).iter_mut().zip(from).for_each(|(pixel, colour)| *pixel = *colour);
        }
    }

    /// Fills a rectangle given by its upper left corner and its size.
    pub(super) fn fill(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: Colour) {
        for row in y..y + height {
            self.row([x, row], width).fill(colour);
        }
    }

    /// Writes one line with its upper left corner at `at`, each dot `scale` pixels wide.
    pub(super) fn text(&mut self, [x, y]: [usize; 2], text: &str, scale: usize, colour: Colour) {
        for (n, letter) in text.chars().enumerate() {
            let left = x + n * font::ADVANCE * scale;
            for row in 0..font::HEIGHT {
                for column in (0..font::ADVANCE - 1).filter(|column| font::dot(letter, *column, row)) {
                    self.fill([left + column * scale, y + row * scale], [scale, scale], colour);
                }
            }
        }
    }

    /// Keeps the upper `height` rows.
    pub(super) fn cut(&mut self, height: usize) {
        self.height = height.clamp(1, self.height);
        self.pixels.truncate(3 * self.width * self.height);
    }

    /// The picture as a PNG, 8 bits per channel.
    pub(super) fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        // A reader waits for the picture, and nobody keeps many.
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// Pixels that a line of text takes from left to right.
pub(super) fn width_of(text: &str, scale: usize) -> usize {
    (text.chars().count() * font::ADVANCE).saturating_sub(1) * scale
}

/// Pixels of a capital letter from top to bottom.
pub(super) fn height_of(scale: usize) -> usize {
    font::CAPITAL * scale
}

/// The text, cut with two dots if it is wider than `width` pixels.
pub(super) fn fitted(text: &str, width: usize, scale: usize) -> String {
    let room = (width / scale + 1) / font::ADVANCE;
    if text.chars().count() <= room {
        return text.into();
    }
    text.chars().take(room.saturating_sub(2)).chain("..".chars()).collect()
}

/// `share` of `over` on `under`.
pub(super) fn mixed(under: Colour, over: Colour, share: f32) -> Colour {
    std::array::from_fn(|n| {
        let value = f32::from(under[n]) + share * (f32::from(over[n]) - f32::from(under[n]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between two bytes")]
        let byte = (value + 0.5).clamp(0.0, 255.0) as u8;
        byte
    })
}
