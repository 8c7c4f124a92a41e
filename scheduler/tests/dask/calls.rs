//! Calls and their futures.
#![expect(clippy::ptr_arg, reason = "a parameter of a task is of the type of its value")]

use std::future::IntoFuture;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant};

use arras_core::{Error, Panic, delayed, try_delayed};
use arras_scheduler::WorkerError;
use arras_scheduler::dask::{Client, DaskError, LocalOptions, Status, SubmitOptions, When, all, as_completed, wait};

use crate::cluster::{Cluster, Release, shared, wait_until};

/// Notes in a file that it ran; the files of a test are on the machine of the workers.
fn note(path: &Path) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(b"x").unwrap();
}

fn noted(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |notes| notes.len())
}

fn noting(path: &PathBuf, x: i64) -> i64 {
    note(path);
    x + 1
}

/// Waits until somebody makes the file.
fn after(path: &PathBuf, x: i64) -> i64 {
    wait_until("the test goes on", Duration::from_secs(60), || path.exists());
    x
}

/// Waits until the workers hold nothing that this client or others put there.
pub(crate) fn wait_until_empty(client: &Client) {
    wait_until("all values are freed", Duration::from_secs(20), || client.stats().unwrap().iter().all(|stats| stats.values == 0));
}

pub(crate) fn a_call_runs_on_the_cluster_and_its_value_comes_back(release: &Release) {
    let client = shared(release).client();
    let x = client.submit(f64::sqrt, (2.0,)).unwrap();
    assert_eq!(x.result().unwrap(), 2f64.sqrt());
    assert_eq!(x.status(), Status::Finished);
    assert!(x.exception().is_none() && x.traceback().is_empty());
    let process = client.submit(std::process::id, ()).unwrap().result().unwrap();
    assert!(client.stats().unwrap().iter().any(|stats| stats.pid == process), "it ran beside a worker");
    assert_ne!(process, std::process::id());
}

pub(crate) fn equal_calls_have_equal_keys_and_run_once_while_one_is_held(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let client = shared(release).client();
    let a = client.submit(noting, (path.clone(), 1)).unwrap();
    assert_eq!(a.result().unwrap(), 2);
    let b = client.submit(noting, (path.clone(), 1)).unwrap();
    assert_eq!(b.result().unwrap(), 2);
    assert_eq!((a.key(), a.dask_key()), (b.key(), b.dask_key()));
    assert!(a.dask_key().starts_with("('noting-"), "{}", a.dask_key());
    assert_eq!(noted(&path), 1);
    let other = client.submit(noting, (path.clone(), 2)).unwrap();
    assert_ne!(other.key(), a.key());
    assert_ne!(other.dask_key(), a.dask_key());
    // Another client of the same program means the same by it.
    let second = shared(release).client();
    assert_eq!(second.submit(noting, (path.clone(), 1)).unwrap().result().unwrap(), 2);
    assert_eq!((other.result().unwrap(), noted(&path)), (3, 2));
}

pub(crate) fn an_impure_call_runs_each_time(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let client = shared(release).client();
    let futures: Vec<_> = (0..3).map(|_| client.start(&delayed(noting, (path.clone(), 1)).impure()).unwrap()).collect();
    assert_eq!(client.gather(&futures).unwrap(), [2, 2, 2]);
    assert_eq!(noted(&path), 3);
}

pub(crate) fn a_map_is_a_call_for_each_item_and_the_same_as_single_calls(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let client = shared(release).client();
    let calls: Vec<_> = (0..20).map(|i| delayed(noting, (path.clone(), i))).collect();
    let futures = client.start_all(&calls).unwrap();
    assert_eq!(client.gather(&futures).unwrap(), (1..21).collect::<Vec<i64>>());
    let seven = client.submit(noting, (path.clone(), 7)).unwrap();
    assert_eq!((seven.dask_key(), seven.result().unwrap()), (futures[7].dask_key(), 8));
    assert_eq!(noted(&path), 20);
    let squares = client.map(|x: i64| x * x, 0..5).unwrap();
    assert_eq!(client.gather(&squares).unwrap(), [0, 1, 4, 9, 16]);
    assert!(client.map(|x: i64| x, Vec::<i64>::new()).unwrap().is_empty());
}

pub(crate) fn futures_are_arguments_and_are_read_where_they_are(release: &Release) {
    let client = shared(release).client();
    let x = client.submit(|n: usize| vec![1.5f64; n], (1000,)).unwrap();
    let y = client.submit(|x: &Vec<f64>, k: i64| x.iter().sum::<f64>() * k as f64, (&x, 2i64)).unwrap();
    assert_eq!(y.result().unwrap(), 3000.0);
    let parts = client.map(|i: i64| i as f64, 0..10).unwrap();
    let sum = client.submit(|parts: &Vec<f64>| parts.iter().sum::<f64>(), (all(&parts),)).unwrap();
    assert_eq!(sum.result().unwrap(), 45.0);
    // What it stands on may go before it has run.
    let z = client.submit(|x: f64| x + 1.0, (client.submit(|| 1.0, ()).unwrap(),)).unwrap();
    assert_eq!(z.result().unwrap(), 2.0);
    let same = client.start(&x.delayed()).unwrap();
    assert_eq!(same.dask_key(), x.dask_key());
}

pub(crate) fn errors_and_panics_come_back_with_key_function_and_words(release: &Release) {
    let client = shared(release).client();
    let failed = client.try_submit(|text: &String| text.parse::<i64>(), ("4 2".to_owned(),)).unwrap();
    let error = failed.result().unwrap_err();
    let Error::Task { key, func, .. } = &error else { panic!("{error:?}") };
    assert_eq!(key, failed.key());
    assert!(func.contains("errors_and_panics"), "{func}");
    assert!(matches!(error.find(), Some(WorkerError::Failed { message }) if message.contains("invalid digit")), "{error:?}");
    assert_eq!(failed.status(), Status::Failed);
    assert!(failed.traceback().contains("arras_glue"), "{}", failed.traceback());
    let panicked = client.submit(|x: i64| if x > 0 { panic!("too much: {x}") } else { x }, (3,)).unwrap();
    let error = panicked.exception().unwrap();
    assert_eq!(error.find::<Panic>().unwrap().message(), "too much: 3");
    assert!(matches!(&error, Error::Task { key, .. } if key == panicked.key()));
    // The workers are as good as before.
    assert_eq!(client.submit(|x: i64| x, (3,)).unwrap().result().unwrap(), 3);
}

pub(crate) fn what_stands_on_a_failed_call_fails_with_the_error_of_that_call(release: &Release) {
    let client = shared(release).client();
    let failed = client.try_submit(|text: &String| text.parse::<i64>(), ("x".to_owned(),)).unwrap();
    let after = client.submit(|x: i64| x + 1, (&failed,)).unwrap();
    let error = after.result().unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if key == failed.key()), "{error:?}");
    let good = client.submit(|| 1i64, ()).unwrap();
    assert!(client.gather(&[good, after]).unwrap_err().find::<WorkerError>().is_some());
}

pub(crate) fn a_failed_call_is_retried_by_the_cluster_or_by_hand(release: &Release) {
    fn third_time(path: &PathBuf) -> Result<usize, String> {
        note(path);
        if noted(path) < 3 { Err(format!("attempt {}", noted(path))) } else { Ok(noted(path)) }
    }
    let folder = tempfile::tempdir().unwrap();
    let client = shared(release).client();
    let by_cluster = client.with(SubmitOptions::new().retries(2)).try_submit(third_time, (folder.path().join("a"),)).unwrap();
    assert_eq!(by_cluster.result().unwrap(), 3);
    let by_hand = client.try_submit(third_time, (folder.path().join("b"),)).unwrap();
    for attempt in 1..3 {
        let error = by_hand.exception().unwrap();
        assert!(error.to_string().contains(&format!("attempt {attempt}")), "{error}");
        assert!(matches!(&error, Error::Task { key, .. } if key == by_hand.key()));
        by_hand.retry().unwrap();
    }
    assert_eq!(by_hand.result().unwrap(), 3);
    // There is nothing to retry any more.
    by_hand.retry().unwrap();
    assert_eq!(by_hand.status(), Status::Finished);
}

pub(crate) fn a_cancelled_call_says_so_and_frees_its_worker(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    let client = shared(release).client();
    // More than the workers have threads, so that some have not started.
    let calls = client.start_all(&(0..6).map(|i| delayed(after, (path.clone(), i))).collect::<Vec<_>>()).unwrap();
    for call in &calls {
        call.cancel().unwrap();
    }
    for call in &calls {
        assert!(call.wait(Some(Duration::from_secs(20))));
        assert_eq!(call.status(), Status::Cancelled);
        assert!(matches!(call.result().unwrap_err().find(), Some(DaskError::Cancelled { .. })));
    }
    let after = client.submit(|x: i64| x * 2, (&calls[0],)).unwrap();
    assert!(matches!(after.result().unwrap_err().find(), Some(DaskError::Cancelled { .. })));
    note(&path);
    assert_eq!(client.submit(|x: i64| x * 3, (1,)).unwrap().result().unwrap(), 3);
    drop((calls, after));
    wait_until_empty(&client);
}

pub(crate) fn futures_end_in_their_own_order(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    let client = shared(release).client();
    let slow = client.submit(after, (path.clone(), 1)).unwrap();
    let fast = client.submit(|x: i64| x + 2, (0,)).unwrap();
    let futures = [slow.clone(), fast.clone()];
    let first = wait(&futures, When::First, None);
    assert_eq!((first.done.len(), first.done[0].key(), first.pending[0].key()), (1, fast.key(), slow.key()));
    let started = Instant::now();
    let both = wait(&futures, When::All, Some(Duration::from_millis(50)));
    assert_eq!((both.done.len(), both.pending.len()), (1, 1));
    assert!(started.elapsed() >= Duration::from_millis(50));
    let mut ended = as_completed(futures.clone());
    assert_eq!(ended.len(), 2);
    assert_eq!(ended.next().unwrap().key(), fast.key());
    note(&path);
    assert_eq!(ended.next().unwrap().result().unwrap(), 1);
    assert!(ended.next().is_none());
    assert!(wait(&futures, When::All, None).pending.is_empty());
    // As long as it takes.
    let forever = Some(Duration::MAX);
    assert!(slow.wait(forever) && wait(&futures, When::First, forever).done.len() == 2);
    client.wait_for_workers(2, forever).unwrap();
    let error = client.wait_for_workers(99, Some(Duration::ZERO)).unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::TimedOut { .. })), "{error:?}");
    assert!(wait::<i64>(&[], When::First, None).done.is_empty());
}

pub(crate) fn callbacks_run_once_and_may_ask_for_results(release: &Release) {
    let client = shared(release).client();
    let (sender, called) = mpsc::channel();
    let future = client.submit(|x: i64| x + 40, (2,)).unwrap();
    let before = sender.clone();
    future.add_done_callback(move |future| before.send(future.result().unwrap()).unwrap());
    future.wait(None);
    let panics = sender.clone();
    future.add_done_callback(move |_| {
        let _keep = panics;
        panic!("a callback's own affair");
    });
    let failed = client.try_submit(|text: &String| text.parse::<i64>(), ("x".to_owned(),)).unwrap();
    failed.add_done_callback(move |future| sender.send(i64::from(future.result().is_err())).unwrap());
    drop((future, failed));
    assert_eq!(called.iter().collect::<Vec<_>>(), [42, 1]);
}

pub(crate) fn futures_can_be_awaited(release: &Release) {
    let client = shared(release).client();
    let x = client.submit(|x: i64| x + 1, (1,)).unwrap();
    let y = client.submit(|x: i64| x * 10, (&x,)).unwrap();
    let failed = client.try_submit(|text: &String| text.parse::<i64>(), ("x".to_owned(),)).unwrap();
    let (x, y, failed) = block_on(async move { (x.clone().await, y.await, failed.await) });
    assert_eq!((x.unwrap(), y.unwrap()), (2, 20));
    assert!(failed.unwrap_err().find::<WorkerError>().is_some());
}

/// A task that polls itself where it is woken, as executors may.
struct PollsAtOnce {
    future: Mutex<Option<Pin<Box<dyn Future<Output = i64> + Send>>>>,
    done: mpsc::Sender<i64>,
}

impl Wake for PollsAtOnce {
    fn wake(self: Arc<Self>) {
        let waker = Arc::clone(&self).into();
        let mut future = self.future.lock().unwrap();
        let polled = future.as_mut().map(|future| future.as_mut().poll(&mut Context::from_waker(&waker)));
        if let Some(Poll::Ready(value)) = polled {
            *future = None;
            self.done.send(value).unwrap();
        }
    }
}

pub(crate) fn an_executor_may_poll_where_it_is_woken(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    let client = shared(release).client();
    let (slow, other) = (client.submit(after, (path.clone(), 1)).unwrap(), client.submit(|x: i64| x, (41,)).unwrap());
    let (done, values) = mpsc::channel();
    // What it does between may wait, too.
    let future = async move { slow.await.unwrap() + other.result().unwrap() };
    Arc::new(PollsAtOnce { future: Mutex::new(Some(Box::pin(future))), done }).wake();
    note(&path);
    assert_eq!(values.recv_timeout(Duration::from_secs(60)), Ok(42));
}

/// The smallest executor there is.
fn block_on<F: IntoFuture>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future.into_future());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

pub(crate) fn values_are_scattered_broadcast_and_replicated(release: &Release) {
    let client = shared(release).client();
    let one = client.scatter(vec![1i64, 2, 3], false).unwrap();
    assert_eq!((one.status(), one.who_has().unwrap().len()), (Status::Finished, 1));
    let everywhere = client.scatter(vec![4i64], true).unwrap();
    assert_eq!(everywhere.who_has().unwrap().len(), 2);
    client.replicate(std::slice::from_ref(&one), None).unwrap();
    wait_until("it is copied", Duration::from_secs(20), || one.who_has().unwrap().len() == 2);
    let sum = client.submit(|x: &Vec<i64>, y: &Vec<i64>| x.iter().chain(y).sum::<i64>(), (&one, &everywhere)).unwrap();
    assert_eq!(sum.result().unwrap(), 10);
    assert_eq!(one.result().unwrap(), [1, 2, 3]);
}

pub(crate) fn what_nobody_holds_is_forgotten_by_the_cluster(release: &Release) {
    let client = shared(release).client();
    wait_until_empty(&client);
    let x = client.submit(|n: usize| vec![0u64; n], (10_000,)).unwrap();
    let y = client.submit(|x: &Vec<u64>| x.len(), (&x,)).unwrap();
    assert_eq!(y.result().unwrap(), 10_000);
    let stats = client.stats().unwrap();
    assert_eq!(stats.len(), 2);
    assert!(stats.iter().map(|stats| stats.resident_nbytes).sum::<u64>() >= 80_000, "{stats:?}");
    drop(x);
    wait_until("the first is freed", Duration::from_secs(20), || {
        client.stats().unwrap().iter().map(|stats| stats.resident_nbytes).sum::<u64>() < 80_000
    });
    drop(y);
    wait_until_empty(&client);
}

pub(crate) fn a_map_lets_go_of_what_only_its_ended_calls_read(release: &Release) {
    fn length(path: &PathBuf, i: u64, x: &Vec<u64>) -> usize {
        if i == 3 {
            wait_until("the test goes on", Duration::from_secs(60), || path.exists());
        }
        x.len()
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    // One worker, so that there are no copies; two threads, so that the others go on.
    let cluster = Cluster::with(release, LocalOptions::new(1, 2));
    let client = cluster.client();
    let inputs = client.map(|i: u64| vec![i; 10_000], 0..10).unwrap();
    let calls: Vec<_> = (0..10).zip(&inputs).map(|(i, x)| delayed(length, (path.clone(), i, x))).collect();
    let lengths = client.start_all(&calls).unwrap();
    drop((inputs, calls));
    let values = || client.stats().unwrap().iter().map(|stats| stats.values).sum::<u64>();
    wait_until("all but one have ended", Duration::from_secs(20), || lengths.iter().filter(|length| length.is_done()).count() == 9);
    wait_until("one input is left, and nine lengths", Duration::from_secs(20), || values() == 10);
    note(&path);
    assert_eq!(client.gather(&lengths).unwrap(), [10_000; 10]);
    drop((lengths, client));
    cluster.end();
}

pub(crate) fn futures_that_are_dropped_at_once_leave_nothing(release: &Release) {
    let client = shared(release).client();
    for i in 0..50i64 {
        let future = client.submit(|x: i64| vec![x; 1000], (i,)).unwrap();
        if i % 2 == 0 {
            drop(client.submit(|x: &Vec<i64>| x.clone(), (&future,)).unwrap());
        }
    }
    wait_until_empty(&client);
    // The cluster has taken notice of all of them by now.
    assert_eq!(client.submit(|x: i64| vec![x; 1000], (49,)).unwrap().result().unwrap().len(), 1000);
    wait_until_empty(&client);
}

pub(crate) fn what_cannot_travel_is_refused_at_submit(release: &Release) {
    let client = shared(release).client();
    let k = 3i64;
    let error = client.submit(move |x: i64| x + k, (1,)).unwrap_err();
    assert!(matches!(&error, Error::NotPortable { why, .. } if why.contains("captures")), "{error:?}");
    let opaque = delayed(|x: &arras_core::Opaque<i64>| x.0, (arras_core::Opaque(1i64),));
    assert!(matches!(client.start(&opaque), Err(Error::NotPortable { .. })));
}

pub(crate) fn options_reach_the_cluster(release: &Release) {
    let client = shared(release).client();
    let workers = client.workers().unwrap();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|worker| worker.threads == 1 && worker.memory_limit > 0 && worker.name.starts_with("worker-")));
    for worker in &workers {
        let only = client.with(SubmitOptions::new().workers([&worker.address]).priority(5));
        let futures = only.start_all(&(0..4).map(|i| delayed(|x: i64| x, (i,)).impure()).collect::<Vec<_>>()).unwrap();
        only.gather(&futures).unwrap();
        assert!(futures.iter().all(|future| future.who_has().unwrap() == [worker.address.clone()]));
    }
    // No worker has this resource, so it waits until it is wanted no more.
    let never = client.with(SubmitOptions::new().resource("TELEPORT", 1.0)).submit(|x: i64| x - 1, (1,)).unwrap();
    assert!(!never.wait(Some(Duration::from_millis(300))));
    let elsewhere = SubmitOptions::new().workers(["10.255.255.1"]).allow_other_workers(true);
    assert_eq!(client.with(elsewhere).submit(|x: i64| x - 2, (1,)).unwrap().result().unwrap(), -1);
    assert!(client.address().starts_with("tcp://127.0.0.1:"));
}

pub(crate) fn text_that_slows_picklers_down_travels_too(release: &Release) {
    let client = shared(release).client();
    for text in ["__main__", "('x', 1)", "\u{0}\u{7f}ü€😀"] {
        let text = text.to_owned();
        let length = client.submit(|text: &String| text.len(), (text.clone(),)).unwrap();
        let back = client.submit(|text: &String| text.clone(), (text.clone(),)).unwrap();
        assert_eq!((length.result().unwrap(), back.result().unwrap()), (text.len(), text));
    }
    // Names of users' are names of Dask's.
    for name in ["", "-", "__main__", "a b", "<x>", "(", "sum-0123456789abcdef0123456789abcdef", "€"] {
        let graph = arras_core::Graph::from_iter([(name, arras_core::task(|| 7i64, ()))]);
        let value = arras_core::Delayed::<i64>::from_graph(graph, name);
        assert_eq!(client.start(&value).unwrap().result().unwrap(), 7, "{name:?}");
    }
    let failing = try_delayed(|| Err::<i64, _>("__main__ is no excuse"), ());
    assert!(client.start(&failing).unwrap().exception().unwrap().to_string().contains("no excuse"));
}
