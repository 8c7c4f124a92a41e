//! Which scheduler `compute()` uses: scope, the task's own, the environment, threads.

use arras_core::{Opaque, delayed};
use arras_scheduler::{Compute, Scheduler, Synchronous, Threads, cpu_count, current_scheduler, with_scheduler};

fn current() -> (String, usize) {
    let scheduler = current_scheduler().unwrap();
    (scheduler.name(), scheduler.n_workers())
}

#[test]
fn threads_on_all_cpus_by_default() {
    if std::env::var_os("ARRAS_SCHEDULER").is_none() {
        assert_eq!(current(), ("threads".to_owned(), cpu_count()));
    }
}

#[test]
fn the_innermost_scope_wins_and_ends() {
    let outside = current();
    with_scheduler(Threads::new(3), || {
        assert_eq!(current(), ("threads".to_owned(), 3));
        with_scheduler(Synchronous, || assert_eq!(current().0, "synchronous"));
        assert_eq!(current(), ("threads".to_owned(), 3));
    });
    assert_eq!(current(), outside);
}

#[test]
fn a_panic_in_a_scope_ends_it_too() {
    let outside = current();
    let _ = std::panic::catch_unwind(|| with_scheduler(Synchronous, || panic!("out")));
    assert_eq!(current(), outside);
}

#[test]
fn a_task_inherits_the_scheduler_that_runs_it() {
    let many: Vec<_> = (0..20).map(|_| delayed(current, ()).impure()).collect();
    for seen in many.compute_with(&Threads::new(3)).unwrap() {
        assert_eq!(seen, ("threads".to_owned(), 3));
    }
    let seen = with_scheduler(Threads::new(2), || delayed(current, ()).compute_with(&Synchronous).unwrap());
    assert_eq!(seen.0, "synchronous");
}

#[test]
fn a_borrowed_shared_or_boxed_scheduler_will_do() {
    let shared: std::sync::Arc<dyn Scheduler> = std::sync::Arc::new(Synchronous);
    assert_eq!(delayed(|| Opaque(1), ()).compute_with(&shared).unwrap(), Opaque(1));
}

/// Runs this test again in a process with the variable set.
fn with_variable(value: &str) -> String {
    let test = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "all::choosing_a_scheduler::child", "--nocapture"])
        .env("ARRAS_SCHEDULER", value)
        .env("ARRAS_TEST_CHILD", "1")
        .output()
        .unwrap();
    String::from_utf8(test.stdout).unwrap()
}

#[test]
fn child() {
    if std::env::var_os("ARRAS_TEST_CHILD").is_some() {
        match current_scheduler() {
            Ok(scheduler) => println!("scheduler: {}", scheduler.name()),
            Err(error) => println!("error: {error}"),
        }
    }
}

#[test]
fn the_environment_chooses_for_a_whole_run() {
    assert!(with_variable("synchronous").contains("scheduler: synchronous"));
    assert!(with_variable("threads").contains("scheduler: threads"));
    assert!(with_variable("thread").contains("error: ARRAS_SCHEDULER: \"thread\" is not one of"), "{}", with_variable("thread"));
}
