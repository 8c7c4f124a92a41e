//! Arrays at work: fused expressions, reductions, products, factorisations, new chunks, stencils and large graphs, against dask.array and what else is fast at each.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use arras_array::{Array, Boundary, Rng, s};
use arras_scheduler::{Compute, Recorder, Scheduler, Threads, prepare};
use ndarray::{ArcArray, ArcArray1, Array3, ArrayD, ArrayViewD, Ix3};
use rayon::prelude::*;
use serde_json::{Value, json};

use super::{Bar, Contest, Result, Rival, Row, Setting, Timed, bar, uniform};
use crate::memory;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("expression/rayon", Rival::Native("rayon loop"), |setting| {
            let [x, y] = operands(setting);
            let peer = expression_by_rayon(x.clone(), y.clone(), setting.threads)?;
            expression(x, y, Some(peer), setting, Bar::AtMost(1.3)).map(Some)
        }),
        expression_row("expression/dask", "dask", Bar::TimesAsFast(3.0)),
        expression_row("expression/numexpr", "numexpr", Bar::TimesAsFast(1.5)),
        Row::new("transpose/dask", Rival::Python("dask"), |setting| transpose(setting).map(Some)).rounds(3),
        standardise_row("standardise/dask", "dask"),
        standardise_row("standardise/numpy", "numpy"),
        matmul_row("matmul/numpy", "numpy", Bar::TimesAsFast(0.85)),
        matmul_row("matmul/dask", "dask", Bar::TimesAsFast(1.3)),
        Row::new("svd/dask", Rival::Python("dask"), |setting| svd(setting).map(Some)).rounds(3),
        Row::new("rechunk/dask", Rival::Python("dask"), |setting| rechunk(setting).map(Some)).rounds(3),
        Row::new("median-filter/dask", Rival::Python("dask"), |setting| stencil(setting, "median", median_of_cube, 1e-12).map(Some))
            .rounds(3),
        Row::new("stencil/dask", Rival::Python("dask"), |setting| stencil(setting, "laplace", laplacian, 1e-9).map(Some)).rounds(3),
        Row::new("blocks/million", Rival::Python("dask"), |setting| million_blocks(setting).map(Some)).rounds(3),
    ]
}

fn array_error(error: arras_array::Error) -> arras_core::Error {
    arras_core::Error::collection(error)
}

/// What both times mean, and the bar on their ratio.
fn verdict(asked: Bar, says: impl FnOnce(f64) -> Result<String> + 'static) -> super::Detail {
    Box::new(move |ours_s, peer_s| {
        let says = says(ours_s)?;
        Ok(match peer_s {
            Some(peer_s) => format!("{}; {says}", asked.verdict(ours_s, peer_s)),
            None => says,
        })
    })
}

fn peer(setting: &Setting, case: &'static str, parameters: Value) -> Result<Option<Timed>> {
    setting.python_peer("arrays.py", case, parameters, 1.0)
}

// ------------------------------------------------------------------------------------------------ twelve operations, summed

const CHUNK: usize = 1_000_000;

fn n_elements(setting: &Setting) -> usize {
    if setting.quick { 10_000_000 } else { 100_000_000 }
}

fn operands(setting: &Setting) -> [ArcArray1<f64>; 2] {
    [1, 2].map(|seed| uniform(seed, n_elements(setting)))
}

/// `Σ 0.25 √|2(x - 0.3) + xy - (y + 0.5) / (x² + 1)|`: twelve operations, the constants' among them, and a sum.
fn expression(x: ArcArray1<f64>, y: ArcArray1<f64>, peer: Option<Timed>, setting: &Setting, asked: Bar) -> Result<Contest> {
    let n = n_elements(setting) as f64;
    let threads = Threads::new(setting.threads);
    let x = Array::from_ndarray(x, CHUNK).map_err(array_error)?;
    let y = Array::from_ndarray(y, CHUNK).map_err(array_error)?;
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let z = ((&x - 0.3) * 2.0 + &x * &y - (&y + 0.5) / (&x * &x + 1.0)).abs().sqrt() * 0.25;
            let mean = z.sum().item().compute_with(&threads)? / n;
            let seconds = start.elapsed().as_secs_f64();
            assert!((0.1..0.5).contains(&mean), "a wrong mean: {mean}");
            Ok(seconds)
        }),
        peer,
        detail: verdict(asked, move |ours_s| Ok(format!("{:.2} ns an element", ours_s * 1e9 / n))),
    })
}

fn expression_row(name: &'static str, case: &'static str, asked: Bar) -> Row {
    Row::new(name, Rival::Python(case), move |setting| {
        let parameters = json!({ "n": n_elements(setting), "chunk": CHUNK, "by": case });
        let Some(peer) = peer(setting, "expression", parameters)? else { return Ok(None) };
        let [x, y] = operands(setting);
        expression(x, y, Some(peer), setting, asked).map(Some)
    })
}

/// The loop that one would write by hand, over the same chunks on as many threads.
fn expression_by_rayon(x: ArcArray1<f64>, y: ArcArray1<f64>, n_threads: usize) -> Result<Timed> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build()?;
    Ok(Box::new(move || {
        let start = Instant::now();
        let (x, y) = (x.as_slice().expect("one run of memory"), y.as_slice().expect("one run of memory"));
        let value = |(x, y): (&f64, &f64)| ((x - 0.3) * 2.0 + x * y - (y + 0.5) / (x * x + 1.0)).abs().sqrt() * 0.25;
        // Eight sums side by side, as one would write a fast sum.
        let sum = |(x, y): (&[f64], &[f64])| {
            let mut sums = [0.0; 8];
            for (x, y) in x.chunks_exact(8).zip(y.chunks_exact(8)) {
                for (sum, pair) in sums.iter_mut().zip(x.iter().zip(y)) {
                    *sum += value(pair);
                }
            }
            let rest = x.chunks_exact(8).remainder().iter().zip(y.chunks_exact(8).remainder());
            sums.iter().sum::<f64>() + rest.map(value).sum::<f64>()
        };
        let total: f64 = pool.install(|| x.par_chunks(CHUNK).zip(y.par_chunks(CHUNK)).map(sum).sum());
        let mean = total / x.len() as f64;
        let seconds = start.elapsed().as_secs_f64();
        assert!((0.1..0.5).contains(&mean), "a wrong mean: {mean}");
        Ok(seconds)
    }))
}

// -------------------------------------------------------------------------------------- a matrix of draws and its transpose

fn transpose(setting: &Setting) -> Result<Contest> {
    let n: usize = if setting.quick { 4_000 } else { 16_000 };
    let peer = peer(setting, "transpose", json!({ "n": n, "chunk": 1_000 }))?;
    let threads = Threads::new(setting.threads);
    let run = move || -> Result<f64> {
        let start = Instant::now();
        let x = Rng::seed(7).random([n, n], 1_000).map_err(array_error)?;
        let mean = (&x + x.t()).mean().item().compute_with(&threads)?;
        let seconds = start.elapsed().as_secs_f64();
        assert!((mean - 1.0).abs() < 1e-3, "a wrong mean: {mean}");
        Ok(seconds)
    };
    let again = run.clone();
    Ok(Contest {
        ours: Box::new(run),
        peer,
        detail: verdict(Bar::TimesAsFast(4.0), move |_| {
            let (ran, nbytes) = memory::peak_nbytes(again);
            ran?;
            Ok(bar(nbytes as f64 / (1 << 20) as f64, " MiB allocated at once", ..=1024.0))
        }),
    })
}

// ------------------------------------------------------------------------------------------- standardised columns, row means

fn standardise_row(name: &'static str, case: &'static str) -> Row {
    Row::new(name, Rival::Python(case), move |setting| {
        let (rows, columns) = if setting.quick { (4_000, 5_000) } else { (20_000, 5_000) };
        let Some(peer) = peer(setting, "standardise", json!({ "rows": rows, "columns": columns, "chunk": 1_000, "by": case }))? else {
            return Ok(None);
        };
        let matrix = uniform(3, rows * columns).into_shape_with_order((rows, columns)).expect("as many elements");
        let x = Array::from_ndarray(matrix, [1_000, columns]).map_err(array_error)?;
        let threads = Threads::new(setting.threads);
        Ok(Some(Contest {
            ours: Box::new(move || {
                let start = Instant::now();
                let means = ((&x - x.mean_axis(0)) / x.std_axis(0, 0)).mean_axis(1).compute_with(&threads)?;
                let seconds = start.elapsed().as_secs_f64();
                assert!(means.len() == rows && means.sum().abs() < 1e-6, "wrong means: they add up to {}", means.sum());
                Ok(seconds)
            }),
            peer: Some(peer),
            detail: verdict(Bar::TimesAsFast(3.0), move |ours_s| {
                Ok(format!("{:.2} ns an element", ours_s * 1e9 / (rows * columns) as f64))
            }),
        }))
    })
    .rounds(5)
}

// --------------------------------------------------------------------------------------------------------- linear algebra

fn matmul_row(name: &'static str, case: &'static str, asked: Bar) -> Row {
    Row::new(name, Rival::Python(case), move |setting| {
        let n: usize = if setting.quick { 2_000 } else { 6_000 };
        let Some(peer) = peer(setting, "matmul", json!({ "n": n, "chunk": 2_000, "by": case }))? else { return Ok(None) };
        let matrix = |seed| Array::from_ndarray(uniform(seed, n * n).into_shape_with_order((n, n)).expect("as many elements"), 2_000);
        let (a, b) = (matrix(4).map_err(array_error)?, matrix(5).map_err(array_error)?);
        let threads = Threads::new(setting.threads);
        Ok(Some(Contest {
            ours: Box::new(move || {
                let start = Instant::now();
                let product = a.matmul(&b).persist_with(&threads)?;
                let seconds = start.elapsed().as_secs_f64();
                assert_eq!(product.shape(), [n, n]);
                Ok(seconds)
            }),
            peer: Some(peer),
            detail: verdict(asked, move |ours_s| Ok(format!("{:.1} GFLOP/s", 2.0 * (n as f64).powi(3) / ours_s / 1e9))),
        }))
    })
    .rounds(3)
}

fn svd(setting: &Setting) -> Result<Contest> {
    let (rows, columns) = if setting.quick { (200_000, 50) } else { (2_000_000, 50) };
    let chunk = rows / 20;
    let peer = peer(setting, "svd", json!({ "rows": rows, "columns": columns, "chunk": chunk }))?;
    let matrix = uniform(6, rows * columns).into_shape_with_order((rows, columns)).expect("as many elements");
    let x = Array::from_ndarray(matrix, [chunk, columns]).map_err(array_error)?;
    let threads = Threads::new(setting.threads);
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let (u, values, v) = x.svd();
            let (u, values, v) = (u, values, v).persist_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            let values = values.compute()?;
            assert!(u.shape() == [rows, columns] && v.shape() == [columns, columns] && values[[0]] > values[[columns - 1]]);
            Ok(seconds)
        }),
        peer,
        detail: verdict(Bar::TimesAsFast(1.0), |_| Ok("U, the values and V kept in blocks".to_owned())),
    })
}

// -------------------------------------------------------------------------------------------------------------- new chunks

/// Rows made by a function that nothing can look into, cut into columns, which a function reduces that nothing can look into either: every element has to move.
fn rechunk(setting: &Setting) -> Result<Contest> {
    let n: usize = if setting.quick { 5_000 } else { 20_000 };
    let limit = (n * n * 8 + n * n * 2) as u64;
    let peer = peer(setting, "rechunk", json!({ "n": n, "chunk": 1_000 }))?;
    let threads = Threads::new(setting.threads).memory_limit(limit);
    let most: Rc<Cell<usize>> = Rc::default();
    let worst = Rc::clone(&most);
    Ok(Contest {
        ours: Box::new(move || {
            let recorder = Recorder::new();
            let start = Instant::now();
            let rows = Array::from_fn_blocks([n, n], [1_000, n], |block| ArrayD::from_elem(block.shape.clone(), block.index[0] as f64))
                .map_err(array_error)?;
            let columns = rows.rechunk([n, 1_000]);
            let corners =
                columns.map_blocks_to([vec![1], vec![1; n / 1_000]], |block, _| block.slice(s![-1.., -1..]).to_owned().into_dyn());
            let sum = corners.sum().item().compute_with(&threads.observed_by(recorder.clone()))?;
            let seconds = start.elapsed().as_secs_f64();
            assert_eq!(sum, ((n / 1_000 - 1) * (n / 1_000)) as f64);
            worst.set(worst.get().max(recorder.report().peak_live_nbytes));
            Ok(seconds)
        }),
        peer,
        detail: verdict(Bar::TimesAsFast(3.0), move |_| {
            Ok(bar(most.get() as f64 / 1e9, " GB held at once by the report", ..=limit as f64 / 1e9))
        }),
    })
}

// ---------------------------------------------------------------------------------------------------------------- stencils

type Stencil = fn(ArrayViewD<'_, f64>) -> ArrayD<f64>;

/// A kernel over a cube of 512³ in blocks of 128³ with one element of their neighbours', against the same kernel by SciPy or NumPy.
fn stencil(setting: &Setting, kernel: &'static str, function: Stencil, within: f64) -> Result<Contest> {
    let n: usize = if setting.quick { 128 } else { 512 };
    let chunk = if setting.quick { 64 } else { 128 };
    let peer = peer(setting, "stencil", json!({ "n": n, "chunk": chunk, "kernel": kernel }))?;
    let cube: ArcArray<f64, Ix3> = uniform(8, n * n * n).into_shape_with_order((n, n, n)).expect("as many elements");
    let expected = function(cube.slice(s![..3, ..3, ..3]).into_dyn())[[1, 1, 1]];
    // What the kernel costs alone, on one thread.
    let block = cube.slice(s![..chunk + 2, ..chunk + 2, ..chunk + 2]).to_owned().into_dyn();
    let start = Instant::now();
    function(block.view());
    let alone_s = start.elapsed().as_secs_f64() * ((n / chunk).pow(3) / setting.threads) as f64;
    let x = Array::from_ndarray(cube, chunk).map_err(array_error)?;
    let threads = Threads::new(setting.threads);
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let filtered = match kernel {
                "median" => x.map_overlap(1, Boundary::Reflect, |block: ArrayViewD<'_, f64>| median_of_cube(block)),
                _ => x.map_overlap(1, Boundary::Reflect, |block: ArrayViewD<'_, f64>| laplacian(block)),
            };
            let filtered = filtered.persist_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            let found = filtered.slice(s![1..2, 1..2, 1..2]).item().compute()?;
            assert!((found - expected).abs() <= within, "{found} is not {expected}");
            Ok(seconds)
        }),
        peer,
        detail: verdict(Bar::TimesAsFast(3.0), move |ours_s| Ok(format!("{:.2} of the time of the kernel alone", ours_s / alone_s))),
    })
}

/// The sum of the six neighbours less six times the middle; what has no neighbour is 0.
fn laplacian(block: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    let x = block.into_dimensionality::<Ix3>().expect("three axes");
    let mut out = Array3::zeros(x.raw_dim());
    let (l, m, n) = x.dim();
    for i in 1..l - 1 {
        for j in 1..m - 1 {
            let row = |i: usize, j: usize| x.slice_move(s![i, j, ..]).to_slice().expect("rows without gaps");
            let (here, up, down, left, right) = (row(i, j), row(i - 1, j), row(i + 1, j), row(i, j - 1), row(i, j + 1));
            let out = &mut out.slice_mut(s![i, j, 1..n - 1]);
            for (k, out) in out.iter_mut().enumerate() {
                *out = up[k + 1] + down[k + 1] + left[k + 1] + right[k + 1] + here[k] + here[k + 2] - 6.0 * here[k + 1];
            }
        }
    }
    out.into_dyn()
}

/// The median of the cube of 27 around each element that has one; 0 for the rest.
fn median_of_cube(block: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    let mut out = ArrayD::zeros(block.raw_dim());
    let x = block.view().into_dimensionality::<Ix3>().expect("three axes");
    let medians = ndarray::Zip::from(x.windows((3, 3, 3))).map_collect(|cube| {
        let mut values = [0.0; 27];
        values.iter_mut().zip(cube).for_each(|(to, from)| *to = *from);
        *values.select_nth_unstable_by(13, f64::total_cmp).1
    });
    let (l, m, n) = x.dim();
    out.slice_mut(s![1..l - 1, 1..m - 1, 1..n - 1]).assign(&medians);
    out
}

// ---------------------------------------------------------------------------------------------------------- a large graph

fn million_blocks(setting: &Setting) -> Result<Contest> {
    let side: usize = if setting.quick { 100 } else { 1_000 };
    // Dask needs half a minute for as many: it builds fewer, and its time is scaled.
    let smaller = side / 10;
    let scale = (side * side) as f64 / (smaller * smaller) as f64;
    let peer = setting.python_peer("arrays.py", "million_blocks", json!({ "side": smaller }), scale)?;
    let n_tasks: Rc<Cell<usize>> = Rc::default();
    let found = Rc::clone(&n_tasks);
    let n_blocks = (side * side) as f64;
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let ones = Array::<f64>::ones([side, side], 1).map_err(array_error)?;
            let total = ((ones + 1.0) * 2.0).t().sum().item();
            let plan = prepare(&total)?;
            let seconds = start.elapsed().as_secs_f64();
            found.set(plan.len());
            Ok(seconds)
        }),
        peer,
        detail: Box::new(move |ours_s, peer_s| {
            let tasks = n_tasks.get() as f64;
            let ours = bar(ours_s * 1e6 / tasks, " µs a task", ..=1.0);
            let theirs = peer_s.map_or_else(String::new, |s| {
                format!("; dask {:.0} µs a block, measured on {smaller}² blocks, scaled", s * 1e6 / n_blocks)
            });
            Ok(format!("{ours}: {tasks} tasks, built, optimised and frozen{theirs}"))
        }),
    })
}
