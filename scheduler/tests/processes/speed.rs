//! That a task costs little. The figures of record come from release builds; this keeps the order of magnitude.

use std::time::{Duration, Instant};

use arras_scheduler::{RunOptions, Scheduler};

use crate::support::*;

pub(crate) fn ten_thousand_small_tasks() {
    let processes = processes(2);
    let tree: Vec<(u64, Vec<usize>)> =
        (0..10_001).map(|i| (i as u64, if i < 5_001 { vec![] } else { vec![2 * (i - 5_001), 2 * (i - 5_001) + 1] })).collect();
    let plan = plan(&graph(&tree), &[key(10_000)]);
    let mut times: Vec<Duration> = (0..20)
        .map(|_| {
            let started = Instant::now();
            processes.run(&plan, &RunOptions::default()).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("10,001 tasks on 2 workers: {:?} at best, {:?} in the middle", times[0], times[10]);
    assert!(times[0] < Duration::from_secs(5), "{times:?}");
}
