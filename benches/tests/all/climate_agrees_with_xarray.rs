//! The example `climate` on its real input: what it computes, and what zarr-python reads of what it wrote, is what xarray and dask.array compute.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use arras_benches::compare::Python;

#[path = "../../../examples/climate.rs"]
#[allow(dead_code, unreachable_pub)]
mod climate;

#[derive(serde::Deserialize)]
struct Variable {
    shape: Vec<usize>,
    values: Vec<f64>,
}

type Scenarios = BTreeMap<String, BTreeMap<String, Variable>>;

#[derive(serde::Deserialize)]
struct Answer {
    folder: String,
    computed: Scenarios,
    stored: Option<Scenarios>,
}

fn ask(python: &Python, script: &Path, store: Option<&Path>) -> Answer {
    let output = Command::new(python.interpreter()).arg(script).args(store).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn agree(ours: &[f64], theirs: &Variable, what: &str) {
    assert_eq!(ours.len(), theirs.values.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(&theirs.values).enumerate() {
        // Anomalies are differences of numbers about 300: what is left of those next to nothing is rounding.
        assert!((a - b).abs() <= 1e-6 * b.abs() + 1e-10, "{what}, element {i}: {a} and {b}");
    }
}

#[test]
fn climate_agrees_with_xarray() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("climate");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/climate");
    let python = Python::prepare("python3", &target, &scripts).unwrap();
    let script = scripts.join("climate.py");
    let data = ask(&python, &script, None).folder;
    let results = tempfile::tempdir().unwrap();
    let (store, picture) = (results.path().join("climate.zarr"), results.path().join("climate.png"));
    // Twice: the second run replaces what the first wrote.
    for _ in 0..2 {
        climate::run(Path::new(&data), &store, &picture).unwrap();
    }
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    let answer = ask(&python, &script, Some(&store));
    let stored = answer.stored.unwrap();
    assert_eq!(answer.computed.len(), 2);
    for (scenario, variables) in &answer.computed {
        assert_eq!(variables.len(), 4);
        for (name, theirs) in variables {
            let what = format!("{scenario}/{name}");
            let ours = arras::array::Array::<f64>::from_zarr(store.join(&what), arras::array::Chunks::one()).unwrap();
            let ours = arras::Compute::compute(&ours).unwrap();
            assert_eq!(ours.shape(), theirs.shape, "{what}");
            agree(ours.as_standard_layout().as_slice().unwrap(), theirs, &what);
            assert_eq!(stored[scenario][name].shape, theirs.shape, "{what}");
            agree(&stored[scenario][name].values, theirs, &what);
        }
    }
}
