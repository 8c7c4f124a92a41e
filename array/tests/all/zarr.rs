//! Zarr: what zarr-python wrote is read; what is written is read back; what is broken is refused by name; what fails leaves nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arras_array::{Array, Chunks, Complex32, Complex64, Compressor, DType, Element, Error, Zarr, ZarrSink};
use arras_core::evaluate;
use arras_scheduler::{Compute, Recorder, Scheduler, Synchronous, Threads};
use ndarray::{ArrayD, IxDyn};

use super::npy::Folder;
use super::oracle::{check, computed};

#[derive(serde::Deserialize)]
struct Case {
    dtype: String,
    shape: Vec<usize>,
    elements: Vec<Option<f64>>,
    files: BTreeMap<String, String>,
}

impl Case {
    fn write(&self, folder: &Path) {
        for (name, hex) in &self.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
            std::fs::write(path, bytes).unwrap();
        }
    }

    fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.elements.iter().map(|x| x.unwrap_or(f64::NAN))
    }

    fn check<T: Element>(&self, name: &str, elements: Vec<T>) {
        let folder = Folder::new("zarr", name);
        self.write(&folder.0);
        let path = folder.0.join(if name == "in a group" { "a/b" } else { "" });
        let expected = ArrayD::from_shape_vec(IxDyn(&self.shape), elements).unwrap();
        for chunks in [Chunks::one(), Chunks::auto(), Chunks::bytes(40), 3.into(), 1.into()] {
            check(&Array::<T>::from_zarr(&path, chunks).unwrap(), expected.clone());
        }
        for version in [2, 3] {
            let copy = folder.0.join(format!("copy-{version}.zarr"));
            let x = Array::<T>::from_zarr(&path, 2).unwrap();
            x.store(ZarrSink::at(&copy).unwrap().version(version)).compute_with(&Threads::new(2)).unwrap();
            check(&Array::<T>::from_zarr(&copy, 3).unwrap(), expected.clone());
        }
    }
}

fn cases() -> BTreeMap<String, Case> {
    #[derive(serde::Deserialize)]
    struct File {
        zarr: String,
        cases: BTreeMap<String, Case>,
    }
    let file: File = serde_json::from_str(include_str!("../fixtures/zarr.json")).unwrap();
    assert_eq!(file.zarr, "3.1.6");
    assert_eq!(file.cases.len(), 42);
    file.cases
}

#[test]
fn what_zarr_python_wrote_is_read() {
    for (name, case) in &cases() {
        macro_rules! reals {
            ($($t:ident $name:literal)*) => {
                match case.dtype.as_str() {
                    $($name => case.check::<$t>(name, case.numbers().map(|x| x as $t).collect()),)*
                    "bool" => case.check::<bool>(name, case.numbers().map(|x| x != 0.0).collect()),
                    "complex64" => case.check(name, case.numbers().collect::<Vec<_>>().chunks(2).map(|x| Complex32::new(x[0] as f32, x[1] as f32)).collect()),
                    "complex128" => case.check(name, case.numbers().collect::<Vec<_>>().chunks(2).map(|x| Complex64::new(x[0], x[1])).collect()),
                    other => panic!("{other}"),
                }
            };
        }
        reals!(i8 "int8" i16 "int16" i32 "int32" i64 "int64" u8 "uint8" u16 "uint16" u32 "uint32" u64 "uint64" f32 "float32" f64 "float64");
    }
}

#[test]
fn a_description_tells_what_is_stored() {
    let folder = Folder::new("zarr", "description");
    let cases = cases();
    cases["with names"].write(&folder.0.join("names"));
    cases["shards"].write(&folder.0.join("shards"));
    let names = Zarr::open(folder.0.join("names")).unwrap();
    assert_eq!((names.shape(), names.dtype(), names.inner_chunks()), (&[7, 5][..], DType::F64, None));
    assert_eq!(names.chunks(), [vec![4, 3], vec![4, 1]]);
    assert_eq!(names.attributes()["units"], "K");
    assert_eq!(names.dimension_names().unwrap(), [Some("time".to_owned()), Some("place".to_owned())]);
    let shards = Zarr::open(folder.0.join("shards")).unwrap();
    assert_eq!((shards.chunks(), shards.inner_chunks()), (vec![vec![4, 3], vec![4, 1]], Some(&[1, 2][..])));
    assert_eq!(shards.dimension_names(), None);
    // Blocks by size are made of whole shards where those are small enough, else of whole chunks.
    assert_eq!(shards.read::<f64>(Chunks::bytes(8 * 16)).unwrap().chunks(), [vec![4, 3], vec![4, 1]]);
    assert_eq!(shards.read::<f64>(Chunks::bytes(8 * 8)).unwrap().chunks(), [vec![4, 3], vec![2, 2, 1]]);
}

fn ramp() -> Array<f64> {
    Array::arange(0.0, 70.0, 1.0, 70).unwrap().reshape([10, 7])
}

#[test]
fn blocks_and_stored_chunks_may_differ() {
    let folder = Folder::new("zarr", "differ");
    let expected = evaluate(&ramp()).unwrap();
    type Options = fn(ZarrSink) -> ZarrSink;
    let options: [(Options, Vec<Vec<usize>>); 6] = [
        (|sink| sink, vec![vec![4, 4, 2], vec![3, 3, 1]]),
        (|sink| sink.chunks([3, 2]), vec![vec![3, 3, 3, 1], vec![2, 2, 2, 1]]),
        (|sink| sink.chunks([100, 1]), vec![vec![10], vec![1; 7]]),
        (|sink| sink.chunks([1, 2]).shards([3, 4]), vec![vec![3, 3, 3, 1], vec![4, 3]]),
        (|sink| sink.version(2).compressor(Compressor::None), vec![vec![4, 4, 2], vec![3, 3, 1]]),
        (|sink| sink.compressor(Compressor::blosc("zstd", 3)).fill_value(7.0), vec![vec![4, 4, 2], vec![3, 3, 1]]),
    ];
    for (i, (option, stored)) in options.into_iter().enumerate() {
        for chunks in
            [Chunks::from([4, 3]), Chunks::explicit([vec![1, 4, 1, 4], vec![1, 3, 3]]), Chunks::explicit([vec![4, 4, 2], vec![3, 3, 1]])]
        {
            let path = folder.0.join(format!("{i}.zarr"));
            let sink = option(ZarrSink::at(&path).unwrap()).overwrite(true);
            ramp().rechunk(chunks).store(sink).compute_with(&Threads::new(3)).unwrap();
            assert_eq!(Zarr::open(&path).unwrap().chunks(), stored, "{i}");
            for read in [Chunks::auto(), [3, 3].into(), 1.into()] {
                assert_eq!(computed(&Array::<f64>::from_zarr(&path, read).unwrap()), expected, "{i}");
            }
        }
    }
    assert_eq!(folder.names().len(), 6, "nothing else is left");
}

#[test]
fn chunks_of_the_fill_value_are_not_stored() {
    let folder = Folder::new("zarr", "fill");
    let path = folder.0.join("x.zarr");
    let x = ramp().rechunk([5, 7]).gt(40.0).cast::<i16>();
    x.store(ZarrSink::at(&path).unwrap().chunks([5, 7])).compute().unwrap();
    assert!(!path.join("c/0/0").exists() && path.join("c/1/0").exists());
    check(&Array::<i16>::from_zarr(&path, 3).unwrap(), evaluate(&x).unwrap());
}

#[test]
fn arrays_lie_in_groups() {
    let folder = Folder::new("zarr", "groups");
    let root = folder.0.join("model.zarr");
    for (version, name) in [(3, "a/b/x"), (3, "a/y"), (2, "two/z")] {
        ramp().store(ZarrSink::at(&root).unwrap().path(name).version(version)).compute().unwrap();
        check(&Array::<f64>::from_zarr(root.join(name), 3).unwrap(), evaluate(&ramp()).unwrap());
    }
    for (group, file) in [("", "zarr.json"), ("a", "zarr.json"), ("a/b", "zarr.json"), ("two", ".zgroup")] {
        assert!(root.join(group).join(file).is_file(), "{group}");
    }
    let error = Zarr::open(root.join("a")).unwrap_err().to_string();
    assert!(error.contains("it is a group, not an array"), "{error}");
    let error = ramp().store(ZarrSink::at(&root).unwrap().path("a/y/inside")).compute().unwrap_err().to_string();
    assert!(error.contains("it is an array, which holds no others"), "{error}");
    // A group is not replaced by an array.
    let error = ramp().store(ZarrSink::at(&root).unwrap().path("a").overwrite(true)).compute().unwrap_err().to_string();
    assert!(error.contains("no Zarr array"), "{error}");
    assert!(root.join("a/y/zarr.json").is_file());
}

#[test]
fn a_region_is_written_into_what_is_there() {
    let folder = Folder::new("zarr", "region");
    let path = folder.0.join("x.zarr");
    ramp().store(ZarrSink::at(&path).unwrap().chunks([3, 2])).compute().unwrap();
    let mut expected = evaluate(&ramp()).unwrap();
    // To the end of the array, and from one multiple of a chunk's length to another.
    for (start, shape) in [([6, 4], [4, 3]), ([3, 2], [3, 4]), ([0, 0], [10, 7]), ([9, 6], [1, 1]), ([3, 2], [0, 4])] {
        let new = Array::<f64>::ones(shape, 2).unwrap() * -1.0;
        new.to_zarr_region(&path, start).compute_with(&Threads::new(2)).unwrap();
        expected.slice_mut(ndarray::s![start[0]..start[0] + shape[0], start[1]..start[1] + shape[1]]).fill(-1.0);
        check(&Array::<f64>::from_zarr(&path, 4).unwrap(), expected.clone());
    }
    let cases: [([usize; 2], [usize; 2], &str); 4] = [
        ([1, 0], [2, 2], "cuts a stored chunk of axis 0 at 1: chunks are 3 long"),
        ([0, 0], [3, 3], "cuts a stored chunk of axis 1 at 3: chunks are 2 long"),
        ([9, 6], [3, 1], "goes beyond shape [10, 7]"),
        ([usize::MAX, 0], [3, 2], "goes beyond"),
    ];
    for (start, shape, why) in cases {
        let error = Array::<f64>::ones(shape, 2).unwrap().to_zarr_region(&path, start).compute().unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("x.zarr"), "{error}");
    }
    let error = Array::<f32>::ones([3, 2], 2).unwrap().to_zarr_region(&path, [0, 0]).compute().unwrap_err().to_string();
    assert!(error.contains("it holds f64, not f32"), "{error}");
    let error = ramp().to_zarr_region(folder.0.join("none.zarr"), [0, 0]).compute().unwrap_err().to_string();
    assert!(error.contains("none.zarr: there is no Zarr array"), "{error}");
}

#[test]
fn options_that_do_not_fit_are_errors_before_anything_runs() {
    let folder = Folder::new("zarr", "options");
    let sink = || ZarrSink::at(folder.0.join("x.zarr")).unwrap();
    let cases = [
        (sink().version(4), "version 4"),
        (sink().chunks([3]), "chunks of shape [3] for an array of shape [10, 7]"),
        (sink().chunks([3, 0]), "axis 1 is to be cut into chunks of size 0"),
        (sink().shards([4, 4]), "shards need the shape of the chunks"),
        (sink().chunks([3, 3]).shards([4, 4]), "do not hold whole chunks"),
        (sink().chunks([2, 2]).shards([4, 4]).version(2), "shards need version 3"),
        (sink().dimension_names(["time"]), "1 names for 2 axes"),
        (sink().fill_value(0i32), "the fill value 0 is of i32, not of the array's f64"),
        (sink().compressor(Compressor::blosc("lzma", 3)), "x.zarr"),
        (sink().compressor(Compressor::Gzip { level: 77 }), "x.zarr"),
    ];
    for (sink, why) in cases {
        let error = ramp().store(sink).compute().unwrap_err().to_string();
        assert!(error.contains(why), "{error} instead of {why}");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn what_is_no_array_is_refused_when_the_array_is_built() {
    let folder = Folder::new("zarr", "refused");
    ramp().to_zarr(folder.0.join("x.zarr")).compute().unwrap();
    let description = std::fs::read_to_string(folder.0.join("x.zarr/zarr.json")).unwrap();
    let refused = |name: &str, text: &str, why: &str| {
        let path = folder.0.join("broken.zarr");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(name), text).unwrap();
        let error = Array::<f64>::from_zarr(&path, 2).unwrap_err();
        assert!(matches!(&error, Error::File { operation: "from_zarr", path, .. } if path.ends_with("broken.zarr")));
        assert!(error.to_string().contains(why), "{error} instead of {why}");
        std::fs::remove_dir_all(&path).unwrap();
    };
    refused("nothing", "", "there is no Zarr array");
    refused(".zgroup", "{}", "it is a group");
    refused("zarr.json", "", "its description is broken");
    refused("zarr.json", &description[..description.len() / 2], "its description is broken");
    refused("zarr.json", "[]", "not an array");
    refused("zarr.json", "\u{0}", "its description is broken");
    refused("zarr.json", &description.replace("float64", "string"), "\"string\", which no array here has");
    refused("zarr.json", &description.replace("\"bytes\"", "\"unheard of\""), "unheard of");
    refused("zarr.json", &description.replace("regular", "wild"), "wild");
    refused(".zarray", "{\"zarr_format\": 2}", "no type of elements");
    refused(".zarray", "{\"zarr_format\": 2, \"dtype\": \"<f8\"}", "its description is broken");
    let wrong = Array::<f32>::from_zarr(folder.0.join("x.zarr"), 2).unwrap_err().to_string();
    assert!(wrong.contains("x.zarr: it holds f64, not f32"), "{wrong}");
    let none = Array::<f32>::from_zarr(folder.0.join("none.zarr"), 2).unwrap_err().to_string();
    assert!(none.contains("none.zarr: there is no Zarr array"), "{none}");
}

#[test]
fn broken_chunks_fail_the_run_by_name_and_missing_ones_are_the_fill_value() {
    let folder = Folder::new("zarr", "broken");
    let whole = evaluate(&ramp()).unwrap();
    let sinks: [fn(ZarrSink) -> ZarrSink; 5] = [
        |sink| sink.compressor(Compressor::None),
        |sink| sink,
        |sink| sink.compressor(Compressor::Gzip { level: 1 }),
        |sink| sink.compressor(Compressor::blosc("lz4", 1)),
        |sink| sink.chunks([1, 7]).shards([5, 7]),
    ];
    for (i, options) in sinks.into_iter().enumerate() {
        let path = folder.0.join(format!("{i}.zarr"));
        let sink = ZarrSink::at(&path).unwrap().chunks([5, 7]).fill_value(-1.0);
        ramp().rechunk([5, 7]).store(options(sink)).compute().unwrap();
        let chunk = path.join("c/1/0");
        let bytes = std::fs::read(&chunk).unwrap();
        let x = Array::<f64>::from_zarr(&path, Chunks::auto()).unwrap();
        for broken in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], &bytes[..3], b"", &[7; 100]] {
            std::fs::write(&chunk, broken).unwrap();
            let error = x.compute_with(&Synchronous).unwrap_err().to_string();
            assert!(error.contains(&chunk.display().to_string()), "{i}: {error}");
            // Parts of a chunk too.
            let parts = Array::<f64>::from_zarr(&path, [2, 3]).unwrap();
            let error = parts.compute_with(&Threads::new(2)).unwrap_err().to_string();
            assert!(error.contains("c/1/0"), "{i}: {error}");
        }
        std::fs::remove_file(&chunk).unwrap();
        let mut expected = whole.clone();
        expected.slice_mut(ndarray::s![5.., ..]).fill(-1.0);
        check(&x, expected);
    }
}

#[test]
fn a_failed_run_leaves_what_was_there_and_nothing_else() {
    let folder = Folder::new("zarr", "failed");
    let path = folder.0.join("x.zarr");
    let bad = Array::from_fn_blocks([4], 2, |block| {
        assert!(block.index[0] == 0, "the second block fails");
        ArrayD::<f64>::ones(IxDyn(&[2]))
    });
    let bad = bad.unwrap();
    for _ in 0..20 {
        assert!(bad.to_zarr(&path).compute_with(&Threads::new(2)).is_err());
        assert!(bad.to_zarr(&path).compute_with(&Synchronous).is_err());
        assert!(bad.store(ZarrSink::at(folder.0.join("group")).unwrap().path("a/b")).compute_with(&Synchronous).is_err());
    }
    assert_eq!(folder.names(), [""; 0]);
    ramp().to_zarr(&path).compute().unwrap();
    let error = ramp().to_zarr(&path).compute().unwrap_err().to_string();
    assert!(error.contains("x.zarr: there is an array already: overwrite(true) replaces it"), "{error}");
    let replaced = |x: &Array<f64>| x.store(ZarrSink::at(&path).unwrap().overwrite(true)).compute_with(&Threads::new(2));
    assert!(replaced(&bad).is_err());
    check(&Array::<f64>::from_zarr(&path, 3).unwrap(), evaluate(&ramp()).unwrap());
    replaced(&(ramp() + 1.0)).unwrap();
    check(&Array::<f64>::from_zarr(&path, 3).unwrap(), evaluate(&(ramp() + 1.0)).unwrap());
    assert_eq!(folder.names(), ["x.zarr"]);
    // Something else is not replaced.
    std::fs::create_dir(folder.0.join("mine")).unwrap();
    std::fs::write(folder.0.join("mine/letter.txt"), "dear").unwrap();
    let error = ramp().store(ZarrSink::at(folder.0.join("mine")).unwrap().overwrite(true)).compute().unwrap_err().to_string();
    assert!(error.contains("mine: something is there that is no Zarr array"), "{error}");
    let nowhere = ramp().to_zarr(folder.0.join("x.zarr/c/0/0/y.zarr")).compute().unwrap_err().to_string();
    assert!(nowhere.contains("y.zarr"), "{nowhere}");
}

#[test]
fn a_read_and_what_is_made_of_it_are_one_task_each_block() {
    let folder = Folder::new("zarr", "tasks");
    let path = folder.0.join("x.zarr");
    ramp().rechunk([5, 7]).to_zarr(&path).compute().unwrap();
    let x = Array::<f64>::from_zarr(&path, [5, 7]).unwrap();
    let recorder = Recorder::new();
    let y = (&x - 3.0) / 2.0;
    y.compute_with(&Threads::new(2).observed_by(recorder.clone())).unwrap();
    assert_eq!(recorder.report().tasks, 4, "two reads, two regions");
}

#[test]
fn an_array_written_in_other_processes_is_described_by_what_travels() {
    // The kernels' own wire: what a worker gets.
    let folder = Folder::new("zarr", "wire");
    let sink = ZarrSink::at(folder.0.join("x.zarr")).unwrap().chunks([2]).attribute("units", "K").fill_value(f32::NAN);
    let copy: ZarrSink = rmp_serde::from_slice(&rmp_serde::to_vec_named(&sink).unwrap()).unwrap();
    Array::<f32>::ones([5], 2).unwrap().store(copy).compute().unwrap();
    let stored = Zarr::open(folder.0.join("x.zarr")).unwrap();
    assert_eq!(stored.attributes()["units"], "K");
    check(&stored.read::<f32>(3).unwrap(), ndarray::Array1::<f32>::ones(5));
}

#[test]
fn a_target_that_cannot_be_written_is_named() {
    let folder = Folder::new("zarr", "read-only");
    let file = folder.0.join("file");
    std::fs::write(&file, "").unwrap();
    let target: PathBuf = file.join("x.zarr");
    let error = ramp().to_zarr(&target).compute().unwrap_err().to_string();
    assert!(error.contains("x.zarr"), "{error}");
    if Path::new("/dev/full").exists() {
        // A full disk, as far as one can be had: a folder whose files cannot be written.
        let error = ramp().to_zarr("/proc/x.zarr").compute().unwrap_err().to_string();
        assert!(error.contains("/proc/x.zarr"), "{error}");
    }
    let url = Array::<f64>::from_zarr("s3://bucket/x.zarr", 2);
    if cfg!(not(feature = "cloud")) {
        assert!(url.unwrap_err().to_string().contains("need the feature `cloud`"));
    }
}
