//! Values die young: what is held at once does not grow with the problem.

use std::sync::Arc;

use arras_core::{Delayed, Func, Graph, GridBuilder, Inputs, Key, Name, Value};
use arras_scheduler::{Compute, Recorder, RunOptions, Scheduler, Synchronous, Threads, prepare};

const BLOCK: usize = 100_000;

/// `load → double → sum` over blocks, and the sum of sums.
fn map_map_sum(n_blocks: u32) -> Delayed<u64> {
    let name = |text: &str| Name::new(text);
    let mut graph = Graph::new();
    let mut load = GridBuilder::new(name("load"), &[n_blocks]);
    let func = load.func(Func::erased::<Graph, _>(|inputs: &Inputs<'_>| Ok(Value::new(vec![inputs.block() as u8; BLOCK]))));
    (0..n_blocks).for_each(|_| load.call(func, []));
    graph.insert_layer(load.build());
    let mut add = GridBuilder::new(name("add"), &[n_blocks]);
    let func = add.func(Func::new(|block: &Vec<u8>| block.iter().map(|x| x.wrapping_add(1)).collect::<Vec<u8>>()));
    let from = add.depends_on(name("load"));
    (0..n_blocks).for_each(|i| add.call(func, [(from, i)]));
    graph.insert_layer(add.build());
    let mut sum = GridBuilder::new(name("sum"), &[n_blocks]);
    let func = sum.func(Func::new(|block: &Vec<u8>| block.iter().map(|&x| u64::from(x)).sum::<u64>()));
    let from = sum.depends_on(name("add"));
    (0..n_blocks).for_each(|i| sum.call(func, [(from, i)]));
    graph.insert_layer(sum.build());
    graph.insert("total", arras_core::task_of_many(|xs: &[&u64]| xs.iter().copied().sum::<u64>(), (0..n_blocks).map(|i| ("sum", i))));
    Delayed::from_graph(graph, "total")
}

#[test]
fn a_thousand_blocks_hold_at_most_two_for_each_thread() {
    let total = map_map_sum(1000);
    for n in [1, 2, 4] {
        let (_, report) = total.compute_with_report(&Threads::new(n)).unwrap();
        assert_eq!(report.tasks, 3001);
        let blocks = report.peak_live_nbytes / BLOCK;
        assert!(blocks <= 2 * n, "{n} threads held {blocks} blocks: {report}");
    }
    let (_, report) = total.compute_with_report(&Synchronous).unwrap();
    assert_eq!(report.peak_live_nbytes / BLOCK, 2, "{report}");
}

#[test]
fn every_value_is_freed_or_handed_over() {
    struct Alive(Arc<()>);
    let counted = Arc::new(());
    let alive = Arc::clone(&counted);
    let source = arras_core::delayed(move || arras_core::Opaque(Arc::new(Alive(Arc::clone(&alive)))), ());
    let users: Vec<_> =
        (0..100u64).map(|i| source.zip_with(&Delayed::value(i), |alive, i| Arc::strong_count(&alive.0.0) as u64 + i)).collect();
    users.compute_with(&Threads::new(3)).unwrap();
    drop((source, users));
    // A worker that has just seen the end of the run may still hold it for a moment.
    let patience = std::time::Instant::now();
    while Arc::strong_count(&counted) > 1 && patience.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn wanted_values_are_moved_out_not_copied() {
    let plan = prepare(&arras_core::delayed(|| vec![1u8; 1000], ())).unwrap();
    for scheduler in [Arc::new(Synchronous) as Arc<dyn Scheduler>, Arc::new(Threads::new(1))] {
        let recorder = Recorder::new();
        let mut values = scheduler.observed_by(recorder.clone()).run(&plan, &RunOptions::default()).unwrap();
        let value = values.remove(0);
        let address = value.get::<Vec<u8>>().unwrap().as_ptr();
        let moved: Vec<u8> = value.into_inner().unwrap();
        assert_eq!(moved.as_ptr(), address);
    }
}

#[test]
fn two_reductions_of_one_source_read_each_block_once() {
    let n = 200u32;
    let mut graph = Graph::new();
    for i in 0..n {
        graph.insert(("x", i), arras_core::task(move || vec![i as u8; BLOCK], ()));
        graph.insert(("low", i), arras_core::task(|x: &Vec<u8>| *x.iter().min().unwrap(), (("x", i),)));
        graph.insert(("high", i), arras_core::task(|x: &Vec<u8>| *x.iter().max().unwrap(), (("x", i),)));
    }
    let both = ["low", "high"].map(|name| {
        let key = Key::from(format!("all-{name}"));
        let keys = (0..n).map(|i| Key::from((name, i)));
        graph.insert(key.clone(), arras_core::task_of_many(|xs: &[&u8]| xs.iter().map(|&&x| u64::from(x)).sum::<u64>(), keys));
        key
    });
    let both: Vec<Delayed<u64>> = both.into_iter().map(|key| Delayed::from_graph(graph.clone(), key)).collect();
    let (_, report) = both.compute_with_report(&Synchronous).unwrap();
    assert_eq!(report.peak_live_nbytes / BLOCK, 1, "{report}");
    let (_, report) = both.compute_with_report(&Threads::new(2)).unwrap();
    assert!(report.peak_live_nbytes / BLOCK <= 4, "{report}");
}
