//! One set of workers, several runs.

use arras_core::{Opaque, delayed};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler, Synchronous, Threads};

use crate::answers::shared_plan;
use crate::support::*;

pub(crate) fn runs_from_several_threads_at_once() {
    let processes = processes(2);
    let (plan, expected) = shared_plan(200);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..10 {
                    assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), expected);
                }
            });
        }
    });
    nothing_is_left(&processes);
    assert_eq!(processes.pids().len(), 2);
    no_orphans(processes, &[]);
}

pub(crate) fn runs_from_tasks_of_other_schedulers() {
    let processes = processes(2);
    for outer in [&Threads::new(2) as &dyn Scheduler, &Threads::new(1), &Synchronous] {
        let tasks: Vec<_> = (0..8u64)
            .map(|i| {
                let processes: Opaque<Processes> = Opaque(processes.clone());
                delayed(
                    move |i: u64| {
                        let parts: Vec<_> = (0..20u64).map(|j| delayed(|i: u64, j: u64| i * j, (i, j))).collect();
                        parts.compute_with(&processes.0).unwrap().iter().sum::<u64>()
                    },
                    (i,),
                )
            })
            .collect();
        let plan = arras_scheduler::prepare(&tasks).unwrap();
        let sums = numbers(&outer.run(&plan, &RunOptions::default()).unwrap());
        assert_eq!(sums, (0..8).map(|i| 190 * i).collect::<Vec<u64>>());
    }
    nothing_is_left(&processes);
}

pub(crate) fn a_clone_outlives_the_original_during_a_run() {
    let original = processes(2);
    let clone = original.clone();
    let (plan, expected) = shared_plan(100);
    let workers = std::thread::scope(|scope| {
        let run = scope.spawn(move || {
            let values = clone.run(&plan, &RunOptions::default()).unwrap();
            let workers = workers(&clone);
            (numbers(&values), workers)
        });
        drop(original);
        let (values, workers) = run.join().unwrap();
        assert_eq!(values, expected);
        workers
    });
    assert!(!workers.is_empty() && !workers.iter().any(is_running), "{workers:?}");
}

pub(crate) fn dropping_ends_the_workers() {
    let idle = processes(2);
    drop(idle);
    let processes = processes(3);
    let (plan, _) = shared_plan(100);
    processes.run(&plan, &RunOptions::default()).unwrap();
    assert_eq!(processes.pids().len(), 3);
    assert_eq!(format!("{processes:?}"), "Processes(3 of 1 threads)");
    let threads = threads_named("arras-heart");
    assert!(threads >= 3);
    no_orphans(processes, &[]);
}

/// Threads of this process whose name begins so.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|found| found.starts_with(name)).count()
}
