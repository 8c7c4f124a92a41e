//! Values on their way: home, and from worker to worker, unopened.
//!
//! ```text
//!     small ones together    GetAll ──► Batch ──► PutAll          one message each way for thousands
//!     one alone              Get ──► Payload ──► Put              through shared memory if it is large
//! ```

use arras_core::Value;

use super::{Driver, Interrupted};
use crate::guard::guarded;
use crate::processes::coordinator::{Assignment, Fetch, Seat};
use crate::worker::WorkerError;
use crate::worker::connection::{Connection, TOGETHER};

impl Driver<'_> {
    /// Brings wanted values home: small ones together.
    pub(super) fn collect(&mut self, mut values: &[(u32, u64)]) -> Result<(), Interrupted> {
        let together = values.len() > 1 && self.are_harmless(values.iter().map(|&(value, _)| value));
        while !values.is_empty() {
            let some = if together { &values[..values.len().min(TOGETHER)] } else { &[] };
            let taken = if together { self.collect_together(some)? } else { 0 };
            values = &values[taken..];
            if together && taken == some.len() {
                continue;
            }
            // The one at which that ended, as it is large, or there is something to say about it.
            if let Some((&(value, id), rest)) = values.split_first() {
                self.collect_one(value, id)?;
                values = rest;
            }
        }
        Ok(())
    }

    /// Whether no worker was ever lost to one of these. Else they are taken one by one, to see which it is.
    fn are_harmless(&self, mut values: impl Iterator<Item = u32>) -> bool {
        let state = self.run.state();
        values.all(|value| self.run.shape.producer(value).is_none_or(|bundle| !state.coordinator.is_suspect(bundle)))
    }

    /// Brings the first of these values home, as many as the worker hands over together.
    fn collect_together(&mut self, values: &[(u32, u64)]) -> Result<usize, Interrupted> {
        let ids: Vec<u64> = values.iter().map(|&(_, id)| id).collect();
        let batch = self.own().1.get_all(&ids).map_err(|error| {
            let why = self.lose_own(error, Some(values[0].0));
            self.blame(values[0].0, &why)
        })?;
        self.is_unanswered = false;
        let mut contents = Vec::with_capacity(batch.len());
        for (&(value, _), form) in values.iter().zip(batch.forms()) {
            contents.push((value, guarded(|| Ok(Value::from_wire(form)?)).map_err(|error| self.fail_value(value, error))?));
        }
        let taken = contents.len();
        self.came_home(contents);
        Ok(taken)
    }

    fn collect_one(&mut self, value: u32, id: u64) -> Result<(), Interrupted> {
        let (seat, connection) = self.own();
        let payload = match connection.get(id) {
            Ok(payload) => payload,
            // The others are to come home all the same.
            Err(WorkerError::Missing { .. }) => {
                self.vanished(seat, id, None);
                return Ok(());
            }
            Err(error @ WorkerError::Damaged { .. }) => return Err(self.fail_value(value, error.into())),
            Err(error) => {
                let why = self.lose_own(error, Some(value));
                return Err(self.blame(value, &why));
            }
        };
        self.is_unanswered = false;
        let content = guarded(|| Ok(payload.value()?)).map_err(|error| self.fail_value(value, error))?;
        self.came_home(vec![(value, content)]);
        Ok(())
    }

    fn came_home(&self, contents: Vec<(u32, Value)>) {
        let seat = self.own().0;
        let mut state = self.run.state();
        if state.coordinator.is_current(seat) {
            for (value, content) in contents {
                state.home[value as usize] = Some(content);
                state.coordinator.collected(seat, value);
            }
            self.run.tell_freed(state);
            self.run.notify();
        }
    }

    /// Brings inputs, all from one holder, to the own worker: small ones together.
    pub(super) fn fetch(&mut self, assignment: &Assignment, mut fetches: &[Fetch]) -> Result<(), Interrupted> {
        let together = fetches.len() > 1 && self.are_harmless(fetches.iter().map(|fetch| fetch.value));
        while !fetches.is_empty() {
            let some = if together { &fetches[..fetches.len().min(TOGETHER)] } else { &[] };
            let taken = if together { self.fetch_together(assignment, some)? } else { 0 };
            fetches = &fetches[taken..];
            if together && taken == some.len() {
                continue;
            }
            // The one at which that ended, as it is large, or there is something to say about it.
            if let Some((fetch, rest)) = fetches.split_first() {
                self.fetch_one(assignment, fetch)?;
                fetches = rest;
            }
        }
        Ok(())
    }

    /// Brings the first of these inputs, as many as their holder hands over together.
    fn fetch_together(&mut self, assignment: &Assignment, fetches: &[Fetch]) -> Result<usize, Interrupted> {
        let Some((holder, _)) = fetches[0].from else { return Ok(0) };
        let theirs: Vec<u64> = fetches.iter().filter_map(|fetch| fetch.from).map(|(_, id)| id).collect();
        let batch = match self.ask(holder, |connection| connection.get_all(&theirs)) {
            Ok(batch) => batch,
            Err(error) => return Err(self.lose_holder(assignment, holder, fetches[0].value, error)),
        };
        let fetches = &fetches[..batch.len()];
        let ours: Vec<u64> = fetches.iter().map(|fetch| fetch.id).collect();
        let (seat, connection) = self.own();
        match connection.put_all(&ours, &batch) {
            Ok(()) => {
                self.fetched(seat, fetches);
                Ok(fetches.len())
            }
            // One by one, it turns out which of them it is.
            Err(WorkerError::Damaged { .. }) => {
                fetches.iter().try_for_each(|fetch| self.fetch_one(assignment, fetch)).map(|()| fetches.len())
            }
            Err(error) => Err(self.lose_own_with(None, error)),
        }
    }

    fn fetch_one(&mut self, assignment: &Assignment, fetch: &Fetch) -> Result<(), Interrupted> {
        let payload = match fetch.from {
            None => match self.run.payload(fetch.value) {
                Ok(payload) => payload,
                Err(error) => return Err(self.fail_value(fetch.value, error)),
            },
            Some((holder, id)) => match self.ask(holder, |connection| connection.get(id)) {
                Ok(payload) => payload.into(),
                Err(WorkerError::Missing { .. }) => return Err(self.vanished(holder, id, Some(assignment))),
                Err(error @ WorkerError::Damaged { .. }) => return Err(self.fail_value(fetch.value, error.into())),
                Err(error) => return Err(self.lose_holder(assignment, holder, fetch.value, error)),
            },
        };
        let (seat, connection) = self.own();
        match connection.put(fetch.id, &payload) {
            Ok(_) => {
                self.fetched(seat, std::slice::from_ref(fetch));
                Ok(())
            }
            Err(error @ WorkerError::Damaged { .. }) => Err(self.fail_value(fetch.value, error.into())),
            Err(error) => Err(self.lose_own_with(None, error)),
        }
    }

    /// Inputs are in the own worker's store.
    fn fetched(&self, seat: Seat, fetches: &[Fetch]) {
        let mut state = self.run.state();
        let mut were_nowhere = false;
        for fetch in fetches {
            were_nowhere |= state.coordinator.fetched(seat, fetch.value, fetch.id);
        }
        // Their other readers may have waited for them.
        if were_nowhere {
            self.run.tell_freed(state);
            self.run.notify();
        }
    }

    /// The worker that an input was to come from is gone.
    fn lose_holder(&mut self, assignment: &Assignment, holder: Seat, value: u32, error: WorkerError) -> Interrupted {
        let why = self.run.lose(holder, error, Some(value));
        self.returned(self.own().0, assignment);
        self.blame(value, &why)
    }

    /// Asks another worker something, over a connection that is borrowed for it: if everybody kept one to everybody, they would be very many.
    fn ask<T>(&self, holder: Seat, question: impl FnOnce(&Connection) -> Result<T, WorkerError>) -> Result<T, WorkerError> {
        let connection = self.run.fleet.connection(holder)?;
        let answer = question(&connection);
        if matches!(answer, Ok(_) | Err(WorkerError::Missing { .. } | WorkerError::Damaged { .. })) {
            self.run.fleet.give_back(holder, connection);
        }
        answer
    }
}
