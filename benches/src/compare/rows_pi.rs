//! Pi from points already in memory: the whole region `4 Σ(x² + y² < 1) / n` as one pass over two arrays, against a loop by hand, numexpr, dask.array and NumPy.

use std::f64::consts::PI;
use std::time::Instant;

use arras_array::Array;
use arras_scheduler::{Compute, Threads};
use ndarray::ArcArray1;
use rayon::prelude::*;
use serde_json::json;

use super::{Bar, Contest, Result, Rival, Row, Setting, Timed, uniform};

const CHUNK: usize = 1_000_000;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("pi/rayon", Rival::Native("rayon loop"), |setting| {
            let points = Points::new(setting);
            let peer = rayon_loop(points.clone(), setting.threads)?;
            contest(points, peer, setting, Bar::AtMost(1.15)).map(Some)
        }),
        python_row("pi/numexpr", "numexpr", Bar::AtMost(1.0)),
        python_row("pi/dask", "dask", Bar::TimesAsFast(5.0)),
        python_row("pi/numpy", "numpy", Bar::TimesAsFast(5.0)),
    ]
}

/// The coordinates of the points, uniform in [-1, 1). Clones share their memory: both sides of a row read the same.
#[derive(Clone)]
struct Points {
    x: ArcArray1<f64>,
    y: ArcArray1<f64>,
}

impl Points {
    fn new(setting: &Setting) -> Points {
        let n = n_points(setting);
        Points { x: uniform(1, n), y: uniform(2, n) }
    }
}

fn n_points(setting: &Setting) -> usize {
    if setting.quick { 10_000_000 } else { 100_000_000 }
}

/// A row whose peer is a case of `peers/pi.py`. Without Python there is nothing to say: the row before it states ours.
fn python_row(name: &'static str, case: &'static str, bar: Bar) -> Row {
    Row::new(name, Rival::Python(case), move |setting| {
        let parameters = json!({ "n": n_points(setting), "chunk": CHUNK });
        let Some(peer) = setting.python_peer("pi.py", case, parameters, 1.0)? else { return Ok(None) };
        contest(Points::new(setting), peer, setting, bar).map(Some)
    })
}

fn contest(points: Points, peer: Timed, setting: &Setting, asked: Bar) -> Result<Contest> {
    let n = n_points(setting) as f64;
    let threads = Threads::new(setting.threads);
    let x = Array::from_ndarray(points.x, CHUNK).map_err(arras_core::Error::collection)?;
    let y = Array::from_ndarray(points.y, CHUNK).map_err(arras_core::Error::collection)?;
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
            let pi = (4.0 * hit_test.sum() / n).item().compute_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            assert!((pi - PI).abs() < 0.01, "a wrong pi: {pi}");
            Ok(seconds)
        }),
        peer: Some(peer),
        detail: Box::new(move |ours_s, peer_s| {
            let ours = format!("{:.2} ns a point", ours_s * 1e9 / n);
            let Some(peer_s) = peer_s else { return Ok(ours) };
            Ok(format!("{ours}, the peer {:.2}; {}", peer_s * 1e9 / n, asked.verdict(ours_s, peer_s)))
        }),
    })
}

/// The loop that one would write by hand, over the same chunks on as many threads.
fn rayon_loop(points: Points, n_threads: usize) -> Result<Timed> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build()?;
    Ok(Box::new(move || {
        let start = Instant::now();
        let (x, y) = (points.x.as_slice().expect("one run of memory"), points.y.as_slice().expect("one run of memory"));
        let inside = |(x, y): (&[f64], &[f64])| x.iter().zip(y).filter(|&(x, y)| x * x + y * y < 1.0).count();
        let n_inside: usize = pool.install(|| x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK)).map(inside).sum());
        let pi = 4.0 * n_inside as f64 / x.len() as f64;
        let seconds = start.elapsed().as_secs_f64();
        assert!((pi - PI).abs() < 0.01, "a wrong pi: {pi}");
        Ok(seconds)
    }))
}
