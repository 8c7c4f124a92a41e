//! What a run cost.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arras_core::Plan;

use crate::observer::{Event, Observer};

/// What a run cost: how many tasks, how long, how busy the workers were, how much was held at once.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunReport {
    /// Tasks that finished.
    pub tasks: usize,
    /// From the start of the run to its end.
    pub wall: Duration,
    /// How long each worker ran tasks' functions.
    pub busy: Vec<Duration>,
    /// The most bytes that values of tasks held at once.
    pub peak_live_nbytes: usize,
    /// The most values of tasks that were held at once.
    pub peak_live_values: usize,
    /// How often a value was written to disk, for want of memory.
    pub spilled: usize,
    /// The bytes of these values.
    pub spilled_nbytes: usize,
}

impl fmt::Display for RunReport {
    /// `1000 tasks in 12.3 ms, 2 workers 91 % busy, at most 16.0 kB in 4 values`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy: f64 = self.busy.iter().map(Duration::as_secs_f64).sum();
        let available = self.wall.as_secs_f64() * self.busy.len() as f64;
        let percent = if available > 0.0 { 100.0 * busy / available } else { 0.0 };
        let (tasks, workers) = (self.tasks, self.busy.len());
        write!(f, "{tasks} {} in {:.1?}, ", plural(tasks, "task"), self.wall)?;
        write!(f, "{workers} {} {percent:.0} % busy, ", plural(workers, "worker"))?;
        let values = self.peak_live_values;
        write!(f, "at most {} in {values} {}", arras_core::human_nbytes(self.peak_live_nbytes as u64), plural(values, "value"))?;
        match self.spilled {
            0 => Ok(()),
            n => write!(f, ", {n} {} spilled, {}", plural(n, "value"), arras_core::human_nbytes(self.spilled_nbytes as u64)),
        }
    }
}

fn plural(n: usize, word: &str) -> String {
    if n == 1 { word.to_owned() } else { format!("{word}s") }
}

/// An observer that makes a [`RunReport`].
///
/// ```
/// use std::sync::Arc;
/// use arras_core::delayed;
/// use arras_scheduler::{Compute, Recorder, Scheduler, Synchronous};
/// let recorder = Arc::new(Recorder::default());
/// delayed(|| 1, ()).map(|x| x + 1).compute_with(&Synchronous.observed_by(recorder.clone()))?;
/// assert_eq!(recorder.report().tasks, 2);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Recorder {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    report: RunReport,
    started: Option<Instant>,
    live_nbytes: usize,
    live_values: usize,
}

impl State {
    fn held(&mut self, nbytes: usize) {
        self.live_nbytes += nbytes;
        self.live_values += 1;
        self.report.peak_live_nbytes = self.report.peak_live_nbytes.max(self.live_nbytes);
        self.report.peak_live_values = self.report.peak_live_values.max(self.live_values);
    }

    fn dropped(&mut self, nbytes: usize) {
        self.live_nbytes = self.live_nbytes.saturating_sub(nbytes);
        self.live_values = self.live_values.saturating_sub(1);
    }
}

impl Recorder {
    /// A recorder that can be given to a scheduler and asked later.
    pub fn new() -> Arc<Recorder> {
        Arc::default()
    }

    /// The report of the last run, or of the present one so far.
    pub fn report(&self) -> RunReport {
        self.lock().report.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Observer for Recorder {
    fn event(&self, _: &Plan, event: &Event<'_>) {
        let mut state = self.lock();
        match *event {
            Event::RunStarted => *state = State { started: Some(Instant::now()), ..State::default() },
            Event::Finished { worker, nbytes, duration, .. } => {
                state.report.tasks += 1;
                if state.report.busy.len() <= worker {
                    state.report.busy.resize(worker + 1, Duration::ZERO);
                }
                state.report.busy[worker] += duration;
                state.held(nbytes);
            }
            Event::Restored { nbytes, .. } => state.held(nbytes),
            Event::Freed { nbytes, .. } => state.dropped(nbytes),
            Event::Spilled { nbytes, .. } => {
                state.report.spilled += 1;
                state.report.spilled_nbytes += nbytes;
                state.dropped(nbytes);
            }
            Event::RunFinished => state.report.wall = state.started.map(|started| started.elapsed()).unwrap_or_default(),
            Event::Started { .. } | Event::Failed { .. } => {}
        }
    }
}
