//! Text for Graphviz.

use std::fmt::Write;

use super::RankDirection;
use super::picture::{Item, Picture};

pub(super) fn dot(picture: &Picture, direction: RankDirection) -> String {
    let rankdir = match direction {
        RankDirection::BottomToTop => "BT",
        RankDirection::TopToBottom => "TB",
        RankDirection::LeftToRight => "LR",
    };
    let mut text = String::with_capacity(256 * (picture.items.len() + 2));
    text.push_str("digraph arras {\n");
    let _ = writeln!(text, "    graph [rankdir={rankdir}, bgcolor=\"white\", fontname=\"Helvetica\"];");
    text.push_str("    node [fontname=\"Helvetica\", fontsize=11, fontcolor=\"#1f2937\", style=\"filled\"];\n");
    text.push_str("    edge [color=\"#94a3b8\", arrowsize=0.7];\n");
    if picture.items.is_empty() {
        text.push_str("    empty [shape=plaintext, style=\"\", label=\"an empty graph\"];\n");
    }
    for (id, item) in picture.items.iter().enumerate() {
        task(&mut text, id, item);
    }
    for (reader, inputs) in picture.inputs.iter().enumerate() {
        let item = &picture.items[reader];
        let end = if item.circle.is_some() { "circle" } else { "box" };
        for input in inputs {
            let _ = writeln!(text, "    box{input} -> {end}{reader};");
        }
        if item.circle.is_some() {
            let _ = writeln!(text, "    circle{reader} -> box{reader};");
        }
    }
    text.push_str("}\n");
    text
}

fn task(text: &mut String, id: usize, item: &Item) {
    let (tooltip, line) = (escape(&item.tooltip), item.colour.line);
    if let Some(lines) = &item.circle {
        let (label, fill) = (escape(&lines.join("\n")), item.colour.circle);
        let _ = writeln!(
            text,
            "    circle{id} [shape=circle, margin=0.02, label=\"{label}\", color=\"{line}\", fillcolor=\"{fill}\", tooltip=\"{tooltip}\"];"
        );
    }
    let (label, fill) = (escape(&item.label), item.colour.boxes);
    let _ = writeln!(
        text,
        "    box{id} [shape=box, style=\"rounded,filled\", label=\"{label}\", color=\"{line}\", fillcolor=\"{fill}\", tooltip=\"{tooltip}\"];"
    );
}

/// For a quoted string of Graphviz, which knows backslash escapes and, inside labels, HTML entities.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '&' => escaped.push_str("&amp;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
