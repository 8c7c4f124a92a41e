//! Runs that end early.

use std::path::PathBuf;

use arras_core::{Error, delayed, with};
use arras_scheduler::{CancelToken, Compute, Scheduler};

use crate::support::*;

pub(crate) fn a_run_that_was_cancelled_before_it_began() {
    let processes = processes(2);
    let token = CancelToken::new();
    token.cancel();
    let result = delayed(|| 1, ()).compute_with(&processes.cancelled_by(&token));
    assert!(matches!(result, Err(Error::Cancelled { finished: 0, total: 1 })));
    assert_eq!(processes.pids(), [0; 0]);
}

pub(crate) fn a_cancelled_run_ends_and_leaves_nothing() {
    let marks = Marks::new();
    let processes = processes(2);
    // Each task makes a mark and waits until the run was cancelled; those behind it must not start.
    let wait = |(mark_at, go): &(PathBuf, PathBuf)| {
        mark(mark_at);
        await_file(go);
        vec![0u8; 100_000]
    };
    let first: Vec<_> = (0..2).map(|i| delayed(with((marks.path(&format!("started{i}")), marks.path("go")), wait), ())).collect();
    let rest: Vec<_> = (0..200)
        .map(|i: u64| {
            delayed(with(marks.path("rest"), |path: &PathBuf, _: &Vec<Vec<u8>>, i: u64| (mark(path) as u64, i)), (first.clone(), i))
        })
        .collect();
    let token = CancelToken::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            await_file(&marks.path("started0"));
            await_file(&marks.path("started1"));
            token.cancel();
            std::fs::write(marks.path("go"), "").unwrap();
        });
        rest.compute_with(&processes.cancelled_by(&token))
    });
    let Err(Error::Cancelled { finished, total: 203 }) = result else { panic!("{result:?}") };
    assert!(finished <= 2, "{finished}");
    assert_eq!(marks.count("rest"), 0);
    nothing_is_left(&processes);
    let pids = processes.pids();
    assert_eq!(delayed(|| 5, ()).compute_with(&processes).unwrap(), 5);
    assert_eq!(processes.pids(), pids, "workers are used again");
    no_orphans(processes, &[]);
}

pub(crate) fn a_failed_run_stops_the_others_and_leaves_nothing() {
    let marks = Marks::new();
    let processes = processes(2);
    // A chain on one worker, which would go on for long, and a failure beside it once that has begun.
    let mut chain = delayed(with(marks.path("begun"), |path: &PathBuf| mark(path)), ());
    for _ in 0..2_000 {
        let slow = with(marks.path("steps"), |path: &PathBuf, x: &usize| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            mark(path) + x
        });
        chain = delayed(slow, (&chain,));
    }
    let fails = delayed(
        with(marks.path("begun"), |path: &PathBuf| -> usize {
            await_file(path);
            panic!("on purpose")
        }),
        (),
    );
    let error = (chain, fails.clone()).compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == fails.key()), "{error}");
    let steps = marks.count("steps");
    assert!(steps < 2_000);
    nothing_is_left(&processes);
    assert_eq!(delayed(|| 5, ()).compute_with(&processes).unwrap(), 5);
    assert_eq!(marks.count("steps"), steps, "nothing went on");
    no_orphans(processes, &[]);
}
