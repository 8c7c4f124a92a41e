//! Features choose crates: whoever uses arrays never compiles polars.

use std::process::Command;

fn tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--prefix", "none", "--edges", "normal,build", "--package", "arras"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_default_features_bring_no_polars() {
    let tree = tree(&[]);
    assert!(tree.contains("ndarray v") && tree.contains("arras-bag v") && tree.contains("arras-parallel v"));
    assert!(!tree.contains("polars"), "{tree}");
}

#[test]
fn each_feature_brings_its_crate_alone() {
    for (feature, own) in [("array", "arras-array v"), ("bag", "arras-bag v"), ("parallel", "arras-parallel v"), ("frame", "arras-frame v")]
    {
        let tree = tree(&["--no-default-features", "--features", feature]);
        assert!(tree.contains(own));
        for other in ["arras-array v", "arras-bag v", "arras-parallel v", "arras-frame v"] {
            assert!(other == own || !tree.contains(other), "{feature} brings {other}");
        }
    }
}

#[test]
fn storage_brings_no_network_unless_asked() {
    let network = ["object_store v", "reqwest v", "tokio v"];
    for feature in ["zarr", "hdf5"] {
        let tree = tree(&["--no-default-features", "--features", feature]);
        assert!(network.iter().all(|name| !tree.contains(name)), "{feature}: {tree}");
    }
    for feature in ["array", "bag"] {
        assert!(tree(&["--no-default-features", "--features", &format!("cloud,{feature}")]).contains("object_store v"), "{feature}");
    }
    let default = tree(&[]);
    let heavy = ["zarrs v", "netcdf-reader v", "plotters v", "apache-avro v", "parquet v", "zstd v", "liblzma v", "object_store v"];
    assert!(heavy.iter().all(|name| !default.contains(name)), "{default}");
    for (feature, own) in [("avro", "apache-avro v"), ("parquet", "parquet v"), ("xz", "liblzma v"), ("zstd", "zstd v")] {
        let tree = tree(&["--no-default-features", "--features", feature]);
        assert!(tree.contains(own) && network.iter().all(|name| !tree.contains(name)), "{feature}: {tree}");
    }
}

#[test]
fn the_dask_engine_brings_no_crate() {
    assert_eq!(tree(&["--no-default-features"]), tree(&["--no-default-features", "--features", "dask"]));
}

#[test]
fn the_core_knows_no_arrays_frames_threads_or_sockets() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--prefix", "none", "--edges", "normal", "--package", "arras-core"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    for stranger in ["ndarray", "polars", "rayon", "crossbeam", "tokio", "mio"] {
        assert!(!tree.contains(stranger), "{stranger} in {tree}");
    }
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("core/src");
    for file in rust_files(&sources) {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for stranger in ["std::thread", "std::net", "std::os::unix::net", "Instant"] {
            assert!(!code.contains(stranger), "{stranger} in {}", file.display());
        }
    }
}

#[test]
fn the_bookkeeping_reads_no_clock_and_does_no_io() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scheduler/src");
    let mut files = ["bookkeeping.rs", "threads/admission.rs", "processes/coordinator.rs"].map(|file| source.join(file)).to_vec();
    files.extend(["holdings.rs", "losses.rs", "work.rs"].map(|file| source.join("processes/coordinator").join(file)));
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for stranger in ["std::time", "std::fs", "std::io", "std::net", "Mutex", "std::thread", "Command"] {
            assert!(!text.contains(stranger), "{stranger} in {}", file.display());
        }
    }
}

#[test]
fn kernels_start_no_threads() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for own in ["array", "bag", "frame"] {
        for file in rust_files(&root.join(own).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for stranger in ["thread::spawn", "thread::scope", "thread::Builder", "rayon::", "par_iter"] {
                assert!(!text.contains(stranger), "{stranger} in {}", file.display());
            }
        }
    }
}

#[test]
fn collections_do_not_know_each_other_and_nobody_knows_the_facade() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for own in ["array", "bag", "frame", "parallel", "core", "scheduler"] {
        let manifest = std::fs::read_to_string(root.join(own).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for other in ["arras-array", "arras-bag", "arras-frame", "arras-parallel"] {
            let is_own = other.ends_with(own);
            assert!(is_own || !dependencies.contains(other), "{own} depends on {other}");
        }
        assert!(!dependencies.contains("\narras.workspace") && !dependencies.contains("\narras ="));
    }
}

fn rust_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn unsafe_code_stays_in_the_files_named_for_it() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for own in ["src", "array", "bag", "frame", "parallel", "core", "scheduler", "benches"] {
        for file in rust_files(&root.join(own)) {
            let text = std::fs::read_to_string(&file).unwrap();
            if text.lines().any(|line| !line.trim_start().starts_with("//") && (line.contains("unsafe {") || line.contains("unsafe impl")))
            {
                found.push(file.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    // The threads scheduler calls the slots, whose conditions it keeps.
    assert_eq!(
        found,
        [
            "benches/src/memory.rs",
            "core/src/pages.rs",
            "core/src/portable.rs",
            "scheduler/src/slots.rs",
            "scheduler/src/threads/run.rs",
            "scheduler/src/worker/shared_memory.rs"
        ]
    );
}
