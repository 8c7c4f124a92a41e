//! Batches: the elements on their way from one step to the next.
//!
//! ```text
//!     Owned    [a b c d …]                       made by the step before; may be taken apart
//!     Shared   partition ──► [· · a b c d · ·]   a stretch of a value that others read too; a filter keeps positions, not copies
//! ```
//! A slot is a place for one batch between two steps, used again and again during one run of one partition, so that its memory is too.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arras_core::{BoxError, Func, Opaque, Value};

use crate::partition::Partition;

/// Elements that go through a step at a time: enough to hide the cost of a call, few enough to stay in the first levels of the cache.
pub(crate) const BATCH: usize = 1024;

/// Elements on their way from one step to the next.
pub(crate) enum Batch<T> {
    Owned(Vec<T>),
    Shared {
        /// Holds a [`Partition<T>`].
        partition: Value,
        range: Range<usize>,
        /// The positions within the range that are left, if not all are.
        kept: Option<Vec<u32>>,
    },
}

impl<T: Send + Sync + 'static> Batch<T> {
    pub(crate) fn empty() -> Batch<T> {
        Batch::Owned(Vec::new())
    }

    /// What is there, without copying any of it.
    pub(crate) fn items(&self) -> Items<'_, T> {
        match self {
            Batch::Owned(items) => Items::All(items.iter()),
            Batch::Shared { partition, range, kept } => {
                let items = &partition.get::<Partition<T>>().expect("checked when the run was opened")[range.clone()];
                match kept {
                    None => Items::All(items.iter()),
                    Some(kept) => Items::Kept(items, kept.iter()),
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Batch::Owned(items) => items.len(),
            Batch::Shared { kept: Some(kept), .. } => kept.len(),
            Batch::Shared { range, .. } => range.len(),
        }
    }

    /// The batch as a vector to fill: whatever it holds if that is its own, nothing if it is shared.
    pub(crate) fn owned(&mut self) -> &mut Vec<T> {
        if let Batch::Shared { .. } = self {
            *self = Batch::empty();
        }
        match self {
            Batch::Owned(items) => items,
            Batch::Shared { .. } => unreachable!("made an own one above"),
        }
    }

    /// Keeps the elements for which `keep` says so.
    #[inline(always)]
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        match self {
            Batch::Owned(items) => items.retain(keep),
            Batch::Shared { partition, range, kept } => {
                let items = &partition.get::<Partition<T>>().expect("checked when the run was opened")[range.clone()];
                match kept {
                    Some(kept) => kept.retain(|&i| keep(&items[i as usize])),
                    None => *kept = Some((0..items.len() as u32).filter(|&i| keep(&items[i as usize])).collect()),
                }
            }
        }
    }

    /// Moves the elements onto the end of `onto`, or copies them where others read them too.
    pub(crate) fn move_onto(&mut self, onto: &mut Vec<T>)
    where
        T: Clone,
    {
        match self {
            Batch::Owned(items) => onto.append(items),
            Batch::Shared { .. } => onto.extend(self.items().cloned()),
        }
    }
}

/// The elements of a batch. What consumes it whole (`for_each`, `fold`, `sum`) runs as one loop over a slice.
#[derive(Clone)]
pub(crate) enum Items<'a, T> {
    All(std::slice::Iter<'a, T>),
    Kept(&'a [T], std::slice::Iter<'a, u32>),
}

impl<'a, T> Iterator for Items<'a, T> {
    type Item = &'a T;
    fn next(&mut self) -> Option<&'a T> {
        match self {
            Items::All(items) => items.next(),
            Items::Kept(items, kept) => kept.next().map(|&i| &items[i as usize]),
        }
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Items::All(items) => items.size_hint(),
            Items::Kept(_, kept) => kept.size_hint(),
        }
    }
    // Inlined, or what a closure counts would be written to memory once an element.
    #[inline(always)]
    fn fold<B, F: FnMut(B, &'a T) -> B>(self, initial: B, mut fold: F) -> B {
        match self {
            Items::All(items) => items.fold(initial, fold),
            Items::Kept(items, kept) => kept.fold(initial, |acc, &i| fold(acc, &items[i as usize])),
        }
    }
}

impl<T> ExactSizeIterator for Items<'_, T> {}

/// A function that makes a value that holds one `S`, changed in place by the steps of one run of one partition.
pub(crate) fn cell<S: Send + 'static>(state: S) -> Value {
    Value::new(Opaque(Mutex::new(state)))
}

/// What a [`cell`] holds.
pub(crate) fn lock<S: Send + 'static>(cell: &Value) -> Result<MutexGuard<'_, S>, BoxError> {
    // A step that panicked ends the run, and the cell with it.
    Ok(cell.get::<Opaque<Mutex<S>>>()?.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A function that makes an empty slot.
pub(crate) fn slot<T: Send + Sync + 'static>() -> Func {
    Func::erased::<Batch<T>, _>(|_| Ok(cell(Batch::<T>::empty())))
}
