//! Where the values of a run's tasks lie while the run needs them. The scheduler's only unsafe code.
//!
//! A slot is written once by the worker that ran its task, read by the workers that run the task's readers, and emptied by the last of them. The
//! [bookkeeping](crate::bookkeeping) orders these for us, so a slot needs no lock: a lock a slot costs some 10 ns for each write, read and release, a third of what
//! a whole task costs.

use std::cell::UnsafeCell;

use arras_core::Value;

use crate::passes::fill;

pub(crate) struct Slots(Box<[UnsafeCell<Option<Value>>]>);

// SAFETY: a Value may be sent to and shared between threads; that no slot is written while another thread looks at it is what the callers of the
// unsafe methods promise.
unsafe impl Sync for Slots {}

impl Slots {
    pub(crate) fn new(n: usize) -> Slots {
        Slots(fill(n, |_| UnsafeCell::new(None)))
    }

    /// Stores the value of a task.
    ///
    /// # Safety
    /// The caller runs the task, and no task that reads it has been told that it is ready.
    pub(crate) unsafe fn put(&self, id: u32, value: Value) {
        // SAFETY: by the caller's promise nobody else looks at the slot before the bookkeeping has passed the task on, which orders this write before their reads.
        unsafe { *self.0[id as usize].get() = Some(value) }
    }

    /// The value of a task.
    ///
    /// # Safety
    /// The caller runs a task that reads it and was told by the bookkeeping that it is ready; it does not use the reference after it reports that task
    /// as finished.
    pub(crate) unsafe fn get(&self, id: u32) -> &Value {
        // SAFETY: the write came before the bookkeeping said ready, and the slot is emptied only after every reader, this one too, has reported.
        let value = unsafe { &*self.0[id as usize].get() };
        value.as_ref().expect("a task that is ready has its inputs")
    }

    /// Empties the slot of a task.
    ///
    /// # Safety
    /// The bookkeeping has just told the caller that the value is releasable, or all tasks of the run have been reported and the caller has seen that.
    pub(crate) unsafe fn take(&self, id: u32) -> Option<Value> {
        // SAFETY: every reader has reported before, so nobody looks at the slot now or later.
        unsafe { (*self.0[id as usize].get()).take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_what_was_put_until_it_is_taken() {
        let slots = Slots::new(2);
        // SAFETY: this test is the only thread, and reads before it takes.
        unsafe {
            slots.put(1, Value::new(5i64));
            assert_eq!(slots.get(1).get::<i64>().unwrap(), &5);
            assert!(slots.take(1).is_some());
            assert!(slots.take(1).is_none());
            assert!(slots.take(0).is_none());
        }
    }

    #[test]
    fn a_value_put_by_one_thread_is_read_by_another_and_dropped_once() {
        use std::sync::Arc;
        let counted = Arc::new(());
        let slots = Slots::new(1);
        std::thread::scope(|scope| {
            // SAFETY: the join orders the write before the read below, and nobody reads meanwhile.
            scope.spawn(|| unsafe { slots.put(0, Value::new(arras_core::Opaque(Arc::clone(&counted)))) }).join().unwrap();
        });
        assert_eq!(Arc::strong_count(&counted), 2);
        // SAFETY: the writer is joined and there is no reader.
        drop(unsafe { slots.take(0) });
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
