//! What values at home look like on their way to workers: made once for those who ask at about the same time, and again for those who come
//! late.
//!
//! ```text
//!     of(value) ──► kept? ──► its payload
//!                    └──► made, by the first who asks; the others wait for it          the longest unused goes when there are too many,
//!                                                                                     or too many bytes
//! ```
//! A large payload is a descriptor and a whole copy, and a run may read thousands.

use std::sync::{Arc, Mutex};

use arras_core::BoxError;

use super::fleet::lock;
use crate::worker::payload::Payload;

/// Bytes of payloads that are kept, unless there is but one.
const KEPT_NBYTES: u64 = 64 << 20;

/// The payloads of a run that are kept.
#[derive(Debug)]
pub(super) struct Payloads {
    n_kept: usize,
    /// The last one used stands last.
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    value: u32,
    /// Locked while it is made.
    cell: Arc<Mutex<Option<Arc<Payload>>>>,
    nbytes: u64,
}

impl Payloads {
    /// Keeps so many, at least one.
    pub(super) fn new(n_kept: usize) -> Payloads {
        Payloads { n_kept: n_kept.max(1), kept: Mutex::default() }
    }

    /// The payload of a value.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn of(&self, value: u32, make: impl FnOnce() -> Result<Payload, BoxError>) -> Result<Arc<Payload>, BoxError> {
        let cell = self.cell(value);
        let mut payload = lock(&cell);
        if let Some(payload) = &*payload {
            return Ok(Arc::clone(payload));
        }
        let made = Arc::new(make()?);
        *payload = Some(Arc::clone(&made));
        self.measure(value, made.len());
        Ok(made)
    }

    /// Lets go of a payload that no worker will ask for again.
    pub(super) fn forget(&self, value: u32) {
        lock(&self.kept).retain(|kept| kept.value != value);
    }

    fn cell(&self, value: u32) -> Arc<Mutex<Option<Arc<Payload>>>> {
        let mut kept = lock(&self.kept);
        let found = kept.iter().position(|kept| kept.value == value).map(|i| kept.remove(i));
        let used = found.unwrap_or_else(|| Kept { value, cell: Arc::default(), nbytes: 0 });
        let cell = Arc::clone(&used.cell);
        kept.push(used);
        if kept.len() > self.n_kept {
            kept.remove(0);
        }
        cell
    }

    fn measure(&self, value: u32, nbytes: u64) {
        let mut kept = lock(&self.kept);
        if let Some(kept) = kept.iter_mut().find(|kept| kept.value == value) {
            kept.nbytes = nbytes;
        }
        let mut sum: u64 = kept.iter().map(|kept| kept.nbytes).sum();
        while sum > KEPT_NBYTES && kept.len() > 1 {
            sum -= kept.remove(0).nbytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn bytes(n: usize) -> Result<Payload, BoxError> {
        Ok(Payload::Bytes(vec![0; n]))
    }

    fn kept(payloads: &Payloads) -> Vec<u32> {
        lock(&payloads.kept).iter().map(|kept| kept.value).collect()
    }

    #[test]
    fn few_are_kept_the_last_ones_used_and_the_others_are_made_again() {
        let payloads = Payloads::new(3);
        for value in 0..1000 {
            payloads.of(value, || bytes(10)).unwrap();
        }
        payloads.of(997, || panic!("it is kept")).unwrap();
        let mut again = false;
        payloads
            .of(5, || {
                again = true;
                bytes(10)
            })
            .unwrap();
        assert!(again);
        assert_eq!(kept(&payloads), [999, 997, 5]);
        payloads.forget(997);
        assert_eq!(kept(&payloads), [999, 5]);
    }

    #[test]
    fn large_ones_are_fewer_and_the_last_one_is_kept_whatever_its_size() {
        let payloads = Payloads::new(8);
        for value in 0..8 {
            payloads.of(value, || bytes(20 << 20)).unwrap();
        }
        assert_eq!(kept(&payloads), [5, 6, 7]);
        payloads.of(8, || bytes(65 << 20)).unwrap();
        assert_eq!(kept(&payloads), [8]);
    }

    #[test]
    fn those_who_ask_at_once_share_one_and_do_not_wait_for_another_value() {
        let (payloads, made, both) = (Payloads::new(8), AtomicUsize::new(0), Barrier::new(2));
        std::thread::scope(|scope| {
            for i in 0..8u32 {
                let (payloads, made, both) = (&payloads, &made, &both);
                scope.spawn(move || {
                    let make = || {
                        made.fetch_add(1, Ordering::Relaxed);
                        // Both values are being made at the same time.
                        both.wait();
                        bytes(10)
                    };
                    payloads.of(i % 2, make).unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 2);
    }

    #[test]
    fn what_cannot_be_made_is_said_to_everybody() {
        let payloads = Payloads::new(1);
        for _ in 0..2 {
            assert_eq!(payloads.of(1, || Err("no".into())).unwrap_err().to_string(), "no");
        }
    }
}
