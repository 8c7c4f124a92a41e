//! What computing a collection would do, as text.

use std::fmt::Write;

use crate::collection::Collection;
use crate::error::{Result, plural};
use crate::graph::Graph;
use crate::optimise::cull;
use crate::plan::{Plan, Source};

/// The collection's own view of its work, then its graph layer by layer, then the size of the plan. Runs nothing.
///
/// ```
/// use arras_core::{delayed, explain};
/// let text = explain(&delayed(f64::sqrt, (2.0,)).map(|x| x + 1.0))?;
/// assert!(text.contains("2 tasks in 2 layers"), "{text}");
/// # Ok::<(), arras_core::Error>(())
/// ```
///
/// # Errors
/// What was wrong when the collection was built.
pub fn explain<C: Collection + ?Sized>(collection: &C) -> Result<String> {
    let graph = collection.graph()?;
    let keys = collection.keys();
    let before = graph.len();
    let graph = cull(&graph, &keys)?;
    let plan = Plan::new(&graph, &keys)?;

    let mut text = collection.describe();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    // Aliases are neither tasks nor values.
    let n_values: usize = graph.layers().map(|layer| (0..layer.len() as u32).filter(|&i| layer.value_at(i).is_some()).count()).sum();
    let n_layers = graph.layers().len();
    let _ = write!(text, "graph: {} {} in {n_layers} {}", plan.len(), plural(plan.len(), "task"), plural(n_layers, "layer"));
    if n_values > 0 {
        let _ = write!(text, ", {n_values} {} at hand", plural(n_values, "value"));
    }
    if before > graph.len() {
        let _ = write!(text, ", {} culled", before - graph.len());
    }
    let _ = writeln!(text, ", depth {}", depth(&plan));
    for line in layer_lines(&graph) {
        let _ = writeln!(text, "  {line}");
    }
    if let Some(peak) = projected_peak(&plan) {
        let _ = writeln!(text, "memory: at most {} of results at once on one thread", human_nbytes(peak));
    }
    Ok(text)
}

/// Most layers a text lists one by one.
const MAX_LINES: usize = 40;

fn layer_lines(graph: &Graph) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, layer) in graph.layers().enumerate() {
        if number == MAX_LINES {
            lines.push(format!("… and {} layers more", graph.layers().len() - MAX_LINES));
            break;
        }
        let what = match layer.func_at(0) {
            Some(func) => func.short_name(),
            None => "values".to_owned(),
        };
        let reads = layer.dependencies().iter().map(|name| name.operation().to_owned()).collect::<Vec<_>>();
        let reads = if reads.len() > 4 { vec![format!("{} layers", reads.len())] } else { reads };
        let mut line = format!("{} × {}", layer.len(), layer.name().operation());
        if what != layer.name().operation() {
            let _ = write!(line, " ({what})");
        }
        if !reads.is_empty() {
            let _ = write!(line, " ← {}", reads.join(", "));
        }
        if let Some(nbytes) = layer.nbytes_at(0) {
            let _ = write!(line, ", {} each", human_nbytes(nbytes));
        }
        lines.push(line);
    }
    lines
}

/// Tasks on the longest path.
fn depth(plan: &Plan) -> usize {
    let mut depths = vec![1u32; plan.len()];
    for id in 0..plan.len() as u32 {
        if let Some(deepest) = plan.task_inputs(id).map(|input| depths[input as usize]).max() {
            depths[id as usize] = deepest + 1;
        }
    }
    depths.into_iter().max().unwrap_or(0) as usize
}

/// The most bytes that are held at once when tasks run one by one in rank order, if the size of every value is known.
fn projected_peak(plan: &Plan) -> Option<u64> {
    let mut unread: Vec<u32> = (0..plan.len() as u32).map(|id| plan.readers(id).len() as u32).collect();
    for output in plan.outputs() {
        if let Source::Task(id) = output {
            unread[id as usize] += 1;
        }
    }
    let (mut live, mut peak) = (0u64, 0u64);
    for id in 0..plan.len() as u32 {
        live += plan.nbytes(id)?;
        peak = peak.max(live);
        for input in plan.task_inputs(id) {
            unread[input as usize] -= 1;
            if unread[input as usize] == 0 {
                live -= plan.nbytes(input)?;
            }
        }
    }
    (!plan.is_empty()).then_some(peak)
}

/// Bytes as a person reads them: `512 B`, `8.0 kB`, `1.6 GB`, in powers of 1,000.
///
/// ```
/// use arras_core::human_nbytes;
/// assert_eq!(human_nbytes(512), "512 B");
/// assert_eq!(human_nbytes(8_000_000), "8.0 MB");
/// ```
pub fn human_nbytes(nbytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if nbytes < 1000 {
        return format!("{nbytes} B");
    }
    let mut size = nbytes as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}
