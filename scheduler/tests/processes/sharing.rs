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
    // So many that no other test of this process has the last one's number.
    let processes = processes(12);
    all_at_once(&processes);
    assert_eq!(format!("{processes:?}"), "Processes(12 of 1 threads)");
    assert_eq!(threads_named("arras-heart-11"), 1);
    no_orphans(processes, &[]);
    assert_eq!(threads_named("arras-heart-11"), 0);
}

pub(crate) fn workers_that_fetch_from_everybody_keep_few_connections() {
    let processes = processes(8);
    all_at_once(&processes);
    let of_number = |i: u64| vec![i; 100];
    for _ in 0..3 {
        let rows: Vec<_> = (0..64u64).map(|i| delayed(of_number, (i,))).collect();
        let sum = |rows: &Vec<Vec<u64>>, i: u64| rows.iter().fold(i, |sum, row| sum + row[0]);
        let columns: Vec<_> = (0..64u64).map(|i| delayed(sum, (rows.clone(), i))).collect();
        assert_eq!(columns.compute_with(&processes).unwrap(), (0..64).map(|i| 2016 + i).collect::<Vec<u64>>());
    }
    for pid in processes.pids() {
        // The lifeline, the one for the heart, its driver's, and few more.
        until(|| sockets(pid) <= 5);
    }
}

/// Sockets that a process has open.
fn sockets(pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    open.filter(|file| file.to_string_lossy().starts_with("socket:")).count()
}

/// Threads of this process whose name begins so.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|found| found.starts_with(name)).count()
}
