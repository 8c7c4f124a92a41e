//! A memory limit is kept by any number of threads, with values on disk where the work needs more at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::{Delayed, Func, Graph, GridBuilder, Inputs, Name, Sizes, Value, delayed};
use arras_scheduler::{Compute, Recorder, Scheduler, Synchronous, Threads};

const BLOCK: usize = 100_000;

/// Blocks that are all needed twice: their mean, then each block less it. Rank order holds all of them.
fn deviations(n_blocks: u32) -> Delayed<u64> {
    let mut graph = Graph::new();
    let mut load = GridBuilder::new(Name::new("load"), &[n_blocks]);
    let func = load.func(Func::erased::<Graph, _>(|inputs: &Inputs<'_>| {
        Ok(Value::new((0..BLOCK / 8).map(|i| (u64::from(inputs.block()) * 31 + i as u64) % 1000).collect::<Vec<u64>>()))
    }));
    (0..n_blocks).for_each(|_| load.call(func, []));
    load.sizes(Sizes::Uniform(BLOCK as u64));
    graph.insert_layer(load.build());
    let mut sums = GridBuilder::new(Name::new("sum"), &[n_blocks]);
    let (func, from) = (sums.func(Func::new(|block: &Vec<u64>| block.iter().sum::<u64>())), sums.depends_on(Name::new("load")));
    (0..n_blocks).for_each(|i| sums.call(func, [(from, i)]));
    sums.sizes(Sizes::Uniform(8));
    graph.insert_layer(sums.build());
    let n = u64::from(n_blocks) * (BLOCK / 8) as u64;
    graph.insert(
        "mean",
        arras_core::task_of_many(move |sums: &[&u64]| sums.iter().copied().sum::<u64>() / n, (0..n_blocks).map(|i| ("sum", i))),
    );
    let mut less = GridBuilder::new(Name::new("less"), &[n_blocks]);
    let func = less.func(Func::new(|block: &Vec<u64>, mean: &u64| block.iter().map(|x| x.abs_diff(*mean)).sum::<u64>()));
    let (from, mean) = (less.depends_on(Name::new("load")), less.depends_on(Name::new("mean")));
    (0..n_blocks).for_each(|i| less.call(func, [(from, i), (mean, 0)]));
    less.sizes(Sizes::Uniform(8));
    graph.insert_layer(less.build());
    graph.insert("total", arras_core::task_of_many(|xs: &[&u64]| xs.iter().copied().sum::<u64>(), (0..n_blocks).map(|i| ("less", i))));
    Delayed::from_graph(graph, "total")
}

/// Blocks that die as soon as they are read.
fn sums(n_blocks: u32, states_sizes: bool) -> Delayed<u64> {
    let mut graph = Graph::new();
    let mut load = GridBuilder::new(Name::new("load"), &[n_blocks]);
    let func = load.func(Func::erased::<Graph, _>(|inputs: &Inputs<'_>| Ok(Value::new(vec![inputs.block() as u8; BLOCK]))));
    (0..n_blocks).for_each(|_| load.call(func, []));
    if states_sizes {
        load.sizes(Sizes::Uniform(BLOCK as u64));
    }
    graph.insert_layer(load.build());
    let mut sums = GridBuilder::new(Name::new("sum"), &[n_blocks]);
    let (func, from) =
        (sums.func(Func::new(|block: &Vec<u8>| block.iter().map(|&x| u64::from(x)).sum::<u64>())), sums.depends_on(Name::new("load")));
    (0..n_blocks).for_each(|i| sums.call(func, [(from, i)]));
    graph.insert_layer(sums.build());
    graph.insert("total", arras_core::task_of_many(|xs: &[&u64]| xs.iter().copied().sum::<u64>(), (0..n_blocks).map(|i| ("sum", i))));
    Delayed::from_graph(graph, "total")
}

#[test]
fn work_that_fits_keeps_the_limit_without_the_disk() {
    for states_sizes in [true, false] {
        let total = sums(200, states_sizes);
        let expected = total.compute_with(&Synchronous).unwrap();
        for (n, blocks) in [(1, 2), (4, 2), (4, 3), (8, 5)] {
            let threads = Threads::new(n).memory_limit((blocks * BLOCK + 10_000) as u64);
            let (value, report) = total.compute_with_report(&threads).unwrap();
            assert_eq!(value, expected);
            assert_eq!(report.spilled, 0, "{report}");
            // Sizes that are not stated are learnt from the first values.
            let most = if states_sizes { blocks } else { blocks + n };
            assert!(report.peak_live_nbytes <= most * BLOCK + 10_000, "{n} threads, {blocks} blocks: {report}");
        }
    }
}

#[test]
fn work_that_does_not_fit_goes_to_disk_and_gives_the_same() {
    let total = deviations(40);
    let (expected, report) = total.compute_with_report(&Synchronous).unwrap();
    assert!(report.peak_live_nbytes >= 40 * BLOCK, "{report}");
    let folder = tempfile::tempdir().unwrap();
    for n in [1, 3] {
        let threads = Threads::new(n).memory_limit(10 * BLOCK as u64).spill_directory(folder.path());
        let (value, report) = total.compute_with_report(&threads).unwrap();
        assert_eq!(value, expected);
        assert!(report.spilled >= 30 && report.spilled_nbytes >= 30 * BLOCK, "{report}");
        assert!(report.peak_live_nbytes <= 10 * BLOCK, "{report}");
        assert!(report.to_string().contains(" spilled, "), "{report}");
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }
}

#[test]
fn wanted_values_come_back_from_disk_for_the_caller() {
    let blocks: Vec<Delayed<Vec<u8>>> = (0..20u8).map(|i| delayed(|i: u8| vec![i; BLOCK], (i,))).collect();
    let recorder = Recorder::new();
    let values = blocks.compute_with(&Threads::new(2).memory_limit(5 * BLOCK as u64).observed_by(recorder.clone())).unwrap();
    assert!(values.iter().enumerate().all(|(i, block)| *block == vec![i as u8; BLOCK]));
    assert!(recorder.report().spilled >= 10, "{}", recorder.report());
}

#[test]
fn values_that_no_disk_takes_stay_in_memory() {
    let total = deviations(20);
    let expected = total.compute_with(&Synchronous).unwrap();
    let nowhere = Threads::new(2).memory_limit(3 * BLOCK as u64).spill_directory("/nowhere/at/all");
    let (value, report) = total.compute_with_report(&nowhere).unwrap();
    assert_eq!((value, report.spilled), (expected, 0));

    let opaque: Vec<_> = (0..10u64).map(|i| delayed(|i: u64| arras_core::Opaque(Arc::new(i)), (i,))).collect();
    let values = opaque.compute_with(&Threads::new(2).memory_limit(0)).unwrap();
    assert!(values.iter().enumerate().all(|(i, value)| *value.0 == i as u64));
}

#[test]
fn failures_panics_and_inner_runs_are_as_without_a_limit() {
    let threads = Threads::new(3).memory_limit(1000);
    let ran = Arc::new(AtomicUsize::new(0));
    let failing: Vec<_> = (0..50u64)
        .map(|i| {
            let ran = Arc::clone(&ran);
            delayed(|i: u64| vec![i; 100], (i,)).map(move |block: &Vec<u64>| {
                ran.fetch_add(1, Ordering::SeqCst);
                assert!(block[0] != 7, "seven");
                block.len()
            })
        })
        .collect();
    for _ in 0..20 {
        let error = failing.compute_with(&threads).unwrap_err().to_string();
        assert!(error.contains("seven"), "{error}");
    }
    let inner = delayed(|i: u64| (0..i).map(|i| delayed(|i: u64| i, (i,))).collect::<Vec<_>>().compute().unwrap().len() as u64, (30u64,));
    let outer: Vec<_> = (0..10).map(|_| inner.map(|n| *n)).collect();
    assert_eq!(outer.compute_with(&threads).unwrap(), vec![30; 10]);
    assert_eq!(sums(10, true).compute_with(&threads).unwrap(), 45 * BLOCK as u64);
}

#[test]
fn a_panic_while_a_value_is_written_is_an_error_and_no_hang() {
    #[derive(Clone)]
    struct Bad;
    impl serde::Serialize for Bad {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not to be written")
        }
    }
    impl<'de> serde::Deserialize<'de> for Bad {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Bad, D::Error> {
            Ok(Bad)
        }
    }
    let blocks: Vec<Delayed<(Bad, Vec<u8>)>> = (0..5u8).map(|i| delayed(|i: u8| (Bad, vec![i; 1000]), (i,))).collect();
    let outcome = blocks.compute_with(&Threads::new(2).memory_limit(0));
    // Even its size is found by writing it.
    assert!(outcome.is_err_and(|error| error.to_string().contains("not to be written")));
}
