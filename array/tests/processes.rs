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

    // A run that fails leaves nothing under the name.
    let bad = Array::<f64>::from_fn_blocks([8], 2, |block| {
        assert!(block.index[0] != 3, "the last block fails");
        ndarray::ArrayD::ones(ndarray::IxDyn(&[2]))
    });
    assert!(bad.unwrap().to_zarr(folder.join("bad.zarr")).compute_with(&processes).is_err());
    assert!(!folder.join("bad.zarr").exists());
    println!("left of a run that failed in other processes: {:?}", left(folder));
}

fn left(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".arras-")).collect()
}
