//! One thread, in rank order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arras_core::{Error, Panic, Plan, Result, Source, Value};

use crate::bookkeeping::Bookkeeping;
use crate::current::enter_tasks_of;
use crate::observer::Event;
use crate::scheduler::{RunOptions, Scheduler};

/// Runs tasks one after another on the calling thread, in rank order: for debugging, small problems, and code that must not start threads. Breakpoints and
/// backtraces are where the user wrote them.
///
/// ```
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Synchronous};
/// assert_eq!(delayed(f64::sqrt, (16.0,)).compute_with(&Synchronous)?, 4.0);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Synchronous;

impl Scheduler for Synchronous {
    fn name(&self) -> String {
        "synchronous".to_owned()
    }

    fn n_workers(&self) -> usize {
        1
    }

    fn run(&self, plan: &Arc<Plan>, options: &RunOptions) -> Result<Vec<Value>> {
        let _inner_runs_here = enter_tasks_of(Arc::new(Synchronous));
        let plan = &plan.localised()?;
        options.emit(plan, &Event::RunStarted);
        let result = drive(plan, options);
        options.emit(plan, &Event::RunFinished);
        result
    }
}

fn drive(plan: &Plan, options: &RunOptions) -> Result<Vec<Value>> {
    let observed = options.is_observed();
    let bookkeeping = Bookkeeping::new(plan);
    let mut values: Vec<Option<Value>> = vec![None; plan.len()];
    // Sizes are asked for once, when a value is new: some are estimates.
    let mut sizes = if observed { vec![0; plan.len()] } else { Vec::new() };
    for id in 0..plan.len() as u32 {
        if options.is_cancelled() {
            return Err(Error::Cancelled { finished: id as usize, total: plan.len() });
        }
        let started = observed.then(|| {
            options.emit(plan, &Event::Started { task: id, worker: 0 });
            Instant::now()
        });
        // A value is dropped here too, and the user's own Drop may panic.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let value = plan.call_with(
                id,
                |input| values[input as usize].as_ref().expect("ranks put inputs before their readers"),
                |input| bookkeeping.is_last(input),
            )?;
            if let Some(started) = started {
                let (nbytes, duration): (usize, Duration) = (value.nbytes(), started.elapsed());
                sizes[id as usize] = nbytes;
                options.emit(plan, &Event::Finished { task: id, worker: 0, nbytes, duration });
            }
            values[id as usize] = Some(value);
            let mut freed = smallvec::SmallVec::<[u32; 4]>::new();
            bookkeeping.finished(plan, id, |input| freed.push(input), |_| {});
            for input in freed {
                values[input as usize] = None;
                if observed {
                    options.emit(plan, &Event::Freed { task: input, nbytes: sizes[input as usize] });
                }
            }
            Ok(())
        }));
        if let Err(source) = outcome.unwrap_or_else(|payload| Err(Panic::caught(payload).into())) {
            let error = plan.failure(id, source);
            options.emit(plan, &Event::Failed { task: id, error: &error });
            return Err(error);
        }
    }
    let outputs: Vec<Value> = plan
        .outputs()
        .map(|output| match output {
            Source::Task(id) => values[id as usize].clone().expect("wanted values are never released"),
            Source::Constant(index) => plan.constant(index).clone(),
        })
        .collect();
    Ok(outputs)
}
