//! Groups: `foldby` and `frequencies`, which fold elements of equal keys together without ever holding the elements.
//!
//! ```text
//!     partition i ──► { key → folded } ──exchange──► part j of the keys: { key → combined } ─┐
//!                                                    a few parts, all at the same time       ┴─► one partition, first-seen keys first
//! ```
//! Each key carries where it was first seen: the source partition, and how many keys that had seen before. By these the parts are put together.

use std::hash::Hash;
use std::mem::replace;
use std::vec;

use arras_core::{BoxError, Func, Inputs, Key, Name, Token, Tokenizer, Value};

use crate::bag::{Bag, Base, Constant, Place, Segment};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::exchange::{Bucket, Buckets, Exchanged, count, exchange, receive};
use crate::engine::groups::{Groups, bucket_of};
use crate::engine::numbers::add_layer;
use crate::engine::run::{Sink, rest};
use crate::error::Error;
use crate::keys::combine::fold_into;
use crate::partition::{Element, Partition};

/// Parts of the keys that are combined at the same time, at most.
const MOST_PARTS: usize = 32;

impl<T: Send + Sync + 'static> Bag<T> {
    /// Folds the elements of each key: `step` within a partition, beginning at `initial`, then `combine` across partitions, from first to last. Gives
    /// pairs of key and result in one partition, in the order in which the keys were first seen.
    ///
    /// `initial` begins each key in *each* partition, so it should change nothing when combined. Work: one look into a hash map an element; memory: the
    /// distinct keys of a partition, never its elements, and in the end all keys. Keys are moved, not copied.
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
            n_parts: usize,
        }
        let sink = Sink {
            open: Func::erased::<State<K, A>, _>(|inputs: &Inputs<'_>| {
                let n_parts = *inputs.get::<u64>(0)? as usize;
                let initial = inputs.get::<Partition<A>>(1)?[0].clone();
                Ok(cell(State::<K, A> { groups: Groups::default(), initial, keys: Vec::new(), n_parts }))
            }),
            push: Func::erased::<Step, _>(move |inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let State { groups, initial, keys, .. } = &mut *lock::<State<K, A>>(inputs.value(1))?;
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
                let state = &mut *lock::<State<K, A>>(inputs.value(0))?;
                Ok(ranked(std::mem::take(&mut state.groups), state.n_parts))
            }),
            label: "foldby".to_owned(),
        };
        let initial = Constant::new("initial", Partition(vec![initial]).into_value());
        self.grouped::<Combine, K, A>("foldby", sink, initial, combine)
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
            open: Func::erased::<T, _>(|inputs: &Inputs<'_>| Ok(cell((Groups::<T, u64>::default(), *inputs.get::<u64>(0)? as usize)))),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let (groups, _) = &mut *lock::<(Groups<T, u64>, usize)>(inputs.value(1))?;
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
                    shared => count_shared(groups, shared.items())?,
                }
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let (groups, n_parts) = &mut *lock::<(Groups<T, u64>, usize)>(inputs.value(0))?;
                Ok(ranked(std::mem::take(groups), *n_parts))
            }),
            label: "frequencies".to_owned(),
        };
        let initial = Constant::new("initial", Partition(vec![0u64]).into_value());
        self.grouped::<T, T, u64>("frequencies", sink, initial, |a, b| a + b)
    }

    /// Runs all partitions into `sink`, which gives what [`ranked`] makes of its groups, and combines these.
    fn grouped<Named, K, A>(
        &self,
        operation: &'static str,
        sink: Sink,
        initial: Constant,
        merge: impl Fn(A, A) -> A + Send + Sync + 'static,
    ) -> Bag<(K, A)>
    where
        Named: 'static,
        K: Element + Hash + Eq + Clone,
        A: Element + Clone,
    {
        // One partition has nothing to be combined with.
        let n_parts = if self.n_partitions() > 1 { self.n_partitions().min(MOST_PARTS) } else { 0 };
        let merge = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| merged_part::<K, A>(inputs, &merge));
        let partial = if n_parts > 0 { format!("{operation}-partition") } else { operation.to_owned() };
        let mut lowered = match self.lower(&partial, &sink, &[count(n_parts), initial]) {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let story = format!("{} → {operation}", self.stories());
        let (graph, key) = if n_parts == 0 {
            let place = lowered.places.remove(0);
            (lowered.graph, Key::from(place))
        } else {
            let token = merge.token().unwrap_or_else(Token::unique);
            let Exchanged { mut graph, lists, name } = exchange::<(K, A, u32)>(lowered, operation, n_parts);
            let token = Tokenizer::new().token(token).text(name.as_str()).finish();
            let (parts, whole) = (Name::from_token(&format!("{operation}-combine"), token), Name::from_token(operation, token));
            add_layer(&mut graph, parts.clone(), merge, &lists);
            let all: Vec<Place> = (0..n_parts as u32).map(|j| (parts.clone(), j)).collect();
            add_layer(&mut graph, whole.clone(), Func::erased::<(K, A), _>(put_together::<K, A>), &[all]);
            (graph, Key::from((whole, 0)))
        };
        Bag::new(vec![Segment::of_partitions::<(K, A)>(Base::of_task(graph, &key, story))])
    }
}

/// Counts elements that others read too: only those that are new are copied.
fn count_shared<'a, T: Hash + Eq + Clone + 'a>(
    groups: &mut Groups<T, u64>,
    items: impl Iterator<Item = &'a T> + Clone,
) -> Result<(), Error> {
    groups.look_for(items.clone())?;
    for (i, x) in items.enumerate() {
        match groups.found(i, x) {
            Some(seen) => *seen += 1,
            None => groups.insert_new(i, x.clone(), 1),
        }
    }
    Ok(())
}

/// What a source partition gives: its pairs by part of the keys, each with the number of keys that were seen before it; or, in no parts, as a partition.
fn ranked<K: Element + Hash + Eq, A: Element>(groups: Groups<K, A>, n_parts: usize) -> Value {
    let pairs = groups.into_pairs();
    if n_parts == 0 {
        return Partition(pairs).into_value();
    }
    let share = pairs.len() / n_parts;
    let mut parts: Vec<Vec<(K, A, u32)>> = (0..n_parts).map(|_| Vec::with_capacity(share + share / 8)).collect();
    for (rank, (key, folded)) in pairs.into_iter().enumerate() {
        // A partition has fewer keys than a u32 counts: see `Groups::look_for`.
        parts[bucket_of(&key, n_parts)].push((key, folded, rank as u32));
    }
    Buckets::new(parts).into_value()
}

/// A combined pair, and where its key was first seen: in which source partition, after how many others.
type Placed<K, A> = (K, A, u32, u32);

/// Combines a part of the keys, of all source partitions, the first seen first.
fn merged_part<K, A>(inputs: &Inputs<'_>, merge: &impl Fn(A, A) -> A) -> Result<Value, BoxError>
where
    K: Element + Hash + Eq + Clone,
    A: Element + Clone,
{
    let mut groups = Groups::<K, (A, u32, u32)>::default();
    let mut batch: Vec<(K, A, u32)> = Vec::with_capacity(BATCH);
    let mut spare = None;
    for source in 0..inputs.len() {
        let mut received = receive::<(K, A, u32)>(inputs, source)?;
        while received.len() > 0 {
            batch.extend(received.by_ref().take(BATCH));
            groups.look_for(batch.iter().map(|(key, ..)| key))?;
            for (i, (key, folded, rank)) in batch.drain(..).enumerate() {
                match groups.found(i, &key) {
                    Some((kept, ..)) => fold_into(kept, &mut spare, |kept| merge(kept, folded)),
                    None => groups.insert_new(i, key, (folded, source as u32, rank)),
                }
            }
        }
    }
    let placed: Vec<Placed<K, A>> =
        groups.into_pairs().into_iter().map(|(key, (folded, source, rank))| (key, folded, source, rank)).collect();
    Ok(Bucket::new(placed).into_value())
}

/// All parts of the keys as one partition, the first seen first.
fn put_together<K: Element + Clone, A: Element + Clone>(inputs: &Inputs<'_>) -> Result<Value, BoxError> {
    let mut parts: Vec<vec::IntoIter<Placed<K, A>>> = Vec::with_capacity(inputs.len());
    for j in 0..inputs.len() {
        parts.push(receive::<Placed<K, A>>(inputs, j)?.into_vec().into_iter());
    }
    let mut pairs = Vec::with_capacity(parts.iter().map(ExactSizeIterator::len).sum());
    // Which part has the key of each rank, of one source partition after another.
    let mut part_of: Vec<u32> = Vec::new();
    while let Some(source) = parts.iter().filter_map(|part| Some(part.as_slice().first()?.2)).min() {
        part_of.clear();
        for (j, part) in parts.iter().enumerate() {
            for &(.., rank) in part.as_slice().iter().take_while(|placed| placed.2 == source) {
                let rank = rank as usize;
                if part_of.len() <= rank {
                    part_of.resize(rank + 1, u32::MAX);
                }
                part_of[rank] = j as u32;
            }
        }
        for &j in &part_of {
            if let Some((key, folded, ..)) = parts.get_mut(j as usize).and_then(Iterator::next) {
                pairs.push((key, folded));
            }
        }
    }
    Ok(Partition(pairs).into_value())
}
