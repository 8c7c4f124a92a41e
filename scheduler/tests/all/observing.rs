//! What observers see.

use std::sync::{Arc, Mutex};

use arras_core::{Plan, delayed};
use arras_scheduler::{Compute, Event, Observer, Scheduler, Synchronous, Threads};

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

#[test]
fn every_task_starts_finishes_and_is_freed_after_its_last_reader() {
    let expected = [
        "run started",
        "first started",
        "first finished, 8 bytes",
        "second started",
        "second finished, 8 bytes",
        "first freed, 8 bytes",
        "run finished",
    ];
    let work = delayed(second, (delayed(first, ()),));
    let log = Arc::new(Log::default());
    work.compute_with(&Synchronous.observed_by(log.clone())).unwrap();
    assert_eq!(*log.0.lock().unwrap(), expected);
    for n in [1, 3] {
        let log = Arc::new(Log::default());
        work.compute_with(&Threads::new(n).observed_by(log.clone())).unwrap();
        assert_eq!(*log.0.lock().unwrap(), expected);
    }
}

#[test]
fn a_failure_is_seen_before_the_run_ends() {
    let log = Arc::new(Log::default());
    let work = delayed(first, ()).map(|_| -> u64 { panic!("no") });
    work.compute_with(&Threads::new(2).observed_by(log.clone())).unwrap_err();
    let log = log.0.lock().unwrap();
    assert!(log[log.len() - 2].contains("failed: task"), "{log:?}");
    assert_eq!(log[log.len() - 1], "run finished");
}

#[test]
fn a_report_reads_as_a_sentence() {
    let (_, report) = delayed(|| vec![0u8; 5000], ()).compute_with_report(&Synchronous).unwrap();
    let text = report.to_string();
    assert!(text.starts_with("1 task in "), "{text}");
    assert!(text.ends_with("at most 5.0 kB in 1 value"), "{text}");
    assert_eq!(report.busy.len(), 1);
}
