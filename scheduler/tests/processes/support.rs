//! What the tests share: graphs, markers on disk that outlive a worker, and a look at who is still there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arras_core::{Func, Graph, Input, Key, Plan, Task, Value, delayed, with};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler, Synchronous};
use rustix::process::{Pid, Signal};

pub(crate) fn processes(n: usize) -> Processes {
    Processes::new(n).unwrap()
}

/// Adds what it reads, and mixes, so that the order of inputs matters.
pub(crate) fn mix() -> Func {
    Func::of_many(|values: &[&u64]| values.iter().fold(1u64, |sum, value| sum.wrapping_mul(31).wrapping_add(**value)))
}

/// A graph of u64s: each task has a number of its own and reads some tasks before it.
pub(crate) fn graph(tasks: &[(u64, Vec<usize>)]) -> Graph {
    let mut graph = Graph::new();
    for (i, (number, inputs)) in tasks.iter().enumerate() {
        let own = Input::Value(Value::new(*number));
        let before = inputs.iter().map(|&input| Input::Key(key(input)));
        graph.insert(key(i), Task::call(mix(), std::iter::once(own).chain(before)));
    }
    graph
}

pub(crate) fn key(i: usize) -> Key {
    ("t", i as u32).into()
}

pub(crate) fn plan(graph: &Graph, keys: &[Key]) -> Arc<Plan> {
    Arc::new(Plan::new(graph, keys).unwrap())
}

pub(crate) fn numbers(values: &[Value]) -> Vec<u64> {
    values.iter().map(|value| *value.get::<u64>().unwrap()).collect()
}

/// Runs a plan of u64s on processes and on one thread, and compares.
pub(crate) fn agree(processes: &Processes, graph: &Graph, keys: &[Key]) {
    let plan = plan(graph, keys);
    let expected = numbers(&Synchronous.run(&plan, &RunOptions::default()).unwrap());
    assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), expected);
}

/// The stores of all workers are empty.
pub(crate) fn nothing_is_left(processes: &Processes) {
    for stats in processes.stats().unwrap() {
        assert_eq!((stats.values, stats.resident_nbytes, stats.spilled_values), (0, 0, 0), "{stats:?}");
    }
}

/// Has all workers run a task at the same time.
pub(crate) fn all_at_once(processes: &Processes) {
    let (marks, n) = (Marks::new(), processes.n_workers());
    let tasks: Vec<_> = (0..n as u64)
        .map(|i| {
            let wait = with((marks.path("here"), n, i), |(path, n, i): &(PathBuf, usize, u64)| {
                mark(path);
                until(|| std::fs::read(path).unwrap().len() >= *n);
                *i
            });
            delayed(wait, ())
        })
        .collect();
    assert_eq!(tasks.compute_with(processes).unwrap(), (0..n as u64).collect::<Vec<_>>());
}

/// A folder for marks, which tell what happened in processes that are gone.
pub(crate) struct Marks {
    folder: tempfile::TempDir,
}

impl Marks {
    pub(crate) fn new() -> Marks {
        Marks { folder: tempfile::tempdir().unwrap() }
    }

    /// The path of a mark, as what a function captures.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How often a mark was made.
    pub(crate) fn count(&self, name: &str) -> usize {
        std::fs::read(self.path(name)).map_or(0, |bytes| bytes.len())
    }
}

/// Makes a mark. Returns how many there were.
pub(crate) fn mark(path: &Path) -> usize {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    let before = file.metadata().unwrap().len() as usize;
    file.write_all(b"x").unwrap();
    before
}

/// Waits until a file is there.
pub(crate) fn await_file(path: &Path) {
    until(|| path.exists());
}

pub(crate) fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited for a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn kill_self(signal: Signal) {
    rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
}

pub(crate) fn send(pid: u32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}

/// A process that was seen. Its number may be another's once it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pid: u32,
    started: Option<u64>,
}

/// When a process started, if it runs: it is there, and no zombie that nobody has waited for yet.
fn start_of(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (!matches!(fields[0], "Z" | "X")).then(|| fields[19].parse().unwrap())
}

/// Freezes a process, and waits until it stands still.
pub(crate) fn freeze(process: &Seen) {
    send(process.pid, Signal::STOP);
    until(|| std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).unwrap().contains(") T "));
}

pub(crate) fn seen(pid: u32) -> Seen {
    Seen { pid, started: start_of(pid) }
}

/// The workers that run at present.
pub(crate) fn workers(processes: &Processes) -> Vec<Seen> {
    processes.pids().into_iter().map(seen).collect()
}

pub(crate) fn is_running(process: &Seen) -> bool {
    process.started.is_some() && start_of(process.pid) == process.started
}

/// Waits for the end of processes.
pub(crate) fn are_gone(processes: &[Seen]) {
    assert!(!processes.is_empty());
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Some(process) = processes.iter().find(|process| is_running(process)) {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid));
        assert!(Instant::now() < deadline, "{process:?} is still there: {stat:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sees that the scheduler still works, drops it, and sees that its workers, those it has and those it had, are gone.
pub(crate) fn no_orphans(processes: Processes, earlier: &[Seen]) {
    assert_eq!(delayed(|| 1, ()).compute_with(&processes).unwrap(), 1);
    let all: Vec<Seen> = workers(&processes).into_iter().chain(earlier.iter().copied()).collect();
    drop(processes);
    assert!(!all.is_empty());
    let left: Vec<Seen> = all.into_iter().filter(is_running).collect();
    assert_eq!(left, [], "processes that are still there");
}

/// The processes that this one has started and not waited for.
pub(crate) fn children() -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok());
    children.flat_map(|line| line.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
}
