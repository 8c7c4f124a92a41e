//! The store: what a worker holds, by number, within a budget of memory.
//!
//! ```text
//!     insert ──► in memory ──over the budget: the least recently used, unless a run uses it──► on disk
//!                    ▲                                                                            │
//!                    └────────────────────────────── get, checkout ───────────────────────────────┘   the copy on disk stays good: values do not change
//! ```
//! A disk that is full is no reason to lose a value: it stays in memory, over the budget, and the store tries again later. So does a value
//! that cannot be written, for good. Values are written, read and dropped by the user's code, outside the lock, and what panics there is
//! no harm to the others.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arras_core::{BoxError, Value};
use rustc_hash::FxHashMap;

use crate::guard::discard;
use crate::spill::{Slot, Spill, SpillError};

/// Values by number.
pub(crate) struct Store {
    memory_limit: Option<u64>,
    state: Mutex<State>,
    /// Held while a value is written to disk; the store goes on meanwhile.
    spill: Mutex<Spill>,
}

#[derive(Default)]
struct State {
    entries: FxHashMap<u64, Entry>,
    resident: u64,
    clock: u64,
    /// After a failed attempt to write to disk: how much must be resident before the next.
    patience: u64,
    warned: bool,
}

struct Entry {
    value: Option<Value>,
    slot: Option<Slot>,
    nbytes: u64,
    used: u64,
    /// Runs that use it: its memory would not become free.
    pins: u32,
    /// It cannot be written, so it stays.
    is_bound: bool,
}

/// Why a value is not handed out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("value {0} is not there")]
    Missing(u64),
    #[error("value {0} is already there")]
    Duplicate(u64),
    #[error("value {id}: {source}")]
    Damaged { id: u64, source: BoxError },
}

impl Store {
    pub(crate) fn new(memory_limit: Option<u64>, spill_directory: PathBuf) -> Store {
        Store { memory_limit, state: Mutex::default(), spill: Mutex::new(Spill::new(spill_directory)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps values, all or none.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`].
    pub(crate) fn insert(&self, values: Vec<(u64, Value, u64)>) -> Result<(), StoreError> {
        let mut state = self.lock();
        let mut ids: Vec<u64> = values.iter().map(|&(id, ..)| id).collect();
        ids.sort_unstable();
        let twice = ids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        if let Some(id) = twice.or_else(|| ids.into_iter().find(|id| state.entries.contains_key(id))) {
            return Err(StoreError::Duplicate(id));
        }
        for (id, value, nbytes) in values {
            let used = state.tick();
            state.resident += nbytes;
            state.entries.insert(id, Entry { value: Some(value), slot: None, nbytes, used, pins: 0, is_bound: false });
        }
        drop(state);
        self.keep_within_limit();
        Ok(())
    }

    /// A value and its size.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Damaged`].
    pub(crate) fn get(&self, id: u64) -> Result<(Value, u64), StoreError> {
        let slot = {
            let mut state = self.lock();
            let used = state.tick();
            let entry = state.entries.get_mut(&id).ok_or(StoreError::Missing(id))?;
            entry.used = used;
            match (&entry.value, &entry.slot) {
                (Some(value), _) => return Ok((value.clone(), entry.nbytes)),
                (None, Some(slot)) => slot.clone(),
                (None, None) => unreachable!("a value is in memory or on disk"),
            }
        };
        let value = slot.read().map_err(|source| StoreError::Damaged { id, source })?;
        let mut state = self.lock();
        // It may have been dropped meanwhile, or read by another thread.
        let nbytes = match state.entries.get_mut(&id) {
            Some(entry) => {
                let nbytes = entry.nbytes;
                if entry.value.is_none() {
                    entry.value = Some(value.clone());
                    state.resident += nbytes;
                }
                nbytes
            }
            None => {
                drop(state);
                discard(value);
                return Err(StoreError::Missing(id));
            }
        };
        drop(state);
        self.keep_within_limit();
        Ok((value, nbytes))
    }

    /// The values that a run takes. They stay in memory until they are checked in, or dropped.
    ///
    /// # Errors
    /// As for [`get`](Store::get).
    pub(crate) fn check_out(&self, ids: &[u64]) -> Result<Vec<Value>, StoreError> {
        self.pin(ids, 1);
        let mut values = Vec::with_capacity(ids.len());
        for &id in ids {
            match self.get(id) {
                Ok((value, _)) => values.push(value),
                Err(error) => {
                    values.into_iter().for_each(discard);
                    self.pin(ids, -1);
                    return Err(error);
                }
            }
        }
        Ok(values)
    }

    /// The run is over.
    pub(crate) fn check_in(&self, ids: &[u64]) {
        self.pin(ids, -1);
        self.keep_within_limit();
    }

    fn pin(&self, ids: &[u64], by: i32) {
        let mut state = self.lock();
        for id in ids {
            if let Some(entry) = state.entries.get_mut(id) {
                entry.pins = entry.pins.saturating_add_signed(by);
            }
        }
    }

    /// Forgets values.
    pub(crate) fn remove(&self, ids: &[u64]) {
        let removed: Vec<Entry> = {
            let mut state = self.lock();
            let removed: Vec<Entry> = ids.iter().filter_map(|id| state.entries.remove(id)).collect();
            for entry in removed.iter().filter(|entry| entry.value.is_some()) {
                state.resident -= entry.nbytes;
            }
            // The disk may be less full than it was.
            if let Some(limit) = self.memory_limit {
                state.patience = state.patience.min(state.resident + limit / 4);
            }
            removed
        };
        // Outside the lock: it may be much, and it may be the user's code.
        removed.into_iter().for_each(discard);
    }

    /// Values, and bytes of them, in memory; values, and bytes of them, on disk only.
    pub(crate) fn held(&self) -> [(u64, u64); 2] {
        let state = self.lock();
        let mut held = [(0, 0); 2];
        for entry in state.entries.values() {
            let (count, nbytes) = &mut held[usize::from(entry.value.is_none())];
            *count += 1;
            *nbytes += entry.nbytes;
        }
        held
    }

    /// Moves values to disk until the rest is within the budget.
    fn keep_within_limit(&self) {
        let Some(limit) = self.memory_limit else { return };
        loop {
            let mut state = self.lock();
            if state.resident <= limit.max(state.patience) {
                return;
            }
            let victim = state.entries.iter().filter(|(_, entry)| entry.pins == 0 && !entry.is_bound && entry.value.is_some());
            let Some((&id, _)) = victim.min_by_key(|(_, entry)| entry.used) else { return };
            let entry = state.entries.get_mut(&id).expect("found just now");
            if entry.slot.is_some() {
                let nbytes = entry.nbytes;
                let value = entry.value.take();
                state.resident -= nbytes;
                drop(state);
                discard(value);
                continue;
            }
            let value = entry.value.clone().expect("filtered by it");
            drop(state);
            let written = self.spill.lock().unwrap_or_else(PoisonError::into_inner).write(&value);
            discard(value);
            let mut state = self.lock();
            match written {
                Ok(slot) => {
                    state.patience = 0;
                    // It may have been dropped meanwhile. If a run took it, the copy on disk is there for later.
                    if let Some(entry) = state.entries.get_mut(&id) {
                        entry.slot = Some(slot);
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut state.warned, true) {
                        eprintln!("arras: values of {} bytes stay in memory, over the limit of {limit}: {error}", state.resident);
                    }
                    if let SpillError::Disk(_) = error {
                        state.patience = state.resident + limit / 4;
                        return;
                    }
                    if let Some(entry) = state.entries.get_mut(&id) {
                        entry.is_bound = true;
                    }
                }
            }
        }
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Rude;

    fn block(i: u64) -> (u64, Value, u64) {
        (i, Value::new(vec![i; 100]), 800)
    }

    fn content(store: &Store, id: u64) -> Vec<u64> {
        store.get(id).unwrap().0.get::<Vec<u64>>().unwrap().clone()
    }

    #[test]
    fn what_is_over_the_limit_goes_to_disk_and_comes_back() {
        let store = Store::new(Some(2500), std::env::temp_dir());
        for i in 0..10 {
            store.insert(vec![block(i)]).unwrap();
        }
        let [(resident, bytes), (spilled, _)] = store.held();
        assert_eq!((resident, bytes, spilled), (3, 2400, 7));
        for i in (0..10).chain(0..10) {
            assert_eq!(content(&store, i), vec![i; 100]);
            assert!(store.held()[0].1 <= 2500);
        }
        store.remove(&(0..10).collect::<Vec<_>>());
        assert_eq!(store.held(), [(0, 0); 2]);
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_a_run_uses_stays() {
        let store = Store::new(Some(1700), std::env::temp_dir());
        store.insert(vec![block(1), block(2)]).unwrap();
        content(&store, 1);
        let held = store.check_out(&[2]).unwrap();
        store.insert(vec![block(3)]).unwrap();
        let is_resident = |id: u64| store.lock().entries[&id].value.is_some();
        assert_eq!([1, 2, 3].map(is_resident), [false, true, true]);
        drop(held);
        store.check_in(&[2]);
        store.insert(vec![block(4)]).unwrap();
        assert_eq!([1, 2, 3, 4].map(is_resident), [false, false, true, true]);
    }

    #[test]
    fn a_disk_that_cannot_be_written_keeps_values_in_memory() {
        let store = Store::new(Some(1000), "/nowhere/at/all".into());
        for i in 0..10 {
            store.insert(vec![block(i)]).unwrap();
        }
        assert_eq!(store.held()[0].0, 10);
        assert_eq!(content(&store, 0), vec![0; 100]);
    }

    #[test]
    fn a_disk_that_was_full_is_tried_again_once_values_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        let store = Store::new(Some(1000), disk.clone());
        for i in 0..10 {
            store.insert(vec![block(i)]).unwrap();
        }
        std::fs::create_dir(disk).unwrap();
        store.remove(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        store.insert(vec![block(10)]).unwrap();
        assert_eq!(store.held().map(|(count, _)| count), [1, 1]);
    }

    #[test]
    fn a_value_that_cannot_be_written_stays_and_the_others_go_to_disk() {
        for rude in [Rude::Refuses, Rude::PanicsWhenWritten] {
            let store = Store::new(Some(2500), std::env::temp_dir());
            store.insert(vec![(100, Value::new(rude), 800)]).unwrap();
            for i in 0..10 {
                store.insert(vec![block(i)]).unwrap();
            }
            assert_eq!(store.held(), [(3, 2400), (8, 6400)]);
            assert_eq!(*store.get(100).unwrap().0.get::<Rude>().unwrap(), rude);
        }
    }

    #[test]
    fn values_that_panic_when_they_are_read_or_dropped_do_no_harm() {
        let store = Store::new(Some(1700), std::env::temp_dir());
        store.insert(vec![(100, Value::new(Rude::PanicsWhenRead), 800), block(1), block(2)]).unwrap();
        assert!(matches!(store.get(100), Err(StoreError::Damaged { id: 100, .. })));
        assert!(matches!(store.check_out(&[1, 100]), Err(StoreError::Damaged { id: 100, .. })));
        assert_eq!(store.lock().entries[&1].pins, 0);
        // Two at once would end the process.
        store.insert(vec![(101, Value::new(Fragile(1)), 0), (102, Value::new(Fragile(2)), 0), block(3)]).unwrap();
        store.remove(&[101, 1, 102, 100]);
        assert_eq!(store.held().map(|(count, _)| count).iter().sum::<u64>(), 2);
        // As one goes to disk.
        store.insert(vec![(103, Value::new(Fragile(3)), 10_000)]).unwrap();
        assert_eq!(store.held().map(|(count, _)| count), [0, 3]);
    }

    /// Panics when it is dropped.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Fragile(u8);

    impl Drop for Fragile {
        fn drop(&mut self) {
            panic!("not to be dropped")
        }
    }

    #[test]
    fn missing_and_duplicate_values_are_errors_and_nothing_is_kept_of_a_bad_insert() {
        let store = Store::new(None, std::env::temp_dir());
        assert!(matches!(store.get(1), Err(StoreError::Missing(1))));
        store.insert(vec![block(1)]).unwrap();
        assert!(matches!(store.insert(vec![block(2), block(1)]), Err(StoreError::Duplicate(1))));
        assert!(matches!(store.insert(vec![block(3), block(3)]), Err(StoreError::Duplicate(3))));
        assert!(matches!(store.check_out(&[1, 2]), Err(StoreError::Missing(2))));
        assert_eq!(store.lock().entries[&1].pins, 0);
        store.remove(&[7]);
        assert_eq!(store.held()[0].0, 1);
    }
}
