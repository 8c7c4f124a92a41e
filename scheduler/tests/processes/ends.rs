//! Programs that start workers and end, or do not start them right.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use arras_core::{Graph, Task, Value, delayed, task_of_many, with};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler, WorkerError, current_scheduler};
use rustix::process::Signal;

use crate::answers::spilled_to;
use crate::support::*;

const PROGRAM: &str = "ARRAS_TEST_PROGRAM";

/// This executable, as another program.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(PROGRAM, name).stdin(Stdio::null());
    command
}

/// The program that does not call `init`.
pub(crate) fn is_a_program_that_forgot_init() -> bool {
    if std::env::var(PROGRAM).as_deref() != Ok("forgetful") {
        return false;
    }
    let error = Processes::new(2).unwrap_err();
    assert!(matches!(error.find::<WorkerError>(), Some(WorkerError::NotInitialised)));
    println!("{error}");
    true
}

/// The other programs.
pub(crate) fn is_a_program_of_a_test() -> bool {
    // Workers inherit the environment, but do not get here.
    match std::env::var(PROGRAM).as_deref() {
        Ok("prints") => prints(),
        Ok("busy") => busy(),
        Ok("chosen") => chosen(),
        Ok("unable") => unable(),
        Ok("few") => few(),
        Ok("none") => none(),
        Ok("moved") => moved(),
        Ok(other) => panic!("no program {other}"),
        Err(_) => return false,
    }
    true
}

fn prints() {
    let tasks: Vec<_> = (1..3)
        .map(|i| {
            delayed(
                |i: i32| {
                    println!("hello from a task {i}");
                    // Nothing ends the line.
                    print!("and more");
                    eprintln!("an error of a task");
                },
                (i,),
            )
        })
        .collect();
    tasks.compute_with(&processes(2)).unwrap();
}

/// Prints its workers, which are busy for ever.
fn busy() {
    let processes = processes(2);
    delayed(|| 1, ()).compute_with(&processes).unwrap();
    let tasks: Vec<_> = (0..2u64)
        .map(|i| {
            delayed(
                |_: u64| {
                    println!("{}", std::process::id());
                    loop {
                        std::hint::spin_loop();
                    }
                },
                (i,),
            )
        })
        .map(|task: arras_core::Delayed<u8>| task)
        .collect();
    tasks.compute_with(&processes).unwrap();
}

pub(crate) fn workers_end_when_their_parent_is_killed() {
    let mut parent = program("busy").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let workers: Vec<Seen> = lines.take(2).map(|line| seen(line.unwrap().parse().unwrap())).collect();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(is_running));
    parent.kill().unwrap();
    parent.wait().unwrap();
    are_gone(&workers);
}

pub(crate) fn without_init_the_error_says_what_to_add() {
    let output = program("forgetful").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("arras::init();") && text.contains("main"), "{text}");
}

fn chosen() {
    let scheduler = current_scheduler().unwrap();
    let pids = delayed(std::process::id, ()).compute().unwrap();
    assert_ne!(pids, std::process::id());
    println!("{} {pids}", scheduler.name());
}

pub(crate) fn the_environment_can_choose_processes() {
    let output = program("chosen").env("ARRAS_SCHEDULER", "processes").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let (name, pid) = text.trim().split_once(' ').unwrap();
    assert_eq!(name, "processes");
    are_gone(&[seen(pid.parse().unwrap())]);
}

/// Has no descriptors left for further workers.
fn unable() {
    let processes = processes(2);
    let limit = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let error = delayed(|| 1, ()).compute_with(&processes).unwrap_err();
    assert!(matches!(error.find::<WorkerError>(), Some(WorkerError::Start { .. })), "{error}");
    println!("{error}");
}

/// Has few descriptors, for a bundle that reads many large constants.
fn few() {
    let processes = processes(2);
    all_at_once(&processes);
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut graph = Graph::new();
    for i in 0..200u64 {
        graph.insert(key(i as usize), Task::Value(Value::new(vec![i as f64; 50_000])));
    }
    let sum = task_of_many(|blocks: &[&Vec<f64>]| blocks.iter().map(|block| block[0] as u64).sum::<u64>(), (0..200).map(key));
    graph.insert("sum", sum);
    let plan = plan(&graph, &["sum".into()]);
    assert_eq!(numbers(&processes.run(&plan, &RunOptions::default()).unwrap()), [19_900]);
    println!("done");
}

/// Has no descriptors at all, for a while, when a value has to go from one worker to another.
fn none() {
    // A connection that was made for something else may be left to go on with.
    for _ in 0..20 {
        let processes = processes(2);
        all_at_once(&processes);
        let before = workers(&processes);
        let marks = Marks::new();
        let made: Vec<_> = (0..2u64)
            .map(|i| {
                let make = with((marks.path("here"), i), |(path, i): &(std::path::PathBuf, u64)| {
                    mark(path);
                    until(|| std::fs::read(path).unwrap().len() >= 2);
                    vec![*i; 10]
                });
                delayed(make, ())
            })
            .collect();
        let both = delayed(|made: &Vec<Vec<u64>>| made[0][0] + made[1][0], (made,));
        let result = without_descriptors(|| both.compute_with(&processes));
        assert_eq!(workers(&processes), before, "a worker was lost to what its parent lacks");
        if let Err(error) = result {
            assert!(matches!(error.find::<WorkerError>(), Some(WorkerError::Start { .. })), "{error}");
            std::fs::remove_file(marks.path("here")).ok();
            assert_eq!(both.compute_with(&processes).unwrap(), 1);
            nothing_is_left(&processes);
            println!("done");
            break;
        }
    }
    // A large value comes home as a descriptor.
    let processes = processes(1);
    all_at_once(&processes);
    let before = workers(&processes);
    let large = delayed(|| vec![1.5f64; 100_000], ());
    let error = without_descriptors(|| large.compute_with(&processes)).unwrap_err();
    assert!(matches!(error.find::<WorkerError>(), Some(WorkerError::Start { .. })), "{error}");
    assert_eq!(workers(&processes), before, "a worker was lost to what its parent lacks");
    assert_eq!(large.compute_with(&processes).unwrap().len(), 100_000);
    nothing_is_left(&processes);
}

/// Calls this while the process can open nothing.
fn without_descriptors<T>(body: impl FnOnce() -> T) -> T {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let low = rustix::process::Rlimit { current: Some(100), ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, low).unwrap();
    let all: Vec<std::fs::File> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    let result = body();
    drop(all);
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    result
}

pub(crate) fn few_descriptors_are_enough_and_none_is_an_error_that_costs_no_worker() {
    for name in ["few", "none"] {
        let output = program(name).output().unwrap();
        assert!(output.status.success() && output.stdout == b"done\n", "{output:?}");
    }
}

/// Goes elsewhere before its workers are started.
fn moved() {
    let folder = std::env::current_dir().unwrap().join("spilled");
    std::fs::create_dir("spilled").unwrap();
    let processes = Processes::builder(1).memory_limit(1 << 20).spill_directory("spilled").build().unwrap();
    std::env::set_current_dir("/").unwrap();
    println!("{}", spilled_to(&folder).compute_with(&processes).unwrap());
}

pub(crate) fn the_folder_to_spill_to_stays_where_it_was_and_has_a_name_that_travels() {
    let folder = tempfile::tempdir().unwrap();
    let output = program("moved").current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.trim().parse::<usize>().unwrap() > 0, "{text}");
    let strange = folder.path().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"));
    std::fs::create_dir(&strange).unwrap();
    let error = Processes::builder(1).spill_directory(strange).build().unwrap_err();
    assert!(matches!(error, arras_core::Error::Io { .. }), "{error}");
}

pub(crate) fn workers_that_cannot_be_started_are_an_error_and_no_loop() {
    let output = program("unable").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("could not be started"), "{text}");
    // A worker that starts and cannot serve is no loop either.
    let marks = Marks::new();
    let dies = delayed(
        with(marks.path("died"), |path: &std::path::PathBuf| -> i32 {
            mark(path);
            kill_self(Signal::KILL);
            1
        }),
        (),
    );
    let error = dies.compute_with(&processes(1)).unwrap_err();
    assert!(matches!(error.find::<WorkerError>(), Some(WorkerError::TaskKillsWorkers { attempts: 3, .. })), "{error}");
    assert_eq!(marks.count("died"), 3);
}
