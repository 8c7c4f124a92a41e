//! Tasks that compute, and use rayon, inside: no deadlock, no stacks of strangers, no thread lost.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arras_core::{Delayed, Error, Plan, delayed};
use arras_scheduler::{Compute, Event, Observer, Scheduler, Threads};
use rayon::prelude::*;

/// Fails the test instead of hanging it.
fn within<R: Send + 'static>(limit: Duration, body: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(body()));
    receiver.recv_timeout(limit).expect("no deadlock, and no panic")
}

const LIMIT: Duration = Duration::from_secs(60);

fn many<T: arras_core::Data>(n: usize, task: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<Delayed<T>> {
    let task = Arc::new(task);
    (0..n)
        .map(|i| {
            let task = Arc::clone(&task);
            delayed(move || task(i), ())
        })
        .collect()
}

/// Each level computes four of the next.
fn levels(depth: usize) -> u64 {
    if depth == 0 {
        return 1;
    }
    many(4, move |_| levels(depth - 1)).compute().unwrap().iter().sum()
}

#[test]
fn four_levels_deep_on_one_and_on_two_threads() {
    for n in [1, 2] {
        let sum = within(LIMIT, move || many(8, |_| levels(4)).compute_with(&Threads::new(n)).unwrap().iter().sum::<u64>());
        assert_eq!(sum, 8 * 256);
    }
}

#[test]
fn four_levels_with_rayon_on_every_level() {
    fn levels(depth: usize) -> u64 {
        if depth == 0 {
            return (0..100u64).into_par_iter().sum();
        }
        // compute → task → rayon → compute → …
        (0..2usize).into_par_iter().map(|_| many(2, move |_| levels(depth - 1)).compute().unwrap().iter().sum::<u64>()).sum()
    }
    for n in [1, 2] {
        let sum = within(LIMIT, move || many(4, |_| levels(4)).compute_with(&Threads::new(n)).unwrap().iter().sum::<u64>());
        assert_eq!(sum, 4 * 256 * 4950);
    }
}

#[test]
fn a_lock_held_across_the_inner_run() {
    for n in [1, 2, 4] {
        within(LIMIT, move || {
            let lock = Arc::new(Mutex::new(()));
            many(200, move |_| {
                let _held = lock.lock().unwrap();
                many(4, |i| i).compute().unwrap();
            })
            .compute_with(&Threads::new(n))
            .unwrap();
        });
    }
}

#[test]
fn no_more_outer_tasks_on_a_thread_than_levels() {
    thread_local! {
        static STACKED: Cell<usize> = const { Cell::new(0) };
    }
    for n in [1, 2, 3] {
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        within(LIMIT, move || {
            many(500, move |_| {
                STACKED.set(STACKED.get() + 1);
                seen.fetch_max(STACKED.get(), Ordering::SeqCst);
                many(4, |i| std::thread::sleep(Duration::from_micros(20 + 30 * i as u64))).compute().unwrap();
                STACKED.set(STACKED.get() - 1);
            })
            .compute_with(&Threads::new(n))
            .unwrap();
        });
        assert_eq!(most.load(Ordering::SeqCst), 1, "{n} threads");
    }
}

#[test]
fn an_inner_run_does_not_wait_for_a_strangers_task() {
    // Long tasks fill the pool; they end only when all inner runs are done, so an inner run that had to wait for one would never end.
    within(LIMIT, || {
        let inner_left = Arc::new(AtomicUsize::new(6));
        let stuck = Arc::new(AtomicBool::new(false));
        let (left, saw_stuck) = (Arc::clone(&inner_left), Arc::clone(&stuck));
        many(12, move |i| {
            if i % 2 == 0 {
                many(4, |k| std::thread::sleep(Duration::from_millis(1 + 3 * k as u64))).compute().unwrap();
                left.fetch_sub(1, Ordering::SeqCst);
            } else {
                let started = Instant::now();
                // A long task waits for the inner runs that have started, not for those that queue behind it: it gives up after a while.
                while left.load(Ordering::SeqCst) > 0 && started.elapsed() < Duration::from_millis(200) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                saw_stuck.fetch_or(started.elapsed() > Duration::from_secs(20), Ordering::SeqCst);
            }
        })
        .compute_with(&Threads::new(2))
        .unwrap();
        assert_eq!(inner_left.load(Ordering::SeqCst), 0);
        assert!(!stuck.load(Ordering::SeqCst));
    });
}

#[test]
fn a_parked_caller_lends_its_slot() {
    // On two threads: A's inner run ends up with its last task on the other thread, which waits until a third outer task has run. Only a thread that takes A's place can run
    // that.
    within(LIMIT, || {
        let third_ran = Arc::new(AtomicBool::new(false));
        let inner_started = Arc::new(AtomicUsize::new(0));
        let threads = Threads::new(2);
        let (ran, started) = (Arc::clone(&third_ran), Arc::clone(&inner_started));
        let outer = many(3, move |i| {
            if i == 0 {
                let (ran, started) = (Arc::clone(&ran), Arc::clone(&started));
                let inner = many(2, move |_| {
                    // Both inner tasks run at once, on two threads; one ends when both have started, the other when the third outer task has run.
                    let order = started.fetch_add(1, Ordering::SeqCst);
                    while started.load(Ordering::SeqCst) < 2 {
                        std::thread::yield_now();
                    }
                    while order == 1 && !ran.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                });
                inner.compute().unwrap();
            } else if i == 2 {
                ran.store(true, Ordering::SeqCst);
            }
        });
        outer.compute_with(&threads).unwrap();
        assert!(third_ran.load(Ordering::SeqCst));
    });
}

#[test]
fn pools_inside_pools() {
    within(LIMIT, || {
        let (a, b) = (Threads::new(1), Threads::new(2));
        let inner = (a.clone(), b.clone());
        let sum: usize = many(20, move |_| {
            let a = inner.0.clone();
            let task = move |i| many(2, move |k| i + k).compute_with(&a).unwrap().iter().sum::<usize>();
            many(3, task).compute_with(&inner.1).unwrap().iter().sum::<usize>()
        })
        .compute_with(&a)
        .unwrap()
        .iter()
        .sum();
        assert_eq!(sum, 20 * 9);
        drop((a, b));
    });
}

#[test]
fn many_callers_at_once() {
    within(LIMIT, || {
        let threads = Threads::new(2);
        std::thread::scope(|scope| {
            for caller in 0..8 {
                let threads = &threads;
                scope.spawn(move || {
                    for round in 0..50 {
                        let sum: usize = many(20, move |i| i + caller + round).compute_with(threads).unwrap().iter().sum();
                        assert_eq!(sum, 190 + 20 * (caller + round));
                    }
                });
            }
        });
    });
}

#[test]
fn a_task_with_many_readers_wakes_a_thread_for_each() {
    // One root, so nobody but the caller is there when its readers become ready at once. They wait for each other.
    within(LIMIT, || {
        let threads = Threads::new(4);
        for round in 0..20 {
            let root = delayed(|| 1usize, ());
            let here = Arc::new(AtomicUsize::new(0));
            let readers: Vec<_> = (0..4)
                .map(|_| {
                    let here = Arc::clone(&here);
                    let wait = move |one: &usize| {
                        here.fetch_add(*one, Ordering::SeqCst);
                        let started = Instant::now();
                        while here.load(Ordering::SeqCst) < 4 && started.elapsed() < Duration::from_secs(10) {
                            std::thread::sleep(Duration::from_micros(100));
                        }
                        started.elapsed() < Duration::from_secs(10)
                    };
                    delayed(wait, (root.clone(),))
                })
                .collect();
            assert_eq!(readers.compute_with(&threads).unwrap(), [true; 4], "round {round}");
        }
    });
}

#[test]
fn an_observer_that_panics_at_a_failure_does_not_hang_the_run() {
    struct Panics;
    impl Observer for Panics {
        fn event(&self, _: &Plan, event: &Event<'_>) {
            assert!(!matches!(event, Event::Failed { .. }), "an observer panics");
        }
    }
    within(LIMIT, || {
        let threads = Threads::new(2);
        for bad in 0..20 {
            let tasks = many(20, move |i| assert!(i != bad, "the task panics"));
            let error = tasks.compute_with(&threads.observed_by(Arc::new(Panics))).unwrap_err();
            assert!(matches!(&error, Error::Task { source, .. } if source.to_string().contains("the task panics")), "{error:?}");
        }
        assert_eq!(many(20, |i| i).compute_with(&threads).unwrap().len(), 20);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_outlives_its_pool() {
    fn named(prefix: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter(|task| {
                task.as_ref().is_ok_and(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with(prefix)))
            })
            .count()
    }
    // In a process of its own: other tests have pools too.
    if std::env::var_os("ARRAS_TEST_CHILD").is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "all::nesting::no_thread_outlives_its_pool"])
            .env("ARRAS_TEST_CHILD", "1")
            .status()
            .unwrap();
        assert!(child.success());
        return;
    }
    for _ in 0..20 {
        let threads = Threads::new(3);
        many(10, |_| levels(2)).compute_with(&threads).unwrap();
        let _ = many(10, |i| assert!(i != 5)).compute_with(&threads);
        drop(threads);
        assert_eq!(named("arras-"), 0);
    }
}
