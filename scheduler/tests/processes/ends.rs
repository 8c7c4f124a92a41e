//! Programs that start workers and end, or do not start them right.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use arras_core::{delayed, with};
use arras_scheduler::{Compute, Processes, WorkerError, current_scheduler};
use rustix::process::Signal;

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
