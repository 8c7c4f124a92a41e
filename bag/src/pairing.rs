//! Two bags together: `zip`, `zip_partitions`, `cartesian`, `union`.
//!
//! ```text
//!     zip          a0 ─┬─► (a, b)…       cartesian    a0 ─┬─► a0 × b0
//!                  b0 ─┘                              b0 ─┘
//!                  a1 ─┬─► (a, b)…                    a0 ─┬─► a0 × b1         every partition with every other
//!                  b1 ─┘                              b1 ─┘  …
//! ```
//! A task reads one partition of each bag; pairs are made as they are asked for.

use std::marker::PhantomData;

use arras_core::{BoxError, Func, Graph, Inputs, Tokenizer, Value};

use crate::bag::{Bag, Base, Lowered, Place, Segment};
use crate::engine::batch::{Batch, lock};
use crate::engine::run::{Cursor, cursor_value};
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::partitions::VecCursor;

impl<T: Element + Clone> Bag<T> {
    /// The elements of both bags in pairs: the first with the first, and so on. Both must have the same partitions, as bags made of one another by steps that keep the number of
    /// elements have.
    ///
    /// # Errors
    /// The bag carries [`Error::UnequalPartitions`] if the numbers of partitions differ; [`Error::UnequalLengths`] at run, with the partition, if two partitions do.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let numbers = Bag::from_sequence(1..=3, 2);
    /// assert_eq!(evaluate(&numbers.zip(&numbers.map(|x| x * x)))?, [(1, 1), (2, 4), (3, 9)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn zip<U: Element + Clone>(&self, other: &Bag<U>) -> Bag<(T, U)> {
        let open = Func::erased::<fn(T, U), _>(|inputs: &Inputs<'_>| {
            let (left, right) = (inputs.get::<Partition<T>>(0)?.len(), inputs.get::<Partition<U>>(1)?.len());
            if left != right {
                return Err(Error::UnequalLengths { operation: "zip", partition: inputs.block(), left, right }.into());
            }
            Ok(cursor_value(PairsCursor::<T, U>::new(inputs, Pairing::Zip)))
        });
        self.side_by_side("zip", other, open)
    }

    /// All that `function` makes of each partition of this bag and the other's of the same place, both of which it sees whole. They may be of different lengths.
    ///
    /// # Errors
    /// The bag carries [`Error::UnequalPartitions`] if the numbers of partitions differ.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let (a, b) = (Bag::from_sequence([1, 2, 3], 2), Bag::from_sequence([10, 20], 2));
    /// let sums = a.zip_partitions(&b, |a: &[i32], b: &[i32]| [a.iter().sum::<i32>() * b.iter().sum::<i32>()]);
    /// assert_eq!(evaluate(&sums)?, [30, 60]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn zip_partitions<U, R, I, F>(&self, other: &Bag<U>, function: F) -> Bag<R>
    where
        U: Element + Clone,
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&[T], &[U]) -> I + Send + Sync + 'static,
    {
        let open = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let items: Vec<R> = function(inputs.get::<Partition<T>>(0)?, inputs.get::<Partition<U>>(1)?).into_iter().collect();
            Ok(cursor_value(VecCursor { items: items.into_iter() }))
        });
        self.side_by_side("zip_partitions", other, open)
    }

    /// Every element of this bag with every element of the other: dask.bag's `product`. One partition for each pair of partitions: `a0 × b0, a0 × b1, …, a1 × b0, …`; within
    /// one, all pairs of the first element come first.
    ///
    /// Work: the product of the numbers of elements; memory: a partition of each, as pairs are made as they are asked for.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let pairs = Bag::from_sequence([1, 2], 2).cartesian(&Bag::from_sequence(["a", "b"], 1));
    /// assert_eq!(evaluate(&pairs)?, [(1, "a"), (1, "b"), (2, "a"), (2, "b")]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn cartesian<U: Element + Clone>(&self, other: &Bag<U>) -> Bag<(T, U)> {
        let open = Func::erased::<fn(T, U), _>(|inputs: &Inputs<'_>| {
            inputs.get::<Partition<T>>(0)?;
            inputs.get::<Partition<U>>(1)?;
            Ok(cursor_value(PairsCursor::<T, U>::new(inputs, Pairing::Cartesian)))
        });
        self.paired("cartesian", other, open, |left, right| {
            left.iter().flat_map(|left| right.iter().map(|right| vec![left.clone(), right.clone()])).collect()
        })
    }

    /// Each partition with the other bag's of the same place.
    fn side_by_side<U: Element + Clone, R: Send + Sync + 'static>(&self, operation: &'static str, other: &Bag<U>, open: Func) -> Bag<R> {
        let (left, right) = (self.n_partitions(), other.n_partitions());
        if left != right && self.segments().is_ok() && other.segments().is_ok() {
            return Bag::failed(Error::UnequalPartitions { operation, left, right });
        }
        self.paired(operation, other, open, |left, right| {
            left.iter().zip(right).map(|(left, right)| vec![left.clone(), right.clone()]).collect()
        })
    }

    /// A bag whose partitions open one partition of each bag.
    fn paired<U: Element + Clone, R: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        other: &Bag<U>,
        open: Func,
        pair: impl FnOnce(&[Place], &[Place]) -> Vec<Vec<Place>>,
    ) -> Bag<R> {
        let (left, right) = match self.lower_partitions().and_then(|left| Ok((left, other.lower_partitions()?))) {
            Ok(both) => both,
            Err(error) => return Bag::failed(error),
        };
        let mut tokenizer = Tokenizer::new();
        for Lowered { places, .. } in [&left, &right] {
            tokenizer.number(places.len() as u64);
            places.iter().for_each(|(name, i)| {
                tokenizer.text(name.as_str()).number(u64::from(*i));
            });
        }
        let mut graph: Graph = left.graph;
        graph.merge(&right.graph);
        let lists = pair(&left.places, &right.places);
        let story = format!("({}) → {operation}({})", self.stories(), other.stories());
        Bag::new(vec![Segment::of_open::<R>(Base::of_lists(graph, operation, tokenizer, lists, story), open)])
    }
}

impl<T> Bag<T> {
    /// The elements of this bag, then those of the other: [`concat`](Bag::concat) of both, by Spark's name. Nothing is removed.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2], 1).union(&Bag::from_sequence([2], 1)))?, [1, 2, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn union(&self, other: &Bag<T>) -> Bag<T> {
        Bag::concat([self.clone(), other.clone()])
    }
}

enum Pairing {
    Zip,
    Cartesian,
}

/// Hands out pairs of the elements of two partitions.
struct PairsCursor<T, U> {
    left: Value,
    right: Value,
    pairing: Pairing,
    /// The pairs that were handed out.
    position: u128,
    marker: PhantomData<fn() -> (T, U)>,
}

impl<T, U> PairsCursor<T, U> {
    fn new(inputs: &Inputs<'_>, pairing: Pairing) -> PairsCursor<T, U> {
        PairsCursor { left: inputs.value(0).clone(), right: inputs.value(1).clone(), pairing, position: 0, marker: PhantomData }
    }
}

impl<T: Element + Clone, U: Element + Clone> Cursor for PairsCursor<T, U> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let (left, right) = (self.left.get::<Partition<T>>()?, self.right.get::<Partition<U>>()?);
        let mut slot = lock::<Batch<(T, U)>>(slot)?;
        let out = slot.owned();
        out.clear();
        match self.pairing {
            Pairing::Zip => {
                let start = self.position as usize;
                out.extend(left[start..].iter().cloned().zip(right[start..].iter().cloned()).take(limit));
            }
            Pairing::Cartesian => {
                let n = right.len() as u128;
                let end = (left.len() as u128 * n).min(self.position + limit as u128);
                out.extend((self.position..end).map(|i| (left[(i / n) as usize].clone(), right[(i % n) as usize].clone())));
            }
        }
        self.position += out.len() as u128;
        Ok(!out.is_empty())
    }
}
