//! Every scheduler gives what the slow reference gives.

use std::sync::Arc;

use arras_core::{Graph, Input, Key, Plan, Task, Value, get_values};
use arras_scheduler::{RunOptions, Scheduler, Synchronous, Threads};
use proptest::prelude::*;

use super::shapes::{chain, independent, stencil, sum_func, tree};

fn numbers(values: &[Value]) -> Vec<u64> {
    values.iter().map(|value| *value.get::<u64>().unwrap()).collect()
}

/// Compares the schedulers with the reference.
fn agree(graph: &Graph, keys: &[Key]) {
    let expected = numbers(&get_values(graph, keys).unwrap());
    let plan = Arc::new(Plan::new(graph, keys).unwrap());
    let options = RunOptions::default();
    assert_eq!(numbers(&Synchronous.run(&plan, &options).unwrap()), expected);
    for n in [1, 2, 3, 8] {
        let threads = Threads::new(n);
        for _ in 0..3 {
            assert_eq!(numbers(&threads.run(&plan, &options).unwrap()), expected, "{n} threads");
        }
    }
    for (n, limit) in [(1, 0), (2, 0), (3, 100), (2, 1 << 40)] {
        let threads = Threads::new(n).memory_limit(limit);
        assert_eq!(numbers(&threads.run(&plan, &options).unwrap()), expected, "{n} threads, at most {limit} bytes");
    }
}

#[test]
fn on_trees_chains_stencils_and_independent_tasks() {
    for (graph, keys) in [tree(10), chain(5_000), stencil(60, 60), independent(5_000), independent(1), chain(1)] {
        agree(&graph, &keys);
    }
}

#[test]
fn on_a_graph_of_values_only_and_on_no_keys() {
    let graph = Graph::from_iter([("a", Task::Value(Value::new(7u64)))]);
    agree(&graph, &["a".into(), "a".into()]);
    agree(&graph, &[]);
    agree(&Graph::new(), &[]);
}

#[test]
fn on_two_keys_that_are_wanted_twice_each() {
    let mut graph = Graph::new();
    for (key, number) in [("a", 1u64), ("b", 2)] {
        graph.insert(key, Task::call(sum_func(), [Input::Value(Value::new(number))]));
    }
    agree(&graph, &["a".into(), "a".into(), "b".into(), "b".into()]);
}

#[test]
fn a_wide_fan_out_and_a_wide_fan_in() {
    let mut graph = Graph::new();
    graph.insert("root", Task::call(sum_func(), []));
    for i in 0..10_000u32 {
        graph.insert(("x", i), Task::call(sum_func(), [Input::Key("root".into()), Input::Value(Value::new(u64::from(i)))]));
    }
    graph.insert("sum", Task::call(sum_func(), (0..10_000).map(|i| Input::Key(("x", i).into()))));
    agree(&graph, &["sum".into()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn on_random_graphs(
        tasks in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<prop::sample::Index>(), 0..5)), 1..80),
        wanted in prop::collection::vec(any::<prop::sample::Index>(), 1..5),
    ) {
        let mut graph = Graph::new();
        for (i, (number, inputs)) in tasks.iter().enumerate() {
            let own = Input::Value(Value::new(*number));
            let before = inputs.iter().filter(|_| i > 0).map(|input| Input::Key(("t", input.index(i) as u32).into()));
            graph.insert(("t", i as u32), Task::call(sum_func(), std::iter::once(own).chain(before)));
        }
        let keys: Vec<Key> = wanted.iter().map(|index| ("t", index.index(tasks.len()) as u32).into()).collect();
        agree(&graph, &keys);
    }
}
