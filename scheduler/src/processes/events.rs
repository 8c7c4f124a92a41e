//! What observers are told of a bundle that has run.

use std::time::Duration;

use arras_core::Source;

use super::coordinator::Assignment;
use super::run::Run;
use crate::observer::Event;
use crate::worker::message::TaskEvent;

/// Tells the observers what happened to each task of a bundle. Its results are held from here on; all its other values are gone.
pub(super) fn tell(run: &Run<'_>, assignment: &Assignment, events: &[TaskEvent], first_worker: usize) {
    if events.is_empty() {
        return;
    }
    let tasks = run.parts.bundles.tasks(assignment.bundle);
    let threads = run.fleet.settings.threads;
    // Sizes of values that nobody has let go yet.
    let mut held: Vec<Option<usize>> = vec![None; tasks.len()];
    for event in events {
        match *event {
            TaskEvent::Finished { task: number, worker, nbytes, nanoseconds } => {
                let Some(&task) = tasks.get(number as usize) else { continue };
                let worker = first_worker + (worker as usize).min(threads - 1);
                let nbytes = nbytes as usize;
                held[number as usize] = Some(nbytes);
                run.options.emit(run.plan, &Event::Started { task, worker });
                run.options.emit(run.plan, &Event::Finished { task, worker, nbytes, duration: Duration::from_nanos(nanoseconds) });
            }
            TaskEvent::Freed { task: number } => {
                let Some(&task) = tasks.get(number as usize) else { continue };
                if let Some(nbytes) = held[number as usize].take() {
                    run.options.emit(run.plan, &Event::Freed { task, nbytes });
                }
            }
        }
    }
    // A value that somebody else still holds is not handed over a second time.
    for &(value, _) in &assignment.results {
        if let Source::Task(task) = run.parts.source(value)
            && let Ok(number) = tasks.binary_search(&task)
        {
            held[number] = None;
        }
    }
    for (&task, nbytes) in tasks.iter().zip(held) {
        if let Some(nbytes) = nbytes {
            run.options.emit(run.plan, &Event::Freed { task, nbytes });
        }
    }
}

/// Tells the observers that the results of a bundle were lost as soon as they were there.
pub(super) fn tell_lost(run: &Run<'_>, assignment: &Assignment, nbytes: &[u64]) {
    for (&(value, _), &nbytes) in assignment.results.iter().zip(nbytes) {
        if let Source::Task(task) = run.parts.source(value) {
            run.options.emit(run.plan, &Event::Freed { task, nbytes: nbytes as usize });
        }
    }
}
