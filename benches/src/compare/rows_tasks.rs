//! What a task costs: a million that do nothing, built, culled, frozen and run on threads; Dask's threaded scheduler on the same shapes.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use arras_scheduler::Threads;
use serde_json::{Value, json};

use super::{Contest, Result, Rival, Row, Setting, bar};
use crate::graphs::Shape;
use crate::phases::{self, Phases};

/// The most that a task may cost.
#[derive(Clone, Copy)]
struct Bars {
    total_us: f64,
    run_ns: f64,
    nbytes: Option<f64>,
}

const DENSE: Bars = Bars { total_us: 0.5, run_ns: 50.0, nbytes: Some(200.0) };

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("tasks/independent", Shape::Independent(1_000_000), DENSE),
        row("tasks/tree", Shape::Tree(19), DENSE),
        row("tasks/chain", Shape::Chain(1_000_000), DENSE),
        row("tasks/stencil", Shape::Stencil(1000, 1000), Bars { run_ns: 100.0, ..DENSE }),
        row("tasks/hand-built-tree", Shape::HandBuiltTree(19), Bars { total_us: 1.5, nbytes: None, ..DENSE }),
    ]
}

fn row(name: &'static str, shape: Shape, bars: Bars) -> Row {
    Row::new(name, Rival::Python("dask"), move |setting| contest(shape, bars, setting).map(Some))
}

fn contest(shape: Shape, bars: Bars, setting: &Setting) -> Result<Contest> {
    let threads = Arc::new(Threads::new(setting.threads));
    let (case, parameters, peer_tasks) = smaller(shape, setting.quick);
    let scale = f64::from(shape.n_tasks()) / f64::from(peer_tasks);
    let peer = setting.python_peer("tasks.py", case, parameters, scale)?;
    let best: Rc<Cell<Option<Phases>>> = Rc::default();
    let (ours_best, ours_threads) = (Rc::clone(&best), Arc::clone(&threads));
    Ok(Contest {
        ours: Box::new(move || {
            let phases = phases::measure(shape, &ours_threads)?;
            ours_best.set(Some(ours_best.get().map_or(phases, |best| best.min(phases))));
            Ok(phases.total())
        }),
        peer,
        detail: Box::new(move |ours_s, peer_s| {
            let n = f64::from(shape.n_tasks());
            let nbytes = phases::peak_nbytes(shape, &threads)? as f64 / n;
            let Phases { build, cull, freeze, run, drop } = best.get().expect("ours ran before it is described");
            let [build, cull, freeze, run, drop] = [build, cull, freeze, run, drop].map(|seconds| seconds * 1e9 / n);
            let total = bar(ours_s * 1e6 / n, " µs a task", ..=bars.total_us);
            let run = bar(run, " ns", ..=bars.run_ns);
            let nbytes = bars.nbytes.map_or_else(|| format!("{nbytes:.0} bytes a task"), |limit| bar(nbytes, " bytes a task", ..=limit));
            let mut detail = format!("{total}: build {build:.0}, cull {cull:.0}, freeze {freeze:.0}, run {run}; drop {drop:.0}; {nbytes}");
            if let Some(peer_s) = peer_s {
                detail += &format!("; dask {:.1} µs a task, measured on {peer_tasks} tasks, scaled", peer_s * 1e6 / n);
            }
            Ok(detail)
        }),
    })
}

/// The same shape with few enough tasks for Dask: the case of `tasks.py`, its parameters, and how many tasks these make.
fn smaller(shape: Shape, quick: bool) -> (&'static str, Value, u32) {
    let n: u32 = if quick { 2_000 } else { 20_000 };
    match shape {
        Shape::Independent(_) => ("independent", json!({ "n": n }), n),
        Shape::Chain(_) => ("chain", json!({ "length": n }), n),
        Shape::Tree(_) | Shape::HandBuiltTree(_) => {
            let levels = n.ilog2() - 1;
            ("tree", json!({ "levels": levels }), Shape::Tree(levels).n_tasks())
        }
        Shape::Stencil(..) => {
            let side = n.isqrt();
            ("stencil", json!({ "width": side, "steps": side }), side * side)
        }
    }
}
