//! Whole plans: collections computed and persisted on the cluster.
#![expect(clippy::ptr_arg, reason = "a parameter of a task is of the type of its value")]

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use arras_core::{Collection, Delayed, Error, Graph, Key, Panic, alias, delayed, fallible_task, task, task_of_many, value, with};
use arras_scheduler::dask::{Client, DaskError, SubmitOptions};
use arras_scheduler::{CancelToken, Compute, Event, Observer, Scheduler, Synchronous, Threads, WorkerError, current_scheduler};

use crate::calls::wait_until_empty;
use crate::cluster::{Release, shared, wait_until};

/// The root mean square of n numbers, by a tree.
pub(crate) fn tree(n: u32) -> Delayed<f64> {
    let mut graph = Graph::new();
    for i in 0..n {
        graph.insert(("leaf", i), task(with(i, |i: &u32| f64::from(*i).sin()), ()));
        graph.insert(("square", i), task(|x: &f64| x * x, (("leaf", i),)));
    }
    let mut keys: Vec<Key> = (0..n).map(|i| Key::from(("square", i))).collect();
    for level in 0.. {
        if keys.len() == 1 {
            break;
        }
        let name = format!("sum-{level}");
        let sums = keys.chunks(8).map(|part| task_of_many(|xs: &[&f64]| xs.iter().copied().sum::<f64>(), part.to_vec()));
        let sums: Vec<_> = sums.collect();
        keys = (0..)
            .zip(sums)
            .map(|(i, sum)| {
                let key = Key::from((name.as_str(), i));
                graph.insert(key.clone(), sum);
                key
            })
            .collect();
    }
    graph.insert("total", alias(keys.remove(0)));
    Delayed::from_graph(graph, "total")
}

fn executed(client: &Client) -> u64 {
    client.stats().unwrap().iter().map(|stats| stats.executed).sum()
}

pub(crate) fn a_tree_gives_the_same_bits_as_threads_in_few_dask_tasks(release: &Release) {
    let client = shared(release).client();
    let total = tree(2000);
    let before = executed(&client);
    let here = total.compute_with(&Threads::new(2)).unwrap();
    for _ in 0..3 {
        assert_eq!(total.compute_with(&client).unwrap().to_bits(), here.to_bits());
    }
    let ran = executed(&client) - before;
    assert!((3..=100).contains(&ran), "{ran} sub-plans");
    assert_eq!((client.name(), client.n_workers()), ("dask".to_owned(), 2));
    // Wanted twice, wanted as it is, and nothing wanted.
    let pair = (total.clone(), Delayed::value(5i64), total.clone());
    assert_eq!(pair.compute_with(&client).unwrap(), (here, 5, here));
    assert!(Vec::<Delayed<i64>>::new().compute_with(&client).unwrap().is_empty());
    wait_until_empty(&client);
}

pub(crate) fn persisted_values_stay_on_the_workers_and_are_read_there(release: &Release) {
    let client = shared(release).client();
    wait_until_empty(&client);
    let parts: Vec<Delayed<Vec<f64>>> = (0..8).map(|i| delayed(|i: i64| vec![i as f64; 1000], (i,))).collect();
    let there = client.persist(&parts).unwrap();
    let held: u64 = client.stats().unwrap().iter().map(|stats| stats.resident_nbytes).sum();
    assert!(held >= 64_000, "{held} bytes");
    let graph = there.graph().unwrap();
    let Some(arras_core::Task::Value(value)) = graph.get(there[3].key()) else { panic!("no value") };
    let remote = value.as_remote().unwrap();
    assert!(remote.nbytes() >= 8000, "{}", remote.nbytes());
    assert!(remote.describe().contains(client.address()));
    let sums: Vec<_> = there.iter().map(|part| part.map(|part: &Vec<f64>| part.iter().sum::<f64>())).collect();
    let expected: Vec<f64> = (0..8).map(|i| f64::from(i) * 1000.0).collect();
    assert_eq!(sums.compute_with(&client).unwrap(), expected);
    // Other schedulers fetch what they read.
    assert_eq!(sums.compute_with(&Threads::new(2)).unwrap(), expected);
    assert_eq!(sums.compute_with(&Synchronous).unwrap(), expected);
    assert_eq!(there[3].compute_with(&client).unwrap(), vec![3.0; 1000]);
    let again = there.persist_with(&client.with(SubmitOptions::new().priority(1))).unwrap();
    drop((parts, there, sums, graph, value));
    assert_eq!(again[7].compute_with(&client).unwrap()[999], 7.0);
    drop(again);
    wait_until_empty(&client);
}

pub(crate) fn a_value_that_another_engine_holds_is_fetched_first(release: &Release) {
    let (first, second) = (shared(release).client(), shared(release).client());
    let there = first.persist(&delayed(|| vec![2i64; 100], ())).unwrap();
    let sum = there.map(|x: &Vec<i64>| x.iter().sum::<i64>());
    assert_eq!(sum.compute_with(&second).unwrap(), 200);
    assert_eq!(there.compute_with(&second).unwrap().len(), 100);
    let future = second.start(&there).unwrap();
    assert_eq!(future.result().unwrap().len(), 100);
    let x = first.submit(|x: &Vec<i64>| x.len(), (&future,)).unwrap();
    assert_eq!(x.result().unwrap(), 100);
}

pub(crate) fn a_failing_task_is_named_with_key_and_function(release: &Release) {
    let client = shared(release).client();
    let mut graph = Graph::new();
    for i in 0..200u32 {
        graph.insert(("x", i), task(with(i, |i: &u32| i64::from(*i)), ()));
        graph.insert(("y", i), fallible_task(|x: &i64| if *x == 137 { Err(format!("not {x}")) } else { Ok(*x) }, (("x", i),)));
    }
    graph.insert("z", task_of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>(), (0..200).map(|i| ("y", i))));
    let error = Delayed::<i64>::from_graph(graph, "z").compute_with(&client).unwrap_err();
    let Error::Task { key, func, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key, func.contains("a_failing_task")), (&Key::from(("y", 137)), true), "{error}");
    assert!(matches!(error.find(), Some(WorkerError::Failed { message }) if message == "not 137"), "{error:?}");
    let panics = delayed(|x: i64| assert_eq!(x, 2, "one is not two"), (1,)).map(|_| 3i64);
    let error = panics.compute_with(&client).unwrap_err();
    assert!(error.find::<Panic>().unwrap().message().contains("one is not two"), "{error}");
    assert!(client.persist(&panics).unwrap_err().find::<Panic>().is_some());
    wait_until_empty(&client);
}

#[derive(Default)]
struct Seen {
    started: Mutex<Vec<u32>>,
    finished: Mutex<Vec<u32>>,
    others: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn event(&self, _: &arras_core::Plan, event: &Event<'_>) {
        match event {
            Event::Started { task, .. } => self.started.lock().unwrap().push(*task),
            Event::Finished { task, .. } => self.finished.lock().unwrap().push(*task),
            Event::Freed { .. } => {}
            other => self.others.lock().unwrap().push(format!("{other:?}").chars().take(11).collect()),
        }
    }
}

pub(crate) fn observers_see_every_task_once(release: &Release) {
    let client = shared(release).client();
    let total = tree(500);
    let tasks = arras_scheduler::prepare(&total).unwrap().len();
    let seen = std::sync::Arc::new(Seen::default());
    total.compute_with(&client.observed_by(seen.clone())).unwrap();
    for tasks_seen in [&seen.started, &seen.finished] {
        let mut ids = tasks_seen.lock().unwrap().clone();
        ids.sort_unstable();
        assert_eq!(ids, (0..tasks as u32).collect::<Vec<_>>());
    }
    assert_eq!(*seen.others.lock().unwrap(), ["RunStarted", "RunFinished"]);
    let (_, report) = total.compute_with_report(&client).unwrap();
    assert_eq!(report.tasks, tasks);
    assert!(!report.wall.is_zero() && report.busy.iter().any(|busy| !busy.is_zero()), "{report:?}");
    let failing = delayed(|x: i64| if x > 0 { panic!("no") } else { x }, (1,));
    let seen = std::sync::Arc::new(Seen::default());
    failing.compute_with(&client.observed_by(seen.clone())).unwrap_err();
    assert_eq!(seen.others.lock().unwrap().len(), 3, "{:?}", seen.others);
}

pub(crate) fn a_cancelled_run_stops_and_leaves_nothing(release: &Release) {
    /// Waits for the test, and says that it does.
    fn wait_for(path: &PathBuf, i: i64) -> i64 {
        std::fs::write(path.join(format!("started-{i}")), "").unwrap();
        wait_until("the test goes on", Duration::from_secs(60), || path.join("go").exists());
        i
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let client = shared(release).client();
    let values: Vec<_> = (0..40).map(|i| delayed(wait_for, (path.clone(), i))).collect();
    let token = CancelToken::new();
    let started = || std::fs::read_dir(&path).unwrap().count();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| values.compute_with(&client.cancelled_by(&token)));
        wait_until("it runs", Duration::from_secs(20), || started() > 0);
        token.cancel();
        let error = run.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Cancelled { total: 40, finished } if finished < 40), "{error:?}");
    });
    std::fs::write(path.join("go"), "").unwrap();
    wait_until_empty(&client);
    assert!(started() < 41, "{} started", started() - 1);
    assert_eq!(delayed(|| 1i64, ()).compute_with(&client).unwrap(), 1);
}

pub(crate) fn large_constants_travel_once(release: &Release) {
    let client = shared(release).client();
    wait_until_empty(&client);
    // Inside a sub-plan; in the graph; and 36 MB, which are scattered.
    for (n, megabytes) in [(10usize, 0), (200_000, 1), (4_500_000, 36)] {
        let numbers: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let expected: f64 = numbers.iter().sum();
        let whole = Delayed::value(numbers);
        let sums: Vec<_> = (0..6).map(|k| delayed(|xs: &Vec<f64>, k: i64| xs.iter().sum::<f64>() + k as f64, (&whole, k))).collect();
        let there = client.persist(&sums).unwrap();
        assert_eq!(there.compute_with(&client).unwrap(), (0..6).map(|k| expected + f64::from(k)).collect::<Vec<_>>());
        drop(there);
        wait_until("the constant is freed", Duration::from_secs(20), || {
            let held: u64 = client.stats().unwrap().iter().map(|stats| stats.resident_nbytes).sum();
            held < 1 << 20
        });
        assert_eq!(whole.compute_with(&client).unwrap().len(), n, "{megabytes} MB");
    }
    wait_until_empty(&client);
}

pub(crate) fn a_key_that_names_something_else_later_is_not_mistaken(release: &Release) {
    let client = shared(release).client();
    let with_value = |x: i64| Delayed::<i64>::from_graph(Graph::from_iter([("x", value(x)), ("y", task(|x: &i64| x * 2, ("x",)))]), "y");
    let two = client.persist(&with_value(1)).unwrap();
    let four = client.persist(&with_value(2)).unwrap();
    let tripled = Delayed::<i64>::from_graph(Graph::from_iter([("x", value(1i64)), ("y", task(|x: &i64| x * 3, ("x",)))]), "y");
    assert_eq!(client.persist(&tripled).unwrap().compute_with(&client).unwrap(), 3);
    assert_eq!((two.compute_with(&client).unwrap(), four.compute_with(&client).unwrap()), (2, 4));
}

pub(crate) fn a_task_computes_on_the_threads_of_its_worker(release: &Release) {
    let client = shared(release).client();
    let nested = delayed(
        |n: i64| {
            let parts: Vec<_> = (0..n).map(|i| delayed(|i: i64| i * i, (i,))).collect();
            let scheduler = current_scheduler().unwrap().name();
            (parts.compute().unwrap().iter().sum::<i64>(), scheduler, std::process::id())
        },
        (10,),
    );
    let (sum, scheduler, process) = nested.compute_with(&client).unwrap();
    assert_eq!((sum, scheduler.as_str()), (285, "threads"));
    assert_ne!(process, std::process::id());
}

pub(crate) fn datasets_outlive_the_client_that_published_them(release: &Release) {
    let describe = || (0..3).map(|i| delayed(|i: i64| vec![i; 10], (i,))).collect::<Vec<_>>();
    let client = shared(release).client();
    let first = shared(release).client();
    first.publish("table", &describe()).unwrap();
    let error = first.publish("table", &describe()).unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::Dataset { name, .. }) if name == "table"), "{error:?}");
    let futures = first.map(|x: i64| x + 1, [1, 2]).unwrap();
    first.publish_futures("numbers", &futures).unwrap();
    first.publish("here", &Delayed::value(9i64)).unwrap();
    drop((futures, first));
    assert_eq!(client.datasets().unwrap(), ["here", "numbers", "table"]);
    let there = client.dataset("table", &describe()).unwrap();
    let sums: Vec<_> = there.iter().map(|part| part.map(|part: &Vec<i64>| part.iter().sum::<i64>())).collect();
    assert_eq!(sums.compute_with(&client).unwrap(), [0, 10, 20]);
    let numbers = client.dataset_futures::<i64>("numbers").unwrap();
    assert_eq!(client.gather(&numbers).unwrap(), [2, 3]);
    let wrong = client.dataset_futures::<String>("numbers").unwrap().remove(0).result().unwrap_err();
    assert!(matches!(wrong, Error::WrongType { .. }), "{wrong:?}");
    assert_eq!(client.dataset("here", &Delayed::value(9i64)).unwrap().compute_with(&client).unwrap(), 9);
    let error = client.dataset("numbers", &describe()).unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::Dataset { .. })), "{error:?}");
    let error = client.dataset("nothing", &describe()).unwrap_err();
    assert!(error.to_string().contains("there is no dataset"), "{error}");
    for name in ["table", "numbers", "here"] {
        client.unpublish(name).unwrap();
    }
    drop((there, sums, numbers));
    assert!(client.datasets().unwrap().is_empty());
    wait_until_empty(&client);
}

pub(crate) fn two_threads_share_a_client(release: &Release) {
    let client = shared(release).client();
    std::thread::scope(|scope| {
        for k in 0..4i64 {
            let client = client.clone();
            scope.spawn(move || {
                for i in 0..10 {
                    let values: Vec<_> = (0..5).map(|j| delayed(|x: i64| x * 2, (100 * k + 10 * i + j,))).collect();
                    let doubled = values.compute_with(&client).unwrap();
                    assert_eq!(doubled, (0..5).map(|j| 2 * (100 * k + 10 * i + j)).collect::<Vec<_>>());
                }
            });
        }
    });
    wait_until_empty(&client);
}
