//! The largest and the smallest: `topk`, `take_ordered`, `min_by`, `max_by_key` and their kind.

use std::cmp::Ordering;

use arras_core::{Data, Delayed, Func, Inputs, Value};

use crate::bag::{Bag, Base, Segment};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::engine::tree;
use crate::partition::{Element, Partition};
use crate::reductions::reduce::Operation;

impl<T: Element + Clone> Bag<T> {
    /// The `k` largest elements, the largest first, of equal ones the first seen: Spark's `top`. In one partition.
    ///
    /// Work: a comparison an element, and a sort of 2 `k` now and then; memory: 2 `k` elements a partition.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 4, 1, 5, 9, 2, 6], 3).topk(3))?, [9, 6, 5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn topk(&self, k: usize) -> Bag<T>
    where
        T: Ord,
    {
        self.best::<fn(T)>("topk", k, |a, b| b.cmp(a))
    }

    /// [`topk`](Bag::topk) in an order of one's own: `compare` is that of `sort_by`. For floating-point numbers it is `f64::total_cmp`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([0.5, 2.5, 1.5], 2).topk_by(2, f64::total_cmp))?, [2.5, 1.5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn topk_by<F>(&self, k: usize, compare: F) -> Bag<T>
    where
        F: Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    {
        self.best::<F>("topk_by", k, move |a, b| compare(b, a))
    }

    /// [`topk`](Bag::topk) by a key, which is made once for each element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(["a", "bbb", "cc"], 2).topk_by_key(2, |text| text.len()))?, ["bbb", "cc"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn topk_by_key<K, F>(&self, k: usize, key: F) -> Bag<T>
    where
        K: Element + Clone + Ord,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.key_by(key).best::<fn(K)>("topk_by_key", k, |a, b| b.0.cmp(&a.0)).map(|(_, x)| x.clone())
    }

    /// The `k` smallest elements, the smallest first, of equal ones the first seen. In one partition. Work and memory as [`topk`](Bag::topk).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 4, 1, 5, 9, 2, 6], 3).take_ordered(3))?, [1, 1, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn take_ordered(&self, k: usize) -> Bag<T>
    where
        T: Ord,
    {
        self.best::<fn(T)>("take_ordered", k, T::cmp)
    }

    /// [`take_ordered`](Bag::take_ordered) in an order of one's own: `compare` is that of `sort_by`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([0.5, 2.5, 1.5], 2).take_ordered_by(2, f64::total_cmp))?, [0.5, 1.5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn take_ordered_by<F>(&self, k: usize, compare: F) -> Bag<T>
    where
        F: Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    {
        self.best::<F>("take_ordered_by", k, compare)
    }

    /// [`take_ordered`](Bag::take_ordered) by a key, which is made once for each element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(["a", "bbb", "cc"], 2).take_ordered_by_key(2, |text| text.len()))?, ["a", "cc"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn take_ordered_by_key<K, F>(&self, k: usize, key: F) -> Bag<T>
    where
        K: Element + Clone + Ord,
        F: Fn(&T) -> K + Send + Sync + 'static,
    {
        self.key_by(key).best::<fn(K)>("take_ordered_by_key", k, |a, b| a.0.cmp(&b.0)).map(|(_, x)| x.clone())
    }

    /// The `k` elements that come first in an order, in that order.
    fn best<Named: 'static>(
        &self,
        operation: &'static str,
        k: usize,
        compare: impl Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    ) -> Bag<T> {
        let in_tree = compare.clone();
        let at_end = compare.clone();
        let sink = Sink {
            open: Func::erased_with::<T, _, _>(k, |k, _| Ok(cell(Best::<T> { k: *k, items: Vec::new(), is_cut: false }))),
            push: Func::erased_with::<Named, _, _>(k, move |_, inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut best = lock::<Best<T>>(inputs.value(1))?;
                rest(inputs)?.progress.watched(batch.len(), |done| {
                    batch.items().for_each(|x| {
                        best.add(x, &compare);
                        *done += 1;
                    });
                });
                Ok(Value::new(best.k > 0))
            }),
            close: Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
                let mut best = lock::<Best<T>>(inputs.value(0))?;
                best.cut(&at_end);
                Ok(Partition(std::mem::take(&mut best.items)).into_value())
            }),
            label: operation.to_owned(),
        };
        let combine = Func::erased_with::<Named, _, _>(k, move |k, inputs: &Inputs<'_>| {
            let mut best = Best::<T> { k: *k, items: Vec::new(), is_cut: false };
            for value in inputs.values() {
                value.get::<Partition<T>>()?.iter().for_each(|x| best.add(x, &in_tree));
            }
            best.cut(&in_tree);
            Ok(Partition(best.items).into_value())
        });
        let lowered = match self.lower(&format!("{operation}-partition"), &sink, &[]) {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let story = format!("{} → {operation}({k})", self.stories());
        let (graph, key) = tree::combine(lowered, operation, combine.clone(), Some(combine));
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_task(graph, &key, story))])
    }

    /// The smallest element in an order of one's own, of equal ones the first. For floating-point numbers it is `f64::total_cmp`.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1.5, 0.5], 2).min_by(f64::total_cmp))?, 0.5);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn min_by<F>(&self, compare: F) -> Delayed<T>
    where
        T: Data,
        F: Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    {
        self.reduction_of_some::<MinBy, _>(move |best: T, x: &T| if compare(x, &best).is_lt() { x.clone() } else { best })
    }

    /// The largest element in an order of one's own, of equal ones the last.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1.5, 0.5], 2).max_by(f64::total_cmp))?, 1.5);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn max_by<F>(&self, compare: F) -> Delayed<T>
    where
        T: Data,
        F: Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    {
        self.reduction_of_some::<MaxBy, _>(move |best: T, x: &T| if compare(x, &best).is_ge() { x.clone() } else { best })
    }

    /// The element of the smallest key, of equal ones the first. `key` is called twice an element: for it and for the best so far.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let words = Bag::from_sequence(["bb", "a", "c"].map(str::to_owned), 2);
    /// assert_eq!(evaluate(&words.min_by_key(|text| text.len()))?, "a");
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn min_by_key<K, F>(&self, key: F) -> Delayed<T>
    where
        T: Data,
        K: Ord,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        self.reduction_of_some::<MinByKey, _>(move |best: T, x: &T| if key(x) < key(&best) { x.clone() } else { best })
    }

    /// The element of the largest key, of equal ones the last. `key` is called twice an element: for it and for the best so far.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let words = Bag::from_sequence(["bb", "a", "cc"].map(str::to_owned), 2);
    /// assert_eq!(evaluate(&words.max_by_key(|text| text.len()))?, "cc");
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn max_by_key<K, F>(&self, key: F) -> Delayed<T>
    where
        T: Data,
        K: Ord,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        self.reduction_of_some::<MaxByKey, _>(move |best: T, x: &T| if key(x) >= key(&best) { x.clone() } else { best })
    }
}

struct MinBy;
impl Operation for MinBy {
    const NAME: &'static str = "min_by";
}
struct MaxBy;
impl Operation for MaxBy {
    const NAME: &'static str = "max_by";
}
struct MinByKey;
impl Operation for MinByKey {
    const NAME: &'static str = "min_by_key";
}
struct MaxByKey;
impl Operation for MaxByKey {
    const NAME: &'static str = "max_by_key";
}

/// The first `k` in an order, of those seen so far, and a few more.
struct Best<T> {
    k: usize,
    /// Once cut, the best `k` in order, and whatever came since and is better than the last of them.
    items: Vec<T>,
    is_cut: bool,
}

impl<T: Clone> Best<T> {
    fn add(&mut self, x: &T, compare: &impl Fn(&T, &T) -> Ordering) {
        if self.k == 0 || self.is_cut && compare(x, &self.items[self.k - 1]).is_ge() {
            return;
        }
        self.items.push(x.clone());
        if self.items.len() >= self.k.saturating_mul(2).max(self.k.saturating_add(BATCH)) {
            self.cut(compare);
        }
    }

    fn cut(&mut self, compare: &impl Fn(&T, &T) -> Ordering) {
        // Stable, and what came later lies behind: of equal ones the first seen stay.
        self.items.sort_by(compare);
        self.items.truncate(self.k);
        self.is_cut = self.items.len() == self.k;
    }
}
