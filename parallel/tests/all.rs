//! Public behaviour of `Parallel`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::{Error, Panic};
use arras_parallel::{Parallel, cpu_count, delayed, effective_n_jobs, try_delayed};
use arras_scheduler::{Scheduler, Synchronous, Threads, current_scheduler, with_scheduler};

#[test]
fn results_come_in_the_order_of_the_calls() {
    for n_jobs in [1, 2, 3, -1, -100] {
        let parallel = Parallel::new().n_jobs(n_jobs);
        let slow_first = |i: u64| {
            std::thread::sleep(std::time::Duration::from_micros(200 * (20 - i)));
            i
        };
        assert_eq!(parallel.map(0..20, slow_first).unwrap(), (0..20).collect::<Vec<u64>>());
        // The same workers again.
        assert_eq!(parallel.run((0..6).map(|i| delayed(f64::sqrt, (f64::from(i * i),)))).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

#[test]
fn on_either_scheduler() {
    let calls = || (0..10).map(|i| delayed(|i: i32| i - 5, (i,)));
    let expected: Vec<i32> = (-5..5).collect();
    assert_eq!(Parallel::new().run_with(&Synchronous, calls()).unwrap(), expected);
    assert_eq!(Parallel::new().run_with(&Threads::new(2), calls()).unwrap(), expected);
}

#[test]
fn no_calls_and_one() {
    assert_eq!(Parallel::new().n_jobs(2).run(Vec::<arras_core::Delayed<i32>>::new()).unwrap(), Vec::<i32>::new());
    assert_eq!(Parallel::new().n_jobs(2).map([7], |x: i32| x).unwrap(), [7]);
}

#[test]
fn equal_calls_run_each_for_itself() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let seen = Parallel::new().n_jobs(2).run((0..10).map(|_| delayed(|| COUNT.fetch_add(1, Ordering::SeqCst), ()))).unwrap();
    assert_eq!(seen.len(), 10);
    assert_eq!(COUNT.load(Ordering::SeqCst), 10);
}

#[test]
fn calls_may_stand_on_a_shared_delayed_value() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let data = delayed(
        move || {
            counted.fetch_add(1, Ordering::SeqCst);
            vec![1.0, 2.0, 3.0]
        },
        (),
    );
    let scaled = Parallel::new()
        .n_jobs(2)
        .run((0..4).map(|k| delayed(|data: &Vec<f64>, k: i32| data.iter().sum::<f64>() * f64::from(k), (&data, k))))
        .unwrap();
    assert_eq!(scaled, [0.0, 6.0, 12.0, 18.0]);
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn the_first_failing_call_is_named_and_the_rest_not_started() {
    for n_jobs in [1, 2] {
        let started = Arc::new(AtomicUsize::new(0));
        let calls = (0..1000).map(|i| {
            let started = Arc::clone(&started);
            try_delayed(
                move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_micros(50));
                    if i == 3 { Err("three is out") } else { Ok(i) }
                },
                (),
            )
        });
        let error = Parallel::new().n_jobs(n_jobs).run(calls).unwrap_err();
        let Error::Task { key, .. } = &error else { panic!("{error}") };
        assert_eq!(key.index(), [3]);
        assert!(error.to_string().contains("three is out"));
        assert!(started.load(Ordering::SeqCst) < 500);
    }
}

#[test]
fn a_panicking_call_is_an_error() {
    let error = Parallel::new().n_jobs(2).map(0..10, |i: i32| assert_ne!(i, 5)).unwrap_err();
    assert!(error.find::<Panic>().unwrap().message().contains("assertion"), "{error}");
}

#[test]
fn nested_runs_share_the_workers() {
    let sums = Parallel::new()
        .n_jobs(2)
        .map(0..8u64, |i| {
            let workers = current_scheduler().unwrap().n_workers();
            let inner = Parallel::new().n_jobs(4).map(0..10u64, move |k| (k * i, current_scheduler().unwrap().n_workers())).unwrap();
            assert!(inner.iter().all(|&(_, n)| n == workers && n == 2));
            inner.iter().map(|&(product, _)| product).sum::<u64>()
        })
        .unwrap();
    assert_eq!(sums, (0..8).map(|i| 45 * i).collect::<Vec<u64>>());
}

#[test]
fn without_a_number_the_context_decides() {
    let workers = || Parallel::new().map([()], |()| current_scheduler().unwrap().n_workers()).unwrap()[0];
    assert_eq!(workers(), 1);
    assert_eq!(with_scheduler(Threads::new(3), workers), 3);
    assert_eq!(
        with_scheduler(Threads::new(3), || Parallel::new().n_jobs(2).map([()], |()| current_scheduler().unwrap().n_workers())).unwrap(),
        [2]
    );
}

#[test]
fn zero_jobs_have_no_meaning() {
    let error = Parallel::new().n_jobs(0).map([1], |x: i32| x).unwrap_err();
    assert!(matches!(error, Error::Setting { what: "n_jobs", .. }), "{error}");
    assert_eq!(effective_n_jobs(-1).unwrap(), cpu_count());
}
