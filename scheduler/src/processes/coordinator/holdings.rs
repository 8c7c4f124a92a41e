//! Where values are, who needs them, and when they are let go.

use smallvec::SmallVec;

use super::{Coordinator, State};

/// Where a value is, and who needs it.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) copies: SmallVec<[Copy; 1]>,
    pub(super) nbytes: u64,
    /// Bundles that read it and are not done.
    pub(super) unread: u32,
    pub(super) is_home: bool,
    /// The worker from which it is to be collected, or is being collected.
    pub(super) collector: Option<usize>,
}

/// A value in a worker's store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    pub(super) worker: usize,
    pub(super) id: u64,
}

impl Coordinator {
    /// Whether somebody will still read a value.
    pub(super) fn needed(&self, value: u32) -> bool {
        let held = &self.values[value as usize];
        held.unread > 0 || (self.shape.is_wanted(value) && !held.is_home)
    }

    pub(super) fn somewhere(&self, value: u32) -> bool {
        let held = &self.values[value as usize];
        held.is_home || !held.copies.is_empty()
    }

    pub(super) fn copy_at(&self, value: u32, worker: usize) -> Option<&Copy> {
        self.values[value as usize].copies.iter().find(|copy| copy.worker == worker)
    }

    /// Takes note of a copy.
    pub(super) fn store(&mut self, value: u32, copy: Copy) {
        let was_somewhere = self.somewhere(value);
        let was_here = self.copy_at(value, copy.worker).is_some();
        let held = &mut self.values[value as usize];
        held.copies.push(copy);
        let nbytes = held.nbytes.max(1);
        if !was_somewhere {
            self.now_somewhere(value);
        } else if !was_here {
            for &reader in self.shape.readers(value) {
                self.ready.brought(reader, copy.worker, nbytes);
            }
        }
        self.ask_for_collection(value);
    }

    /// A value that was nowhere is there: its readers miss one input less.
    fn now_somewhere(&mut self, value: u32) {
        for i in 0..self.shape.readers(value).len() {
            let reader = self.shape.readers(value)[i];
            let bundle = &mut self.bundles[reader as usize];
            if bundle.state == State::Waiting {
                bundle.missing -= 1;
                if bundle.missing == 0 && !self.is_exhausted(reader) {
                    self.make_ready(reader);
                }
            }
        }
        // It may have been on its way to a worker while the one it came from was lost: then it is to be made again no longer.
        if let Some(producer) = self.shape.producer(value) {
            self.settle(producer);
        }
    }

    /// Takes a bundle that waits, and whose values nobody lacks any more, for done; and those that were to run for it alone.
    pub(super) fn settle(&mut self, bundle: u32) {
        let mut stack = vec![bundle];
        while let Some(bundle) = stack.pop() {
            if self.bundles[bundle as usize].state == State::Waiting && !self.is_wanting(bundle) {
                self.ready.remove(bundle);
                self.complete(bundle);
                stack.extend(self.shape.inputs(bundle).iter().filter_map(|&input| self.shape.producer(input)));
            }
        }
    }

    /// Whether a bundle has to run, or to run again: one of its values is needed and nowhere.
    pub(super) fn is_wanting(&self, bundle: u32) -> bool {
        self.shape.exports(bundle).any(|value| self.needed(value) && !self.somewhere(value))
    }

    /// A bundle is done, and reads its inputs no more.
    pub(super) fn complete(&mut self, bundle: u32) {
        self.bundles[bundle as usize].state = State::Done;
        for i in 0..self.shape.inputs(bundle).len() {
            let input = self.shape.inputs(bundle)[i];
            self.values[input as usize].unread -= 1;
            self.let_go(input);
        }
    }

    /// Has a worker that holds a wanted value bring it home, unless one already does.
    pub(super) fn ask_for_collection(&mut self, value: u32) {
        let held = &mut self.values[value as usize];
        if self.shape.is_wanted(value)
            && !held.is_home
            && held.collector.is_none()
            && let Some(copy) = held.copies.first()
        {
            held.collector = Some(copy.worker);
            self.workers[copy.worker].collect.push(value);
        }
    }

    /// Has all copies of a value dropped if nobody needs it any more.
    pub(super) fn let_go(&mut self, value: u32) {
        if self.needed(value) || self.values[value as usize].copies.is_empty() {
            return;
        }
        for copy in std::mem::take(&mut self.values[value as usize].copies) {
            self.workers[copy.worker].drops.push(copy.id);
        }
        if !self.values[value as usize].is_home {
            self.freed.push(value);
        }
    }
}
