//! What goes wrong on clusters: workers, executables beside them and clients that end, tasks that abort, values that are lost on the way.
//! The answer is right or a typed error, and nothing is left behind.
#![expect(clippy::ptr_arg, reason = "a parameter of a task is of the type of its value")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use arras_core::{Delayed, Error, Graph, Panic, delayed, task, task_of_many, with};
use arras_scheduler::dask::{Client, ClientOptions, DaskError, Executable, LocalOptions, SubmitOptions, as_completed};
use arras_scheduler::{Compute, Threads};

use crate::calls::wait_until_empty;
use crate::cluster::{Cluster, Release, is_alive, kill, parent_of, python, wait_until};

/// Counts in files what has been started.
fn started(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("started")).count()
}

/// 400 leaves of some milliseconds, whose values are added along a tree; each leaf leaves a file in the folder.
fn slow_tree(folder: &Path) -> Delayed<f64> {
    fn leaf((folder, i): &(PathBuf, u32)) -> Vec<f64> {
        std::fs::write(folder.join(format!("started-{i}")), "").unwrap();
        std::thread::sleep(Duration::from_millis(3));
        vec![f64::from(*i); 1000]
    }
    let mut graph = Graph::new();
    for i in 0..400u32 {
        graph.insert(("leaf", i), task(with((folder.to_owned(), i), leaf), ()));
    }
    for i in 0..20u32 {
        let leaves = (20 * i..20 * (i + 1)).map(|i| ("leaf", i));
        graph.insert(("part", i), task_of_many(|xs: &[&Vec<f64>]| xs.iter().map(|x| x.iter().sum::<f64>()).sum::<f64>(), leaves));
    }
    graph.insert("total", task_of_many(|xs: &[&f64]| xs.iter().copied().sum::<f64>(), (0..20).map(|i| ("part", i))));
    Delayed::from_graph(graph, "total")
}

const TOTAL: f64 = 1000.0 * 399.0 * 400.0 / 2.0;

/// The Dask worker that started one of these.
fn worker_of(sidecar: u32) -> u32 {
    parent_of(sidecar)
}

/// Runs the slow tree and does something to the cluster in the middle.
fn disturbed(client: &Client, disturb: impl FnOnce()) -> Result<f64, Error> {
    let folder = tempfile::tempdir().unwrap();
    let total = slow_tree(folder.path());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| total.compute_with(client));
        wait_until("a part of it has run", Duration::from_secs(60), || started(folder.path()) > 60);
        disturb();
        run.join().unwrap()
    })
}

fn a_worker_killed(release: &Release, options: LocalOptions, comes_back: bool) {
    let cluster = Cluster::with(release, options);
    let client = cluster.client();
    let sidecars = cluster.sidecars();
    assert_eq!(sidecars.len(), 2);
    let total = disturbed(&client, || kill(worker_of(sidecars[0]))).unwrap();
    assert_eq!(total, TOTAL);
    wait_until("it ends with its worker", Duration::from_secs(20), || !is_alive(sidecars[0]));
    assert!(is_alive(sidecars[1]));
    if comes_back {
        client.wait_for_workers(2, Some(Duration::from_secs(60))).unwrap();
        wait_until("the new worker has one too", Duration::from_secs(60), || cluster.sidecars().len() == 2);
    }
    wait_until_empty(&client);
    drop(client);
    cluster.end();
}

pub(crate) fn a_worker_killed_in_the_middle_costs_no_result(release: &Release) {
    a_worker_killed(release, LocalOptions::new(2, 1), true);
}

pub(crate) fn a_worker_killed_that_nobody_restarts_costs_no_result(release: &Release) {
    a_worker_killed(release, LocalOptions::new(2, 1).without_nannies(), false);
}

pub(crate) fn a_killed_executable_takes_its_worker_along_and_costs_no_result(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let sidecars = cluster.sidecars();
    let worker = worker_of(sidecars[0]);
    assert_eq!(disturbed(&client, || kill(sidecars[0])).unwrap(), TOTAL);
    wait_until("its worker ends", Duration::from_secs(20), || !is_alive(worker));
    client.wait_for_workers(2, Some(Duration::from_secs(60))).unwrap();
    wait_until("both have one again", Duration::from_secs(60), || cluster.sidecars().len() == 2);
    drop(client);
    cluster.end();
}

pub(crate) fn a_task_that_aborts_is_named_after_it_has_ended_enough_workers(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let aborts = client.submit(|x: i64| if x == 1 { std::process::abort() } else { x }, (1,)).unwrap();
    let error = aborts.result().unwrap_err();
    let Error::Task { key, .. } = &error else { panic!("{error:?}") };
    assert_eq!(key, aborts.key());
    assert!(matches!(error.find(), Some(DaskError::WorkerLost { keys, .. }) if keys == &[aborts.key().clone()]), "{error:?}");
    // In the middle of a plan, with tasks that do no harm.
    let mut graph = Graph::new();
    for i in 0..40u32 {
        let leaf = |i: &u32| if *i == 17 { std::process::abort() } else { i64::from(*i) };
        graph.insert(("leaf", i), task(with(i, leaf), ()));
    }
    graph.insert("sum", task_of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>(), (0..40).map(|i| ("leaf", i))));
    let error = Delayed::<i64>::from_graph(graph, "sum").compute_with(&client).unwrap_err();
    // Dask blames what was with the lost workers; a neighbour that waited there for its turn may be among it.
    let Some(DaskError::WorkerLost { keys, .. }) = error.find() else { panic!("{error:?}") };
    assert!(!keys.is_empty() && keys.iter().all(|key| key.name().as_str() == "leaf"), "{keys:?}");
    // A nanny gives up on a worker that ends while it starts, as one does that is given such a task at once: one of the two may be gone.
    client.wait_for_workers(1, Some(Duration::from_secs(60))).unwrap();
    assert_eq!(delayed(|| 3i64, ()).compute_with(&client).unwrap(), 3);
    drop((aborts, client));
    cluster.end();
}

pub(crate) fn errors_and_panics_are_retried_as_often_as_asked(release: &Release) {
    fn fails_until((folder, attempts, panics): &(PathBuf, usize, bool), x: i64) -> Result<i64, String> {
        let before = started(folder);
        std::fs::write(folder.join(format!("started-{before}")), "").unwrap();
        match (before < *attempts, panics) {
            (true, true) => panic!("attempt {before}"),
            (true, false) => Err(format!("attempt {before}")),
            (false, _) => Ok(x),
        }
    }
    let cluster = Cluster::with(release, LocalOptions::new(1, 1));
    let client = cluster.client();
    for panics in [false, true] {
        for (retries, attempts) in [(3, 3), (2, 3), (0, 1)] {
            let folder = tempfile::tempdir().unwrap();
            let environment = (folder.path().to_owned(), attempts, panics);
            let fails = arras_core::try_delayed(with(environment, fails_until), (7i64,));
            let outcome = fails.map(|x: &i64| x + 1).compute_with(&client.with(SubmitOptions::new().retries(retries as u32)));
            if retries >= attempts {
                assert_eq!(outcome.unwrap(), 8);
            } else {
                let error = outcome.unwrap_err();
                assert!(matches!(&error, Error::Task { key, .. } if *key == fails.key()), "{error:?}");
                assert!(error.to_string().contains(&format!("attempt {retries}")), "{error}");
                assert_eq!(error.find::<Panic>().is_some(), panics);
            }
            assert_eq!(started(folder.path()), 1 + retries.min(attempts));
        }
    }
    drop(client);
    cluster.end();
}

pub(crate) fn a_worker_that_joins_late_gets_work(release: &Release) {
    /// Occupies its worker until the test goes on.
    fn occupy(folder: &PathBuf) -> bool {
        std::fs::write(folder.join("started"), "").unwrap();
        wait_until("the test goes on", Duration::from_secs(100), || folder.join("go").exists());
        true
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::with(release, LocalOptions::new(1, 1));
    let client = cluster.client();
    let occupied = client.submit(occupy, (folder.path().to_owned(),)).unwrap();
    wait_until("the only worker is busy", Duration::from_secs(60), || started(folder.path()) == 1);
    let futures = client.map(|i: u64| i, 0..100).unwrap();
    cluster.add_worker();
    let executed = || client.stats().unwrap().iter().map(|stats| stats.executed).max();
    wait_until("the new worker works", Duration::from_secs(60), || executed() > Some(10));
    assert!(!occupied.is_done());
    wait_until("its threads count", Duration::from_secs(20), || arras_scheduler::Scheduler::n_workers(&client) == 2);
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert!(occupied.result().unwrap());
    let mut values: Vec<u64> = as_completed(&futures).map(|future| future.result().unwrap()).collect();
    values.sort_unstable();
    assert_eq!(values, (0..100).collect::<Vec<_>>());
    drop((occupied, futures, client));
    cluster.end();
}

pub(crate) fn a_worker_that_joins_late_and_cannot_run_the_executable_is_named(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("program");
    std::fs::copy("/proc/self/exe", &copy).unwrap();
    let cluster = Cluster::with(release, LocalOptions::new(1, 1));
    let client = Client::connect_with(cluster.address(), &cluster.options().executable(Executable::AtPath(copy.clone()))).unwrap();
    std::fs::remove_file(copy).unwrap();
    cluster.add_worker();
    assert_eq!(client.workers().unwrap().len(), 2);
    let slow = |i: u64| {
        std::thread::sleep(Duration::from_millis(10));
        i
    };
    let futures = client.map(slow, 0..100).unwrap();
    let error = client.gather(&futures).unwrap_err().to_string();
    assert!(error.contains("does not run on worker"), "{error}");
    // It is somebody else's worker, and stays.
    let workers = client.workers().unwrap();
    assert_eq!(workers.len(), 2);
    let able =
        client.with(SubmitOptions::new().workers([&workers.iter().find(|worker| !error.contains(&worker.address)).unwrap().address]));
    assert_eq!(able.submit(|| 7i64, ()).unwrap().result().unwrap(), 7);
    drop((able, futures, client));
    cluster.end();
}

pub(crate) fn a_retired_worker_hands_its_values_on(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let parts: Vec<_> = (0..20).map(|i| delayed(|i: i64| vec![i; 10_000], (i,))).collect();
    let there = client.persist(&parts).unwrap();
    let workers = client.workers().unwrap();
    let before: u64 = client.stats().unwrap().iter().map(|stats| stats.executed).sum();
    let retired = client.retire_workers([&workers[0].address]).unwrap();
    assert_eq!(retired, [workers[0].address.clone()]);
    let stats = client.stats().unwrap();
    assert_eq!((stats.len(), stats[0].values), (1, 20), "{stats:?}");
    let sums: Vec<_> = there.iter().map(|part| part.map(|part: &Vec<i64>| part.iter().sum::<i64>())).collect();
    assert_eq!(sums.compute_with(&client).unwrap(), (0..20).map(|i| i * 10_000).collect::<Vec<_>>());
    assert!(before > 0);
    drop((there, sums, client));
    cluster.end();
}

pub(crate) fn a_restart_cancels_futures_and_brings_new_workers(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let x = client.submit(|| 1i64, ()).unwrap();
    x.result().unwrap();
    let slow = client.submit(|| std::thread::sleep(Duration::from_secs(100)), ()).unwrap();
    let before = cluster.sidecars();
    client.restart(Some(Duration::from_secs(60))).unwrap();
    let error = slow.result().unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::Cancelled { .. })), "{error:?}");
    assert!(x.result().is_err(), "it is forgotten");
    client.wait_for_workers(2, Some(Duration::from_secs(60))).unwrap();
    wait_until("both have a new one", Duration::from_secs(60), || {
        let now = cluster.sidecars();
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
    });
    assert_eq!(client.submit(|| 1i64, ()).unwrap().result().unwrap(), 1);
    drop((x, slow, client));
    cluster.end();
}

/// The argument with which this program is a client that holds values until it is ended.
pub(crate) const HOLDER: &str = "--hold-values";

/// Puts values on the cluster, says so, and waits.
pub(crate) fn hold(address: &str, python: &str) {
    let options = ClientOptions::new().python(python).executable(Executable::AtPath(std::env::current_exe().unwrap()));
    let client = Client::connect_with(address, &options).unwrap();
    let there = client.persist(&(0..10).map(|i| delayed(|i: i64| vec![i; 10_000], (i,))).collect::<Vec<_>>()).unwrap();
    let scattered = client.scatter(vec![1u8; 100_000], true).unwrap();
    println!("holds with {}", client.bridge_pid());
    std::thread::sleep(Duration::from_secs(100));
    drop((there, scattered));
}

pub(crate) fn a_killed_client_leaves_no_values_and_no_process(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args([HOLDER, cluster.address()])
        .arg(&release.python)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let bridge: u32 = line.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{line:?}"));
    let values = || client.stats().unwrap().iter().map(|stats| stats.values).sum::<u64>();
    assert!(values() >= 12, "{}", values());
    kill(holder.id());
    holder.wait().unwrap();
    wait_until_empty(&client);
    wait_until("its bridge ends", Duration::from_secs(20), || !is_alive(bridge));
    drop(client);
    cluster.end();
}

pub(crate) fn values_beyond_the_memory_limit_are_spilled_and_read_back(release: &Release) {
    fn block(i: u64) -> Vec<u64> {
        // Nothing that a page of zeros would do for.
        (0..1_000_000).map(|k| (i * 1_000_000 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect()
    }
    let cluster = Cluster::with(release, LocalOptions::new(2, 1).memory_limit(300_000_000));
    let client = cluster.client();
    // 640 MB where 600 are allowed, Python's own included.
    let there = client.persist(&(0..80).map(|i| delayed(block, (i,))).collect::<Vec<_>>()).unwrap();
    let stats = client.stats().unwrap();
    assert!(stats.iter().all(|stats| stats.resident_nbytes <= 210_000_000), "{stats:?}");
    let checks: Vec<_> = (0..80).zip(&there).map(|(i, there)| delayed(|i: u64, there: &Vec<u64>| *there == block(i), (i, there))).collect();
    assert!(checks.compute_with(&client).unwrap().iter().all(|&equal| equal));
    assert_eq!(client.stats().unwrap().len(), 2, "no worker was ended for want of memory");
    drop((there, checks, client));
    cluster.end();
}

pub(crate) fn values_that_fail_to_arrive_are_fetched_again(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let workers: Vec<String> = client.workers().unwrap().into_iter().map(|worker| worker.address).collect();
    inject(release, cluster.address());
    let on = |worker: &String| client.with(SubmitOptions::new().workers([worker]));
    for round in 0..15i64 {
        let here: Vec<_> = (0..3).map(|i| on(&workers[0]).submit(|x: i64| vec![x; 1000], (3 * round + i,)).unwrap()).collect();
        for part in &here {
            part.result().unwrap();
        }
        let sum = |parts: &Vec<Vec<i64>>| parts.iter().flatten().sum::<i64>();
        let sum = on(&workers[1]).submit(sum, (arras_scheduler::dask::all(&here),)).unwrap();
        assert!(sum.wait(Some(Duration::from_secs(60))), "round {round} hangs");
        assert_eq!(sum.result().unwrap(), 1000 * (9 * round + 3));
    }
    assert!(injected(release, cluster.address()) >= 5);
    drop(client);
    cluster.end();
}

/// Lets every seventh value that arrives at a worker fail with an `OSError`.
fn inject(release: &Release, address: &str) {
    let lines = r#"
        def inject():
            import sys
            glue, = (module for name, module in sys.modules.items() if name.startswith("arras_glue_"))
            glue.COUNTED, glue.INJECTED = 0, 0
            plain = glue.Sidecar.adopt
            def adopt(self, raw):
                glue.COUNTED += 1
                if glue.COUNTED % 7 == 0:
                    glue.INJECTED += 1
                    raise OSError("injected")
                return plain(self, raw)
            glue.Sidecar.adopt = adopt
        client.run(inject)"#;
    python(release, address, lines);
}

fn injected(release: &Release, address: &str) -> u32 {
    let lines = r#"
        def injected():
            import sys
            return sum(module.INJECTED for name, module in sys.modules.items() if name.startswith("arras_glue_"))
        print(sum(client.run(injected).values()))"#;
    python(release, address, lines).trim().parse().unwrap()
}

pub(crate) fn scattered_constants_lost_with_their_worker_are_sent_again(release: &Release) {
    let cluster = Cluster::start(release);
    let client = cluster.client();
    let folder = tempfile::tempdir().unwrap();
    // 40 MB, more than goes into a graph.
    let blocks: Vec<_> = (0..10u64).map(|i| Delayed::value(vec![i; 500_000])).collect();
    let slow = |(folder, i): &(PathBuf, u64), x: &Vec<u64>| {
        std::fs::write(folder.join(format!("started-{i}")), "").unwrap();
        std::thread::sleep(Duration::from_millis(300));
        x.iter().sum::<u64>()
    };
    let sums: Vec<_> = (0..10).zip(&blocks).map(|(i, x)| delayed(with((folder.path().to_owned(), i), slow), (x,))).collect();
    let expected = sums.compute_with(&Threads::new(4)).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    std::thread::scope(|scope| {
        let run = scope.spawn(|| sums.compute_with(&client));
        wait_until("it runs", Duration::from_secs(60), || started(folder.path()) > 1);
        kill(worker_of(cluster.sidecars()[0]));
        assert_eq!(run.join().unwrap().unwrap(), expected);
    });
    drop(client);
    cluster.end();
}
