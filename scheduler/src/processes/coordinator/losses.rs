//! What has to be done again after a loss, and nothing else.
//!
//! ```text
//!     needed and nowhere ──► its bundle waits again ──► its inputs are needed again: are they somewhere? ──► …
//! ```

use super::{Coordinator, State, Worker};

impl Coordinator {
    /// A worker's store is gone, and what it ran has to be run again.
    pub(super) fn lost_life(&mut self, worker: usize) {
        let former = &self.workers[worker];
        self.workers[worker] = Worker { lost: former.life.or(former.lost), ..Worker::default() };
        let mut affected = Vec::new();
        for (value, held) in self.values.iter_mut().enumerate() {
            let before = held.copies.len();
            held.copies.retain(|copy| copy.worker != worker);
            if held.copies.len() < before {
                affected.push(value as u32);
            }
            if held.collector == Some(worker) {
                held.collector = None;
            }
        }
        for bundle in 0..self.bundles.len() as u32 {
            if self.bundles[bundle as usize].state == State::Running(worker) {
                self.bundles[bundle as usize].losses += 1;
                self.progress += 1;
                self.put_back(bundle);
            }
        }
        self.lost_copies(&affected);
    }

    /// Copies of these values are gone. Those that are needed and nowhere are made again.
    pub(super) fn lost_copies(&mut self, values: &[u32]) {
        let gone: Vec<u32> = values.iter().copied().filter(|&value| !self.somewhere(value)).collect();
        self.freed.extend(gone);
        let mut readers: Vec<u32> = values.iter().flat_map(|&value| self.shape.readers(value)).copied().collect();
        readers.sort_unstable();
        readers.dedup();
        for reader in readers {
            if self.bundles[reader as usize].state == State::Waiting {
                self.recount(reader);
            }
        }
        for &value in values {
            self.revive(value);
            self.ask_for_collection(value);
        }
    }

    /// Has a value made again if it is needed and nowhere, with all that this takes.
    fn revive(&mut self, value: u32) {
        let mut stack = vec![value];
        while let Some(value) = stack.pop() {
            if !self.needed(value) || self.somewhere(value) {
                continue;
            }
            let producer = self.shape.producer(value).expect("given values are at home");
            if self.bundles[producer as usize].state != State::Done {
                continue;
            }
            self.bundles[producer as usize].state = State::Waiting;
            for &input in self.shape.inputs(producer) {
                self.values[input as usize].unread += 1;
                stack.push(input);
            }
            self.recount(producer);
        }
    }

    /// A bundle is not run after all.
    pub(super) fn put_back(&mut self, bundle: u32) {
        self.bundles[bundle as usize].state = State::Waiting;
        self.recount(bundle);
        // What it was to make again may have come from elsewhere while it was out.
        self.settle(bundle);
    }

    /// Counts a waiting bundle's missing inputs anew.
    fn recount(&mut self, bundle: u32) {
        let missing = self.shape.inputs(bundle).iter().filter(|&&value| !self.somewhere(value)).count() as u32;
        self.bundles[bundle as usize].missing = missing;
        if missing == 0 && !self.is_exhausted(bundle) {
            self.make_ready(bundle);
        } else {
            self.ready.remove(bundle);
        }
    }
}
