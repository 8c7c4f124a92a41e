//! What is ready, held and releasable: the part that all schedulers of this process share. A plain value: it reads no clock, takes no lock and
//! does no I/O, so it is tested by feeding it events.
//!
//! ```text
//!     finished(task) ──► inputs that nobody else will read: releasable
//!                    ──► readers whose inputs are now all there: ready
//! ```

use std::sync::atomic::{AtomicU32, Ordering};

use arras_core::{Plan, Source};

use crate::passes::fill;

/// Counts, for each task of a plan, the inputs it waits for and the readers that will still come.
///
/// The counts are atomic so that several threads can report; one thread may use it alone. What a task wrote before it was reported is visible to whoever is told
/// that a reader is ready, and all reads of a value happen before whoever is told that it is releasable.
#[derive(Debug)]
pub(crate) struct Bookkeeping {
    waiting: Box<[AtomicU32]>,
    unread: Box<[AtomicU32]>,
}

impl Bookkeeping {
    pub(crate) fn new(plan: &Plan) -> Bookkeeping {
        let waiting = fill(plan.len(), |id| AtomicU32::new(plan.task_inputs(id).count() as u32));
        let unread = fill(plan.len(), |id| AtomicU32::new(plan.readers(id).len() as u32));
        for output in plan.outputs() {
            if let Source::Task(id) = output {
                // The caller reads it, after the run: it is never releasable.
                unread[id as usize].fetch_add(1, Ordering::Relaxed);
            }
        }
        Bookkeeping { waiting, unread }
    }

    /// Takes note that a task has finished. Calls `releasable` for each input that no one will read again, then `ready` for each reader that has all its
    /// inputs now, from the highest rank to the lowest.
    #[inline]
    pub(crate) fn finished(&self, plan: &Plan, id: u32, mut releasable: impl FnMut(u32), mut ready: impl FnMut(u32)) {
        for input in plan.task_inputs(id) {
            if last(&self.unread[input as usize]) {
                releasable(input);
            }
        }
        for &reader in plan.readers(id).iter().rev() {
            if last(&self.waiting[reader as usize]) {
                ready(reader);
            }
        }
    }
}

impl Bookkeeping {
    /// Whether a task that has not finished is the only one left to read one of its inputs.
    #[inline]
    pub(crate) fn is_last(&self, input: u32) -> bool {
        self.unread[input as usize].load(Ordering::Acquire) == 1
    }
}

/// Counts one down. Whether it was the last.
#[inline]
fn last(count: &AtomicU32) -> bool {
    // The only one left needs no atomic subtraction, as nobody else will count: most tasks have one input and one reader.
    if count.load(Ordering::Acquire) == 1 {
        count.store(0, Ordering::Relaxed);
        return true;
    }
    count.fetch_sub(1, Ordering::AcqRel) == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use arras_core::{Graph, Key, task, value};

    fn event(bookkeeping: &Bookkeeping, plan: &Plan, id: u32) -> (Vec<u32>, Vec<u32>) {
        let (mut released, mut readied) = (Vec::new(), Vec::new());
        bookkeeping.finished(plan, id, |input| released.push(input), |reader| readied.push(reader));
        (released, readied)
    }

    #[test]
    fn values_are_released_by_their_last_reader_and_readers_are_ready_after_their_last_input() {
        let mut graph = Graph::new();
        graph.insert("one", value(1i64));
        graph.insert("a", task(|x: &i64| *x, ("one",)));
        graph.insert("b", task(|x: &i64| *x, ("a",)));
        graph.insert("c", task(|x: &i64, y: &i64| x + y, ("a", "b")));
        let plan = Plan::new(&graph, &[Key::from("c")]).unwrap();
        let name = |id: u32| plan.key(id).name().as_str().to_owned();
        assert_eq!((0..3).map(name).collect::<Vec<_>>(), ["a", "b", "c"]);

        let bookkeeping = Bookkeeping::new(&plan);
        assert_eq!(event(&bookkeeping, &plan, 0), (vec![], vec![1]));
        assert!(!bookkeeping.is_last(0), "b and c read it");
        assert_eq!(event(&bookkeeping, &plan, 1), (vec![], vec![2]));
        assert!(bookkeeping.is_last(0), "c alone");
        assert_eq!(event(&bookkeeping, &plan, 2), (vec![1, 0].into_iter().rev().collect(), vec![]));
    }

    #[test]
    fn a_task_that_reads_a_value_twice_releases_it_once() {
        let mut graph = Graph::new();
        graph.insert("a", task(|| 1i64, ()));
        graph.insert("b", task(|x: &i64, y: &i64| x * y, ("a", "a")));
        let plan = Plan::new(&graph, &[Key::from("b")]).unwrap();
        let bookkeeping = Bookkeeping::new(&plan);
        assert_eq!(event(&bookkeeping, &plan, 0), (vec![], vec![1]));
        assert_eq!(event(&bookkeeping, &plan, 1), (vec![0], vec![]));
    }

    #[test]
    fn wanted_values_are_never_releasable() {
        let mut graph = Graph::new();
        graph.insert("a", task(|| 1i64, ()));
        graph.insert("b", task(|x: &i64| *x, ("a",)));
        let plan = Plan::new(&graph, &[Key::from("a"), Key::from("b")]).unwrap();
        let bookkeeping = Bookkeeping::new(&plan);
        event(&bookkeeping, &plan, 0);
        assert!(!bookkeeping.is_last(0));
        assert_eq!(event(&bookkeeping, &plan, 1), (vec![], vec![]));
    }
}
