//! A token ends a run from outside; what runs finishes, nothing else starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::{Delayed, Error, delayed};
use arras_scheduler::{CancelToken, Compute, Scheduler, Synchronous, Threads};

fn cancelled_after_ten(scheduler: impl Fn(&Vec<Delayed<usize>>, &CancelToken) -> Result<Vec<usize>, Error>) {
    let token = CancelToken::new();
    let count = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (token, count) = (token.clone(), Arc::clone(&count));
            delayed(
                move || {
                    let n = count.fetch_add(1, Ordering::SeqCst) + 1;
                    if n == 10 {
                        token.cancel();
                    }
                    n
                },
                (),
            )
        })
        .collect();
    match scheduler(&tasks, &token) {
        Err(Error::Cancelled { finished, total: 1000 }) => {
            assert!((10..100).contains(&finished), "{finished}");
            assert_eq!(count.load(Ordering::SeqCst), finished);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn from_inside_a_task() {
    cancelled_after_ten(|tasks, token| tasks.compute_with(&Synchronous.cancelled_by(token)));
    for n in [1, 2, 4] {
        cancelled_after_ten(|tasks, token| tasks.compute_with(&Threads::new(n).cancelled_by(token)));
    }
}

#[test]
fn a_run_that_is_done_is_not_cancelled_afterwards() {
    let token = CancelToken::new();
    let inner = token.clone();
    let last = delayed(
        move || {
            inner.cancel();
            1
        },
        (),
    );
    assert_eq!(last.compute_with(&Threads::new(2).cancelled_by(&token)).unwrap(), 1);
}
