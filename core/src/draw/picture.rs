//! What a drawing says of each task, before anything is placed: labels, tooltip, colour.

use std::fmt::Write;

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::flat::Flat;
use crate::graph::Graph;
use crate::key::Key;
use crate::task::Task;

/// Inputs that a tooltip names before it only counts them.
const NAMED_INPUTS: usize = 12;
/// Characters of a box's label, of a line in a circle, and lines in a circle.
const BOX_CHARS: usize = 18;
const LINE_CHARS: usize = 10;
const LINES: usize = 3;

/// A graph as it is drawn.
pub(super) struct Picture {
    pub(super) items: Vec<Item>,
    /// The tasks that each task reads, as often as it does.
    pub(super) inputs: Vec<Vec<u32>>,
    /// All tasks, inputs before their readers.
    pub(super) order: Vec<u32>,
}

/// One task as it is drawn.
pub(super) struct Item {
    /// What is written in its box.
    pub(super) label: String,
    /// What is written in its circle, if it calls a function.
    pub(super) circle: Option<Vec<String>>,
    pub(super) tooltip: String,
    pub(super) colour: Colour,
}

impl Picture {
    pub(super) fn new(graph: &Graph) -> Result<Picture> {
        let flat = Flat::new(graph)?;
        let edges = flat.edges()?;
        let order = flat.topological_order(&edges, 0..flat.len() as u32)?;
        let mut palette = Palette::default();
        let items = graph.iter().map(|(key, task)| Item::new(&key, &task, &mut palette)).collect();
        let inputs = (0..flat.len() as u32).map(|id| edges.tasks(id).collect()).collect();
        Ok(Picture { items, inputs, order })
    }
}

impl Item {
    fn new(key: &Key, task: &Task, palette: &mut Palette) -> Item {
        let (circle, said) = match task {
            Task::Value(value) => (None, format!("value: {}", value.type_name())),
            Task::Alias(_) => (None, "alias".to_owned()),
            Task::Call { func, .. } => (Some(lines(&func.short_name())), format!("function: {}", func.name())),
        };
        let mut tooltip = format!("{key}\n{said}");
        let n_inputs = task.dependencies().count();
        if n_inputs > 0 {
            tooltip.push_str("\nreads: ");
            for (i, input) in task.dependencies().take(NAMED_INPUTS).enumerate() {
                let comma = if i > 0 { ", " } else { "" };
                let _ = write!(tooltip, "{comma}{input}");
            }
            if n_inputs > NAMED_INPUTS {
                let _ = write!(tooltip, ", … {n_inputs} in all");
            }
        }
        let operation = key.name().operation();
        let has_token = operation.len() < key.name().as_str().len();
        // Hand-built names differ from task to task, so there the function says more.
        let colour = match task {
            Task::Call { func, .. } if !has_token && key.index().is_empty() => palette.colour(&func.short_name()),
            _ => palette.colour(operation),
        };
        Item { label: label(key, circle.is_some()), circle, tooltip, colour }
    }
}

/// `0, 3` for the block that a circle makes, as the circle says of what; `x 0, 3` for a block that is a value; the name for a key without an index.
fn label(key: &Key, has_circle: bool) -> String {
    let operation = key.name().operation();
    if key.index().is_empty() {
        return shorten(operation, BOX_CHARS);
    }
    let index = key.index().iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    match has_circle {
        true => index,
        false => format!("{} {index}", shorten(operation, LINE_CHARS)),
    }
}

/// Breaks a function's name into lines that fit a circle: `["sum_", "partial"]`; of a long chain the first and the last call: `["load →", "… →", "sum"]`.
fn lines(name: &str) -> Vec<String> {
    let steps: Vec<&str> = name.split(" → ").collect();
    if let [first, .., last] = steps.as_slice() {
        let middle = match steps.len() {
            2 => None,
            3 => Some(format!("{} →", shorten(steps[1], LINE_CHARS - 2))),
            _ => Some("… →".to_owned()),
        };
        let first = format!("{} →", shorten(first, LINE_CHARS - 2));
        return [Some(first), middle, Some(shorten(last, LINE_CHARS))].into_iter().flatten().collect();
    }
    let mut lines: Vec<String> = Vec::new();
    for word in name.split_inclusive([' ', '-', '_', '.', ',']) {
        let n_chars = word.trim_end().chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + n_chars <= LINE_CHARS => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    let left_out = lines.len() > LINES;
    lines.truncate(LINES);
    if left_out {
        lines[LINES - 1].push('…');
    }
    lines.iter().map(|line| shorten(line.trim(), LINE_CHARS)).collect()
}

/// The text on one line, in at most so many characters.
fn shorten(text: &str, n_chars: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let n = text.chars().count();
    if n <= n_chars {
        return text;
    }
    // The end of a name often tells it from its neighbours: `customers_by_region_2023`, `…_2024`.
    let tail = n_chars / 4;
    let head = n_chars - 1 - tail;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(n - tail)).collect()
}

/// The colours of one operation: its circles, its boxes, the lines around both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) circle: &'static str,
    pub(super) boxes: &'static str,
    pub(super) line: &'static str,
}

/// Dark text is readable on all of them. Neighbours differ in hue, as a taken colour passes on to the next.
const COLOURS: [Colour; 12] = [
    Colour { circle: "#bfdbfe", boxes: "#eff6ff", line: "#3b82f6" },
    Colour { circle: "#fed7aa", boxes: "#fff7ed", line: "#f97316" },
    Colour { circle: "#a7f3d0", boxes: "#ecfdf5", line: "#10b981" },
    Colour { circle: "#fbcfe8", boxes: "#fdf2f8", line: "#ec4899" },
    Colour { circle: "#fde68a", boxes: "#fffbeb", line: "#d97706" },
    Colour { circle: "#ddd6fe", boxes: "#f5f3ff", line: "#8b5cf6" },
    Colour { circle: "#99f6e4", boxes: "#f0fdfa", line: "#0d9488" },
    Colour { circle: "#fecaca", boxes: "#fef2f2", line: "#ef4444" },
    Colour { circle: "#d9f99d", boxes: "#f7fee7", line: "#65a30d" },
    Colour { circle: "#f5d0fe", boxes: "#fdf4ff", line: "#c026d3" },
    Colour { circle: "#bae6fd", boxes: "#f0f9ff", line: "#0284c7" },
    Colour { circle: "#e2e8f0", boxes: "#f8fafc", line: "#64748b" },
];

/// Gives each operation the colour of its name's hash, or the next one that is free while there are any: the same from drawing to drawing, mostly, and
/// different within one.
#[derive(Default)]
struct Palette {
    given: FxHashMap<String, usize>,
    taken: [bool; COLOURS.len()],
}

impl Palette {
    fn colour(&mut self, operation: &str) -> Colour {
        if let Some(&colour) = self.given.get(operation) {
            return COLOURS[colour];
        }
        let home = (xxhash_rust::xxh3::xxh3_64(operation.as_bytes()) % COLOURS.len() as u64) as usize;
        let colour = (0..COLOURS.len()).map(|i| (home + i) % COLOURS.len()).find(|&i| !self.taken[i]).unwrap_or(home);
        self.taken[colour] = true;
        self.given.insert(operation.to_owned(), colour);
        COLOURS[colour]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_where_a_person_would_break_them() {
        assert_eq!(lines("add"), ["add"]);
        assert_eq!(lines("sum_partial"), ["sum_", "partial"]);
        assert_eq!(lines("load → square"), ["load →", "square"]);
        assert_eq!(lines("load → square → sum"), ["load →", "square →", "sum"]);
        assert_eq!(lines("a → b → c → d → e"), ["a →", "… →", "e"]);
        assert_eq!(lines("supercalifragilistic"), ["superca…ic"]);
        assert_eq!(lines("one_two_three_four_five_six"), ["one_two_", "three_", "four_five_…"].map(|line| shorten(line, LINE_CHARS)));
        assert_eq!(lines(""), Vec::<String>::new());
    }

    #[test]
    fn labels_are_the_index_or_the_name_without_its_token() {
        assert_eq!(label(&Key::from(("x", [0, 3])), true), "0, 3");
        assert_eq!(label(&Key::from(("x", [0, 3])), false), "x 0, 3");
        assert_eq!(label(&Key::from("add-0123456789abcdef0123456789abcdef"), true), "add");
        assert_eq!(label(&Key::from("größenordnung_der_zahlen\n2024"), true), "größenordnung…2024");
    }

    #[test]
    fn twelve_operations_have_twelve_colours() {
        let mut palette = Palette::default();
        let colours: Vec<Colour> = (0..12).map(|i| palette.colour(&format!("operation {i}"))).collect();
        for (i, colour) in colours.iter().enumerate() {
            assert!(!colours[..i].contains(colour));
            assert_eq!(palette.colour(&format!("operation {i}")), *colour);
        }
        palette.colour("one more");
    }
}
