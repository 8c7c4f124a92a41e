//! Stacks of `.npy` files, as Dask's.

use std::fs;

use arras_array::{Array, Chunks};
use arras_core::evaluate;
use arras_scheduler::{Compute, Synchronous, Threads};

use super::npy::Folder;
use super::oracle::check;

#[test]
fn a_stack_is_read_as_it_was_written() {
    let folder = Folder::new("stack", "read");
    let path = folder.0.join("stack");
    let x = Array::arange(0i32, 60, 1, 7).unwrap().reshape([3, 4, 5]).rechunk(2);
    for axis in [0, 1, 2, -1] {
        x.to_npy_stack(&path, axis).compute_with(&Threads::new(2)).unwrap();
        let y = Array::<i32>::from_npy_stack(&path).unwrap();
        let cut = (axis + 3) as usize % 3;
        assert_eq!(y.numblocks().iter().enumerate().map(|(i, &n)| if i == cut { n > 1 } else { n == 1 }).collect::<Vec<_>>(), [true; 3]);
        check(&y, evaluate(&x).unwrap());
        assert_eq!(folder.names(), ["stack"]);
    }
    let error = x.to_npy_stack(&path, 3).compute().unwrap_err().to_string();
    assert!(error.contains("to_npy_stack: axis 3 is out of range for shape [3, 4, 5]"), "{error}");
    assert!(x.reshape([7]).to_npy_stack(&path, 0).compute().is_err());
}

/// `to_npy_stack` of Dask 2026.8.0 of three rows of two `i2`, cut after the second: the pickle holds the type as a Python object.
#[test]
fn what_dask_wrote_is_read() {
    let folder = Folder::new("stack", "dask");
    let (info, files) = (
        include_bytes!("../fixtures/npy_stack/info"),
        [&include_bytes!("../fixtures/npy_stack/0.npy")[..], include_bytes!("../fixtures/npy_stack/1.npy")],
    );
    fs::write(folder.0.join("info"), info).unwrap();
    for (i, bytes) in files.into_iter().enumerate() {
        fs::write(folder.0.join(format!("{i}.npy")), bytes).unwrap();
    }
    check(&Array::<i16>::from_npy_stack(&folder.0).unwrap(), ndarray::array![[0i16, 1], [2, 3], [4, 5]]);
}

#[test]
fn what_is_no_stack_is_refused_by_name() {
    let folder = Folder::new("stack", "broken");
    let path = folder.0.join("stack");
    let refused = |why: &str, file: &str| {
        let error = Array::<f64>::from_npy_stack(&path).unwrap_err().to_string();
        assert!(error.contains(why) && error.contains(file), "{error} instead of {why}");
    };
    refused("No such file", "info");
    Array::<f64>::ones([6, 2], [2, 2]).unwrap().to_npy_stack(&path, 0).compute().unwrap();
    let info = fs::read(path.join("info")).unwrap();
    let pickle = |value: &serde_json::Value| serde_pickle::to_vec(value, Default::default()).unwrap();
    let broken = [
        (info[..info.len() - 3].to_vec(), "no description"),
        (b"".to_vec(), "no description"),
        (pickle(&serde_json::json!([1])), "no dictionary"),
        (pickle(&serde_json::json!({"chunks": [[6], [2]]})), "names no axis"),
        (pickle(&serde_json::json!({"axis": 0})), "names no chunks"),
        (pickle(&serde_json::json!({"axis": -1, "chunks": [[6], [2]]})), "no axis"),
        (pickle(&serde_json::json!({"axis": 2, "chunks": [[6], [2]]})), "not cut along axis 2"),
        (pickle(&serde_json::json!({"axis": 0, "chunks": [[6], [1, 1]]})), "not cut along axis 0"),
        (pickle(&serde_json::json!({"axis": 0, "chunks": "all"})), "are none"),
    ];
    for (bytes, why) in broken {
        fs::write(path.join("info"), bytes).unwrap();
        refused(why, "info");
    }
    fs::write(path.join("info"), &info).unwrap();
    assert!(Array::<f32>::from_npy_stack(&path).unwrap_err().to_string().contains("0.npy: it holds f64, not f32"));
    let x = Array::<f64>::from_npy_stack(&path).unwrap();
    fs::remove_file(path.join("1.npy")).unwrap();
    assert!(x.compute().unwrap_err().to_string().contains("1.npy"));
    fs::copy(path.join("0.npy"), path.join("1.npy")).unwrap();
    x.compute().unwrap();
    Array::<f64>::ones([3, 2], 3).unwrap().to_npy(path.join("1.npy")).compute().unwrap();
    let error = x.compute_with(&Synchronous).unwrap_err().to_string();
    assert!(error.contains("1.npy: it holds f64 of shape [3, 2] instead of f64 of shape [2, 2]"), "{error}");
    // Something else is not replaced.
    fs::write(folder.0.join("letter"), "dear").unwrap();
    for target in [folder.0.clone(), folder.0.join("letter")] {
        let error = Array::<f64>::ones([6], Chunks::one()).unwrap().to_npy_stack(target, 0).compute().unwrap_err().to_string();
        assert!(error.contains("something is there that is no stack of npy files"), "{error}");
    }
}

#[test]
fn several_runs_may_write_the_same_folder() {
    let folder = Folder::new("npy stack", "several runs");
    let path = folder.0.join("größe 3");
    std::thread::scope(|scope| {
        for number in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let x = Array::<i64>::full([6], number, 2).unwrap();
                for _ in 0..25 {
                    x.to_npy_stack(path, 0).compute_with(&Synchronous).unwrap();
                }
            });
        }
    });
    // One of them was the last; all of what is there is its.
    let found = evaluate(&Array::<i64>::from_npy_stack(&path).unwrap()).unwrap();
    assert!(found.iter().all(|&x| x == found[[0]]));
    assert_eq!(folder.names(), ["größe 3"]);
}

#[test]
fn a_folder_that_cannot_have_its_name_leaves_what_was_there() {
    let folder = Folder::new("npy stack", "no name");
    let x = Array::<i64>::ones([6], 2).unwrap();
    std::fs::write(folder.0.join("file"), "text").unwrap();
    for path in ["file", "file/below"] {
        assert!(x.to_npy_stack(folder.0.join(path), 0).compute_with(&Synchronous).is_err());
    }
    assert_eq!(std::fs::read_to_string(folder.0.join("file")).unwrap(), "text");
    assert_eq!(folder.names(), ["file"]);
}
