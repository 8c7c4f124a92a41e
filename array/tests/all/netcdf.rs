//! NetCDF and HDF5: what the C libraries wrote is read, in whole and in parts; what is broken is refused by name.

use std::path::{Path, PathBuf};

use arras_array::{Array, Chunks, DType, Dataset, Error};
use arras_scheduler::{Compute, Synchronous};
use ndarray::{Array2, ArrayD, IxDyn};

use super::npy::Folder;
use super::oracle::{check, computed};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/netcdf").join(name)
}

/// (i - 3) / 2 for i from 0.
fn ramp() -> Array2<f64> {
    Array2::from_shape_fn([7, 5], |(row, column)| (5.0 * row as f64 + column as f64 - 3.0) / 2.0)
}

const NETCDF: [&str; 5] = ["classic.nc", "offset64.nc", "cdf5.nc", "nc4.nc", "nc4classic.nc"];

#[test]
fn variables_of_all_netcdf_formats_are_read() {
    for name in NETCDF {
        let temperature = Dataset::open_netcdf(file(name), "temperature").unwrap();
        assert_eq!((temperature.shape(), temperature.dtype()), (&[7, 5][..], DType::F32), "{name}");
        assert_eq!(temperature.dimension_names(), [Some("time".to_owned()), Some("place".to_owned())]);
        assert_eq!(temperature.attributes()["units"], "K", "{name}");
        assert_eq!(temperature.attributes()["levels"], serde_json::json!([1.5, 2.5]), "{name}");
        assert_eq!(temperature.chunks(), name.starts_with("nc4").then(|| vec![vec![2, 2, 2, 1], vec![5]]), "{name}");
        for chunks in [Chunks::one(), Chunks::auto(), Chunks::bytes(80), [3, 2].into(), 1.into()] {
            check(&temperature.read::<f32>(chunks).unwrap(), ramp().mapv(|x| x as f32));
        }
        // What is packed is unpacked, what is missing is NaN.
        let packed = Dataset::open_netcdf(file(name), "packed").unwrap();
        assert_eq!(computed(&packed.read::<i16>(3).unwrap())[[6, 4]], -999);
        let mut expected = ramp();
        expected[[6, 4]] = f64::NAN;
        check(&packed.decoded(3).unwrap(), expected);
    }
    check(&Array::<u64>::from_netcdf(file("nc4.nc"), "deep/count", 2).unwrap(), ndarray::array![0u64, 1, 2, 3, 4]);
}

#[test]
fn datasets_of_hdf5_are_read() {
    macro_rules! each {
        ($($t:ident $name:literal)*) => { $(
            let x = Array::<$t>::from_hdf5(file("x.h5"), concat!("of/", $name), [3, 2]).unwrap();
            check(&x, ramp().mapv(|x| x.abs() as $t));
        )* };
    }
    each!(i8 "i1" i16 "i2" i32 "i4" i64 "i8" u8 "u1" u16 "u2" u32 "u4" u64 "u8" f32 "f4" f64 "f8");
    check(&Array::<f64>::from_hdf5(file("x.h5"), "/big", 2).unwrap(), ramp());
    let chunks = Dataset::open_hdf5(file("x.h5"), "chunks").unwrap();
    assert_eq!(chunks.chunks().unwrap(), [vec![3, 3, 1], vec![2, 2, 1]]);
    assert_eq!((&chunks.attributes()["units"], &chunks.attributes()["level"]), (&"K".into(), &3.into()));
    assert_eq!(chunks.attributes()["range"], serde_json::json!([0.5, 1.5]));
    for cut in [Chunks::auto(), Chunks::bytes(48), 2.into()] {
        check(&chunks.read::<f64>(cut).unwrap(), ramp());
    }
    check(&Array::<f64>::from_hdf5(file("x.h5"), "scalar", 1).unwrap(), ndarray::arr0(2.5));
    check(&Array::<f64>::from_hdf5(file("x.h5"), "empty", 2).unwrap(), ArrayD::zeros(IxDyn(&[0, 3])));
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refused = |error: Error, file: &str, why: &str| {
        let text = error.to_string();
        assert!(matches!(error, Error::File { .. }) && text.contains(file) && text.contains(why), "{text} instead of {why}");
    };
    for name in NETCDF {
        refused(Array::<f64>::from_netcdf(file(name), "temperature", 2).unwrap_err(), name, "holds f32, not f64");
        refused(Array::<f64>::from_netcdf(file(name), "pressure", 2).unwrap_err(), name, "pressure");
        refused(Array::<f64>::from_netcdf(file(name), "text", 2).unwrap_err(), name, "which no array here has");
    }
    refused(Array::<f64>::from_hdf5(file("x.h5"), "nothing", 2).unwrap_err(), "x.h5", "nothing");
    refused(Array::<f64>::from_hdf5(file("x.h5"), "text", 2).unwrap_err(), "x.h5", "which no array here has");
    refused(Array::<f64>::from_hdf5(file("none.h5"), "x", 2).unwrap_err(), "none.h5", "No such file");
    refused(Array::<f64>::from_hdf5(file("classic.nc"), "temperature", 2).unwrap_err(), "classic.nc", "");
    refused(Array::<f64>::from_netcdf(file("../netcdf.py"), "temperature", 2).unwrap_err(), "netcdf.py", "");
}

#[test]
fn files_that_are_cut_or_garbled_end_in_errors() {
    let folder = Folder::new("netcdf", "broken");
    for name in NETCDF.into_iter().chain(["x.h5"]) {
        let whole = std::fs::read(file(name)).unwrap();
        let path = folder.0.join(name);
        let open = || if name == "x.h5" { Dataset::open_hdf5(&path, "chunks") } else { Dataset::open_netcdf(&path, "temperature") };
        let run = |dataset: Dataset| match dataset.dtype() {
            DType::F32 => dataset.read::<f32>(2).unwrap().compute_with(&Synchronous).map(|_| ()),
            DType::F64 => dataset.read::<f64>(2).unwrap().compute_with(&Synchronous).map(|_| ()),
            // What is garbled may be the type.
            _ => Ok(()),
        };
        for length in [0, 3, 8, 100, whole.len() / 2] {
            std::fs::write(&path, &whole[..length.min(whole.len())]).unwrap();
            let opened = open();
            let failed = match opened {
                Err(error) => error.to_string(),
                Ok(dataset) => run(dataset).unwrap_err().to_string(),
            };
            assert!(failed.contains(name), "{name} of {length} bytes: {failed}");
        }
        // Any byte may be wrong: an error or other numbers, but no end of the program.
        for at in (0..whole.len()).step_by(whole.len() / 97) {
            let mut garbled = whole.clone();
            garbled[at] ^= 0x5a;
            std::fs::write(&path, &garbled).unwrap();
            if let Ok(dataset) = open()
                && dataset.shape().iter().product::<usize>() < 1_000_000
            {
                let _ = run(dataset);
            }
        }
        std::fs::write(&path, &whole).unwrap();
        let dataset = open().unwrap();
        std::fs::remove_file(&path).unwrap();
        if name == "x.h5" {
            assert!(dataset.read::<f64>(2).unwrap_err().to_string().contains(name));
        }
    }
}
