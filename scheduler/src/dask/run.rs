//! One run of a plan on the cluster.
//!
//! ```text
//!     plan ── cut ──► bundles ── Dask graph ──► scheduler, workers
//!                                                  │ bundles ran: observers, costs
//!          values ◄── gathered, or left there ◄────┘ outputs ended
//! ```

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arras_core::optimise::{BundleOptions, Bundles};
use arras_core::{Error, Plan, Result, Source, Value};

use super::cell::{Held, Status};
use super::connection::Connection;
use super::graph::{DaskGraph, Naming, missing_output};
use super::message::{Request, SubmitOptionsWire};
use super::parts::own;
use super::remote::{DaskValue, gather, sizes};
use super::submitted::{News, Submitted};
use super::watching::Watching;
use crate::observer::Event;
use crate::scheduler::RunOptions;

/// What Dask spends on a task.
const PER_BUNDLE: Duration = Duration::from_millis(5);

/// How often a run looks whether it is cancelled.
const POLL: Duration = Duration::from_millis(20);

/// How often a run is sent again whose scattered constants were lost with a worker.
const ATTEMPTS: usize = 3;

/// Where a run's values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Results {
    Fetched,
    Remote,
}

/// Cuts a plan for the cluster as it is now.
pub(crate) fn cut(connection: &Connection, plan: &Plan, with_costs: bool) -> Bundles {
    let costs = connection.costs.lock().unwrap_or_else(PoisonError::into_inner);
    let slots = connection.events.threads().max(1) as usize;
    Bundles::new(plan, &BundleOptions { slots, per_bundle: PER_BUNDLE, costs: with_costs.then_some(&*costs) })
}

/// Sends a graph whose tasks of these numbers are wanted. Returns the holds on them, in that order.
pub(crate) fn submit(
    connection: &Arc<Connection>,
    graph: &mut DaskGraph,
    wanted: &[(u32, Arc<Submitted>)],
    options: &SubmitOptionsWire,
) -> Result<Vec<Arc<Held>>> {
    let first = connection.bridge.numbers_for(wanted.len() as u64);
    let held: Vec<Arc<Held>> = (first..)
        .zip(wanted)
        .map(|(number, (task, submitted))| Held::new(connection, number, graph.key(*task), Some(Arc::clone(submitted))))
        .collect();
    let request = Request::Submit {
        tasks: std::mem::take(&mut graph.tasks),
        outputs: (first..).zip(wanted).map(|(number, (task, _))| (number, *task)).collect(),
        executable: connection.executable.clone(),
        options: options.clone(),
    };
    let answer = connection.bridge.request(&request, &graph.body);
    answer.map_err(|refusal| connection.error_of(refusal, "submitting"))?;
    Ok(held)
}

/// Runs a plan.
pub(crate) fn run(
    connection: &Arc<Connection>,
    plan: &Arc<Plan>,
    options: &RunOptions,
    submit_options: &SubmitOptionsWire,
    results: Results,
) -> Result<Vec<Value>> {
    options.emit(plan, &Event::RunStarted);
    let values = run_observed(connection, plan, options, submit_options, results);
    options.emit(plan, &Event::RunFinished);
    values
}

fn run_observed(
    connection: &Arc<Connection>,
    plan: &Arc<Plan>,
    options: &RunOptions,
    submit_options: &SubmitOptionsWire,
    results: Results,
) -> Result<Vec<Value>> {
    plan.check_portable()?;
    let mut wanted: Vec<u32> =
        plan.outputs().filter_map(|source| if let Source::Task(task) = source { Some(task) } else { None }).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut held = HashMap::new();
    if !wanted.is_empty() {
        let bundles = Arc::new(cut(connection, plan, true));
        let mut attempt = 1;
        let outputs = loop {
            let (scattered, outcome) = drive(connection, plan, &bundles, &wanted, options, submit_options);
            match outcome {
                Ok(outputs) => break outputs,
                Err(error) if scattered && attempt < ATTEMPTS && is_lost(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        };
        held.extend(wanted.iter().copied().zip(outputs));
    }
    match results {
        Results::Fetched => fetched(connection, plan, &held),
        Results::Remote => Ok(left_there(connection, plan, &held)),
    }
}

/// Whether what was scattered is gone.
fn is_lost(error: &Error) -> bool {
    matches!(error.find(), Some(super::error::DaskError::Cancelled { .. }))
}

/// Sends the graph and waits until the wanted tasks have run. Also says whether constants were scattered.
fn drive(
    connection: &Arc<Connection>,
    plan: &Arc<Plan>,
    bundles: &Arc<Bundles>,
    wanted: &[u32],
    options: &RunOptions,
    submit_options: &SubmitOptionsWire,
) -> (bool, Result<Vec<Arc<Held>>>) {
    let (sender, news) = channel();
    let mut graph = DaskGraph::default();
    if let Err(error) = graph.add(connection, plan, bundles, Naming::Collection) {
        return (false, Err(error));
    }
    let submitted = graph.listen(0, connection, Arc::clone(plan), Arc::clone(bundles), Some(sender.clone()));
    let tasks: Option<Vec<_>> = wanted.iter().map(|task| graph.exports[0].get(task).map(|&task| (task, Arc::clone(&submitted)))).collect();
    let Some(tasks) = tasks else { return (false, Err(missing_output())) };
    let held = match submit(connection, &mut graph, &tasks, submit_options) {
        Ok(held) => held,
        Err(error) => return (graph.scattered, Err(error)),
    };
    for (number, held) in held.iter().enumerate() {
        let sender = sender.clone();
        // The cell keeps what is to happen when it ends, which may never come.
        let cell = Arc::downgrade(&held.cell);
        held.cell.when_ended(move || {
            if let Some(cell) = cell.upgrade() {
                let _ = sender.send(News::Ended(number, cell.status()));
            }
        });
    }
    drop(sender);
    // If it comes to nothing the holds are dropped: Dask then starts no further task of it, and a sub-plan that runs is asked to start
    // none.
    let outcome = wait(connection, plan, bundles, &held, &news, options);
    submitted.settle();
    (graph.scattered, outcome.map(|()| held))
}

/// Waits until all outputs have ended, passing on what is heard meanwhile.
fn wait(
    connection: &Connection,
    plan: &Arc<Plan>,
    bundles: &Bundles,
    held: &[Arc<Held>],
    news: &Receiver<News>,
    options: &RunOptions,
) -> Result<()> {
    let mut watching = Watching::new(plan, bundles, options);
    let mut left = held.len();
    let mut failed: Option<Error> = None;
    while left > 0 && failed.is_none() {
        if options.is_cancelled() {
            return Err(Error::Cancelled { finished: watching.finished(), total: plan.len() });
        }
        match news.recv_timeout(POLL) {
            Ok(News::Ran { bundle, worker, took, nbytes }) => {
                connection.costs.lock().unwrap_or_else(PoisonError::into_inner).observe(plan, bundles, bundle, took);
                watching.ran(bundle, &worker, took, nbytes);
            }
            Ok(News::Ended(_, Status::Finished)) => left -= 1,
            Ok(News::Ended(number, _)) => failed = Some(held[number].cell.error().unwrap_or_else(missing_output)),
            Err(RecvTimeoutError::Timeout) => {}
            // The holds have senders of their own until they have ended.
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // What was sent before the last output has arrived before it.
    for news in news.try_iter() {
        if let News::Ran { bundle, worker, took, nbytes } = news {
            watching.ran(bundle, &worker, took, nbytes);
        }
    }
    match failed {
        Some(error) => {
            watching.failed(&error);
            Err(error)
        }
        None => Ok(()),
    }
}

/// The wanted values, brought here.
fn fetched(connection: &Arc<Connection>, plan: &Plan, held: &HashMap<u32, Arc<Held>>) -> Result<Vec<Value>> {
    // Values that were on the cluster before, and are wanted as they are.
    let mut from: Vec<Arc<Held>> = held.values().cloned().collect();
    let before = plan.outputs().filter_map(|source| if let Source::Constant(index) = source { Some(plan.constant(index)) } else { None });
    from.extend(before.filter_map(|value| own(connection, value)));
    from.sort_unstable_by_key(|held| held.number);
    from.dedup_by_key(|held| held.number);
    let values = gather(connection, &from.iter().collect::<Vec<_>>())?;
    let by_number: HashMap<u64, Value> = from.iter().map(|held| held.number).zip(values).collect();
    plan.outputs()
        .map(|source| match source {
            Source::Task(task) => {
                let held = held.get(&task).ok_or_else(missing_output)?;
                by_number.get(&held.number).cloned().ok_or_else(missing_output)
            }
            Source::Constant(index) => {
                let value = plan.constant(index);
                match (own(connection, value), value.as_remote()) {
                    (Some(held), _) => by_number.get(&held.number).cloned().ok_or_else(missing_output),
                    (None, Some(remote)) => remote.fetch(),
                    (None, None) => Ok(value.clone()),
                }
            }
        })
        .collect()
}

/// Stand-ins for the wanted values.
fn left_there(connection: &Arc<Connection>, plan: &Plan, held: &HashMap<u32, Arc<Held>>) -> Vec<Value> {
    let tasks: Vec<u32> = held.keys().copied().collect();
    let holds: Vec<&Arc<Held>> = tasks.iter().map(|task| &held[task]).collect();
    let nbytes = if holds.is_empty() { Vec::new() } else { sizes(connection, &holds) };
    let values: HashMap<u32, Value> = tasks
        .iter()
        .zip(holds)
        .zip(nbytes)
        .map(|((&task, held), nbytes)| (task, Value::remote(Arc::new(DaskValue::new(Arc::clone(held), nbytes)))))
        .collect();
    plan.outputs()
        .map(|source| match source {
            Source::Task(task) => values[&task].clone(),
            Source::Constant(index) => plan.constant(index).clone(),
        })
        .collect()
}
