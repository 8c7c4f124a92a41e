//! Reductions to one value: `fold`, `reduce`, `count`, `sum`, `min`, `max`. Each partition streams into one small value; those are combined along a tree.

use std::iter::{Product, Sum};
use std::sync::Arc;

use arras_core::{BoxError, Data, Delayed, Func, Inputs, Value};

use crate::bag::{Bag, Constant};
use crate::engine::batch::{Batch, Items, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::engine::tree::{self, SPLIT_EVERY};
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::steps::elementwise::Environment;

impl<T: Send + Sync + 'static> Bag<T> {
    /// Folds each partition with `step`, beginning at `initial`, and the results with `combine`, from first to last.
    ///
    /// `initial` begins *every* partition, so it should change nothing when combined, as 0 does in a sum. For an empty bag the result is `initial`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let numbers = Bag::from_sequence(1..=10u64, 3);
    /// let (sum, n) = evaluate(&numbers.fold((0, 0), |(sum, n), x| (sum + x, n + 1), |a, b| (a.0 + b.0, a.1 + b.1)))?;
    /// assert_eq!((sum, n), (55, 10));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn fold<A, F, G>(&self, initial: A, step: F, combine: G) -> Delayed<A>
    where
        A: Data + Clone,
        F: Fn(A, &T) -> A + Send + Sync + 'static,
        G: Fn(A, A) -> A + Send + Sync + 'static,
    {
        self.folded::<F, G, _, _>(
            "fold",
            SPLIT_EVERY,
            (),
            Constant::new("initial", Value::new(initial)),
            move |(), acc, x| step(acc, x),
            move |(), a, b| combine(a, b),
        )
    }

    /// [`fold`](Bag::fold) with captures that travel: `step` and `combine` get `&environment` first.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let modulo = 7;
    /// let sum = Bag::from_sequence(1..=10u64, 3).fold_with(modulo, 0, |m, sum, x| (sum + x) % m, |m, a, b| (a + b) % m);
    /// assert_eq!(evaluate(&sum)?, 55 % 7);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn fold_with<E, A, F, G>(&self, environment: E, initial: A, step: F, combine: G) -> Delayed<A>
    where
        E: Environment,
        A: Data + Clone,
        F: Fn(&E, A, &T) -> A + Send + Sync + 'static,
        G: Fn(&E, A, A) -> A + Send + Sync + 'static,
    {
        let initial = Constant::new("initial", Value::new(initial));
        self.folded::<F, G, _, _>("fold", SPLIT_EVERY, environment, initial, step, combine)
    }

    /// [`fold`](Bag::fold) by Spark's name.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sum = Bag::from_sequence(1..=10u64, 3).aggregate(0, |sum, x| sum + x, |a, b| a + b);
    /// assert_eq!(evaluate(&sum)?, 55);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn aggregate<A, F, G>(&self, initial: A, step: F, combine: G) -> Delayed<A>
    where
        A: Data + Clone,
        F: Fn(A, &T) -> A + Send + Sync + 'static,
        G: Fn(A, A) -> A + Send + Sync + 'static,
    {
        self.fold(initial, step, combine)
    }

    /// [`fold`](Bag::fold) along a tree whose tasks combine `split_every` results each: fewer for large results, more for a flatter tree.
    ///
    /// # Errors
    /// The value carries [`Error::SplitEvery`] if `split_every` is less than 2.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sum = Bag::from_sequence(1..=100u64, 50).tree_aggregate(0, |sum, x| sum + x, |a, b| a + b, 2);
    /// assert_eq!(evaluate(&sum)?, 5050);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn tree_aggregate<A, F, G>(&self, initial: A, step: F, combine: G, split_every: usize) -> Delayed<A>
    where
        A: Data + Clone,
        F: Fn(A, &T) -> A + Send + Sync + 'static,
        G: Fn(A, A) -> A + Send + Sync + 'static,
    {
        if split_every < 2 {
            return Delayed::failed(Error::SplitEvery { operation: "tree_aggregate", split_every }.into());
        }
        let initial = Constant::new("initial", Value::new(initial));
        self.folded::<F, G, _, _>("tree_aggregate", split_every, (), initial, move |(), acc, x| step(acc, x), move |(), a, b| combine(a, b))
    }

    /// Folds each partition, and the results along a tree. `Step` and `Combine` are the user's functions.
    fn folded<Step: 'static, Combine: 'static, E, A>(
        &self,
        operation: &'static str,
        split_every: usize,
        environment: E,
        initial: Constant,
        step: impl Fn(&E, A, &T) -> A + Send + Sync + 'static,
        combine: impl Fn(&E, A, A) -> A + Send + Sync + 'static,
    ) -> Delayed<A>
    where
        E: Environment,
        A: Data + Clone,
    {
        let environment = Arc::new(environment);
        let sink = Sink {
            open: Func::erased::<A, _>(|inputs: &Inputs<'_>| Ok(cell(Some(inputs.get::<A>(0)?.clone())))),
            push: Func::erased_with::<Step, _, _>(Arc::clone(&environment), move |environment: &Arc<E>, inputs: &Inputs<'_>| {
                fold_batch::<T, A>(inputs, |acc, items, done| {
                    items.fold(acc, |acc, x| {
                        let acc = step(environment, acc, x);
                        *done += 1;
                        acc
                    })
                })
            }),
            close: Func::erased::<A, _>(|inputs: &Inputs<'_>| Ok(Value::new(close::<A>(inputs)?))),
            label: operation.to_owned(),
        };
        let combine = Func::erased_with::<Combine, _, _>(environment, move |environment: &Arc<E>, inputs: &Inputs<'_>| {
            let mut acc = inputs.get::<A>(0)?.clone();
            for value in &inputs.values()[1..] {
                acc = combine(environment, acc, value.get::<A>()?.clone());
            }
            Ok(Value::new(acc))
        });
        self.reduction_every(split_every, operation, sink, &[initial], combine, None)
    }

    /// Combines all elements into one with `function`, from first to last within each partition, then from first partition to last.
    ///
    /// # Errors
    /// [`Error::Empty`] at run if the bag has no elements. Empty partitions among others change nothing.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::{Bag, Error};
    /// use arras_core::evaluate;
    /// let longest = |a: String, b: String| if b.len() > a.len() { b } else { a };
    /// let words = ["a", "ccc", "bb"].map(str::to_owned);
    /// assert_eq!(evaluate(&Bag::from_sequence(words, 2).reduce(longest))?, "ccc");
    /// let error = evaluate(&Bag::from_sequence(Vec::<String>::new(), 2).reduce(longest)).unwrap_err();
    /// assert!(matches!(error.find(), Some(Error::Empty { .. })));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn reduce<F>(&self, function: F) -> Delayed<T>
    where
        T: Element + Data + Clone,
        F: Fn(T, T) -> T + Clone + Send + Sync + 'static,
    {
        self.reduction_of_some::<Reduce, _>(move |acc: T, x: &T| function(acc, x.clone()))
    }

    /// The number of elements.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(0..100, 7).filter(|x| x % 3 == 0).count())?, 34);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn count(&self) -> Delayed<u64> {
        let sink = count_sink::<T>();
        let combine = Func::of_many(|counts: &[&u64]| counts.iter().copied().sum::<u64>());
        self.reduction("count", sink, &[], combine, None)
    }

    /// The sum of the elements, by [`Sum`]; that of no elements is what [`Sum`] says it is.
    ///
    /// Numbers are added within batches and partitions, then across them, always in the same order: floating-point sums are the same bits each time, though not those of
    /// one long loop.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(1..=100i64, 7).sum())?, 5050);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sum(&self) -> Delayed<T>
    where
        T: Data + Clone + Sum<T> + for<'a> Sum<&'a T>,
    {
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(Some(std::iter::empty::<T>().sum::<T>())))),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                fold_batch::<T, T>(inputs, |acc, items, _| [acc, items.sum::<T>()].into_iter().sum())
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| Ok(Value::new(close::<T>(inputs)?))),
            label: "sum".to_owned(),
        };
        let combine = Func::of_many(|sums: &[&T]| sums.iter().copied().sum::<T>());
        self.reduction("sum", sink, &[], combine, None)
    }

    /// The product of the elements, by [`Product`], as of an iterator; that of no elements is what [`Product`] says it is. Pairs of all elements of two bags are
    /// [`cartesian`](Bag::cartesian), which dask.bag calls `product`.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(1..=10i64, 3).product())?, 3_628_800);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn product(&self) -> Delayed<T>
    where
        T: Data + Clone + Product<T> + for<'a> Product<&'a T>,
    {
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(Some(std::iter::empty::<T>().product::<T>())))),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                fold_batch::<T, T>(inputs, |acc, items, _| [acc, items.product::<T>()].into_iter().product())
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| Ok(Value::new(close::<T>(inputs)?))),
            label: "product".to_owned(),
        };
        let combine = Func::of_many(|products: &[&T]| products.iter().copied().product::<T>());
        self.reduction("product", sink, &[], combine, None)
    }

    /// The smallest element, of equal ones the first.
    ///
    /// # Errors
    /// [`Error::Empty`] at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 2], 2).min())?, 1);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn min(&self) -> Delayed<T>
    where
        T: Element + Data + Clone + Ord,
    {
        self.reduction_of_some::<Min, _>(|best: T, x: &T| if *x < best { x.clone() } else { best })
    }

    /// The largest element, of equal ones the last.
    ///
    /// # Errors
    /// [`Error::Empty`] at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 2], 2).max())?, 3);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn max(&self) -> Delayed<T>
    where
        T: Element + Data + Clone + Ord,
    {
        self.reduction_of_some::<Max, _>(|best: T, x: &T| if *x >= best { x.clone() } else { best })
    }

    /// Combines all elements into one, of which there may be none until the end.
    pub(crate) fn reduction_of_some<O, F>(&self, step: F) -> Delayed<T>
    where
        O: Operation,
        T: Element + Data + Clone,
        F: Fn(T, &T) -> T + Clone + Send + Sync + 'static,
    {
        let (in_tree, at_root) = (step.clone(), step.clone());
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(None::<T>))),
            push: Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut state = lock::<Option<T>>(inputs.value(1))?;
                *state = rest(inputs)?.progress.watched(batch.len(), |done| {
                    // The first of all elements begins, without a call.
                    *done += usize::from(state.is_none());
                    fold_some(state.take(), batch.items(), &mut |acc, x: &T| {
                        let acc = step(acc, x);
                        *done += 1;
                        acc
                    })
                });
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                Ok(Partition(lock::<Option<T>>(inputs.value(0))?.take().into_iter().collect()).into_value())
            }),
            label: O::NAME.to_owned(),
        };
        let combine = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            Ok(Partition(fold_partitions(inputs, &in_tree)?.into_iter().collect()).into_value())
        });
        let finish = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            Ok(Value::new(fold_partitions(inputs, &at_root)?.ok_or(Error::Empty { operation: O::NAME })?))
        });
        self.reduction(O::NAME, sink, &[], combine, Some(finish))
    }

    /// Runs all partitions into `sink` and combines their values along a tree.
    pub(crate) fn reduction<A>(
        &self,
        operation: &'static str,
        sink: Sink,
        shared: &[Constant],
        combine: Func,
        finish: Option<Func>,
    ) -> Delayed<A> {
        self.reduction_every(SPLIT_EVERY, operation, sink, shared, combine, finish)
    }

    /// Runs all partitions into `sink` and combines their values along a tree, so many at a time.
    pub(crate) fn reduction_every<A>(
        &self,
        split_every: usize,
        operation: &'static str,
        sink: Sink,
        shared: &[Constant],
        combine: Func,
        finish: Option<Func>,
    ) -> Delayed<A> {
        match self.lower(&format!("{operation}-partition"), &sink, shared) {
            Err(error) => Delayed::failed(error),
            Ok(lowered) => {
                let (graph, key) = tree::combine_every(split_every, lowered, operation, combine, finish);
                Delayed::from_graph(graph, key)
            }
        }
    }
}

/// Counts what arrives.
pub(crate) fn count_sink<T: Send + Sync + 'static>() -> Sink {
    Sink {
        open: Func::erased::<u64, _>(|_| Ok(cell(0u64))),
        push: Func::erased::<Batch<T>, _>(|inputs: &Inputs<'_>| {
            *lock::<u64>(inputs.value(1))? += lock::<Batch<T>>(inputs.value(0))?.len() as u64;
            Ok(Value::new(true))
        }),
        close: Func::erased::<u64, _>(|inputs: &Inputs<'_>| Ok(Value::new(*lock::<u64>(inputs.value(0))?))),
        label: "count".to_owned(),
    }
}

/// Names a reduction, as a type, so that the functions that speak of it capture nothing.
pub(crate) trait Operation: 'static {
    const NAME: &'static str;
}
struct Reduce;
impl Operation for Reduce {
    const NAME: &'static str = "reduce";
}
struct Min;
impl Operation for Min {
    const NAME: &'static str = "min";
}
struct Max;
impl Operation for Max {
    const NAME: &'static str = "max";
}

/// Folds a batch into the sink's state, an `Option` that [`close`] takes. The fold counts the elements that it is through with.
pub(crate) fn fold_batch<T, A>(inputs: &Inputs<'_>, fold: impl Fn(A, Items<'_, T>, &mut usize) -> A) -> Result<Value, BoxError>
where
    T: Send + Sync + 'static,
    A: Send + 'static,
{
    let batch = lock::<Batch<T>>(inputs.value(0))?;
    let mut state = lock::<Option<A>>(inputs.value(1))?;
    let acc = state.take().expect("put back after each batch");
    let rest = rest(inputs)?;
    *state = Some(rest.progress.watched(batch.len(), |done| fold(acc, batch.items(), done)));
    Ok(rest.answer(true))
}

pub(crate) fn close<A: Send + 'static>(inputs: &Inputs<'_>) -> Result<A, BoxError> {
    Ok(lock::<Option<A>>(inputs.value(0))?.take().expect("put back after each batch"))
}

fn fold_some<'a, T: Clone + 'a>(acc: Option<T>, mut items: impl Iterator<Item = &'a T>, step: &mut impl FnMut(T, &T) -> T) -> Option<T> {
    let acc = match acc {
        Some(acc) => acc,
        None => items.next()?.clone(),
    };
    Some(items.fold(acc, step))
}

fn fold_partitions<T: Element + Clone>(inputs: &Inputs<'_>, mut step: impl FnMut(T, &T) -> T) -> Result<Option<T>, BoxError> {
    let mut acc = None;
    for value in inputs.values() {
        acc = fold_some(acc, value.get::<Partition<T>>()?.iter(), &mut step);
    }
    Ok(acc)
}
