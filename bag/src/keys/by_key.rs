//! Groups: `foldby` and `frequencies`, which fold elements of equal keys together without ever holding the elements.
//!
//! ```text
//!     partition ──► { key → folded }  ─┐
//!     partition ──► { key → folded }  ─┴─► { key → combined }     at each level of a tree, first-seen keys first
//! ```

use std::hash::Hash;
use std::mem::replace;

use arras_core::{BoxError, Func, Inputs, Value};

use crate::bag::{Bag, Base, Constant, Segment};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::groups::Groups;
use crate::engine::run::{Sink, rest};
use crate::engine::tree;
use crate::error::Error;
use crate::partition::{Element, Partition};

impl<T: Send + Sync + 'static> Bag<T> {
    /// Folds the elements of each key: `step` within a partition, beginning at `initial`, then `combine` across partitions, from first to last. Gives
    /// pairs of key and result in one partition, in the order in which the keys were first seen.
    ///
    /// `initial` begins each key in *each* partition, so it should change nothing when combined. Work: one look into a hash map an element; memory: the
    /// distinct keys of a partition, never its elements. Keys are copied once for each partition that has them.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sums = Bag::from_sequence(1..=6u64, 2).foldby(|x| x % 2 == 0, 0, |sum, x| sum + x, |a, b| a + b);
    /// assert_eq!(evaluate(&sums)?, [(false, 9), (true, 12)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn foldby<K, A, Key, Step, Combine>(&self, key: Key, initial: A, step: Step, combine: Combine) -> Bag<(K, A)>
    where
        K: Element + Hash + Eq + Clone,
        A: Element + Clone,
        Key: Fn(&T) -> K + Send + Sync + 'static,
        Step: Fn(A, &T) -> A + Send + Sync + 'static,
        Combine: Fn(A, A) -> A + Send + Sync + 'static,
    {
        struct State<K, A> {
            groups: Groups<K, A>,
            initial: A,
            keys: Vec<K>,
        }
        let sink = Sink {
            open: Func::erased::<State<K, A>, _>(|inputs: &Inputs<'_>| {
                let initial = inputs.get::<Partition<A>>(0)?[0].clone();
                Ok(cell(State::<K, A> { groups: Groups::default(), initial, keys: Vec::new() }))
            }),
            push: Func::erased::<Step, _>(move |inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let State { groups, initial, keys } = &mut *lock::<State<K, A>>(inputs.value(1))?;
                // The spare value lies in a group's place while the group's own is in the hands of `step`.
                let mut spare = initial.clone();
                let progress = &rest(inputs)?.progress;
                // Counted when they are folded.
                progress.watched_into(0, keys, |keys| keys.extend(batch.items().map(&key)));
                groups.look_for(keys.iter())?;
                progress.watched(batch.len(), |done| {
                    for (i, (key, x)) in keys.drain(..).zip(batch.items()).enumerate() {
                        match groups.found(i, &key) {
                            Some(folded) => {
                                let acc = replace(folded, spare);
                                spare = replace(folded, step(acc, x));
                            }
                            None => groups.insert_new(i, key, step(initial.clone(), x)),
                        }
                        *done += 1;
                    }
                });
                Ok(Value::new(true))
            }),
            close: Func::erased::<State<K, A>, _>(|inputs: &Inputs<'_>| {
                let groups = std::mem::take(&mut lock::<State<K, A>>(inputs.value(0))?.groups);
                Ok(Partition(groups.into_pairs()).into_value())
            }),
            label: "foldby".to_owned(),
        };
        let initial = Constant::new("initial", Partition(vec![initial]).into_value());
        self.grouped("foldby", sink, &[initial], combine_groups::<K, A, Combine>(combine))
    }

    /// How often each element occurs, in the order in which they were first seen. Elements that were seen already are not copied.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(["b", "a", "b"], 2).frequencies())?, [("b", 2), ("a", 1)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn frequencies(&self) -> Bag<(T, u64)>
    where
        T: Element + Hash + Eq + Clone,
    {
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(Groups::<T, u64>::default()))),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let mut groups = lock::<Groups<T, u64>>(inputs.value(1))?;
                match &mut *lock::<Batch<T>>(inputs.value(0))? {
                    Batch::Owned(items) => {
                        groups.look_for(items.iter())?;
                        for (i, x) in items.drain(..).enumerate() {
                            match groups.found(i, &x) {
                                Some(n) => *n += 1,
                                None => groups.insert_new(i, x, 1),
                            }
                        }
                    }
                    shared => count(&mut groups, shared.items().map(|x| (x, 1)))?,
                }
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let groups = std::mem::take(&mut *lock::<Groups<T, u64>>(inputs.value(0))?);
                Ok(Partition(groups.into_pairs()).into_value())
            }),
            label: "frequencies".to_owned(),
        };
        let combine = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let mut groups = Groups::with_capacity(most_keys::<T, u64>(inputs)?);
            for value in inputs.values() {
                for pairs in value.get::<Partition<(T, u64)>>()?.chunks(BATCH) {
                    count(&mut groups, pairs.iter().map(|(x, n)| (x, *n)))?;
                }
            }
            Ok(Partition(groups.into_pairs()).into_value())
        });
        self.grouped("frequencies", sink, &[], combine)
    }

    /// Runs all partitions into `sink`, which groups, and combines the groups along a tree.
    fn grouped<K: Element, A: Element>(&self, operation: &'static str, sink: Sink, shared: &[Constant], combine: Func) -> Bag<(K, A)> {
        let lowered = match self.lower(&format!("{operation}-partition"), &sink, shared) {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let story = format!("{} → {operation}", self.stories());
        let (graph, key) = tree::combine(lowered, operation, combine, None);
        Bag::new(vec![Segment::of_partitions::<(K, A)>(Base::of_task(graph, &key, story))])
    }
}

/// Adds a batch of counts.
fn count<'a, T: Hash + Eq + Clone + 'a>(
    groups: &mut Groups<T, u64>,
    counts: impl Iterator<Item = (&'a T, u64)> + Clone,
) -> Result<(), Error> {
    groups.look_for(counts.clone().map(|(x, _)| x))?;
    for (i, (x, n)) in counts.enumerate() {
        match groups.found(i, x) {
            Some(seen) => *seen += n,
            None => groups.insert_new(i, x.clone(), n),
        }
    }
    Ok(())
}

/// The number of keys of the largest input.
fn most_keys<K: Element, A: Element>(inputs: &Inputs<'_>) -> Result<usize, BoxError> {
    let mut most = 0;
    for value in inputs.values() {
        most = most.max(value.get::<Partition<(K, A)>>()?.len());
    }
    Ok(most)
}

/// Combines groups, the first seen first.
fn combine_groups<K, A, Combine>(combine: Combine) -> Func
where
    K: Element + Hash + Eq + Clone,
    A: Element + Clone,
    Combine: Fn(A, A) -> A + Send + Sync + 'static,
{
    Func::erased::<Combine, _>(move |inputs: &Inputs<'_>| {
        let mut groups = Groups::<K, A>::with_capacity(most_keys::<K, A>(inputs)?);
        // As in the partitions: something has to lie in a group's place while `combine` has the group's own.
        let mut spare: Option<A> = None;
        for value in inputs.values() {
            for pairs in value.get::<Partition<(K, A)>>()?.chunks(BATCH) {
                groups.look_for(pairs.iter().map(|(key, _)| key))?;
                for (i, (key, folded)) in pairs.iter().enumerate() {
                    match groups.found(i, key) {
                        Some(acc) => {
                            let before = replace(acc, spare.take().unwrap_or_else(|| folded.clone()));
                            spare = Some(replace(acc, combine(before, folded.clone())));
                        }
                        None => groups.insert_new(i, key.clone(), folded.clone()),
                    }
                }
            }
        }
        Ok(Partition(groups.into_pairs()).into_value())
    })
}
