//! Workers that end, in all the ways there are. What is asked for comes all the same, or a typed error that says whose fault it is; and no
//! process is left.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arras_core::{Delayed, Error, delayed, with};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler, WorkerError};
use rustix::process::{Resource, Rlimit, Signal};

use crate::answers::{many_blocks, shared_plan};
use crate::support::*;

/// Short, and long enough for a worker beside which others are busy.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// A sum over tasks of which the seventh ruins its worker the first `times` times.
fn ruined(marks: &Marks, times: usize, ruin: fn()) -> (Delayed<u64>, Delayed<u64>) {
    let parts: Vec<Delayed<u64>> = (0..20u64)
        .map(|i| {
            let before = delayed(|i: u64| i * 10, (i,));
            if i != 7 {
                return before;
            }
            // A function pointer does not travel, but which one it is does.
            let kind = RUINS.iter().position(|known| std::ptr::fn_addr_eq(*known, ruin)).unwrap();
            let work = with((marks.path("ruin"), times, kind), |(path, times, kind): &(PathBuf, usize, usize), x: &u64| {
                if mark(path) < *times {
                    RUINS[*kind]();
                }
                *x
            });
            delayed(work, (before,))
        })
        .collect();
    let culprit = parts[7].clone();
    (delayed(|parts: &Vec<u64>| parts.iter().sum::<u64>(), (parts,)), culprit)
}

const RUINS: [fn(); 3] = [killed, out_of_memory, frozen];

fn killed() {
    kill_self(Signal::KILL);
}

fn frozen() {
    kill_self(Signal::STOP);
    // Another thread may take the signal, a moment later.
    std::thread::sleep(Duration::from_secs(600));
}

/// Allocates more than the process may have, from now on.
fn out_of_memory() {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').next().unwrap().parse().unwrap();
    let limit = pages * 4096 + (32 << 20);
    rustix::process::setrlimit(Resource::As, Rlimit { current: Some(limit), maximum: Some(limit) }).unwrap();
    let block = std::hint::black_box(vec![1u8; 256 << 20]);
    assert_eq!(block.len(), 0, "the allocation was to fail");
}

pub(crate) fn a_worker_that_is_killed_by_a_task_is_replaced() {
    let marks = Marks::new();
    let processes = processes(2);
    delayed(|| 1, ()).compute_with(&processes).unwrap();
    for times in 1..3 {
        std::fs::remove_file(marks.path("ruin")).ok();
        assert_eq!(ruined(&marks, times, killed).0.compute_with(&processes).unwrap(), 1900);
        assert_eq!(marks.count("ruin"), times + 1);
        nothing_is_left(&processes);
    }
    no_orphans(processes, &[]);
}

pub(crate) fn a_task_that_always_kills_its_worker_is_named_after_three_attempts() {
    for (attempts, processes) in [(3, processes(2)), (1, Processes::builder(2).attempts(1).build().unwrap())] {
        let marks = Marks::new();
        let (sum, culprit) = ruined(&marks, usize::MAX, killed);
        let error = sum.compute_with(&processes).unwrap_err();
        assert!(matches!(&error, Error::Task { key, .. } if *key == culprit.key()), "{error}");
        let Some(WorkerError::TaskKillsWorkers { attempts: found, why }) = error.find() else { panic!("{error}") };
        assert_eq!((*found, marks.count("ruin")), (attempts, attempts as usize));
        assert!(why.contains("signal: 9"), "{why}");
        nothing_is_left(&processes);
        no_orphans(processes, &[]);
    }
}

pub(crate) fn the_named_task_is_the_one_that_ran_even_among_threads() {
    let marks = Marks::new();
    let processes = Processes::builder(1).threads(4).build().unwrap();
    let (sum, culprit) = ruined(&marks, usize::MAX, killed);
    let error = sum.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == culprit.key()), "{error}");
    assert_eq!(marks.count("ruin"), 3);
    no_orphans(processes, &[]);
}

/// A value that kills whoever writes it.
#[derive(Clone, serde::Deserialize)]
struct Deadly;

impl serde::Serialize for Deadly {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        kill_self(Signal::KILL);
        serializer.serialize_unit()
    }
}

/// A value that kills a worker that reads it.
#[derive(Clone)]
struct Trap(u32);

impl serde::Serialize for Trap {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![self.0 as u8; 100_000])
    }
}

impl<'de> serde::Deserialize<'de> for Trap {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Trap, D::Error> {
        let _bytes: serde::de::IgnoredAny = serde::Deserialize::deserialize(deserializer)?;
        kill_self(Signal::KILL);
        Ok(Trap(0))
    }
}

pub(crate) fn a_value_that_always_kills_its_worker_when_it_is_written_is_named() {
    let processes = processes(2);
    let wanted = delayed(|| Deadly, ());
    let error = (wanted.clone(), delayed(|| 1, ())).compute_with(&processes).err().unwrap();
    assert!(matches!(&error, Error::Task { key, .. } if *key == wanted.key()), "{error}");
    assert!(matches!(error.find(), Some(WorkerError::TaskKillsWorkers { attempts: 3, .. })), "{error}");
    // The one among many that come home together.
    let fine_or_deadly = |i: u64| if i == 67 { Err(Deadly) } else { Ok(i) };
    let many: Vec<_> = (0..100u64).map(|i| delayed(fine_or_deadly, (i,))).collect();
    let error = many.compute_with(&processes).err().unwrap();
    assert!(matches!(&error, Error::Task { key, .. } if *key == many[67].key()), "{error}");
    assert!(matches!(error.find(), Some(WorkerError::TaskKillsWorkers { attempts: 3, .. })), "{error}");
    // And one that kills its reader, before the reader's task has begun.
    let reader = delayed(|_: &Trap| 1u8, (Trap(3),));
    let error = reader.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == reader.key()), "{error}");
    assert!(matches!(error.find(), Some(WorkerError::TaskKillsWorkers { attempts: 3, .. })), "{error}");
    nothing_is_left(&processes);
    no_orphans(processes, &[]);
}

pub(crate) fn a_task_that_ends_its_process_is_named() {
    let processes = processes(2);
    let ends = delayed(|| 1i64, ()).map(|x: &i64| -> i64 { std::process::exit(*x as i32 + 6) });
    let error = ends.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == ends.key()), "{error}");
    let Some(WorkerError::TaskKillsWorkers { attempts: 3, why }) = error.find() else { panic!("{error}") };
    assert!(why.contains("exit status: 7"), "{why}");
    no_orphans(processes, &[]);
}

pub(crate) fn out_of_memory_once_and_always() {
    let marks = Marks::new();
    let processes = processes(2);
    assert_eq!(ruined(&marks, 1, out_of_memory).0.compute_with(&processes).unwrap(), 1900);
    let marks = Marks::new();
    let (sum, culprit) = ruined(&marks, usize::MAX, out_of_memory);
    let error = sum.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == culprit.key()), "{error}");
    let Some(WorkerError::TaskKillsWorkers { attempts: 3, why }) = error.find() else { panic!("{error}") };
    assert!(why.contains("SIGABRT"), "{why}");
    no_orphans(processes, &[]);
}

pub(crate) fn a_frozen_worker_is_found_by_its_heartbeat() {
    let marks = Marks::new();
    let processes = Processes::builder(2).heartbeat(HEARTBEAT).build().unwrap();
    assert_eq!(ruined(&marks, 1, frozen).0.compute_with(&processes).unwrap(), 1900);
    assert_eq!(marks.count("ruin"), 2);
    let marks = Marks::new();
    let (sum, culprit) = ruined(&marks, usize::MAX, frozen);
    let error = sum.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == culprit.key()), "{error}");
    let Some(WorkerError::TaskKillsWorkers { attempts: 3, why }) = error.find() else { panic!("{error}") };
    assert!(why.contains("did not answer within 3s"), "{why}");
    no_orphans(processes, &[]);
}

pub(crate) fn a_worker_frozen_between_runs_is_found_by_the_next() {
    let processes = Processes::builder(2).heartbeat(HEARTBEAT).build().unwrap();
    let (plan, expected) = shared_plan(100);
    processes.run(&plan, &RunOptions::default()).unwrap();
    let frozen = workers(&processes);
    frozen.iter().for_each(freeze);
    assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), expected);
    are_gone(&frozen);
    // One that is frozen when the scheduler is dropped ends too.
    let frozen = workers(&processes);
    freeze(&frozen[0]);
    drop(processes);
    assert!(!frozen.iter().any(is_running));
}

pub(crate) fn a_worker_that_is_busy_is_not_taken_for_frozen() {
    let processes = Processes::builder(2).heartbeat(HEARTBEAT).build().unwrap();
    let busy: Vec<_> = (0..2u64)
        .map(|i| {
            let spin = |i: u64| {
                let started = Instant::now();
                while started.elapsed() < 2 * HEARTBEAT {
                    std::hint::spin_loop();
                }
                (i, std::process::id())
            };
            delayed(spin, (i,))
        })
        .collect();
    let found = busy.compute_with(&processes).unwrap();
    let pids = processes.pids();
    assert!(found.iter().all(|(_, pid)| pids.contains(pid)), "{found:?} {pids:?}");
    no_orphans(processes, &[]);
}

pub(crate) fn a_worker_that_is_killed_from_outside_is_replaced_and_only_what_it_held_is_done_again() {
    let marks = Marks::new();
    let processes = processes(2);
    // Two tasks run at once, one a worker, and say where; each is read by two more, of which one a worker runs and waits. The worker of the
    // first is killed then.
    let firsts: Vec<_> = (0..2u64)
        .map(|i| {
            let first = with((marks.path("first"), marks.path("both"), i), |(path, both, i): &(PathBuf, PathBuf, u64)| {
                mark(&path.with_extension(i.to_string()));
                mark(both);
                until(|| std::fs::read(both).unwrap().len() >= 2);
                std::fs::write(path.with_extension(format!("{i}.pid")), std::process::id().to_string()).unwrap();
                vec![*i; 1000]
            });
            delayed(first, ())
        })
        .collect();
    let seconds: Vec<_> = (0..4usize)
        .map(|i| {
            let second =
                with((marks.path("waiting"), marks.path("go"), i), |(waiting, go, i): &(PathBuf, PathBuf, usize), x: &Vec<u64>| {
                    mark(waiting);
                    await_file(go);
                    (x[0], *i)
                });
            delayed(second, (&firsts[i / 2],))
        })
        .collect();
    let values = std::thread::scope(|scope| {
        scope.spawn(|| {
            until(|| marks.count("waiting") == 2);
            let pid: u32 = std::fs::read_to_string(marks.path("first.0.pid")).unwrap().parse().unwrap();
            let worker = seen(pid);
            send(pid, Signal::KILL);
            are_gone(&[worker]);
            std::fs::write(marks.path("go"), "").unwrap();
        });
        seconds.compute_with(&processes).unwrap()
    });
    assert_eq!(values, [(0, 0), (0, 1), (1, 2), (1, 3)]);
    // The value of the other worker was not lost, so it was not made again.
    assert_eq!((marks.count("first.0"), marks.count("first.1")), (2, 1));
    nothing_is_left(&processes);
    no_orphans(processes, &[]);
}

pub(crate) fn a_worker_that_is_killed_between_runs_is_replaced() {
    let processes = processes(2);
    let (plan, expected) = shared_plan(100);
    processes.run(&plan, &RunOptions::default()).unwrap();
    let killed = workers(&processes);
    killed.iter().for_each(|worker| send(worker.pid, Signal::KILL));
    // Who asks before anybody else has noticed is told of none.
    assert_eq!(processes.stats().unwrap(), []);
    are_gone(&killed);
    assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), expected);
    assert!(workers(&processes).iter().all(|worker| !killed.contains(worker)));
    no_orphans(processes, &killed);
}

/// A folder on a disk of a megabyte, where that can be had; else one that cannot be written to at all.
struct FullDisk {
    folder: Option<tempfile::TempDir>,
}

impl FullDisk {
    fn new() -> FullDisk {
        let folder = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).output();
        FullDisk { folder: mounted.is_ok_and(|output| output.status.success()).then_some(folder) }
    }

    fn path(&self) -> PathBuf {
        self.folder.as_ref().map_or_else(|| "/proc".into(), |folder| folder.path().to_owned())
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::process::Command::new("umount").arg(folder.path()).output();
        }
    }
}

pub(crate) fn a_full_disk_keeps_values_in_memory() {
    let disk = FullDisk::new();
    let processes = Processes::builder(2).memory_limit(1 << 20).spill_directory(disk.path()).build().unwrap();
    let (sums, expected) = many_blocks();
    for _ in 0..2 {
        assert_eq!(sums.compute_with(&processes).unwrap(), expected);
        nothing_is_left(&processes);
    }
    no_orphans(processes, &[]);
}

pub(crate) fn a_random_killer() {
    let processes = Processes::builder(3).attempts(50).build().unwrap();
    let (plan, expected) = shared_plan(400);
    processes.run(&plan, &RunOptions::default()).unwrap();
    let has_enough = AtomicBool::new(false);
    let mut killed = Vec::new();
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = Vec::new();
            let mut random = 88_172_645_463_325_252u64;
            while killed.len() < 60 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                if let Some(worker) = workers(&processes).get(random as usize % 3)
                    && is_running(worker)
                {
                    // It may have ended since; its number is hardly another's by now.
                    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(worker.pid as i32).unwrap(), Signal::KILL);
                    killed.push(*worker);
                }
                std::thread::sleep(Duration::from_millis(random % 30));
            }
            has_enough.store(true, Ordering::Relaxed);
            killed
        });
        while !has_enough.load(Ordering::Relaxed) {
            assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), expected);
        }
        killed = killer.join().unwrap();
    });
    nothing_is_left(&processes);
    no_orphans(processes, &killed);
}
