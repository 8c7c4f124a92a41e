//! `reduce_by_key` and its family: values of equal keys combined, first within each partition, then, after an exchange by hash, across them.
//!
//! ```text
//!     partition i ──► { key → combined }  ──exchange──►  partition j: { key → combined }  ──► pairs
//!                      before anything moves              every key is in one partition
//! ```

use std::hash::Hash;
use std::mem::replace;

use arras_core::{BoxError, Func, Inputs};

use crate::bag::{Bag, Constant, Segment};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::exchange::{Buckets, IterCursor, count, each_batch, exchange, largest};
use crate::engine::groups::{Groups, bucket_of};
use crate::engine::run::{Sink, cursor_value, rest};
use crate::partition::{Element, Partition};

impl<K, V> Bag<(K, V)>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
{
    /// Combines the values of each key with `function`, from first to last: one pair a key.
    ///
    /// Values are combined within each partition before anything moves, then pairs go to the partition that the hash of their key names: as many partitions as before, or as
    /// [`shuffle_into`](Bag::shuffle_into) says. Within a partition the keys are in the order in which they were first seen, the same each run. Work: two looks into a hash map a pair
    /// at most; memory: the distinct keys of a partition. One key that has most of the values is no trouble. For one partition of all keys in the order of first sight, see [`foldby`](Bag::foldby).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let visits = Bag::from_sequence([("ann", 1), ("bob", 2), ("ann", 3)], 2).reduce_by_key(|a, b| a + b);
    /// assert_eq!(evaluate(&visits.sort_by_key())?, [("ann", 4), ("bob", 2)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "reduceByKey")]
    pub fn reduce_by_key<F>(&self, function: F) -> Bag<(K, V)>
    where
        F: Fn(V, V) -> V + Clone + Send + Sync + 'static,
    {
        let merge = function.clone();
        self.combined::<F, K, V, V, (), _>("reduce_by_key", (), |pair| pair, |_, value| value, function, merge, |key, value| (key, value))
            .hashed()
    }

    /// Combines the values of each key with `function`, beginning at `initial` in *each* partition that has the key, so it should change nothing when combined, as 0 in a sum. Order, work and
    /// memory as for [`reduce_by_key`](Bag::reduce_by_key).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let products = Bag::from_sequence([('a', 2), ('b', 5), ('a', 3)], 2).fold_by_key(1, |a, b| a * b);
    /// assert_eq!(evaluate(&products.sort_by_key())?, [('a', 6), ('b', 5)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "foldByKey")]
    pub fn fold_by_key<F>(&self, initial: V, function: F) -> Bag<(K, V)>
    where
        F: Fn(V, V) -> V + Clone + Send + Sync + 'static,
    {
        let (first, merge) = (function.clone(), function.clone());
        let create = move |initial: &V, value| first(initial.clone(), value);
        self.combined::<F, K, V, V, V, _>("fold_by_key", initial, |pair| pair, create, function, merge, |key, value| (key, value)).hashed()
    }

    /// Folds the values of each key with `step` within a partition, beginning at `initial` in *each* partition that has the key, and the results with `combine` across them. Order, work and memory
    /// as for [`reduce_by_key`](Bag::reduce_by_key).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([("a", 1.0), ("b", 5.0), ("a", 3.0)], 2);
    /// let means = pairs.aggregate_by_key((0.0, 0), |(sum, n), x| (sum + x, n + 1), |a, b| (a.0 + b.0, a.1 + b.1)).map_values(|(sum, n)| sum / f64::from(*n));
    /// assert_eq!(evaluate(&means.sort_by_key())?, [("a", 2.0), ("b", 5.0)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "aggregateByKey")]
    pub fn aggregate_by_key<A, Step, Combine>(&self, initial: A, step: Step, combine: Combine) -> Bag<(K, A)>
    where
        A: Element + Clone,
        Step: Fn(A, &V) -> A + Clone + Send + Sync + 'static,
        Combine: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let first = step.clone();
        let create = move |initial: &A, value: V| first(initial.clone(), &value);
        let step = move |acc, value: V| step(acc, &value);
        self.combined::<Step, K, V, A, A, _>("aggregate_by_key", initial, |pair| pair, create, step, combine, |key, value| (key, value))
            .hashed()
    }

    /// The general form: `create` makes a key's first value in a partition into what is kept, `step` adds another, `combine` puts together what partitions kept. Order, work and memory as for
    /// [`reduce_by_key`](Bag::reduce_by_key).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([("a", 1), ("b", 5), ("a", 3)], 2);
    /// let ranges = pairs.combine_by_key(|x| (x, x), |(low, high), x| (low.min(x), high.max(x)), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    /// assert_eq!(evaluate(&ranges.sort_by_key())?, [("a", (1, 3)), ("b", (5, 5))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "combineByKey")]
    pub fn combine_by_key<A, Create, Step, Combine>(&self, create: Create, step: Step, combine: Combine) -> Bag<(K, A)>
    where
        A: Element + Clone,
        Create: Fn(V) -> A + Send + Sync + 'static,
        Step: Fn(A, V) -> A + Send + Sync + 'static,
        Combine: Fn(A, A) -> A + Send + Sync + 'static,
    {
        let create = move |_: &(), value| create(value);
        self.combined::<Step, K, V, A, (), _>("combine_by_key", (), |pair| pair, create, step, combine, |key, value| (key, value)).hashed()
    }

    /// How many pairs each key has. Order, work and memory as for [`reduce_by_key`](Bag::reduce_by_key).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let counts = Bag::from_sequence([("a", 'x'), ("b", 'y'), ("a", 'z')], 2).count_by_key();
    /// assert_eq!(evaluate(&counts.sort_by_key())?, [("a", 2), ("b", 1)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "countByKey")]
    pub fn count_by_key(&self) -> Bag<(K, u64)> {
        let step = |n, _| n + 1;
        self.combined::<K, K, V, u64, (), _>("count_by_key", (), |pair| pair, |_, _| 1, step, |a, b| a + b, |key, n| (key, n)).hashed()
    }
}

/// Folds a value into a key's own. Something has to lie in its place while `fold` has it: what was there before the last time.
#[inline]
pub(crate) fn fold_into<A: Clone>(kept: &mut A, spare: &mut Option<A>, fold: impl FnOnce(A) -> A) {
    let in_its_place = spare.take().unwrap_or_else(|| kept.clone());
    let before = replace(kept, in_its_place);
    *spare = Some(replace(kept, fold(before)));
}

impl<T: Send + Sync + Clone + 'static> Bag<T> {
    /// What `pair` makes of the elements, combined by key before and after an exchange, and finished by `finish`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn combined<Named, K, V, A, Z, R>(
        &self,
        operation: &'static str,
        zero: Z,
        pair: impl Fn(T) -> (K, V) + Send + Sync + 'static,
        create: impl Fn(&Z, V) -> A + Send + Sync + 'static,
        step: impl Fn(A, V) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A + Send + Sync + 'static,
        finish: impl Fn(K, A) -> R + Clone + Send + Sync + 'static,
    ) -> Bag<R>
    where
        Named: 'static,
        K: Element + Hash + Eq + Clone,
        V: Send + 'static,
        A: Element + Clone,
        Z: Element + Clone,
        R: Send + Sync + 'static,
    {
        struct State<T, K, V, A, Z> {
            groups: Groups<K, A>,
            zero: Z,
            n: usize,
            items: Vec<T>,
            pairs: Vec<(K, V)>,
            spare: Option<A>,
        }
        let sink = Sink {
            open: Func::erased::<(K, A), _>(|inputs: &Inputs<'_>| {
                let n = *inputs.get::<u64>(0)? as usize;
                let zero = inputs.get::<Partition<Z>>(1)?[0].clone();
                let groups = Groups::default();
                Ok(cell(State::<T, K, V, A, Z> { groups, zero, n, items: Vec::new(), pairs: Vec::new(), spare: None }))
            }),
            push: Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
                let State { groups, zero, items, pairs, spare, .. } = &mut *lock::<State<T, K, V, A, Z>>(inputs.value(1))?;
                let rest = rest(inputs)?;
                let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                // Counted when they are combined.
                rest.progress.watched_into(0, pairs, |pairs| match &mut *batch {
                    Batch::Owned(own) => pairs.extend(own.drain(..).map(&pair)),
                    shared => {
                        shared.move_onto(items);
                        pairs.extend(items.drain(..).map(&pair));
                    }
                });
                groups.look_for(pairs.iter().map(|(key, _)| key))?;
                rest.progress.watched(pairs.len(), |done| {
                    for (i, (key, value)) in pairs.drain(..).enumerate() {
                        match groups.found(i, &key) {
                            Some(kept) => fold_into(kept, spare, |kept| step(kept, value)),
                            None => groups.insert_new(i, key, create(zero, value)),
                        }
                        *done += 1;
                    }
                });
                Ok(rest.answer(true))
            }),
            close: Func::erased::<(K, A), _>(|inputs: &Inputs<'_>| {
                let State { groups, n, .. } = &mut *lock::<State<T, K, V, A, Z>>(inputs.value(0))?;
                Ok(Buckets::new(scatter(std::mem::take(groups), *n)).into_value())
            }),
            label: operation.to_owned(),
        };
        let lowered = self.exchange_partitions(&[]).map_err(arras_core::Error::from).and_then(|n| {
            let zero = Constant::new("initial", Partition(vec![zero]).into_value());
            Ok((self.lower(&format!("{operation}-scatter"), &sink, &[count(n), zero])?, n))
        });
        let (lowered, n) = match lowered {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let open = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
            let finish = finish.clone();
            let pairs = merged(inputs, &merge)?;
            Ok(cursor_value(IterCursor::new(pairs.into_iter().map(move |(key, kept)| finish(key, kept)))))
        });
        let story = format!("{} → {operation}", self.stories());
        let base = exchange::<(K, A)>(lowered, operation, n).into_base(operation, story);
        Bag::new(vec![Segment::of_open::<R>(base, open)])
    }
}

/// The pairs of a source partition by destination, each first seen first.
fn scatter<K: Hash + Eq, A>(groups: Groups<K, A>, n: usize) -> Vec<Vec<(K, A)>> {
    let pairs = groups.into_pairs();
    if n == 1 {
        return vec![pairs];
    }
    let share = pairs.len() / n;
    let mut buckets: Vec<Vec<(K, A)>> = (0..n).map(|_| Vec::with_capacity(share + share / 8)).collect();
    for pair in pairs {
        buckets[bucket_of(&pair.0, n)].push(pair);
    }
    buckets
}

/// The pairs of all buckets, those of equal keys merged, first seen first.
fn merged<K, A>(inputs: &Inputs<'_>, merge: impl Fn(A, A) -> A) -> Result<Vec<(K, A)>, BoxError>
where
    K: Element + Hash + Eq + Clone,
    A: Element + Clone,
{
    let mut groups = Groups::<K, A>::with_capacity(largest::<(K, A)>(inputs)?);
    let mut spare = None;
    each_batch::<(K, A)>(inputs, |pairs| {
        groups.look_for(pairs.iter().map(|(key, _)| key))?;
        for (i, (key, value)) in pairs.drain(..).enumerate() {
            match groups.found(i, &key) {
                Some(kept) => fold_into(kept, &mut spare, |kept| merge(kept, value)),
                None => groups.insert_new(i, key, value),
            }
        }
        Ok(())
    })?;
    Ok(groups.into_pairs())
}
