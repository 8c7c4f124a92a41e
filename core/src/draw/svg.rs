//! The picture as SVG.

use std::fmt::Write;

use super::RankDirection;
use super::layout::{Bend, Extent, Layout, Point, Route, layout};
use super::picture::{Item, Picture};

const MARGIN: f64 = 16.0;
const FONT: f64 = 11.0;
const LINE_HEIGHT: f64 = 12.0;
const BOX_HEIGHT: f64 = 22.0;
/// Radii of circles, which are the same within a drawing.
const RADIUS: (f64, f64) = (17.0, 36.0);
/// How far from the middle edges meet a circle, in radians, and a box.
const FAN: f64 = 0.95;
const PORT: f64 = 8.0;

pub(super) fn svg(picture: &Picture, direction: RankDirection) -> String {
    if picture.items.is_empty() {
        return empty();
    }
    let drawing = Drawing::new(picture, direction);
    let (width, height) = drawing.size();
    let mut text = String::with_capacity(900 * picture.items.len() + 2_000);
    head(&mut text, width, height);
    // Edges first, so that shapes lie on them.
    text.push_str("<g class=\"edges\" fill=\"none\" stroke=\"#94a3b8\" stroke-width=\"1.2\" marker-end=\"url(#arrow)\">\n");
    drawing.edges(&mut text);
    let _ = writeln!(
        text,
        "</g>\n<g class=\"tasks\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"{FONT}\" text-anchor=\"middle\" fill=\"#1f2937\" stroke-width=\"1.2\">"
    );
    for id in 0..picture.items.len() {
        drawing.task(&mut text, id);
    }
    text.push_str("</g>\n</svg>\n");
    text
}

fn empty() -> String {
    let mut text = String::new();
    head(&mut text, 160.0, 48.0);
    text.push_str(
        "<text x=\"80\" y=\"28\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\" text-anchor=\"middle\" fill=\"#1f2937\">an empty graph</text>\n</svg>\n",
    );
    text
}

fn head(text: &mut String, width: f64, height: f64) {
    let (w, h) = (Number(width), Number(height));
    let _ = writeln!(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">");
    text.push_str("<title>task graph</title>\n");
    text.push_str(
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0.8 L8 4 L0 7.2 Z\" fill=\"#64748b\" stroke=\"none\"/></marker></defs>\n",
    );
    let _ = writeln!(text, "<rect class=\"background\" width=\"{w}\" height=\"{h}\" rx=\"6\" fill=\"#ffffff\"/>");
}

struct Drawing<'p> {
    picture: &'p Picture,
    direction: RankDirection,
    layout: Layout,
    radius: f64,
    widths: Vec<f64>,
}

impl<'p> Drawing<'p> {
    fn new(picture: &'p Picture, direction: RankDirection) -> Drawing<'p> {
        let radius = picture.items.iter().filter_map(|item| item.circle.as_deref()).map(radius_for).fold(RADIUS.0, f64::max).min(RADIUS.1);
        let widths: Vec<f64> = picture.items.iter().map(|item| (text_width(&item.label) + 12.0).max(28.0)).collect();
        let extents: Vec<Extent> = picture
            .items
            .iter()
            .zip(&widths)
            .map(|(item, &width)| {
                let (across, box_along) = match direction {
                    RankDirection::LeftToRight => (BOX_HEIGHT, width),
                    RankDirection::BottomToTop | RankDirection::TopToBottom => (width, BOX_HEIGHT),
                };
                let circle = if item.circle.is_some() { 2.0 * radius } else { 0.0 };
                Extent { across: across.max(circle), box_along, circle }
            })
            .collect();
        let layout = layout(&picture.inputs, &picture.order, &extents);
        Drawing { picture, direction, layout, radius, widths }
    }

    fn size(&self) -> (f64, f64) {
        let (across, along) = self.layout.size;
        match self.direction {
            RankDirection::LeftToRight => (along + 2.0 * MARGIN, across + 2.0 * MARGIN),
            RankDirection::BottomToTop | RankDirection::TopToBottom => (across + 2.0 * MARGIN, along + 2.0 * MARGIN),
        }
    }

    /// A point of the layout, which has results first, as a point of the picture.
    fn turn(&self, (across, along): Point) -> (Number, Number) {
        let (x, y) = match self.direction {
            RankDirection::BottomToTop => (across, along),
            RankDirection::TopToBottom => (across, self.layout.size.1 - along),
            RankDirection::LeftToRight => (self.layout.size.1 - along, across),
        };
        (Number(x + MARGIN), Number(y + MARGIN))
    }

    /// Half the size of a box, across and along.
    fn half_box(&self, id: usize) -> (f64, f64) {
        match self.direction {
            RankDirection::LeftToRight => (BOX_HEIGHT / 2.0, self.widths[id] / 2.0),
            RankDirection::BottomToTop | RankDirection::TopToBottom => (self.widths[id] / 2.0, BOX_HEIGHT / 2.0),
        }
    }

    fn task(&self, text: &mut String, id: usize) {
        let Item { label, circle, tooltip, colour } = &self.picture.items[id];
        let _ = write!(text, "<g class=\"task\" stroke=\"{}\"><title>", colour.line);
        escape(text, tooltip);
        text.push_str("</title>");
        if let Some(lines) = circle {
            let (x, y) = self.turn(self.layout.circles[id]);
            let _ = write!(text, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"{}\"/>", Number(self.radius), colour.circle);
            let first = y.0 - (lines.len() as f64 - 1.0) * LINE_HEIGHT / 2.0 + FONT * 0.35;
            for (i, line) in lines.iter().enumerate() {
                write_text(text, x, Number(first + i as f64 * LINE_HEIGHT), line);
            }
        }
        let (x, y) = self.turn(self.layout.boxes[id]);
        let width = self.widths[id];
        let (left, top) = (Number(x.0 - width / 2.0), Number(y.0 - BOX_HEIGHT / 2.0));
        let _ = write!(
            text,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{}\" height=\"{BOX_HEIGHT}\" rx=\"5\" fill=\"{}\"/>",
            Number(width),
            colour.boxes
        );
        write_text(text, x, Number(y.0 + FONT * 0.35), label);
        text.push_str("</g>\n");
    }

    fn edges(&self, text: &mut String) {
        let layout = &self.layout;
        let (starts, ends) = (self.starts(), self.ends());
        for (i, route) in layout.routes.iter().enumerate() {
            let bends = &layout.bends[route.source as usize];
            let (from, to) = (route.bends.0 as usize, route.bends.1 as usize);
            // An edge leaves and enters the rank of a task in line with it, so that it touches no neighbour. A branch starts where its bend ends.
            let (start, near) = match from {
                0 => (starts[i], layout.ranks[route.source as usize].0),
                _ => ((bends[from - 1].across, bends[from - 1].near), bends[from - 1].near),
            };
            let leave = Bend { across: start.0, far: start.1, near };
            self.edge(text, leave, &bends[from..to], ends[i], layout.ranks[route.reader as usize].1);
        }
        for (id, item) in self.picture.items.iter().enumerate() {
            if item.circle.is_some() {
                let (circle, own) = (layout.circles[id], layout.boxes[id]);
                let start = (circle.0, circle.1 - self.radius);
                let end = (own.0, own.1 + self.half_box(id).1);
                let ((x, y), (to_x, to_y)) = (self.turn(start), self.turn(end));
                let _ = writeln!(text, "<path class=\"makes\" d=\"M{x} {y}L{to_x} {to_y}\"/>");
            }
        }
    }

    /// A curve that leaves along the flow, goes through bends, and arrives at a rank that ends at `far` from `end`'s direction.
    fn edge(&self, text: &mut String, leave: Bend, bends: &[Bend], end: End, far: f64) {
        text.push_str("<path class=\"edge\" d=\"");
        self.command(text, "M", &[(leave.across, leave.far)]);
        let mut at = (leave.across, leave.near);
        let mut line = (leave.far - leave.near > 0.05).then_some(at);
        for bend in bends {
            // Bends in line with each other are one line.
            if (at.0 - bend.across).abs() > 0.5 {
                self.command(text, "L", line.as_slice());
                self.curve(text, at, (bend.across, bend.far), (0.0, 1.0));
            }
            at = (bend.across, bend.near);
            line = Some(at);
        }
        self.command(text, "L", line.as_slice());
        if end.direction.0 == 0.0 && far - end.at.1 > 0.05 {
            self.curve(text, at, (end.at.0, far), end.direction);
            self.command(text, "L", &[end.at]);
        } else {
            self.curve(text, at, end.at, end.direction);
        }
        text.push_str("\"/>\n");
    }

    fn curve(&self, text: &mut String, from: Point, to: Point, direction: Point) {
        if (from.0 - to.0).abs() < 0.5 && direction.0.abs() < 0.05 {
            return self.command(text, "L", &[to]);
        }
        let reach = (from.1 - to.1).abs() / 2.0;
        self.command(text, "C", &[(from.0, from.1 - reach), (to.0 + direction.0 * reach, to.1 + direction.1 * reach), to]);
    }

    /// A command of a path, unless it has no points.
    fn command(&self, text: &mut String, letter: &str, points: &[Point]) {
        for (i, &point) in points.iter().enumerate() {
            let (x, y) = self.turn(point);
            let _ = write!(text, "{}{x} {y}", if i > 0 { " " } else { letter });
        }
    }

    /// Where each edge leaves its box: side by side, in the order of where they go.
    fn starts(&self) -> Vec<Point> {
        let layout = &self.layout;
        let mut starts = vec![(0.0, 0.0); layout.routes.len()];
        let mut first = 0;
        for routes in layout.routes.chunk_by(|a, b| a.source == b.source) {
            let source = routes[0].source as usize;
            let (half_across, half_along) = self.half_box(source);
            let aim = |route: &Route| match route.bends.1 {
                0 => self.target(route.reader).0,
                _ => layout.bends[source][0].across,
            };
            let mut leaving: Vec<usize> = (0..routes.len()).filter(|&i| routes[i].bends.0 == 0).collect();
            leaving.sort_by(|&a, &b| aim(&routes[a]).total_cmp(&aim(&routes[b])));
            let step = step(leaving.len(), PORT, 2.0 * half_across - 12.0);
            for (place, &i) in leaving.iter().enumerate() {
                let offset = (place as f64 - (leaving.len() as f64 - 1.0) / 2.0) * step;
                let at = layout.boxes[source];
                starts[first + i] = (at.0 + offset, at.1 - half_along);
            }
            first += routes.len();
        }
        starts
    }

    /// Where each edge meets its reader: around the lower half of a circle, along the side of a box, in the order of where they come from.
    fn ends(&self) -> Vec<End> {
        let layout = &self.layout;
        let mut arriving: Vec<Vec<u32>> = vec![Vec::new(); self.picture.items.len()];
        for (i, route) in layout.routes.iter().enumerate() {
            arriving[route.reader as usize].push(i as u32);
        }
        let mut ends = vec![End { at: (0.0, 0.0), direction: (0.0, 1.0) }; layout.routes.len()];
        for (reader, arriving) in arriving.iter_mut().enumerate() {
            let from = |&i: &u32| {
                let route = layout.routes[i as usize];
                match route.bends.1 {
                    0 => layout.boxes[route.source as usize].0,
                    n => layout.bends[route.source as usize][n as usize - 1].across,
                }
            };
            arriving.sort_by(|a, b| from(a).total_cmp(&from(b)));
            let n = arriving.len();
            let place = |i: usize| i as f64 - (n as f64 - 1.0) / 2.0;
            let is_call = self.picture.items[reader].circle.is_some();
            for (i, &route) in arriving.iter().enumerate() {
                ends[route as usize] = if is_call {
                    let (sin, cos) = (place(i) * step(n, 0.42, 2.0 * FAN)).sin_cos();
                    let at = layout.circles[reader];
                    End { at: (at.0 + self.radius * sin, at.1 + self.radius * cos), direction: (sin, cos) }
                } else {
                    let at = layout.boxes[reader];
                    let (half_across, half_along) = self.half_box(reader);
                    let offset = place(i) * step(n, PORT, 2.0 * half_across - 12.0);
                    End { at: (at.0 + offset, at.1 + half_along), direction: (0.0, 1.0) }
                };
            }
        }
        ends
    }

    fn target(&self, reader: u32) -> Point {
        match self.picture.items[reader as usize].circle {
            Some(_) => self.layout.circles[reader as usize],
            None => self.layout.boxes[reader as usize],
        }
    }
}

/// Where an edge arrives, and the direction it comes from.
#[derive(Clone, Copy)]
struct End {
    at: Point,
    direction: Point,
}

/// The distance of `n` things side by side: the one wished for, or what the room allows.
fn step(n: usize, wish: f64, room: f64) -> f64 {
    if n < 2 { 0.0 } else { wish.min(room / (n as f64 - 1.0)) }
}

/// The circle around a text of some lines.
fn radius_for(lines: &[String]) -> f64 {
    let height = lines.len() as f64 * LINE_HEIGHT;
    lines
        .iter()
        .enumerate()
        .map(|(i, line)| {
            let (top, bottom) = (i as f64 * LINE_HEIGHT - height / 2.0, (i as f64 + 1.0) * LINE_HEIGHT - height / 2.0);
            (text_width(line) / 2.0).hypot(top.abs().max(bottom.abs()) - 2.0) + 3.0
        })
        .fold(0.0, f64::max)
}

/// About the width of a text in whatever sans-serif font there is: Helvetica's widths and a tenth, as some are wider.
fn text_width(text: &str) -> f64 {
    let ems = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.25,
        'f' | 't' | 'r' | ' ' | '-' | '(' | ')' | '[' | ']' => 0.33,
        'm' | 'w' | 'M' | 'W' | '…' | '→' | '%' | '@' => 0.9,
        'A'..='Z' => 0.7,
        '\0'..='\u{10ff}' => 0.56,
        _ => 1.05,
    };
    1.1 * FONT * text.chars().map(ems).sum::<f64>()
}

fn write_text(text: &mut String, x: Number, y: Number, content: &str) {
    let _ = write!(text, "<text x=\"{x}\" y=\"{y}\" stroke=\"none\">");
    escape(text, content);
    text.push_str("</text>");
}

/// Writes text as XML has it; characters that XML cannot have become the replacement character.
fn escape(text: &mut String, content: &str) {
    for c in content.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '&' => text.push_str("&amp;"),
            '"' => text.push_str("&quot;"),
            '\n' => text.push('\n'),
            '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            c if c.is_control() => text.push('\u{fffd}'),
            c => text.push(c),
        }
    }
}

/// A coordinate, to a tenth.
#[derive(Clone, Copy)]
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        match tenths % 10 {
            0 => write!(f, "{}", tenths / 10),
            rest => write!(f, "{}{}.{}", if tenths < 0 { "-" } else { "" }, (tenths / 10).abs(), rest.abs()),
        }
    }
}
