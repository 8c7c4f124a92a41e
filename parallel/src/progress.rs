//! joblib's progress lines.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use arras_core::Plan;
use arras_scheduler::{Event, Observer};

/// Writes lines such as `[Parallel(n_jobs=3)]: Done 4 out of 6 | elapsed: 0.0s remaining: 0.0s`, as many as the verbosity asks for.
pub(crate) struct Progress<W> {
    n_jobs: usize,
    verbose: u32,
    total: usize,
    state: Mutex<State<W>>,
}

struct State<W> {
    done: usize,
    started: Instant,
    out: W,
}

impl<W: Write> Progress<W> {
    pub(crate) fn new(n_jobs: usize, verbose: u32, total: usize, out: W) -> Progress<W> {
        Progress { n_jobs, verbose, total, state: Mutex::new(State { done: 0, started: Instant::now(), out }) }
    }

    fn line(&self, out: &mut W, text: &str) {
        // Nobody to tell if standard error is closed.
        let _ = writeln!(out, "[Parallel(n_jobs={})]: {text}", self.n_jobs);
    }

    pub(crate) fn begin(&self, scheduler: &str) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.started = Instant::now();
        let workers = if self.n_jobs == 1 { "worker" } else { "workers" };
        self.line(&mut state.out, &format!("Using the {scheduler} scheduler with {} concurrent {workers}.", self.n_jobs));
    }

    /// One more call is done.
    fn step(&self) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        state.done += 1;
        let (done, total, elapsed) = (state.done, self.total, state.started.elapsed());
        let width = total.to_string().len();
        let elapsed_text = short_time(elapsed);
        if done == total {
            self.line(&mut state.out, &format!("Done {done:width$} out of {total:width$} | elapsed: {elapsed_text} finished"));
        } else if says(done, total, self.verbose) {
            let remaining = short_time(elapsed.mul_f64((total - done) as f64 / done as f64));
            let text = format!("Done {done:width$} out of {total:width$} | elapsed: {elapsed_text} remaining: {remaining}");
            self.line(&mut state.out, &text);
        }
    }
}

/// Whether a call that is done gets a line: about `verbose` lines in all, and not the last but one.
fn says(done: usize, total: usize, verbose: u32) -> bool {
    let frequency = total / verbose.max(1) as usize + 1;
    done + 1 != total && (total - done + 1).is_multiple_of(frequency)
}

/// Seconds up to a minute, then minutes, in a fixed width.
fn short_time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds > 60.0 { format!("{:4.1}min", seconds / 60.0) } else { format!(" {seconds:5.1}s") }
}

/// Counts the tasks of one layer; calls may stand on other tasks, which are not counted.
pub(crate) struct Counted<W> {
    pub(crate) progress: Progress<W>,
    pub(crate) layer: arras_core::Name,
}

impl<W: Write + Send> Observer for Counted<W> {
    fn event(&self, plan: &Plan, event: &Event<'_>) {
        if let Event::Finished { task, .. } = event
            && plan.key(*task).name() == &self.layer
        {
            self.progress.step();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(total: usize, verbose: u32) -> Vec<String> {
        let progress = Progress::new(3, verbose, total, Vec::new());
        progress.begin("threads");
        (0..total).for_each(|_| progress.step());
        let text = String::from_utf8(progress.state.into_inner().unwrap().out).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_lines_have_joblibs_shape() {
        assert_eq!(
            lines(6, 50),
            [
                "[Parallel(n_jobs=3)]: Using the threads scheduler with 3 concurrent workers.",
                "[Parallel(n_jobs=3)]: Done 1 out of 6 | elapsed:    0.0s remaining:    0.0s",
                "[Parallel(n_jobs=3)]: Done 2 out of 6 | elapsed:    0.0s remaining:    0.0s",
                "[Parallel(n_jobs=3)]: Done 3 out of 6 | elapsed:    0.0s remaining:    0.0s",
                "[Parallel(n_jobs=3)]: Done 4 out of 6 | elapsed:    0.0s remaining:    0.0s",
                "[Parallel(n_jobs=3)]: Done 6 out of 6 | elapsed:    0.0s finished",
            ]
        );
    }

    #[test]
    fn verbosity_is_about_the_number_of_lines() {
        assert!(lines(1000, 1).len() <= 4);
        assert!((8..=13).contains(&lines(1000, 10).len()), "{}", lines(1000, 10).len());
    }

    #[test]
    fn times_keep_their_width() {
        assert_eq!(short_time(Duration::from_millis(1230)), "   1.2s");
        assert_eq!(short_time(Duration::from_secs(90)), " 1.5min");
    }
}
