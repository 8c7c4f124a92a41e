//! Functions of blocks see the elements around them, under any chunking.

use arras_array::{Array, Boundary, Chunks, Depth, Error};
use arras_core::{Collection, Plan};
use arras_scheduler::{Compute, Synchronous};
use ndarray::{Array1, ArrayD, ArrayViewD, Dimension, IxDyn};

use super::oracle::{check, computed};
use super::recorded::chunkings;

const BEFORE: isize = 2;
const AFTER: isize = 1;

/// What is within reach along axis 0, with weights that tell the places apart; nothing beyond the block's edges.
fn stencil(block: ArrayViewD<'_, f64>) -> ArrayD<f64> {
    let n = block.shape()[0] as isize;
    ArrayD::from_shape_fn(block.raw_dim(), |i| {
        (-BEFORE..=AFTER)
            .map(|d| {
                let mut at = i.clone();
                let row = i[0] as isize + d;
                at[0] = row.clamp(0, n - 1) as usize;
                if (0..n).contains(&row) { block[at] * (10 + d) as f64 } else { 1000.0 }
            })
            .sum()
    })
}

/// The same of the whole array, with what stands beyond its edges.
fn reference(data: &ArrayD<f64>, boundary: Boundary<f64>) -> ArrayD<f64> {
    let n = data.shape()[0] as isize;
    ArrayD::from_shape_fn(data.raw_dim(), |i| {
        (-BEFORE..=AFTER)
            .map(|d| {
                let row = i[0] as isize + d;
                let shown = match boundary {
                    _ if (0..n).contains(&row) => row,
                    Boundary::None => return 1000.0,
                    Boundary::Constant(value) => return value * (10 + d) as f64,
                    Boundary::Nearest => row.clamp(0, n - 1),
                    Boundary::Periodic => row.rem_euclid(n),
                    Boundary::Reflect => {
                        if row < 0 {
                            -row - 1
                        } else {
                            2 * n - 1 - row
                        }
                    }
                };
                let mut at = i.clone();
                at[0] = shown as usize;
                data[at] * (10 + d) as f64
            })
            .sum()
    })
}

const BOUNDARIES: [Boundary<f64>; 5] = [Boundary::None, Boundary::Reflect, Boundary::Periodic, Boundary::Nearest, Boundary::Constant(0.5)];

#[test]
fn every_boundary_shows_what_it_says() {
    let data = ArrayD::from_shape_fn(IxDyn(&[7, 3]), |i| ((i[0] * 3 + i[1]) * 5 % 21) as f64);
    for boundary in BOUNDARIES {
        for chunks in chunkings() {
            let x = Array::from_ndarray(data.clone(), chunks).unwrap();
            let depth = [(BEFORE as usize, AFTER as usize), (0, 0)];
            check(&x.map_overlap(depth, boundary, stencil), reference(&data, boundary));
            // Beyond an edge of a block with operations below it.
            check(&(&x * 2.0).map_overlap(depth, boundary, stencil), reference(&(&data * 2.0), boundary));
            let around = x.overlap(depth, boundary);
            check(&around.trim(depth, boundary), data.clone());
        }
    }
}

#[test]
fn corners_are_seen_too() {
    let data = ArrayD::from_shape_fn(IxDyn(&[5, 6, 2]), |i| (i[0] * 12 + i[1] * 2 + i[2]) as i64);
    let sum = |block: ArrayViewD<'_, i64>| {
        let (n, m) = (block.shape()[0], block.shape()[1]);
        ArrayD::from_shape_fn(block.raw_dim(), |at| {
            let near = |i: usize, n: usize| i.saturating_sub(1)..(i + 2).min(n);
            near(at[0], n).flat_map(|i| near(at[1], m).map(move |j| (i, j))).map(|(i, j)| block[[i, j, at[2]]]).sum::<i64>()
        })
    };
    let whole = sum(data.view());
    for chunks in chunkings() {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        check(&x.map_overlap([1, 1, 0], Boundary::None, sum), whole.clone());
        check(&x.map_overlap([1, 1, 0], Boundary::Constant(0), sum), whole.clone());
    }
}

#[test]
fn one_task_a_block_and_nothing_between() {
    let x = Array::<f64>::ones([60, 60], 20).unwrap().persist().unwrap();
    let y = x.map_overlap(1, Boundary::None, |block| block.to_owned());
    let (values, report) = y.compute_with_report(&Synchronous).unwrap();
    assert_eq!((values.sum(), report.tasks), (3600.0, 9));
    assert_eq!(y.chunks(), x.chunks());
}

#[test]
fn short_chunks_are_joined_and_depths_beyond_the_axis_refused() {
    let x = Array::from_ndarray(Array1::<f64>::zeros(10), 2).unwrap();
    assert_eq!(x.map_overlap(3, Boundary::None, |block| block.to_owned()).chunks(), [vec![4, 6]]);
    check(&x.map_overlap(30, Boundary::Nearest, |block| block.to_owned()), Array1::<f64>::zeros(10));
    let error = x.map_overlap(11, Boundary::Periodic, |block| block.to_owned()).check().unwrap_err();
    assert_eq!(error.to_string(), "map_overlap: depth 11 is more than axis 0 of length 10 has elements to show beyond its edge");
    let error = x.map_overlap([1, 1], Boundary::None, |block| block.to_owned()).check().unwrap_err();
    assert!(matches!(error, Error::Argument { operation: "map_overlap", .. }));
    assert!(x.trim(2, Boundary::Nearest).check().unwrap_err().to_string().contains("block 0 of axis 0"));
    let _ = Depth::from(vec![(1, 2)]);
}

#[test]
fn a_function_that_returns_another_shape_fails_the_run() {
    let x = Array::from_ndarray(Array1::<f64>::zeros(10), 5).unwrap();
    let error = x.map_overlap(1, Boundary::None, |_| ArrayD::<f64>::zeros(IxDyn(&[2]))).compute().unwrap_err();
    assert!(format!("{error:?}").contains("shape [2]"), "{error:?}");
}

#[test]
fn functions_that_capture_nothing_travel() {
    let x = Array::<f64>::ones([6, 6], 2).unwrap();
    let y = x.map_overlap(1, Boundary::Reflect, stencil);
    let made = Array::<f64>::from_shape_fn([6, 6], 2, |index| index[0] as f64).unwrap();
    let parts = (y + made).sliding_window_view([2], [0]).take([3, 1, 1, 0, 2, 4], 1).vindex([vec![0, 1], vec![2, 0]]).push(0, Some(1));
    let plan = Plan::new(&parts.graph().unwrap(), &parts.keys()).unwrap();
    plan.check_portable().unwrap();
    for id in 0..plan.len() as u32 {
        arras_core::Func::from_wire(&plan.func(id).to_wire().unwrap()).unwrap();
    }
    let scale = 2.0;
    let captured = x.map_overlap(1, Boundary::Reflect, move |block| block.mapv(|x| x * scale));
    let plan = Plan::new(&captured.graph().unwrap(), &captured.keys()).unwrap();
    assert!(plan.check_portable().unwrap_err().to_string().contains("captures"));
    // Two functions are two arrays, the same one is one.
    assert_eq!(x.map_overlap(1, Boundary::None, stencil).name(), x.map_overlap(1, Boundary::None, stencil).name());
    assert_ne!(x.map_overlap(1, Boundary::None, stencil).name(), x.map_overlap(1, Boundary::Nearest, stencil).name());
    assert_ne!(captured.name(), x.map_overlap(1, Boundary::Reflect, move |block| block.mapv(|x| x * scale)).name());
}

#[test]
fn the_last_element_fills_what_is_missing() {
    let nan = f64::NAN;
    let data = ndarray::arr2(&[
        [nan, 1.0, nan, nan, nan, nan, 2.0, nan, nan],
        [3.0, nan, nan, nan, nan, nan, nan, nan, nan],
        [nan, nan, 4.0, nan, 5.0, nan, nan, nan, 6.0],
    ]);
    let filled = |limit: usize, axis: usize| {
        // A filled element is no source of its own.
        let mut result = data.clone();
        ndarray::Zip::indexed(&mut result).for_each(|(i, j), element| {
            let (lane, at) = if axis == 0 { (data.column(j), i) } else { (data.row(i), j) };
            let source = (0..=at).rev().find(|&k| !lane[k].is_nan()).filter(|&k| at - k <= limit);
            *element = source.map_or(nan, |k| lane[k]);
        });
        result
    };
    for chunks in [Chunks::one(), 4.into(), 2.into(), 1.into()] {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        for axis in 0..2 {
            check(&x.push(axis as isize, None), filled(usize::MAX, axis));
            for limit in 0..5 {
                check(&x.push(axis as isize - 2, Some(limit)), filled(limit, axis));
            }
        }
    }
    check(&Array::<f32>::zeros([0, 2], 2).unwrap().push(0, None), ndarray::Array2::zeros((0, 2)));
    assert!(computed(&Array::from_ndarray(data, 2).unwrap().push(0, None)).dim().ndim() == 2);
}
