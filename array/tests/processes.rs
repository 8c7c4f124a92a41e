//! Arrays are written and read by workers in other processes too. This program is also its own worker, so it has a `main` of its own.

use std::path::Path;

use arras_array::{Array, Zarr, ZarrSink};
use arras_core::evaluate;
use arras_scheduler::{Compute, Processes};

fn main() {
    arras_scheduler::init();
    let folder = std::env::temp_dir().join(format!("arras-array-processes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let outcome = std::panic::catch_unwind(|| workers_write_and_read(&folder));
    let _ = std::fs::remove_dir_all(&folder);
    if outcome.is_err() {
        std::process::exit(101);
    }
    println!("test workers_write_and_read ... ok");
}

fn workers_write_and_read(folder: &Path) {
    let processes = Processes::new(2).unwrap();
    let ramp = Array::arange(0.0, 70.0, 1.0, 70).unwrap().reshape([10, 7]).rechunk([2, 3]);
    let expected = evaluate(&ramp).unwrap();

    let npy = folder.join("x.npy");
    ramp.to_npy(&npy).compute_with(&processes).unwrap();
    assert_eq!(Array::<f64>::from_npy(&npy, 3).unwrap().compute_with(&processes).unwrap(), expected);

    let stack = folder.join("stack");
    ramp.to_npy_stack(&stack, 1).compute_with(&processes).unwrap();
    assert_eq!(Array::<f64>::from_npy_stack(&stack).unwrap().compute_with(&processes).unwrap(), expected);

    let zarr = folder.join("group");
    let sink = || ZarrSink::at(&zarr).unwrap().path("x").chunks([1, 2]).shards([2, 4]).attribute("units", "K").overwrite(true);
    for _ in 0..2 {
        ramp.store(sink()).compute_with(&processes).unwrap();
    }
    let stored = Zarr::open(zarr.join("x")).unwrap();
    assert_eq!(stored.attributes()["units"], "K");
    assert_eq!(stored.read::<f64>(3).unwrap().compute_with(&processes).unwrap(), expected);
    ramp.to_zarr_region(zarr.join("x"), [0, 0]).compute_with(&processes).unwrap();

    a_run_that_fails_leaves_nothing(folder, &processes);
    functions_with_captures_travel(&processes);
}

fn a_run_that_fails_leaves_nothing(folder: &Path, processes: &Processes) {
    let folder = folder.join("failed");
    let empty = folder.join("empty");
    std::fs::create_dir_all(&empty).unwrap();
    for fails in 0..4usize {
        let bad = Array::<f64>::from_fn_blocks([8], 2, |block| {
            assert!(block.index[0] != block.shape[0] + 1, "the last block fails");
            ndarray::ArrayD::ones(ndarray::IxDyn(&[2]))
        });
        let bad = bad.unwrap().roll(fails as isize * 2, 0);
        bad.to_npy(folder.join("bad.npy")).compute_with(processes).unwrap_err();
        bad.to_npy_stack(folder.join("on/the/way"), 0).compute_with(processes).unwrap_err();
        bad.to_zarr(folder.join("bad.zarr")).compute_with(processes).unwrap_err();
        bad.store(ZarrSink::at(&empty).unwrap().path("a/b")).compute_with(processes).unwrap_err();
    }
    // Folders that were there stay, those on the way do not.
    let left = |folder: &Path| -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!((left(&folder), left(&empty)), (vec!["empty".to_owned()], vec![]));
}

fn functions_with_captures_travel(processes: &Processes) {
    use arras_array::{Boundary, Gufunc, apply_gufunc_with, blockwise_lists_with, blockwise_with, map_blocks_with};
    use ndarray::{ArrayView1, ArrayViewD};
    let x = Array::arange(0i64, 12, 1, 12).unwrap().reshape([3, 4]).rechunk([2, 2]);
    let ten = 10;
    let scaled = |n: &i64, x: ArrayViewD<i64>| &x * *n;
    let arrays: Vec<Array<i64>> = vec![
        map_blocks_with(&x, (), ten, |n: &i64, x: ArrayViewD<i64>, _| &x * *n),
        blockwise_with("ij->ij", &x, (), ten, |n: &i64, x: ArrayViewD<i64>, _| &x * *n),
        blockwise_lists_with("ij->ij", &x, (), ten, |n: &i64, x: Vec<ArrayViewD<i64>>, _| &x[0] * *n),
        apply_gufunc_with("(n)->(n)", &x, Gufunc::default().axis(0).allow_rechunk(), ten, scaled),
        x.apply_along_axis_with(0, &[3], ten, |n: &i64, lane: ArrayView1<i64>| (&lane * *n).into_dyn()),
        x.map_overlap_with(1, Boundary::None, ten, scaled),
        x.map_blocks_with(ten, |n: &i64, x: ArrayViewD<i64>, _| &x * *n),
    ];
    let expected = evaluate(&(&x * 10)).unwrap();
    for (i, array) in arrays.iter().enumerate() {
        assert_eq!(array.compute_with(processes).unwrap(), expected, "{i}");
    }
}
