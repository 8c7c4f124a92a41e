//! Elements go through an exchange without a copy, unless two runs read them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arras_bag::Bag;
use arras_scheduler::{Compute, Synchronous};
use serde::{Deserialize, Serialize};

static COPIES: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Copied(u64);

impl Clone for Copied {
    fn clone(&self) -> Copied {
        COPIES.fetch_add(1, Relaxed);
        Copied(self.0)
    }
}

#[test]
fn one_reader_and_two() {
    let pairs = Bag::from_sequence(0..5000u64, 4).map(|&i| (i % 7, Copied(i)));
    let moved = pairs.partition_by_key(3);
    let grouped = pairs.group_by_key();
    let sum = moved.map(|(_, x)| x.0).sum();
    assert_eq!(sum.compute_with(&Synchronous).unwrap(), 4999 * 2500);
    let lengths = grouped.map(|(_, list)| list.len()).sum();
    assert_eq!(lengths.compute_with(&Synchronous).unwrap(), 5000);
    assert_eq!(COPIES.swap(0, Relaxed), 0, "all were moved");

    let both = (moved.map(|(_, x)| x.0).sum(), moved.map(|(_, x)| x.0).max());
    assert_eq!(both.compute_with(&Synchronous).unwrap(), (4999 * 2500, 4999));
    let n = COPIES.swap(0, Relaxed);
    assert!((1..=5000).contains(&n), "{n} copies: the first reader copies, the last moves");
}
