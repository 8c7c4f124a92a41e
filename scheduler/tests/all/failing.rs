//! Errors and panics of tasks end the run with key, function and source, and leave the pool usable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::{Delayed, Error, Graph, Panic, delayed, fallible_task, task, try_delayed, value};
use arras_scheduler::{Compute, Scheduler, Synchronous, Threads};

#[derive(Debug, thiserror::Error)]
#[error("no luck with {0}")]
struct NoLuck(i64);

fn unlucky(x: i64) -> Result<i64, NoLuck> {
    if x == 13 { Err(NoLuck(x)) } else { Ok(x) }
}

fn both(check: impl Fn(&dyn Fn(&Delayed<i64>) -> Result<i64, Error>)) {
    check(&|delayed| delayed.compute_with(&Synchronous));
    for n in [1, 2, 4] {
        let threads = Threads::new(n);
        check(&|delayed| delayed.compute_with(&threads));
        // The pool is still usable.
        assert_eq!(delayed(|| 5i64, ()).compute_with(&threads).unwrap(), 5);
    }
}

#[test]
fn an_error_names_key_function_and_source() {
    both(|run| {
        let bad = try_delayed(unlucky, (13,));
        let error = run(&bad.map(|x| x + 1)).unwrap_err();
        let Error::Task { key, func, .. } = &error else { panic!("{error}") };
        assert_eq!(key, &bad.key());
        assert!(func.ends_with("failing::unlucky"), "{func}");
        assert_eq!(error.find::<NoLuck>().unwrap().0, 13);
        assert!(error.to_string().contains("no luck with 13"), "{error}");
    });
}

#[test]
fn a_panic_is_an_error_that_carries_its_message() {
    both(|run| {
        let error = run(&delayed(|| -> i64 { panic!("the {} is gone", "cheese") }, ())).unwrap_err();
        assert_eq!(error.find::<Panic>().unwrap().message(), "the cheese is gone");
    });
}

#[test]
fn a_panic_in_the_destructor_of_a_value_is_an_error() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("boom");
            }
        }
    }
    both(|run| {
        let bomb = delayed(|| arras_core::Opaque(Arc::new(Bomb)), ());
        let error = run(&bomb.map(|_| 1i64)).unwrap_err();
        assert_eq!(error.find::<Panic>().unwrap().message(), "boom");
    });
}

#[test]
fn nothing_starts_after_a_failure() {
    for n in [1usize, 2, 3] {
        let started = Arc::new(AtomicUsize::new(0));
        let mut graph = Graph::new();
        graph.insert("seed", value(0i64));
        graph.insert(("x", 0), fallible_task(|_: &i64| Err::<i64, _>(NoLuck(0)), ("seed",)));
        for i in 1..10_000u32 {
            let started = Arc::clone(&started);
            graph.insert(
                ("x", i),
                task(
                    move |_: &i64| {
                        started.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_micros(100));
                        1i64
                    },
                    ("seed",),
                ),
            );
        }
        graph.insert("sum", arras_core::task_of_many(|xs: &[&i64]| xs.len() as i64, (0..10_000).map(|i| ("x", i))));
        let sum: Delayed<i64> = Delayed::from_graph(graph, "sum");
        let threads = Threads::new(n);
        assert!(sum.compute_with(&threads).is_err());
        let then = started.load(Ordering::SeqCst);
        // Each worker had at most a few tasks before the failure reached it.
        assert!(then < 1_000, "{then} tasks started");
        assert_eq!(threads.n_workers(), n);
    }
}

#[test]
fn a_missing_key_and_a_cycle_are_found_before_anything_runs() {
    let mut graph = Graph::new();
    graph.insert("a", task(|x: &i64| *x, ("b",)));
    let missing: Delayed<i64> = Delayed::from_graph(graph.clone(), "a");
    let error = missing.compute_with(&Synchronous).unwrap_err();
    assert_eq!(error.to_string(), "key \"b\" is not in the graph, but task \"a\" reads it");
    graph.insert("b", task(|x: &i64| *x, ("c",)));
    graph.insert("c", task(|x: &i64| *x, ("b",)));
    let cyclic: Delayed<i64> = Delayed::from_graph(graph, "a");
    let error = cyclic.compute_with(&Threads::new(2)).unwrap_err();
    assert_eq!(error.to_string(), "the graph has a cycle: \"b\" → \"c\" → \"b\"");
}

#[test]
fn a_value_of_another_type_names_both_types() {
    let mut graph = Graph::new();
    graph.insert("a", value("text".to_owned()));
    graph.insert("b", task(|x: &i64| *x, ("a",)));
    let delayed: Delayed<i64> = Delayed::from_graph(graph, "b");
    let error = delayed.compute_with(&Threads::new(2)).unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::WrongType { .. })), "{error}");
    assert!(error.to_string().contains("i64") && error.to_string().contains("String"), "{error}");
}
