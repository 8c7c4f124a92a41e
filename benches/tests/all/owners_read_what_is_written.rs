//! zarr-python, NumPy and Dask read what is written here.

use std::path::Path;
use std::process::Command;

use arras::array::{Complex64, Compressor, Element, ZarrSink};
use arras::prelude::*;
use arras_benches::compare::Python;
use serde_json::Value;

fn write<T: Element>(folder: &Path, name: &str, sink: impl FnOnce(ZarrSink) -> ZarrSink) -> [(String, &'static str); 1] {
    let ramp = Array::arange(0i64, 35, 1, 35).unwrap().reshape([7, 5]).cast::<T>().rechunk([4, 3]);
    let file = format!("{name}.zarr");
    ramp.store(sink(ZarrSink::at(folder.join(&file)).unwrap())).compute().unwrap();
    [(file, std::any::type_name::<T>())]
}

#[test]
fn owners_read_what_is_written() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("climate");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/climate");
    let python = Python::prepare("python3", &target, &scripts).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut written = Vec::new();
    macro_rules! types {
        ($($t:ident)*) => { $(
            written.extend(write::<$t>(at, concat!(stringify!($t), "-3"), |sink| sink));
            written.extend(write::<$t>(at, concat!(stringify!($t), "-2"), |sink| sink.version(2)));
        )* };
    }
    types!(bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex64);
    written.extend(write::<f64>(at, "gzip", |sink| sink.compressor(Compressor::Gzip { level: 5 })));
    written.extend(write::<f64>(at, "gzip-2", |sink| sink.version(2).compressor(Compressor::Gzip { level: 5 })));
    written.extend(write::<f64>(at, "blosc", |sink| sink.compressor(Compressor::blosc("lz4", 5))));
    written.extend(write::<f64>(at, "blosc-2", |sink| sink.version(2).compressor(Compressor::blosc("zstd", 5))));
    written.extend(write::<f64>(at, "none-2", |sink| sink.version(2).compressor(Compressor::None)));
    written.extend(write::<f64>(at, "shards", |sink| sink.chunks([1, 2]).shards([4, 4]).attribute("units", "K")));
    written.extend(write::<f64>(at, "fill", |sink| sink.chunks([1, 1]).fill_value(7.0).dimension_names(["y", "x"])));
    let ramp = Array::arange(0i64, 35, 1, 35).unwrap().reshape([7, 5]).rechunk([4, 3]);
    ramp.to_npy_stack(at.join("stack"), 0).compute().unwrap();
    ramp.t().to_npy(at.join("transposed.npy")).compute().unwrap();

    let output = Command::new(python.interpreter()).arg(scripts.join("owners.py")).arg(at).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.as_object().unwrap().len(), written.len() + 2);
    let numbers = |name: &str| -> Vec<f64> { read[name]["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    for (name, of) in &written {
        let expected: Vec<f64> = match *of {
            "bool" => (0..35).map(|i| if i == 0 { 0.0 } else { 1.0 }).collect(),
            of if of.contains("Complex") => (0..70).map(|i| if i % 2 == 0 { f64::from(i / 2) } else { 0.0 }).collect(),
            _ => (0..35).map(f64::from).collect(),
        };
        assert_eq!(numbers(name), expected, "{name}");
        assert_eq!(read[name]["shape"], serde_json::json!([7, 5]), "{name}");
    }
    assert_eq!(read["shards.zarr"]["attributes"], serde_json::json!({ "units": "K" }));
    assert_eq!(read["shards.zarr"]["chunks"], serde_json::json!([1, 2]));
    assert_eq!((&read["stack"]["dtype"], &read["stack"]["chunks"]), (&"int64".into(), &serde_json::json!([[4, 3], [5]])));
    assert_eq!(numbers("stack"), (0..35).map(f64::from).collect::<Vec<_>>());
    assert_eq!(numbers("transposed.npy"), (0..35).map(|i| f64::from(i % 7 * 5 + i / 7)).collect::<Vec<_>>());
}
