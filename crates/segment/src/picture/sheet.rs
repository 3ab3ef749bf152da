//! How a picture is laid out: name, heads, a table of panes, legend, and the research-use line.

use super::canvas::{BLACK, Canvas, Colour, QUIET, TEXT, fitted, height_of, width_of};
use super::pane::{View, tissue_colour};

/// Stands on every picture that leaves the program.
const RESEARCH: &str = "Research use only, not a medical device";

/// Dots of most text are two pixels wide: legible on a dense screen.
const SCALE: usize = 2;
/// Space around the sheet and between its parts.
const MARGIN: usize = 16;
/// Black around the image in a pane, where the letters stand.
const FRAME: usize = 22;
/// Space between two panes.
const GAP: usize = 4;
/// Height of a line of text with the space below it.
const LINE: usize = 26;

/// A row of panes: one slice, and what is written above it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub head: String,
    pub view: View,
}

/// A picture that is being drawn.
pub(super) struct Sheet<'a> {
    canvas: Canvas,
    rows: &'a [Row],
    /// Width of every pane.
    width: usize,
    size: [usize; 2],
}

impl<'a> Sheet<'a> {
    /// A sheet with all its words but the legend, and empty panes.
    pub(super) fn new(name: &str, note: &str, columns: &[&str], rows: &'a [Row]) -> Self {
        let width = rows.iter().map(|row| row.view.size[0]).max().unwrap_or(0) + 2 * FRAME;
        let width = width.max(columns.iter().map(|head| width_of(head, SCALE)).max().unwrap_or(0));
        let table = columns.len() * (width + GAP) - GAP;
        let full = table.max(width_of(RESEARCH, SCALE));
        let heights: usize = rows.iter().map(|row| LINE + row.view.size[1] + 2 * FRAME).sum();
        // Room for a legend of one item a line; what is not used is cut off in the end.
        let size = [full + 2 * MARGIN, 2 * MARGIN + 2 * LINE + heights + 5 * LINE];
        let mut sheet = Self { canvas: Canvas::new(size[0], size[1]), rows, width, size };
        let name = fitted(name, full, SCALE);
        sheet.canvas.text([MARGIN, MARGIN], &name, SCALE, TEXT);
        let after = width_of(&name, SCALE) + MARGIN;
        let note = fitted(note, full.saturating_sub(after), SCALE);
        sheet.canvas.text([MARGIN + after, MARGIN], &note, SCALE, QUIET);
        for (column, head) in columns.iter().enumerate() {
            let left = sheet.corner(column, 0)[0] + (width - width_of(head, SCALE)) / 2;
            sheet.canvas.text([left, MARGIN + LINE], head, SCALE, TEXT);
        }
        for (n, row) in rows.iter().enumerate() {
            let [left, top] = sheet.corner(0, n);
            sheet.canvas.text([left, top - LINE + 6], &fitted(&row.head, table, SCALE), SCALE, QUIET);
            for column in 0..columns.len() {
                sheet.canvas.fill(sheet.corner(column, n), sheet.frame(n), BLACK);
            }
        }
        sheet
    }

    /// Upper left corner of a pane.
    fn corner(&self, column: usize, row: usize) -> [usize; 2] {
        let above: usize = self.rows[..row].iter().map(|row| LINE + row.view.size[1] + 2 * FRAME).sum();
        [MARGIN + column * (self.width + GAP), MARGIN + 2 * LINE + above + LINE - 4]
    }

    /// Size of the panes of a row.
    fn frame(&self, row: usize) -> [usize; 2] {
        [self.width, self.rows[row].view.size[1] + 2 * FRAME]
    }

    /// Lays what was drawn of a scan, and the letters, in the pane of a column and a row.
    pub(super) fn pane(&mut self, [column, row]: [usize; 2], image: Option<&[Colour]>) {
        let (corner, frame, view) = (self.corner(column, row), self.frame(row), self.rows[row].view);
        let Some(image) = image else {
            let text = "not given";
            let left = corner[0] + (frame[0].saturating_sub(width_of(text, SCALE))) / 2;
            self.canvas.text([left, corner[1] + frame[1] / 2], text, SCALE, QUIET);
            return;
        };
        let inside = [corner[0] + (frame[0] - view.size[0]) / 2, corner[1] + FRAME];
        self.canvas.image(inside, view.size[0], image);
        self.letters(corner, frame, view.letters());
    }

    fn letters(&mut self, [left, top]: [usize; 2], [width, height]: [usize; 2], letters: [char; 4]) {
        let (wide, tall) = (width_of("R", SCALE), height_of(SCALE));
        let [x, y] = [left + (width - wide) / 2, top + (height - tall) / 2];
        let places = [[left + GAP, y], [left + width - wide - GAP, y], [x, top + GAP], [x, top + height - tall - GAP]];
        for (place, letter) in places.into_iter().zip(letters) {
            self.canvas.text(place, letter.encode_utf8(&mut [0; 4]), SCALE, TEXT);
        }
    }

    /// Draws a bar of 50 mm (10 mm in small heads) in the first pane of each row, at `scale` pixels per mm.
    pub(super) fn rulers(&mut self, scale: f64) {
        let pixels = |mm: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bar of some hundred pixels")]
            let n = (mm * scale).round().clamp(1.0, 8192.0) as usize;
            n
        };
        let [long, short] = [pixels(50.0), pixels(10.0)];
        // The bar ends before the letter in the middle; its text stands above it.
        let (length, text) = if long + 30 <= self.width / 2 { (long, "50 mm") } else { (short, "10 mm") };
        for row in 0..self.rows.len() {
            let [left, top] = self.corner(0, row);
            let [x, y] = [left + 8, top + self.frame(row)[1] - 8];
            self.canvas.fill([x, y - 2], [length, 2], TEXT);
            self.canvas.fill([x, y - 6], [1, 6], TEXT);
            self.canvas.fill([x + length - 1, y - 6], [1, 6], TEXT);
            self.canvas.text([x, y - 12 - height_of(SCALE)], text, SCALE, TEXT);
        }
    }

    /// Writes the legend (tissue codes and what they are) and the research-use line, and encodes the sheet.
    pub(super) fn finish(mut self, legend: &[(u8, String)]) -> Result<Vec<u8>, png::EncodingError> {
        let last = self.rows.len() - 1;
        let mut at = [MARGIN, self.corner(0, last)[1] + self.frame(last)[1] + MARGIN - 4];
        let right = self.size[0] - MARGIN;
        let items = legend.iter().map(|(code, text)| (tissue_colour(*code), text.as_str()));
        for (colour, text) in items.chain([(None, RESEARCH)]) {
            let swatch = if colour.is_some() { height_of(SCALE) + 8 } else { 0 };
            let wide = swatch + width_of(text, SCALE);
            if at[0] > MARGIN && at[0] + wide > right {
                at = [MARGIN, at[1] + LINE];
            }
            if let Some(colour) = colour {
                self.canvas.fill(at, [height_of(SCALE); 2], colour);
            }
            let ink = if text == RESEARCH { QUIET } else { TEXT };
            self.canvas.text([at[0] + swatch, at[1]], text, SCALE, ink);
            at[0] += wide + 2 * MARGIN;
        }
        self.canvas.cut(at[1] + LINE);
        self.canvas.encode()
    }
}
