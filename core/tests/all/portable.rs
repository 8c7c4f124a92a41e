//! Functions run in another process of the same executable. The test starts its own executable again, once for each address layout.
//!
//! `cargo test --release -p arras-core --test all portable` runs the same with an optimised executable, and a stripped copy is tried in both.

use std::path::Path;
use std::process::Command;

use arras_core::portable::{FuncWire, WireError, executable_id};
use arras_core::{
    BoxError, Error, Func, Graph, GridBuilder, Inputs, Kernel, Key, Layer, Name, Opaque, Plan, Task, Value, alias, optimise, task, value,
    with,
};
use serde::{Deserialize, Serialize};

/// Holds the functions for the other process, in hexadecimal.
const WIRES: &str = "ARRAS_TEST_WIRES";
const MARK: &str = "the other process says: ";

fn double(x: &i64) -> i64 {
    x * 2
}

fn generic<T: Copy + Into<i64> + Serialize + serde::de::DeserializeOwned + Send + Sync + 'static>() -> [Func; 2] {
    [Func::new(|x: &T| -> i64 { (*x).into() * 3 }), Func::new(|x: &T| -> i64 { (*x).into() - size_of::<T>() as i64 })]
}

#[derive(Serialize, Deserialize)]
struct Scale {
    by: i64,
    names: Vec<String>,
}

impl Kernel for Scale {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        format!("scale by {}", self.by).into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::new(inputs.get::<i64>(0)? * self.by + self.names.len() as i64 + i64::from(inputs.block())))
    }
}

fn kernel() -> Func {
    Func::kernel(Scale { by: 7, names: vec!["ü".into(), String::new()] })
}

/// Three layers over two blocks, fused: each step learns its block.
fn chain(block: u32) -> Func {
    let mut graph = Graph::new();
    graph.insert_layer(Layer::values(Name::new("x"), &[2], vec![Value::new(10i64); 2]));
    for (name, below, func) in [("a", "x", kernel()), ("b", "a", Func::new(double)), ("c", "b", kernel())] {
        let mut layer = GridBuilder::new(Name::new(name), &[2]);
        let (below, func) = (layer.depends_on(Name::new(below)), layer.func(func));
        (0..2).for_each(|i| layer.call(func, [(below, i)]));
        graph.insert_layer(layer.build());
    }
    let key = Key::from(("c", block));
    let Some(Task::Call { func, .. }) = optimise::fuse(&graph, std::slice::from_ref(&key)).unwrap().get(key) else { unreachable!() };
    assert_eq!(func.n_steps(), 3);
    func
}

/// Functions of 10, and what they make of it.
fn functions() -> Vec<(Func, i64)> {
    let [triple, less] = generic::<i64>();
    vec![
        (Func::new(double), 20),
        (Func::new(i64::abs), 10),
        (Func::new(|x: &i64| x + 1), 11),
        (Func::new(|x: &i64| x + 2), 12),
        (triple, 30),
        (less, 2),
        (Func::new(with((5i64, vec!["a".to_owned()]), |e: &(i64, Vec<String>), x: i64| x * e.0 + e.1.len() as i64)), 51),
        (Func::of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>()), 10),
        (Func::fallible(|x: &i64| u8::try_from(*x).map(i64::from)), 10),
        (kernel(), 72),
        (chain(0), (72 * 2) * 7 + 2),
        (chain(1), (73 * 2) * 7 + 3),
    ]
}

fn call(func: &Func) -> i64 {
    *func.call(&Inputs::new(&[&Value::new(10i64)], 0)).unwrap().get::<i64>().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn message() -> Vec<u8> {
    let wires: Vec<FuncWire> = functions().iter().map(|(func, _)| func.to_wire().unwrap()).collect();
    rmp_serde::to_vec(&wires).unwrap()
}

/// What a process of this executable makes of the functions: its identity, the address of a function, the results.
fn other_process(executable: &Path, message: &[u8]) -> (String, String, String) {
    let test = "all::portable::functions_run_in_another_process";
    let output = Command::new(executable).args(["--exact", test, "--nocapture"]).env(WIRES, hex(message)).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text
        .lines()
        .find_map(|line| line.split_once(MARK))
        .unwrap_or_else(|| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
        .1;
    let mut parts = said.splitn(3, ' ').map(str::to_owned);
    let mut part = || parts.next().unwrap();
    (part(), part(), part())
}

#[test]
fn functions_run_in_another_process() {
    if let Ok(message) = std::env::var(WIRES) {
        let wires: Vec<FuncWire> = rmp_serde::from_slice(&from_hex(&message)).unwrap();
        let results: Vec<_> =
            wires.iter().map(|wire| Func::from_wire(wire).map(|func| call(&func)).map_err(|error| error.to_string())).collect();
        println!("\n{MARK}{} {:p} {results:?}", executable_id().unwrap(), double as fn(&i64) -> i64);
        return;
    }
    let expected: Vec<Result<i64, String>> = functions().iter().map(|(_, expected)| Ok(*expected)).collect();
    assert_eq!(functions().iter().map(|(func, _)| Ok(call(func))).collect::<Vec<_>>(), expected);
    let executable = std::env::current_exe().unwrap();
    let runs: Vec<_> = (0..5).map(|_| other_process(&executable, &message())).collect();
    for (id, _, results) in &runs {
        assert_eq!(id, &executable_id().unwrap().to_string());
        assert_eq!(results, &format!("{expected:?}"));
    }
    let addresses: std::collections::BTreeSet<_> = runs.iter().map(|(_, address, _)| address).collect();
    if addresses.len() == 1 {
        eprintln!("address randomisation is off here: all five runs had the same addresses");
    }
}

#[test]
fn functions_run_in_a_stripped_copy_which_is_told_from_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("stripped");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    if !Command::new("strip").arg(&copy).status().is_ok_and(|status| status.success()) {
        eprintln!("not tried: there is no `strip` here");
        return;
    }
    let (id, _, results) = other_process(&copy, &message());
    assert_ne!(id, executable_id().unwrap().to_string());
    assert_eq!(results, format!("{:?}", functions().iter().map(|(_, expected)| Ok::<_, String>(*expected)).collect::<Vec<_>>()));
}

#[test]
fn another_executable_has_another_identity() {
    let folder = tempfile::tempdir().unwrap();
    let [same, longer] = ["same", "longer"].map(|name| folder.path().join(name));
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), &same).unwrap();
    std::fs::copy(&same, &longer).unwrap();
    bytes.push(0);
    std::fs::write(&longer, bytes).unwrap();
    assert_eq!(other_process(&same, &message()).0, executable_id().unwrap().to_string());
    assert_ne!(other_process(&longer, &message()).0, executable_id().unwrap().to_string());
}

#[test]
fn a_damaged_message_is_refused_and_never_called() {
    for (func, _) in functions() {
        let good = func.to_wire().unwrap();
        assert_eq!(call(&Func::from_wire(&good).unwrap()), call(&func));
        for shift in (-64..64).filter(|&shift| shift != 0).chain([4096, -4096, 1 << 40, i64::MAX, i64::MIN]) {
            let moved = FuncWire { offset: good.offset.wrapping_add(shift), ..good.clone() };
            assert!(matches!(Func::from_wire(&moved), Err(WireError::NoTable { .. } | WireError::Outside { .. })), "{shift}");
        }
        assert!(matches!(Func::from_wire(&FuncWire { name_hash: !good.name_hash, ..good.clone() }), Err(WireError::NoTable { .. })));
        let mut more = good.clone();
        more.environment.insert(0, 0xc1);
        let error = Func::from_wire(&more).unwrap_err();
        assert!(matches!(error, WireError::Environment { .. }), "{error}");
        for cut in 0..good.environment.len() {
            let short = FuncWire { environment: good.environment[..cut].to_vec(), ..good.clone() };
            assert!(matches!(Func::from_wire(&short), Err(WireError::Environment { .. })), "cut at {cut}");
        }
    }
    // A chain whose steps use results that are not there, or whose own functions are damaged, byte by byte.
    let good = chain(1).to_wire().unwrap();
    for (i, flip) in (0..good.environment.len()).flat_map(|i| [1u8, 0x80, 0xff].map(|flip| (i, flip))) {
        let mut bad = good.clone();
        bad.environment[i] ^= flip;
        if let Ok(func) = Func::from_wire(&bad) {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| func.call(&Inputs::new(&[&Value::new(10i64)], 0)).is_ok()));
        }
    }
}

#[test]
fn what_cannot_travel_is_refused_before_anything_runs_with_key_function_and_why() {
    let k = 3;
    let check = |graph: &Graph, key: &str| Plan::new(graph, &[key.into()]).unwrap().check_portable();
    let mut graph = Graph::from_iter([("x", value(1i64)), ("held", value(Opaque(1i64))), ("fine", task(double, ("x",)))]);
    graph.insert("captures", task(move |x: &i64| x + k, ("fine",)));
    graph.insert("opaque", task(|x: &Opaque<i64>| x.0, ("held",)));
    graph.insert("other", alias("captures"));
    check(&graph, "fine").unwrap();
    let Err(Error::NotPortable { key, function, why }) = check(&graph, "other") else { panic!("a capturing closure travels") };
    assert_eq!((key, why.as_str()), (Key::from("captures"), "it captures values"));
    assert!(function.contains("what_cannot_travel") && function.contains("closure"), "{function}");
    let text = check(&graph, "opaque").unwrap_err().to_string();
    assert!(text.starts_with("task \"opaque\" cannot leave this process: arras_core::value::Opaque<i64>: "), "{text}");
    // In a fused chain the step is named, and the whole chain is refused.
    let fused = optimise::fuse(&graph, &["captures".into()]).unwrap();
    let text = check(&fused, "captures").unwrap_err().to_string();
    assert!(text.contains("double → ") && text.contains("it captures values"), "{text}");
    let fn_pointer: fn(&i64) -> i64 = double;
    assert!(Func::new(fn_pointer).to_wire().unwrap_err().to_string().contains("captures"));
}
