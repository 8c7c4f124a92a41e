//! NumPy's files: what NumPy wrote is read, what is written is what NumPy writes, and what is broken is refused by name.

use std::path::PathBuf;

use arras_array::{Array, Chunks, Complex32, Complex64, Element};
use arras_core::evaluate;
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::{ArrayD, IxDyn};

use super::oracle::{check, computed};

/// A folder of the test's own, removed when it ends.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(topic: &str, test: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("arras-{topic}-{}-{}", test.replace(' ', "-"), std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
    /// What is in it, hidden or not.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.0.join("x.npy");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[derive(serde::Deserialize)]
struct Case {
    dtype: String,
    shape: Vec<usize>,
    elements: Vec<f64>,
    file: String,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        (0..self.file.len()).step_by(2).map(|i| u8::from_str_radix(&self.file[i..i + 2], 16).unwrap()).collect()
    }

    fn check<T: Element>(&self, name: &str, elements: Vec<T>) {
        let folder = Folder::new("npy", name);
        let path = folder.file(&self.bytes());
        let expected = ArrayD::from_shape_vec(IxDyn(&self.shape), elements).unwrap();
        let chunkings = match self.shape.len() {
            3 if self.shape[1] < 100 => vec![Chunks::one(), 2.into(), [1, 2, 3].into(), 1.into()],
            _ => vec![Chunks::one(), 1000.into()],
        };
        for chunks in chunkings {
            let x = Array::<T>::from_npy(&path, chunks).unwrap();
            check(&x, expected.clone());
            // Written by us it is the same file, where NumPy wrote its usual one: little-endian, C order, version 1.
            let written = folder.0.join("y.npy");
            x.to_npy(&written).compute_with(&Threads::new(2)).unwrap();
            let usual = ["all", "complex parts", "no axes", "empty", "long"].iter().any(|usual| name.starts_with(usual));
            assert_eq!(std::fs::read(&written).unwrap() == self.bytes(), usual || name == "Fortran vector", "{name}");
            assert_eq!(evaluate(&Array::<T>::from_npy(&written, 2).unwrap()).unwrap(), expected, "{name}");
        }
    }
}

#[test]
fn what_numpy_wrote_is_read_and_written_again_to_the_byte() {
    #[derive(serde::Deserialize)]
    struct File {
        numpy: String,
        cases: std::collections::BTreeMap<String, Case>,
    }
    let file: File = serde_json::from_str(include_str!("../fixtures/npy.json")).unwrap();
    assert_eq!(file.numpy, "2.4.6");
    assert_eq!(file.cases.len(), 24);
    for (name, case) in &file.cases {
        macro_rules! reals {
            ($($t:ident)*) => {
                match case.dtype.as_str() {
                    $(stringify!($t) => case.check::<$t>(name, case.elements.iter().map(|&x| x as $t).collect()),)*
                    "bool" => case.check::<bool>(name, case.elements.iter().map(|&x| x != 0.0).collect()),
                    "complex64" => case.check(name, case.elements.chunks(2).map(|x| Complex32::new(x[0] as f32, x[1] as f32)).collect()),
                    "complex128" => case.check(name, case.elements.chunks(2).map(|x| Complex64::new(x[0], x[1])).collect()),
                    other => panic!("{other}"),
                }
            };
        }
        reals!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    }
}

/// A file of version 1 with this header.
fn file_with(header: &str, elements: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

#[test]
fn broken_files_are_refused_when_the_array_is_built() {
    let folder = Folder::new("npy", "broken");
    let header = |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "too short"),
        (b"PK\x03\x04 and more".to_vec(), "no npy file"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
        (b"\x93NUMPY\x01\x00\xff\xff{'descr'".to_vec(), "ends within its header"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'".to_vec(), "no header of an array"),
        (file_with(&header("'<i8'", "(4,)"), &[0; 31]), "ends before the elements of shape [4] do"),
        (file_with(&header("'<i8'", "(4294967296, 4294967296)"), &[0; 31]), "ends before the elements"),
        (file_with(&header("'<i8'", "(99999999999999999999999,)"), &[]), "something else than lengths"),
        (file_with(&header("'<i8'", "(-4,)"), &[0; 64]), "something else than lengths"),
        (file_with(&header("'<f4'", "(4,)"), &[0; 64]), "it holds f32, not i64"),
        (file_with(&header("'|O'", "(4,)"), &[0; 64]), "which no array here has"),
        (file_with(&header("''", "(4,)"), &[0; 64]), "descr"),
        (file_with(&header("'é8'", "(4,)"), &[0; 64]), "descr"),
        (file_with(&header("'|i8'", "(4,)"), &[0; 64]), "byte order"),
        (file_with(&header("[('a', '<i8')]", "(4,)"), &[0; 64]), "elements with fields"),
        (file_with("{'descr': '<i8', 'shape': (4,), }", &[0; 64]), "is missing"),
        (file_with("{'descr': '<i8', 'fortran_order': 0, 'shape': (4,), }", &[0; 64]), "neither True nor False"),
        (file_with("{'descr': '<i8', 'fortran_order': False, 'shape': (4,), } x", &[0; 64]), "after the end"),
        (file_with("{'descr': '<i8', 'descr': '<i8', 'shape': (4,), }", &[0; 64]), "second key"),
        (file_with("{'descr", &[0; 64]), "without an end"),
        (file_with("", &[]), "no '{'"),
    ];
    for (bytes, expected) in cases {
        let path = folder.file(&bytes);
        let error = Array::<i64>::from_npy(&path, 2).unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("from_npy: ") && error.contains("x.npy"), "{error} instead of {expected}");
    }
    let error = Array::<i64>::from_npy(folder.0.join("none.npy"), 2).unwrap_err();
    assert!(matches!(&error, arras_array::Error::File { path, .. } if path.ends_with("none.npy")), "{error}");
}

#[test]
fn a_header_may_be_written_otherwise_and_more_may_follow_the_elements() {
    let folder = Folder::new("npy", "otherwise");
    let path = folder.file(&file_with("{\"shape\":(2L, 1),\"fortran_order\":False,\"descr\":\"|u1\"}", &[7, 8, 9]));
    check(&Array::<u8>::from_npy(&path, 1).unwrap(), ndarray::array![[7u8], [8]]);
}

#[test]
fn a_file_that_is_gone_or_cut_fails_the_run_by_name() {
    let folder = Folder::new("npy", "gone");
    let path = folder.file(&file_with("{'descr': '<i8', 'fortran_order': False, 'shape': (4,), }", &[0; 32]));
    let x = Array::<i64>::from_npy(&path, 2).unwrap();
    assert_eq!(computed(&x).sum(), 0);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(80).unwrap();
    assert!(x.compute().unwrap_err().to_string().contains("x.npy"));
    std::fs::remove_file(&path).unwrap();
    assert!(x.compute_with(&Synchronous).unwrap_err().to_string().contains("x.npy"));
}

#[test]
fn a_failed_run_leaves_what_was_there() {
    let folder = Folder::new("npy", "failed");
    let path = folder.file(b"before");
    let bad = Array::from_fn_blocks([4], 2, |block| {
        assert!(block.index[0] == 0, "the second block fails");
        ArrayD::<f64>::zeros(IxDyn(&[2]))
    });
    let bad = bad.unwrap();
    for _ in 0..20 {
        assert!(bad.to_npy(&path).compute_with(&Synchronous).is_err());
        assert!(bad.to_npy(&path).compute_with(&Threads::new(2)).is_err());
    }
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(folder.names(), ["x.npy"]);
    // And a good one replaces it, leaves nothing else, and can be run again.
    let sink = Array::arange(0i64, 6, 1, 4).unwrap().reshape([2, 3]).t().to_npy(&path);
    for _ in 0..2 {
        sink.compute().unwrap();
        check(&Array::<i64>::from_npy(&path, 2).unwrap(), ndarray::array![[0i64, 3], [1, 4], [2, 5]]);
    }
    let nowhere = Array::arange(0i64, 6, 1, 4).unwrap().to_npy(folder.0.join("no/such/folder.npy"));
    assert!(nowhere.compute().unwrap_err().to_string().contains("folder.npy"));
    let never = Array::arange(0i64, 6, 1, 4).unwrap().reshape([5]).to_npy(&path);
    assert!(never.compute().is_err());
}
