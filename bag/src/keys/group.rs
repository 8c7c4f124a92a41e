//! `group_by`, `group_by_key` and `cogroup`: all values of a key brought together.
//!
//! ```text
//!     partition i ──► pairs ──exchange──► partition j: { key → [values] } ──► (key, [values])
//! ```
//! Where the values of a key are to become one value, [`reduce_by_key`](Bag::reduce_by_key) and its family move less.

use std::hash::Hash;

use arras_core::{BoxError, Func, Inputs};

use crate::bag::{Bag, Segment};
use crate::engine::exchange::{Exchanged, IterCursor, each_batch, sides};
use crate::engine::groups::{Groups, bucket_of};
use crate::engine::run::cursor_value;
use crate::partition::Element;

impl<T: Element + Clone> Bag<T> {
    /// The elements of each key that `key` makes, together in one list, in their order.
    ///
    /// Elements go to the partition that the hash of their key names: as many partitions as before, or as [`shuffle_into`](Bag::shuffle_into) says. Within a partition the keys are in the order in which they
    /// were first seen. Work: one look into a hash map an element; memory: a partition of the result, whose lists are handed on one by one, and, under a
    /// [memory limit](https://docs.rs/arras-scheduler), disk for what is on its way.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let by_length = Bag::from_sequence(["a", "bb", "c"], 2).group_by(|word| word.len());
    /// assert_eq!(evaluate(&by_length.sort_by_key())?, [(1, vec!["a", "c"]), (2, vec!["bb"])]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn group_by<K, F>(&self, key: F) -> Bag<(K, Vec<T>)>
    where
        K: Element + Hash + Eq + Clone,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.grouped_by::<F, K, T>("group_by", move |x| (key(&x), x))
    }
}

impl<T: Send + Sync + Clone + 'static> Bag<T> {
    fn grouped_by<Named, K, V>(&self, operation: &'static str, pair: impl Fn(T) -> (K, V) + Send + Sync + 'static) -> Bag<(K, Vec<V>)>
    where
        Named: 'static,
        K: Element + Hash + Eq + Clone,
        V: Element + Clone,
    {
        let exchanged = self
            .exchange_partitions(&[])
            .map_err(arras_core::Error::from)
            .and_then(|n| self.scattered::<Named, (K, V)>(operation, n, pair, |(key, _), n| bucket_of(key, n)));
        let open = Func::erased::<Named, _>(|inputs: &Inputs<'_>| {
            let mut groups = Groups::<K, Vec<V>>::default();
            each_batch::<(K, V)>(inputs, |pairs| gather(&mut groups, pairs, |value, values: &mut Vec<V>| values.push(value)))?;
            Ok(cursor_value(IterCursor::new(groups.into_pairs().into_iter())))
        });
        ended::<(K, Vec<V>)>(exchanged, operation, &format!("{} → {operation}", self.stories()), open).hashed()
    }
}

/// Adds a batch of pairs to the groups of their keys.
fn gather<K: Hash + Eq, V, A: Default>(
    groups: &mut Groups<K, A>,
    pairs: &mut Vec<(K, V)>,
    add: impl Fn(V, &mut A),
) -> Result<(), BoxError> {
    groups.look_for(pairs.iter().map(|(key, _)| key))?;
    for (i, (key, value)) in pairs.drain(..).enumerate() {
        match groups.found(i, &key) {
            Some(group) => add(value, group),
            None => {
                let mut group = A::default();
                add(value, &mut group);
                groups.insert_new(i, key, group);
            }
        }
    }
    Ok(())
}

impl<K, V> Bag<(K, V)> {
    /// Says that each pair is in the partition that the hash of its key names.
    pub(crate) fn hashed(self) -> Bag<(K, V)> {
        match self.segments() {
            Ok([segment]) => Bag::new(vec![Segment { hashed: true, ..segment.clone() }]),
            _ => self,
        }
    }
}

/// The bag of what `open` makes of what was exchanged.
pub(crate) fn ended<R: Send + Sync + 'static>(
    exchanged: Result<Exchanged, arras_core::Error>,
    operation: &'static str,
    story: &str,
    open: Func,
) -> Bag<R> {
    match exchanged {
        Ok(exchanged) => Bag::new(vec![Segment::of_open::<R>(exchanged.into_base(operation, story.to_owned()), open)]),
        Err(error) => Bag::failed(error),
    }
}

impl<K, V> Bag<(K, V)>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
{
    /// The values of each key, together in one list, in their order. Order, work and memory as for [`group_by`](Bag::group_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let lists = Bag::from_sequence([("a", 1), ("b", 2), ("a", 3)], 2).group_by_key();
    /// assert_eq!(evaluate(&lists.sort_by_key())?, [("a", vec![1, 3]), ("b", vec![2])]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn group_by_key(&self) -> Bag<(K, Vec<V>)> {
        self.grouped_by::<(K, V), K, V>("group_by_key", |pair| pair)
    }

    /// The pairs, each sent to the one of `n` partitions that keys of its bucket share.
    pub(crate) fn scattered_by_key(&self, operation: &'static str, n: usize) -> Result<Exchanged, arras_core::Error> {
        self.scattered::<(K, V), (K, V)>(operation, n, |pair| pair, |(key, _), n| bucket_of(key, n))
    }

    /// For each key that is in either bag the list of its values in this one and the list of those in `other`, either of which may be empty.
    ///
    /// As many partitions as the larger of the two has, or as [`shuffle_into`](Bag::shuffle_into) says. Within a partition the keys are in the order in which they were first seen, those of this bag first.
    /// Work and memory as for [`group_by`](Bag::group_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, towns) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("ann", "Ulm"), ("eve", "Bonn")], 1));
    /// let both = ages.cogroup(&towns).sort_by_key();
    /// assert_eq!(evaluate(&both)?, [("ann", (vec![31], vec!["Ulm"])), ("bob", (vec![25], vec![])), ("eve", (vec![], vec!["Bonn"]))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[allow(clippy::type_complexity)]
    pub fn cogroup<W>(&self, other: &Bag<(K, W)>) -> Bag<(K, (Vec<V>, Vec<W>))>
    where
        W: Element + Clone,
    {
        let exchanged = self.exchange_partitions(&[other.n_partitions()]).map_err(arras_core::Error::from).and_then(|n| {
            let left = self.scattered_by_key("cogroup", n)?;
            Ok(left.beside(&other.scattered_by_key("cogroup", n)?))
        });
        let open = Func::erased::<(K, V, W), _>(|inputs: &Inputs<'_>| {
            let (left, right) = sides(inputs)?;
            let mut groups = Groups::<K, (Vec<V>, Vec<W>)>::default();
            each_batch::<(K, V)>(&left, |pairs| gather(&mut groups, pairs, |value, lists: &mut (Vec<V>, Vec<W>)| lists.0.push(value)))?;
            each_batch::<(K, W)>(&right, |pairs| gather(&mut groups, pairs, |value, lists: &mut (Vec<V>, Vec<W>)| lists.1.push(value)))?;
            Ok(cursor_value(IterCursor::new(groups.into_pairs().into_iter())))
        });
        ended::<(K, (Vec<V>, Vec<W>))>(exchanged, "cogroup", &format!("{} → cogroup({})", self.stories(), other.stories()), open).hashed()
    }

    /// As [`cogroup`](Bag::cogroup), of three bags.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (a, b, c) = (Bag::from_sequence([(1, 'a')], 1), Bag::from_sequence([(1, "b")], 1), Bag::from_sequence([(2, 0.5)], 1));
    /// assert_eq!(evaluate(&a.cogroup3(&b, &c).sort_by_key())?, [(1, (vec!['a'], vec!["b"], vec![])), (2, (vec![], vec![], vec![0.5]))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[allow(clippy::type_complexity)]
    pub fn cogroup3<W, X>(&self, second: &Bag<(K, W)>, third: &Bag<(K, X)>) -> Bag<(K, (Vec<V>, Vec<W>, Vec<X>))>
    where
        W: Element + Clone,
        X: Element + Clone,
    {
        type Lists<V, W, X> = (Vec<V>, Vec<W>, Vec<X>);
        let n = self.exchange_partitions(&[second.n_partitions(), third.n_partitions()]);
        let exchanged = n.map_err(arras_core::Error::from).and_then(|n| {
            let (first, second) = (self.scattered_by_key("cogroup", n)?, second.scattered_by_key("cogroup", n)?);
            Ok(first.beside(&second.beside(&third.scattered_by_key("cogroup", n)?)))
        });
        let open = Func::erased::<(K, V, W, X), _>(|inputs: &Inputs<'_>| {
            let (first, others) = sides(inputs)?;
            let (second, third) = sides(&others)?;
            let mut groups = Groups::<K, Lists<V, W, X>>::default();
            each_batch::<(K, V)>(&first, |pairs| gather(&mut groups, pairs, |value, lists: &mut Lists<V, W, X>| lists.0.push(value)))?;
            each_batch::<(K, W)>(&second, |pairs| gather(&mut groups, pairs, |value, lists: &mut Lists<V, W, X>| lists.1.push(value)))?;
            each_batch::<(K, X)>(&third, |pairs| gather(&mut groups, pairs, |value, lists: &mut Lists<V, W, X>| lists.2.push(value)))?;
            Ok(cursor_value(IterCursor::new(groups.into_pairs().into_iter())))
        });
        let story = format!("{} → cogroup({}, {})", self.stories(), second.stories(), third.stories());
        ended(exchanged, "cogroup", &story, open)
    }
}
