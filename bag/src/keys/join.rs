//! Joins by key: inner, left, right, full.
//!
//! ```text
//!     left  ──exchange──► partition j: buckets, streamed through ─► (key, value) ──look up──► (key, (left, right)) for each match
//!     right ──exchange──► partition j: { key → values }  ◄───────────────────────────┘
//! ```
//! Both sides send equal keys to the same partition. The values of the right side are held there, once; those of the left stream by, and so does what is made of them: a key with a thousand values on either
//! side makes a million pairs, of which none are held together.

use std::hash::Hash;
use std::marker::PhantomData;
use std::vec;

use arras_core::{BoxError, Func, Inputs, Value};

use crate::bag::Bag;
use crate::engine::batch::{BATCH, Batch, lock};
use crate::engine::exchange::{Received, each_batch, receive, sides};
use crate::engine::groups::Groups;
use crate::engine::run::{Cursor, cursor_value};
use crate::keys::group::ended;
use crate::partition::Element;

impl<K, V> Bag<(K, V)>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
{
    /// Each pair of values, one of this bag and one of `right`, that share a key.
    ///
    /// As many partitions as the larger of the two bags has, or as [`shuffle_into`](Bag::shuffle_into) says. Within a partition the pairs of this bag are in their order, and the matches of each in the order of
    /// `right`. Work: one look into a hash map a pair; memory: a partition of `right` and of this bag, not of the result. Let `right` be the smaller one.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, towns) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("ann", "Ulm"), ("eve", "Bonn")], 1));
    /// assert_eq!(evaluate(&ages.join(&towns))?, [("ann", (31, "Ulm"))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn join<W: Element + Clone>(&self, right: &Bag<(K, W)>) -> Bag<(K, (V, W))> {
        self.joined("join", right, JOIN_INNER, |key, left, right| (key, (left.expect(MATCHED), right.expect(MATCHED))))
    }

    /// As [`join`](Bag::join), and each pair of this bag whose key is not in `right`, with `None`, in its place. Spark's `leftOuterJoin`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, towns) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("ann", "Ulm"), ("eve", "Bonn")], 1));
    /// assert_eq!(evaluate(&ages.left_join(&towns).sort_by_key())?, [("ann", (31, Some("Ulm"))), ("bob", (25, None))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "left_outer_join")]
    #[doc(alias = "leftOuterJoin")]
    pub fn left_join<W: Element + Clone>(&self, right: &Bag<(K, W)>) -> Bag<(K, (V, Option<W>))> {
        self.joined("left_join", right, JOIN_LEFT, |key, left, right| (key, (left.expect(MATCHED), right)))
    }

    /// As [`join`](Bag::join), and each pair of `right` whose key is not in this bag, with `None`: after the others of its partition, by key in the order of first sight. Spark's `rightOuterJoin`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, towns) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("ann", "Ulm"), ("eve", "Bonn")], 1));
    /// assert_eq!(evaluate(&ages.right_join(&towns).sort_by_key())?, [("ann", (Some(31), "Ulm")), ("eve", (None, "Bonn"))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "right_outer_join")]
    #[doc(alias = "rightOuterJoin")]
    pub fn right_join<W: Element + Clone>(&self, right: &Bag<(K, W)>) -> Bag<(K, (Option<V>, W))> {
        self.joined("right_join", right, JOIN_RIGHT, |key, left, right| (key, (left, right.expect(MATCHED))))
    }

    /// As [`join`](Bag::join), and the pairs of either bag whose key is not in the other: those of this one in their place, those of `right` after the others of their partition. Spark's `fullOuterJoin`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (ages, towns) = (Bag::from_sequence([("ann", 31), ("bob", 25)], 2), Bag::from_sequence([("ann", "Ulm"), ("eve", "Bonn")], 1));
    /// let all = ages.full_join(&towns).sort_by_key();
    /// assert_eq!(evaluate(&all)?, [("ann", (Some(31), Some("Ulm"))), ("bob", (Some(25), None)), ("eve", (None, Some("Bonn")))]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    #[doc(alias = "full_outer_join")]
    #[doc(alias = "fullOuterJoin")]
    #[allow(clippy::type_complexity)]
    pub fn full_join<W: Element + Clone>(&self, right: &Bag<(K, W)>) -> Bag<(K, (Option<V>, Option<W>))> {
        self.joined("full_join", right, JOIN_FULL, |key, left, right| (key, (left, right)))
    }

    fn joined<W, R, const LEFT: bool, const RIGHT: bool>(
        &self,
        operation: &'static str,
        right: &Bag<(K, W)>,
        _kind: Kind<LEFT, RIGHT>,
        make: impl Fn(K, Option<V>, Option<W>) -> R + Clone + Send + Sync + 'static,
    ) -> Bag<R>
    where
        W: Element + Clone,
        R: Send + Sync + 'static,
    {
        let exchanged = self.exchange_partitions(&[right.n_partitions()]).map_err(arras_core::Error::from).and_then(|n| {
            // One name for all joins: two joins of one bag move it once.
            let left = self.scattered_by_key("join", n)?;
            Ok(left.beside(&right.scattered_by_key("join", n)?))
        });
        let open = Func::erased::<(K, V, W), _>(move |inputs: &Inputs<'_>| {
            let (left, right) = sides(inputs)?;
            let built = Built::<K, W>::of(&right)?;
            let mut buckets = Vec::with_capacity(left.len());
            for i in 0..left.len() {
                buckets.push(receive::<(K, V)>(&left, i)?);
            }
            let cursor = JoinCursor::<K, V, W, R, _, LEFT, RIGHT> {
                left: buckets.into_iter(),
                bucket: None,
                pairs: Vec::new(),
                position: 0,
                current: None,
                built,
                unmatched: 0,
                make: make.clone(),
                marker: PhantomData,
            };
            Ok(cursor_value(cursor))
        });
        ended(exchanged, operation, &format!("{} → {operation}({})", self.stories(), right.stories()), open)
    }
}

const MATCHED: &str = "this join gives pairs that have a value of that side";

/// Whether pairs of the left side, and of the right, come out without a match too.
#[derive(Clone, Copy)]
struct Kind<const LEFT: bool, const RIGHT: bool>;
const JOIN_INNER: Kind<false, false> = Kind;
const JOIN_LEFT: Kind<true, false> = Kind;
const JOIN_RIGHT: Kind<false, true> = Kind;
const JOIN_FULL: Kind<true, true> = Kind;

/// The end of a list of rows.
const END: usize = usize::MAX;

/// The right side: rows by key, each key's in their order.
struct Built<K, W> {
    /// The first and last row of each key, and whether the left side had it.
    groups: Groups<K, (usize, usize, bool)>,
    /// Each row, and which comes after it.
    rows: Vec<(W, usize)>,
}

impl<K: Element + Hash + Eq + Clone, W: Element + Clone> Built<K, W> {
    fn of(inputs: &Inputs<'_>) -> Result<Built<K, W>, BoxError> {
        let mut built = Built { groups: Groups::default(), rows: Vec::new() };
        each_batch::<(K, W)>(inputs, |pairs| {
            built.groups.look_for(pairs.iter().map(|(key, _)| key))?;
            for (i, (key, value)) in pairs.drain(..).enumerate() {
                let row = built.rows.len();
                built.rows.push((value, END));
                match built.groups.found(i, &key) {
                    Some((_, last, _)) => built.rows[std::mem::replace(last, row)].1 = row,
                    None => built.groups.insert_new(i, key, (row, row, false)),
                }
            }
            Ok(())
        })?;
        Ok(built)
    }
}

struct JoinCursor<K, V, W, R, Make, const LEFT: bool, const RIGHT: bool> {
    left: vec::IntoIter<Received<(K, V)>>,
    bucket: Option<Received<(K, V)>>,
    /// Pairs that were looked for together, the next of which is at `position`.
    pairs: Vec<Option<(K, V)>>,
    position: usize,
    /// The pair whose matches are being made, and the row of the next.
    current: Option<(K, V, usize)>,
    built: Built<K, W>,
    /// The next key of the right side that may have had no match.
    unmatched: usize,
    make: Make,
    marker: PhantomData<fn() -> R>,
}

impl<K, V, W, R, Make, const LEFT: bool, const RIGHT: bool> JoinCursor<K, V, W, R, Make, LEFT, RIGHT>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
    W: Element + Clone,
    Make: Fn(K, Option<V>, Option<W>) -> R,
{
    /// Makes pairs until there are `limit`, or none are left.
    fn join(&mut self, out: &mut Vec<R>, limit: usize) -> Result<(), BoxError> {
        loop {
            while let Some((key, left, row)) = self.current.take() {
                let (right, next) = &self.built.rows[row];
                if *next == END {
                    out.push((self.make)(key, Some(left), Some(right.clone())));
                } else {
                    out.push((self.make)(key.clone(), Some(left.clone()), Some(right.clone())));
                    self.current = Some((key, left, *next));
                }
                if out.len() >= limit {
                    return Ok(());
                }
            }
            if self.position == self.pairs.len() && !self.look_for_more()? {
                break;
            }
            let i = self.position;
            self.position += 1;
            let (key, left) = self.pairs[i].take().expect("each is taken once");
            match self.built.groups.found(i, &key) {
                Some((first, _, seen)) => {
                    *seen = true;
                    self.current = Some((key, left, *first));
                }
                None if LEFT => {
                    out.push((self.make)(key, Some(left), None));
                    if out.len() >= limit {
                        return Ok(());
                    }
                }
                None => {}
            }
        }
        if RIGHT {
            self.add_unmatched(out, limit);
        }
        Ok(())
    }

    /// Looks for the next pairs of the left side. False if there are none.
    fn look_for_more(&mut self) -> Result<bool, BoxError> {
        self.pairs.clear();
        self.position = 0;
        while self.pairs.is_empty() {
            if let Some(bucket) = &mut self.bucket {
                self.pairs.extend(bucket.by_ref().take(BATCH).map(Some));
            }
            if self.pairs.is_empty() {
                self.bucket = self.left.next();
                if self.bucket.is_none() {
                    return Ok(false);
                }
            }
        }
        self.built.groups.look_for(self.pairs.iter().map(|pair| &pair.as_ref().expect("just put there").0))?;
        Ok(true)
    }

    /// Rows of keys that the left side has not. `unmatched` counts keys; the first row of the one it stands at moves on with what is made.
    fn add_unmatched(&mut self, out: &mut Vec<R>, limit: usize) {
        while let Some((key, (first, _, seen))) = self.built.groups.pair_mut(self.unmatched) {
            while !*seen && out.len() < limit {
                let (right, next) = &self.built.rows[*first];
                out.push((self.make)(key.clone(), None, Some(right.clone())));
                (*first, *seen) = (*next, *next == END);
            }
            if !*seen {
                return;
            }
            self.unmatched += 1;
        }
    }
}

impl<K, V, W, R, Make, const LEFT: bool, const RIGHT: bool> Cursor for JoinCursor<K, V, W, R, Make, LEFT, RIGHT>
where
    K: Element + Hash + Eq + Clone,
    V: Element + Clone,
    W: Element + Clone,
    R: Send + Sync + 'static,
    Make: Fn(K, Option<V>, Option<W>) -> R + Send,
{
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<R>>(slot)?;
        let out = slot.owned();
        out.clear();
        self.join(out, limit)?;
        Ok(!out.is_empty())
    }
}
