//! The same answers as everywhere.

use std::sync::Arc;

use arras_core::{Graph, Input, Key, Task, Value, delayed, with};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

pub(crate) fn random_graphs_give_the_same_bits_as_the_synchronous_scheduler() {
    let schedulers = [processes(1), processes(3), Processes::builder(2).threads(2).build().unwrap()];
    let rows = prop::collection::vec((any::<u64>(), prop::collection::vec(any::<prop::sample::Index>(), 0..5)), 1..120);
    let wanted = prop::collection::vec(any::<prop::sample::Index>(), 1..8);
    TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() })
        .run(&(rows, wanted), |(rows, wanted)| {
            let of = |i: usize, inputs: &[prop::sample::Index]| inputs.iter().filter(|_| i > 0).map(|input| input.index(i)).collect();
            let tasks: Vec<(u64, Vec<usize>)> = rows.iter().enumerate().map(|(i, (number, inputs))| (*number, of(i, inputs))).collect();
            let keys: Vec<Key> = wanted.iter().map(|index| key(index.index(tasks.len()))).collect();
            for processes in &schedulers {
                agree(processes, &graph(&tasks), &keys);
            }
            Ok(())
        })
        .unwrap();
    schedulers.iter().for_each(nothing_is_left);
    for processes in schedulers {
        no_orphans(processes, &[]);
    }
}

pub(crate) fn plans_without_tasks_constants_and_keys_wanted_twice() {
    let processes = processes(2);
    let values = Graph::from_iter([("a", Task::Value(Value::new(7u64)))]);
    agree(&processes, &values, &["a".into(), "a".into()]);
    agree(&processes, &values, &[]);
    agree(&processes, &Graph::new(), &[]);
    assert_eq!(processes.pids(), [0; 0], "nothing ran, so no worker was started");
    let mut mixed = graph(&[(1, vec![]), (2, vec![0]), (3, vec![])]);
    mixed.insert("constant", Task::Value(Value::new(9u64)));
    mixed.insert("alias", Task::Alias(key(1)));
    agree(&processes, &mixed, &[key(2), "constant".into(), key(1), key(1), "alias".into(), key(2)]);
    nothing_is_left(&processes);
}

pub(crate) fn trees_chains_and_wide_fans() {
    let processes = processes(2);
    let tree: Vec<(u64, Vec<usize>)> =
        (0..1023).map(|i| (i as u64, if i < 512 { vec![] } else { vec![2 * (i - 512), 2 * (i - 512) + 1] })).collect();
    agree(&processes, &graph(&tree), &[key(1022)]);
    let chain: Vec<(u64, Vec<usize>)> = (0..2000usize).map(|i| (1, i.checked_sub(1).into_iter().collect())).collect();
    agree(&processes, &graph(&chain), &[key(1999)]);
    // More than what is asked for together.
    let mut fan: Vec<(u64, Vec<usize>)> = vec![(5, vec![])];
    fan.extend((1..9000).map(|i| (i as u64, vec![0])));
    fan.push((0, (1..9000).collect()));
    agree(&processes, &graph(&fan), &[key(9000)]);
    agree(&processes, &graph(&fan), &(0..9000).map(key).collect::<Vec<_>>());
    nothing_is_left(&processes);
}

/// Pseudorandom bytes, so that a piece in the wrong place is seen.
fn block(seed: u64, n: usize) -> Vec<u64> {
    let mut x = seed | 1;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x
    };
    std::iter::repeat_with(next).take(n).collect()
}

pub(crate) fn values_of_a_hundred_megabytes() {
    const N: usize = 100_000_000 / 8;
    let processes = processes(2);
    // Two blocks that are made on two workers, and a task that reads both: at least one has to move.
    let blocks: Vec<_> = (0..2u64).map(|seed| delayed(|seed: u64| block(seed, N), (seed,))).collect();
    let both = delayed(
        |one: &Vec<u64>, other: &Vec<u64>| one.iter().zip(other).map(|(a, b)| a ^ b).collect::<Vec<u64>>(),
        (&blocks[0], &blocks[1]),
    );
    let (first, both) = (blocks[0].clone(), both).compute_with(&processes).unwrap();
    let expected = block(0, N);
    assert!(first == expected);
    assert!(both.iter().zip(expected.iter().zip(block(1, N))).all(|(found, (a, b))| *found == a ^ b));
    // And as what is given.
    let sums: Vec<_> = (0..4u64)
        .map(|i| delayed(|block: &Vec<u64>, i: u64| block.iter().fold(i, |sum, x| sum.wrapping_add(*x)), (first.clone(), i)))
        .collect();
    let sum = expected.iter().fold(0u64, |sum, x| sum.wrapping_add(*x));
    assert_eq!(sums.compute_with(&processes).unwrap(), (0..4).map(|i| sum.wrapping_add(i)).collect::<Vec<u64>>());
    nothing_is_left(&processes);
}

/// Counts, in a file, how often it is read from bytes.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
#[serde(from = "Uncounted")]
struct Counted {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

#[derive(serde::Deserialize)]
struct Uncounted {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl From<Uncounted> for Counted {
    fn from(Uncounted { path, bytes }: Uncounted) -> Counted {
        mark(&path);
        Counted { path, bytes }
    }
}

pub(crate) fn large_constants_are_handed_to_each_worker_once() {
    let marks = Marks::new();
    let processes = processes(2);
    let large = Value::new(Counted { path: marks.path("read"), bytes: vec![1; 200_000] });
    let mut graph = Graph::new();
    graph.insert("large", Task::Value(large));
    for i in 0..40u32 {
        let func = arras_core::Func::new(|large: &Counted, i: &u64| large.bytes.len() as u64 + i);
        graph.insert(("t", i), Task::call(func, [Input::Key("large".into()), Input::Value(Value::new(u64::from(i)))]));
    }
    let plan = plan(&graph, &(0..40).map(key).collect::<Vec<_>>());
    let values = processes.run(&plan, &RunOptions::default()).unwrap();
    assert_eq!(numbers(&values), (0..40).map(|i| 200_000 + i).collect::<Vec<u64>>());
    assert!((1..=2).contains(&marks.count("read")), "{} times", marks.count("read"));
    nothing_is_left(&processes);
}

pub(crate) fn wanted_values_that_other_tasks_read_too() {
    let processes = processes(2);
    let rows: Vec<(u64, Vec<usize>)> = (0..60usize).map(|i| (i as u64, (i.saturating_sub(3)..i).collect())).collect();
    agree(&processes, &graph(&rows), &(0..60).map(key).collect::<Vec<_>>());
}

pub(crate) fn persisted_collections_go_on() {
    let processes = processes(2);
    let first = delayed(|| vec![1.5f64; 100_000], ()).persist_with(&processes).unwrap();
    let sum = delayed(|xs: &Vec<f64>| xs.iter().sum::<f64>(), (&first,));
    assert_eq!(sum.compute_with(&processes).unwrap(), 150_000.0);
    assert_eq!(sum.persist_with(&processes).unwrap().compute().unwrap(), 150_000.0);
}

pub(crate) fn workers_are_kept_between_runs_and_forget_everything() {
    let processes = processes(2);
    let rows: Vec<(u64, Vec<usize>)> = (0..40usize).map(|i| (i as u64, i.checked_sub(2).into_iter().collect())).collect();
    let mut pids = Vec::new();
    for _ in 0..5 {
        agree(&processes, &graph(&rows), &[key(39), key(38)]);
        nothing_is_left(&processes);
        pids.push(processes.pids());
    }
    assert_eq!(pids[0].len(), 2);
    assert!(pids.iter().all(|other| *other == pids[0]), "{pids:?}");
    let executed: u64 = processes.stats().unwrap().iter().map(|stats| stats.executed).sum();
    assert!(executed >= 5, "{executed}");
    no_orphans(processes, &[]);
}

pub(crate) fn workers_with_several_threads() {
    let processes = Processes::builder(1).threads(3).build().unwrap();
    assert_eq!(processes.n_workers(), 3);
    let marks = Marks::new();
    // Each waits for the others, so three must run at once.
    let together: Vec<_> = (0..3u64)
        .map(|i| {
            let wait = with((marks.path("here"), i), |(path, i): &(std::path::PathBuf, u64)| {
                mark(path);
                until(|| std::fs::read(path).unwrap().len() == 3);
                (*i, std::process::id())
            });
            delayed(wait, ())
        })
        .collect();
    let found = together.compute_with(&processes).unwrap();
    assert_eq!(found.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(found.iter().all(|(_, pid)| *pid == processes.pids()[0]));
    nothing_is_left(&processes);
}

pub(crate) fn values_over_the_memory_limit_go_to_disk_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let processes = Processes::builder(2).memory_limit(1 << 20).spill_directory(folder.path()).build().unwrap();
    let (sums, expected) = many_blocks();
    assert_eq!(sums.compute_with(&processes).unwrap(), expected);
    nothing_is_left(&processes);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    assert!(spilled_to(folder.path()).compute_with(&processes).unwrap() > 0);
}

/// How many files in a folder its worker has open while it holds many blocks.
pub(crate) fn spilled_to(folder: &std::path::Path) -> arras_core::Delayed<usize> {
    let blocks: Vec<_> = (0..64u64).map(|seed| delayed(|seed: u64| block(seed, 25_000), (seed,))).collect();
    let count = with(folder.to_owned(), |folder: &std::path::PathBuf, _: &Vec<Vec<u64>>| {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
        open.filter(|file| file.starts_with(folder)).count()
    });
    delayed(count, (blocks,))
}

/// 64 blocks of 200 kB, which are all there before the first of their sums is made, and what their sums are.
pub(crate) fn many_blocks() -> (impl arras_core::Collection<Output = u64>, u64) {
    const N: usize = 25_000;
    let blocks: Vec<_> = (0..64u64).map(|seed| delayed(|seed: u64| block(seed, N), (seed,))).collect();
    let barrier = delayed(|blocks: &Vec<Vec<u64>>| blocks.len() as u64, (blocks.clone(),));
    let sum = |block: &Vec<u64>, all: &u64| block.iter().fold(*all, |sum, x| sum.wrapping_add(*x));
    let sums: Vec<_> = blocks.iter().map(|block| delayed(sum, (block, &barrier))).collect();
    let total = delayed(|sums: &Vec<u64>| sums.iter().fold(0u64, |sum, x| sum.wrapping_add(*x)), (sums,));
    let expected = (0..64u64).map(|seed| sum(&block(seed, N), &64)).fold(0u64, u64::wrapping_add);
    (total, expected)
}

/// Some values, for a run whose plan is shared.
pub(crate) fn shared_plan(n: usize) -> (Arc<arras_core::Plan>, Vec<u64>) {
    let rows: Vec<(u64, Vec<usize>)> = (0..n).map(|i| (i as u64, i.checked_sub(7).into_iter().collect())).collect();
    let plan = plan(&graph(&rows), &(n - 7..n).map(key).collect::<Vec<_>>());
    let expected = numbers(&arras_scheduler::Synchronous.run(&plan, &RunOptions::default()).unwrap());
    (plan, expected)
}
