//! Any bytes are a part of a plan, or an error; and a part that was read can be run.
#![no_main]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use arras_core::{Graph, Plan, Source, SubPlan, Value, task, with};
use arras_scheduler::{RunOptions, Scheduler, Synchronous};
use libfuzzer_sys::{Corpus, fuzz_target};

/// A real part, over which the input is laid: without it no input would get past the offsets of functions.
fn real() -> Vec<u8> {
    let mut graph = Graph::new();
    graph.insert("a", task(|| 10i64, ()));
    graph.insert("b", task(|x: &i64| x.wrapping_add(1), ("a",)));
    graph.insert("c", task(with(2i64, |k: &i64, x: &i64| x.wrapping_mul(*k)), ("b",)));
    graph.insert("d", task(|x: &i64, y: &i64| x.wrapping_sub(*y), ("c", "b")));
    let plan = Plan::new(&graph, &["d".into()]).expect("the graph is sound");
    plan.part(&[1, 2, 3], &[Source::Task(0)], &[3]).to_bytes().expect("all of it is portable")
}

fuzz_target!(|changes: Vec<(u16, u8)>| -> Corpus {
    static QUIET: Once = Once::new();
    // Functions that get fewer inputs than they take may panic, as a worker expects.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let mut bytes = real();
    for (at, byte) in changes {
        match bytes.get_mut(at as usize) {
            Some(place) => *place ^= byte,
            None => bytes.truncate(byte as usize),
        }
    }
    let Ok(part) = SubPlan::from_bytes(&bytes) else { return Corpus::Keep };
    let n_arguments = part.n_arguments();
    if n_arguments < 1000 {
        let plan = Arc::new(part.bind(vec![Value::new(1i64); n_arguments]).expect("as many as it takes"));
        let _ = catch_unwind(AssertUnwindSafe(|| Synchronous.run(&plan, &RunOptions::default())));
    }
    Corpus::Keep
});
