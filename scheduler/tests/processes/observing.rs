//! What observers see of runs in other processes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use arras_core::{Error, Graph, Key, Plan, delayed, task, with};
use arras_scheduler::{Compute, Event, Observer, Processes, RunOptions, Scheduler, WorkerError};
use rustix::process::Signal;

use crate::answers::shared_plan;
use crate::support::*;

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn event(&self, plan: &Plan, event: &Event<'_>) {
        let name = |task: &u32| plan.key(*task).name().operation().to_owned();
        let line = match event {
            Event::RunStarted => "run started".to_owned(),
            Event::Started { task, .. } => format!("{} started", name(task)),
            Event::Finished { task, nbytes, .. } => format!("{} finished, {nbytes} bytes", name(task)),
            Event::Freed { task, nbytes } => format!("{} freed, {nbytes} bytes", name(task)),
            Event::Failed { task, error } => format!("{} failed: {error}", name(task)),
            Event::RunFinished => "run finished".to_owned(),
            _ => "something else".to_owned(),
        };
        self.0.lock().unwrap().push(line);
    }
}

fn first() -> u64 {
    1
}
fn second(x: u64) -> u64 {
    x + 1
}

pub(crate) fn every_task_starts_finishes_and_is_freed() {
    let log = Arc::new(Log::default());
    delayed(second, (delayed(first, ()),)).compute_with(&processes(2).observed_by(log.clone())).unwrap();
    let expected = [
        "run started",
        "first started",
        "first finished, 8 bytes",
        "second started",
        "second finished, 8 bytes",
        "first freed, 8 bytes",
        "run finished",
    ];
    let mut found = log.0.lock().unwrap().clone();
    // In a bundle, the value of the first may be let go before the second is reported.
    found.sort();
    let mut sorted = expected.to_vec();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
}

pub(crate) fn a_report_counts_all_tasks() {
    let processes = Processes::builder(2).threads(2).build().unwrap();
    let parts: Vec<_> = (0..500u64).map(|i| delayed(|i: u64| vec![i; 10], (i,))).collect();
    // With the task that makes one vector of them all, there are 502.
    let sum = delayed(|parts: &Vec<Vec<u64>>| parts.iter().flatten().sum::<u64>(), (parts,));
    let (value, report) = sum.compute_with_report(&processes).unwrap();
    assert_eq!((value, report.tasks), (1_247_500, 502));
    assert!(report.busy.len() <= 4, "{report}");
    assert!(report.peak_live_values >= 1 && report.peak_live_nbytes > 0, "{report}");
}

pub(crate) fn a_failure_is_seen_before_the_run_ends() {
    let log = Arc::new(Log::default());
    let work = delayed(first, ()).map(|_| -> u64 { panic!("no") });
    work.compute_with(&processes(2).observed_by(log.clone())).unwrap_err();
    let log = log.0.lock().unwrap();
    assert!(log[log.len() - 2].contains("failed: task"), "{log:?}");
    assert_eq!(log[log.len() - 1], "run finished");
}

struct Panics;

impl Observer for Panics {
    fn event(&self, _: &Plan, event: &Event<'_>) {
        assert!(!matches!(event, Event::Finished { .. }), "the observer panics");
    }
}

pub(crate) fn an_observer_that_panics_ends_the_run() {
    let processes = processes(2);
    let error = delayed(first, ()).compute_with(&processes.observed_by(Arc::new(Panics))).unwrap_err();
    assert!(error.to_string().contains("the observer panics"), "{error}");
    nothing_is_left(&processes);
    assert_eq!(delayed(first, ()).compute_with(&processes).unwrap(), 1);
}

/// Counts, for each task, how often its value was made and let go.
#[derive(Default)]
struct Balance(Mutex<HashMap<u32, (i64, i64, i64)>>);

impl Observer for Balance {
    fn event(&self, _: &Plan, event: &Event<'_>) {
        let mut counts = self.0.lock().unwrap();
        match event {
            Event::Finished { task, nbytes, .. } => {
                let count = counts.entry(*task).or_default();
                count.0 += 1;
                count.2 += *nbytes as i64;
            }
            Event::Freed { task, nbytes } => {
                let count = counts.entry(*task).or_default();
                count.1 += 1;
                count.2 -= *nbytes as i64;
                assert!(count.0 >= count.1 && count.2 >= 0, "task {task} was let go before it was made: {count:?}");
            }
            _ => {}
        }
    }
}

pub(crate) fn what_is_freed_never_exceeds_what_was_finished_even_if_workers_are_lost() {
    let marks = Marks::new();
    let processes = processes(2);
    let parts: Vec<_> = (0..40u64)
        .map(|i| {
            let kill_twice = with(marks.path("kill"), |path: &PathBuf, i: u64| {
                if i % 20 == 13 && mark(path) < 2 {
                    kill_self(Signal::KILL);
                }
                i
            });
            delayed(kill_twice, (delayed(|i: u64| i, (i,)).impure(),)).impure()
        })
        .collect();
    let sum = delayed(|parts: &Vec<u64>| parts.iter().sum::<u64>(), (parts,));
    let balance = Arc::new(Balance::default());
    assert_eq!(sum.compute_with(&processes.observed_by(balance.clone())).unwrap(), 780);
    let counts = balance.0.lock().unwrap();
    assert_eq!(counts.len(), 82);
    let held: Vec<_> = counts.values().filter(|(made, freed, nbytes)| made - freed != 0 || *nbytes != 0).collect();
    assert_eq!(held.len(), 1, "only the wanted value is still held: {counts:?}");
    drop(counts);
    // An undisturbed run tells of each task once.
    let (plan, _) = shared_plan(300);
    let balance = Arc::new(Balance::default());
    processes.run(&plan, &RunOptions::default().observe(balance.clone())).unwrap();
    assert!(balance.0.lock().unwrap().values().all(|(made, ..)| *made == 1));
}

/// Kills the worker of "large" when it hears that "x" is done there, and hears nothing else until that is noticed.
struct KillsLate {
    marks: Marks,
    /// Where "large" was made.
    worker: Mutex<Option<usize>>,
    has_killed: AtomicBool,
    is_noticed: AtomicBool,
}

impl Observer for KillsLate {
    fn event(&self, plan: &Plan, event: &Event<'_>) {
        let is = |task: &u32, name: &str| plan.key(*task) == Key::from(name);
        match event {
            Event::Finished { task, worker, .. } if is(task, "large") => *self.worker.lock().unwrap() = Some(*worker),
            Event::Finished { task, worker, .. } if is(task, "x") => {
                if *self.worker.lock().unwrap() == Some(*worker) {
                    let killed = seen(std::fs::read_to_string(self.marks.path("pid")).unwrap().parse().unwrap());
                    self.has_killed.store(true, Ordering::Relaxed);
                    send(killed.pid, Signal::KILL);
                    are_gone(&[killed]);
                }
                mark(&self.marks.path("go"));
                until(|| self.is_noticed.load(Ordering::Relaxed) || !self.has_killed.load(Ordering::Relaxed));
            }
            Event::Freed { task, .. } if is(task, "large") && self.has_killed.load(Ordering::Relaxed) => {
                self.is_noticed.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

pub(crate) fn a_worker_that_is_lost_before_its_results_are_read_is_an_attempt() {
    // Unless "x" runs where "large" is, which it does as a rule, there is nothing to see.
    for _ in 0..20 {
        let marks = Marks::new();
        let path = |name: &str| marks.path(name);
        let mut graph = Graph::new();
        graph.insert("small", task(|| 1u64, ()));
        let large = with((path("both"), path("pid")), |(both, pid): &(PathBuf, PathBuf)| {
            std::fs::write(pid, std::process::id().to_string()).unwrap();
            mark(both);
            until(|| std::fs::read(both).unwrap().len() >= 2);
            vec![1u64; 20_000]
        });
        graph.insert("large", task(large, ()));
        let other = with(path("both"), |both: &PathBuf| {
            mark(both);
            until(|| std::fs::read(both).unwrap().len() >= 2);
            vec![1u64; 1000]
        });
        graph.insert("other", task(other, ()));
        graph.insert("x", task(|large: &Vec<u64>, other: &Vec<u64>| large[0] + other[0], ("large", "other")));
        let waits = with(path("go"), |go: &PathBuf, other: &Vec<u64>, small: &u64| {
            await_file(go);
            other[0] + small
        });
        graph.insert("waits", task(waits, ("other", "small")));
        graph.insert("beside", task(|other: &Vec<u64>, small: &u64| other[0] + small, ("other", "small")));
        let last = |large: &Vec<u64>, waits: &u64, beside: &u64| large[0] + waits + beside;
        graph.insert("last", task(last, ("large", "waits", "beside")));
        let plan = plan(&graph, &["x", "last"].map(Key::from));

        let (worker, has_killed, is_noticed) = Default::default();
        let observer = Arc::new(KillsLate { marks, worker, has_killed, is_noticed });
        let processes = Processes::builder(2).attempts(1).build().unwrap();
        let result = processes.run(&plan, &RunOptions::default().observe(observer.clone()));
        if !observer.has_killed.load(Ordering::Relaxed) {
            assert_eq!(numbers(&result.unwrap()), [2, 5]);
            continue;
        }
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Task { key, .. } if *key == Key::from("x")), "{error}");
        assert!(matches!(error.find(), Some(WorkerError::TaskKillsWorkers { attempts: 1, .. })), "{error}");
        return no_orphans(processes, &[]);
    }
    panic!("no bundle went where its input was, twenty times");
}
