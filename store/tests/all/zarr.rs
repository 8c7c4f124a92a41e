//! Zarr in an object store: a real server of S3's protocol, on this machine.

use std::path::Path;
use std::process::Command;

use arras_array::{Array, Chunks, Zarr, ZarrSink};
use arras_core::evaluate;
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::{ArrayD, IxDyn};

use super::server::Server;

fn check(x: &Array<f64>, expected: ArrayD<f64>) {
    assert_eq!(x.compute_with(&Threads::new(3)).unwrap(), expected);
    assert_eq!(x.compute_with(&Synchronous).unwrap(), expected);
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found
}

/// Says to the inner test that there is a server, and where its folder is.
const ROOT: &str = "ARRAS_TEST_BUCKETS";

/// Options of stores come from the environment, which a program cannot change once it has threads: the test is run again, in a process of its own.
#[test]
fn arrays_are_written_to_object_stores_and_read_from_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let server = Server::start(folder.path()).unwrap();
    let mut inner = Command::new(std::env::current_exe().unwrap());
    inner.args(["--exact", "all::zarr::with_a_server", "--ignored", "--nocapture"]).env(ROOT, folder.path()).envs(server.environment());
    let output = inner.output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by the test above, with a server"]
fn with_a_server() {
    let bucket = Path::new(&std::env::var_os(ROOT).expect("run by the test above")).join("bucket");
    let ramp = Array::arange(0.0, 70.0, 1.0, 70).unwrap().reshape([10, 7]).rechunk([4, 3]);
    let expected = evaluate(&ramp).unwrap();
    let threads = Threads::new(3);

    // Whole arrays, of both versions, shards, in groups.
    ramp.to_zarr("s3://bucket/x.zarr").compute_with(&threads).unwrap();
    for chunks in [Chunks::auto(), [3, 3].into()] {
        check(&Array::<f64>::from_zarr("s3://bucket/x.zarr", chunks).unwrap(), expected.clone());
    }
    for (i, sink) in [
        ZarrSink::at("s3://bucket/model/").unwrap().path("a/2").version(2),
        ZarrSink::at("s3://bucket/model").unwrap().path("a/3").chunks([1, 2]).shards([5, 4]),
    ]
    .into_iter()
    .enumerate()
    {
        ramp.store(sink).compute_with(&threads).unwrap();
        let url = format!("s3://bucket/model/a/{}", i + 2);
        check(&Array::<f64>::from_zarr(url, 3).unwrap(), expected.clone());
    }
    assert!(Zarr::open("s3://bucket/model").unwrap_err().to_string().contains("it is a group"));
    let hidden = || -> Vec<String> { files_below(&bucket).into_iter().filter(|path| path.contains(".arras-")).collect() };
    assert_eq!(hidden(), [""; 0]);

    // A region.
    let ones = Array::<f64>::ones([4, 3], 4).unwrap();
    ones.to_zarr_region("s3://bucket/x.zarr", [4, 3]).compute_with(&threads).unwrap();
    let mut changed = expected.clone();
    changed.slice_mut(ndarray::s![4..8, 3..6]).fill(1.0);
    check(&Array::<f64>::from_zarr("s3://bucket/x.zarr", 5).unwrap(), changed.clone());

    // What is there stays, unless it is to be replaced.
    let error = ramp.to_zarr("s3://bucket/x.zarr").compute_with(&Synchronous).unwrap_err().to_string();
    assert!(error.contains("s3://bucket/x.zarr: there is an array already"), "{error}");
    check(&Array::<f64>::from_zarr("s3://bucket/x.zarr", 5).unwrap(), changed);
    ramp.store(ZarrSink::at("s3://bucket/x.zarr").unwrap().overwrite(true)).compute_with(&threads).unwrap();
    check(&Array::<f64>::from_zarr("s3://bucket/x.zarr", 5).unwrap(), expected.clone());
    std::fs::create_dir_all(bucket.join("letters")).unwrap();
    std::fs::write(bucket.join("letters/dear.txt"), "dear").unwrap();
    for url in ["s3://bucket/letters", "s3://bucket/model"] {
        let error = ramp.store(ZarrSink::at(url).unwrap().overwrite(true)).compute_with(&Synchronous).unwrap_err().to_string();
        assert!(error.contains("something is there that is no Zarr array"), "{error}");
    }
    assert!(bucket.join("letters/dear.txt").is_file() && bucket.join("model/a/2/.zarray").is_file());

    // A run that fails leaves nothing.
    let bad = Array::from_fn_blocks([4], 2, |block| {
        assert!(block.index[0] == 0, "the second block fails");
        ArrayD::<f64>::ones(IxDyn(&[2]))
    });
    let bad = bad.unwrap();
    for _ in 0..5 {
        assert!(bad.to_zarr("s3://bucket/bad.zarr").compute_with(&Synchronous).is_err());
        assert!(bad.to_zarr("s3://bucket/bad.zarr").compute_with(&threads).is_err());
    }
    // This server's folders stay; it is objects that count.
    assert_eq!(files_below(&bucket.join("bad.zarr")), [""; 0]);
    assert_eq!(hidden(), [""; 0]);
    assert!(Zarr::open("s3://bucket/bad.zarr").unwrap_err().to_string().contains("there is no Zarr array"));

    // Chunks that are missing are the fill value, broken ones are named.
    std::fs::remove_file(bucket.join("x.zarr/c/0/0")).unwrap();
    std::fs::write(bucket.join("x.zarr/c/2/2"), "broken").unwrap();
    let x = Array::<f64>::from_zarr("s3://bucket/x.zarr", [4, 3]).unwrap();
    assert_eq!(evaluate(&x.slice(ndarray::s![..4, ..3]).sum().item()).unwrap(), 0.0);
    let error = x.compute_with(&threads).unwrap_err().to_string();
    assert!(error.contains("s3://bucket/x.zarr/c/2/2"), "{error}");

    // URLs of files are folders.
    let local = format!("file://{}", bucket.parent().unwrap().join("local.zarr").display());
    ramp.to_zarr(&local).compute_with(&threads).unwrap();
    check(&Array::<f64>::from_zarr(&local, 4).unwrap(), expected);
    let error = Array::<f64>::from_zarr("ftp://host/x.zarr", 2).unwrap_err().to_string();
    assert!(error.contains("ftp://host/x.zarr"), "{error}");
}
