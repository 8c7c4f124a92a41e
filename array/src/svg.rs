//! The grid of an array's blocks as a picture.

use std::fmt::Write;

use crate::array::{Array, tuple};
use crate::engine::dtype::Element;
use crate::error::Result;

/// The longest side of the picture of an axis, in pixels.
const LONGEST: f64 = 200.0;
/// The shortest, so that an axis of few elements next to one of many can be seen.
const SHORTEST: f64 = 24.0;
/// Most lines along an axis. Of more, some are left out.
const MAX_LINES: usize = 64;
/// Room around the picture, for the lengths.
const MARGIN: f64 = 40.0;

impl<T: Element> Array<T> {
    /// The grid of blocks as an SVG picture: a row for one axis, a grid for two, a box for three; of more axes the last three. Where there are very many blocks, some lines are
    /// left out. Work: the number of chunks.
    ///
    /// ```
    /// use arras_array::Array;
    /// let svg = Array::<f64>::zeros([100, 60], [30, 20])?.to_svg()?;
    /// assert!(svg.starts_with("<svg") && svg.contains(">100<") && svg.contains(">60<"));
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    ///
    /// # Errors
    /// What was wrong when the array was built.
    pub fn to_svg(&self) -> Result<String> {
        let expr = self.expr()?;
        let chunks = expr.chunks.axes();
        let shown = &chunks[chunks.len().saturating_sub(3)..];
        let shape: Vec<usize> = shown.iter().map(|chunks| chunks.iter().sum()).collect();
        let longest = shape.iter().copied().max().unwrap_or(1).max(1) as f64;
        let side = |length: usize| (length as f64 / longest * LONGEST).max(SHORTEST);
        let cuts: Vec<Vec<f64>> = shown.iter().zip(&shape).map(|(chunks, &length)| cuts(chunks, length, side(length))).collect();
        let mut picture = Picture::default();
        match cuts.as_slice() {
            [] => picture.face([0.0, 0.0], &[0.0, SHORTEST], [1.0, 0.0], &[0.0, SHORTEST], [0.0, 1.0], 0),
            [x] => picture.face([0.0, 0.0], x, [1.0, 0.0], &[0.0, SHORTEST], [0.0, 1.0], 0),
            [y, x] => picture.face([0.0, 0.0], x, [1.0, 0.0], y, [0.0, 1.0], 0),
            [z, y, x, ..] => {
                // The first axis goes into the picture, up and to the right.
                let slant = [0.5, -0.5];
                let width = x[x.len() - 1];
                picture.face([0.0, 0.0], x, [1.0, 0.0], z, slant, 1);
                picture.face([width, 0.0], z, slant, y, [0.0, 1.0], 2);
                picture.face([0.0, 0.0], x, [1.0, 0.0], y, [0.0, 1.0], 0);
            }
        }
        let last = |axis: usize| cuts[axis][cuts[axis].len() - 1];
        let n = shape.len();
        if n > 0 {
            let below = if n > 1 { last(n - 2) } else { SHORTEST };
            picture.text([last(n - 1) / 2.0, below + 16.0], &shape[n - 1].to_string());
        }
        if n > 1 {
            picture.text([-18.0, last(n - 2) / 2.0], &shape[n - 2].to_string());
        }
        if n > 2 {
            picture.text([last(0) / 4.0 - 14.0, -last(0) / 4.0 - 6.0], &shape[0].to_string());
        }
        let caption = format!("{} {}, {} blocks", expr.dtype, tuple(&expr.shape()), self.npartitions());
        Ok(picture.svg(&caption))
    }
}

/// Where the lines between chunks are drawn, the edges included.
fn cuts(chunks: &[usize], length: usize, side: f64) -> Vec<f64> {
    let scale = side / length.max(1) as f64;
    let every = chunks.len().div_ceil(MAX_LINES).max(1);
    let mut position = 0;
    let mut cuts = vec![0.0];
    for (i, &n) in chunks.iter().enumerate() {
        position += n;
        if (i + 1) % every == 0 && i + 1 < chunks.len() {
            cuts.push(position as f64 * scale);
        }
    }
    cuts.push(side);
    cuts
}

/// Shapes, and the corners of what they cover.
#[derive(Default)]
struct Picture {
    text: String,
    low: [f64; 2],
    high: [f64; 2],
}

impl Picture {
    fn point(&mut self, [x, y]: [f64; 2]) -> String {
        (self.low[0], self.low[1]) = (self.low[0].min(x), self.low[1].min(y));
        (self.high[0], self.high[1]) = (self.high[0].max(x), self.high[1].max(y));
        format!("{x:.1},{y:.1}")
    }

    /// A parallelogram with lines across it: `a` and `b` are the distances of lines along two directions.
    fn face(&mut self, origin: [f64; 2], a: &[f64], along_a: [f64; 2], b: &[f64], along_b: [f64; 2], shade: usize) {
        let at = |a: f64, b: f64| [origin[0] + a * along_a[0] + b * along_b[0], origin[1] + a * along_a[1] + b * along_b[1]];
        let (end_a, end_b) = (a[a.len() - 1], b[b.len() - 1]);
        let corners = [at(0.0, 0.0), at(end_a, 0.0), at(end_a, end_b), at(0.0, end_b)].map(|corner| self.point(corner));
        let fill = ["#e7c79b", "#f3dfc1", "#d5ae78"][shade];
        let _ = writeln!(self.text, "<polygon points=\"{}\" fill=\"{fill}\" stroke=\"#5b4636\"/>", corners.join(" "));
        let mut path = String::new();
        for &a in &a[1..a.len() - 1] {
            let _ = write!(path, "M{} L{} ", self.point(at(a, 0.0)), self.point(at(a, end_b)));
        }
        for &b in &b[1..b.len() - 1] {
            let _ = write!(path, "M{} L{} ", self.point(at(0.0, b)), self.point(at(end_a, b)));
        }
        if !path.is_empty() {
            let _ = writeln!(self.text, "<path d=\"{}\" stroke=\"#5b4636\" stroke-width=\"0.6\" fill=\"none\"/>", path.trim_end());
        }
    }

    fn text(&mut self, at: [f64; 2], text: &str) {
        let _ = writeln!(self.text, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>", at[0], at[1]);
    }

    fn svg(mut self, caption: &str) -> String {
        let middle = f64::midpoint(self.low[0], self.high[0]);
        self.text([middle, self.high[1] + 34.0], caption);
        // The caption may be wider than the picture.
        let width = (self.high[0] - self.low[0]).max(7.0 * caption.len() as f64) + 2.0 * MARGIN;
        let (left, top) = (middle - width / 2.0, self.low[1] - MARGIN);
        let height = self.high[1] - self.low[1] + 2.0 * MARGIN;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"{left:.1} {top:.1} {width:.1} {height:.1}\" \
             font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" fill=\"#1f2937\">\n{}</svg>\n",
            self.text
        )
    }
}
