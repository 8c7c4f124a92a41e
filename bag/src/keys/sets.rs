//! Sets: `distinct`, `intersection`, `subtract`, and their forms by key.

use std::hash::Hash;

use arras_core::{BoxError, Func, Inputs};

use crate::bag::Bag;
use crate::engine::exchange::{Exchanged, IterCursor, Received, each_batch, receive, sides};
use crate::engine::groups::{Groups, bucket_of};
use crate::engine::run::cursor_value;
use crate::keys::group::ended;
use crate::partition::Element;

impl<T> Bag<T>
where
    T: Element + Hash + Eq + Clone,
{
    /// Each element once.
    ///
    /// Repeated elements go within each partition before anything moves; then elements go to the partition that their hash names: as many partitions as before, or as [`shuffle_into`](Bag::shuffle_into) says.
    /// Within a partition they are in the order in which they were first seen. Work: two looks into a hash map an element at most; memory: the distinct elements of a partition.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 3, 2, 1], 2).distinct().sort())?, [1, 2, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn distinct(&self) -> Bag<T> {
        self.combined::<T, T, (), (), (), _>("distinct", (), |x| (x, ()), |_, ()| (), |(), ()| (), |(), ()| (), |x, ()| x)
    }

    /// Each element of this bag that is in `other` too, once. Partitions, order, work and memory as for [`distinct`](Bag::distinct), of both bags.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (a, b) = (Bag::from_sequence([1, 2, 3, 3], 2), Bag::from_sequence([3, 2, 9], 2));
    /// assert_eq!(evaluate(&a.intersection(&b).sort())?, [2, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn intersection(&self, other: &Bag<T>) -> Bag<T> {
        let open = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let (own, other) = sides(inputs)?;
            let others = set::<T>(&other)?;
            let mut groups = Groups::<T, ()>::default();
            each_batch::<T>(&own, |items| add(&mut groups, items))?;
            let items = groups.into_pairs().into_iter().map(|(x, ())| x);
            Ok(cursor_value(IterCursor::new(items.filter(move |x| others.has(x)))))
        });
        let exchanged = self.both(other, "intersection");
        ended(exchanged, "intersection", &format!("{} → intersection({})", self.stories(), other.stories()), open)
    }

    /// The elements of this bag that are not in `other`, as often as they are there, in their order within each partition. Partitions, work and memory as for [`distinct`](Bag::distinct).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (a, b) = (Bag::from_sequence([1, 2, 3, 1], 2), Bag::from_sequence([3, 2, 9], 2));
    /// assert_eq!(evaluate(&a.subtract(&b))?, [1, 1]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn subtract(&self, other: &Bag<T>) -> Bag<T> {
        let open = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let (own, other) = sides(inputs)?;
            let others = set::<T>(&other)?;
            Ok(cursor_value(IterCursor::new(all::<T>(&own)?.filter(move |x| !others.has(x)))))
        });
        let exchanged = self.both(other, "subtract");
        ended(exchanged, "subtract", &format!("{} → subtract({})", self.stories(), other.stories()), open)
    }

    fn both(&self, other: &Bag<T>, operation: &'static str) -> Result<Exchanged, arras_core::Error> {
        let n = self.exchange_partitions(&[other.n_partitions()])?;
        let own = self.scattered::<T, T>(operation, n, |x| x, bucket_of)?;
        Ok(own.beside(&other.scattered::<T, T>(operation, n, |x| x, bucket_of)?))
    }
}

impl<T: Element + Clone> Bag<T> {
    /// The first element of each key that `key` makes. Partitions, order, work and memory as for [`distinct`](Bag::distinct), of the keys and their elements.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let by_length = Bag::from_sequence(["a", "bb", "c", "dd"], 2).distinct_by(|word| word.len());
    /// assert_eq!(evaluate(&by_length.sort())?, ["a", "bb"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn distinct_by<K, F>(&self, key: F) -> Bag<T>
    where
        K: Element + Hash + Eq + Clone,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        let pair = move |x: T| (key(&x), x);
        self.combined::<F, K, T, T, (), _>("distinct_by", (), pair, |_, x| x, |first, _| first, |first, _| first, |_, x| x)
    }
}

impl<K, V> Bag<(K, V)>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
{
    /// The pairs of this bag whose keys are not in `other`, in their order within each partition. Partitions, work and memory as for [`join`](Bag::join).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, gone) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("bob", ())], 1));
    /// assert_eq!(evaluate(&ages.subtract_by_key(&gone))?, [("ann", 31)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn subtract_by_key<W: Element + Clone>(&self, other: &Bag<(K, W)>) -> Bag<(K, V)> {
        let exchanged = self.exchange_partitions(&[other.n_partitions()]).map_err(arras_core::Error::from).and_then(|n| {
            let own = self.scattered_by_key("subtract_by_key", n)?;
            Ok(own.beside(&other.scattered::<(K, W), K>("subtract_by_key", n, |(key, _)| key, bucket_of)?))
        });
        let open = Func::erased::<(K, V, W), _>(|inputs: &Inputs<'_>| {
            let (own, other) = sides(inputs)?;
            let others = set::<K>(&other)?;
            Ok(cursor_value(IterCursor::new(all::<(K, V)>(&own)?.filter(move |(key, _)| !others.has(key)))))
        });
        ended(exchanged, "subtract_by_key", &format!("{} → subtract_by_key({})", self.stories(), other.stories()), open)
    }
}

fn add<T: Hash + Eq>(groups: &mut Groups<T, ()>, items: &mut Vec<T>) -> Result<(), BoxError> {
    groups.look_for(items.iter())?;
    for (i, x) in items.drain(..).enumerate() {
        if groups.found(i, &x).is_none() {
            groups.insert_new(i, x, ());
        }
    }
    Ok(())
}

/// The distinct elements of all buckets.
fn set<T: Element + Hash + Eq + Clone>(inputs: &Inputs<'_>) -> Result<Groups<T, ()>, BoxError> {
    let mut groups = Groups::default();
    each_batch::<T>(inputs, |items| add(&mut groups, items))?;
    Ok(groups)
}

/// The elements of all buckets in turn.
fn all<E: Element + Clone>(inputs: &Inputs<'_>) -> Result<impl Iterator<Item = E> + Send + use<E>, BoxError> {
    let buckets = (0..inputs.len()).map(|i| receive::<E>(inputs, i)).collect::<Result<Vec<Received<E>>, _>>()?;
    Ok(buckets.into_iter().flatten())
}
