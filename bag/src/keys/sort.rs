//! `sort`, `sort_by`, `sort_by_key`: sorted within each partition, cut into ranges, merged.
//!
//! ```text
//!     partition i ──► sorted run ──► samples ─┐
//!                          │                  ▼
//!                          │             bounds b₁ < b₂ < …            evenly by count, of (element, source partition, position)
//!                          ▼                  │
//!                       scatter ◄─────────────┘   run i cut at the bounds
//!                          │ exchange
//!                          ▼
//!     partition j: pieces of all runs, in the order of the runs ──merge──► in order
//! ```
//! A bound names an element's partition and position besides its key, so elements of equal keys may be cut apart, and come out in their order all the same: a key that has most of the elements
//! fills as many partitions as it needs.

use std::cmp::Ordering;
use std::mem::needs_drop;

use arras_core::{BoxError, Func, Inputs, Name, Tokenizer, Value};

use crate::bag::{Bag, Lowered, Place, Segment};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::exchange::{Bucket, Buckets, IterCursor, TAKEN, count, exchange, receive};
use crate::engine::numbers::add_layer;
use crate::engine::run::{Sink, cursor_value};
use crate::partition::{Element, Partition};

/// So many samples are taken of all runs together, about.
const SAMPLES: usize = 200_000;

impl<T: Element + Clone> Bag<T> {
    /// The elements in the order of what `key` makes of them, from least to greatest; those of equal keys in the order they had.
    ///
    /// Partitions hold ranges of about equal numbers of elements, one after another: as many as before, or as [`shuffle_into`](Bag::shuffle_into) says. Numbers that are no `Ord`, such as `f64`, have one in
    /// [`sort_with`](Bag::sort_with); `std::cmp::Reverse` turns the order around. Work: a stable sort of each partition, and a merge; `key` is called once an element in each where its keys own
    /// memory, and for each comparison where they are plain. Memory: a partition before and after; what waits may go to disk.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// use std::cmp::Reverse;
    /// let words = Bag::from_sequence(["ccc", "a", "bb", "d"], 2);
    /// assert_eq!(evaluate(&words.sort_by(|word| word.len()))?, ["a", "d", "bb", "ccc"]);
    /// assert_eq!(evaluate(&words.sort_by(|word| Reverse(word.len())))?, ["ccc", "bb", "a", "d"]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort_by<K, F>(&self, key: F) -> Bag<T>
    where
        K: Ord,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        let of = key.clone();
        let compare = move |a: &T, b: &T| of(a).cmp(&of(b));
        let sort = move |mut items: Vec<T>| {
            if needs_drop::<K>() {
                let mut keyed: Vec<(K, T)> = items.into_iter().map(|x| (key(&x), x)).collect();
                keyed.sort_by(|a, b| a.0.cmp(&b.0));
                return keyed.into_iter().map(|(_, x)| x).collect();
            }
            items.sort_by_key(&key);
            items
        };
        self.sorted::<F>("sort_by", compare, sort)
    }

    /// The elements in the order that `compare` says, equal ones in the order they had; else as [`sort_by`](Bag::sort_by). `compare` must be a total order, as `f64::total_cmp` is: of one that is not, the result
    /// is in some order, or the run fails.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([2.5, -1.0, 0.0], 2).sort_with(f64::total_cmp))?, [-1.0, 0.0, 2.5]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort_with<F>(&self, compare: F) -> Bag<T>
    where
        F: Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
    {
        let by = compare.clone();
        let sort = move |mut items: Vec<T>| {
            items.sort_by(&by);
            items
        };
        self.sorted::<F>("sort_with", compare, sort)
    }

    /// The elements from least to greatest, equal ones in the order they had; else as [`sort_by`](Bag::sort_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 2], 2).sort())?, [1, 2, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort(&self) -> Bag<T>
    where
        T: Ord,
    {
        self.sorted::<T>("sort", T::cmp, sorted_by(T::cmp))
    }

    /// The elements from greatest to least, equal ones in the order they had; else as [`sort_by`](Bag::sort_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([3, 1, 2], 2).sort_descending())?, [3, 2, 1]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort_descending(&self) -> Bag<T>
    where
        T: Ord,
    {
        let compare = |a: &T, b: &T| b.cmp(a);
        self.sorted::<T>("sort_descending", compare, sorted_by(compare))
    }

    fn sorted<Named: 'static>(
        &self,
        operation: &'static str,
        compare: impl Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
        sort: impl Fn(Vec<T>) -> Vec<T> + Clone + Send + Sync + 'static,
    ) -> Bag<T> {
        let lowered = self
            .exchange_partitions(&[])
            .map_err(arras_core::Error::from)
            .and_then(|n| Ok((self.lower(&format!("{operation}-run"), &run_sink::<T, Named>(operation, sort.clone()), &[])?, n)));
        let (runs, n) = match lowered {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let scattered = cut::<T, Named>(operation, runs, n, compare);
        let open = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
            let mut items = Vec::new();
            let mut pieces = Vec::with_capacity(inputs.len());
            for i in 0..inputs.len() {
                pieces.push(receive::<T>(inputs, i)?);
            }
            items.reserve_exact(pieces.iter().map(ExactSizeIterator::len).sum());
            pieces.into_iter().for_each(|piece| items.extend(piece));
            // A stable sort finds the runs, and merges them.
            Ok(cursor_value(IterCursor::new(sort(items).into_iter())))
        });
        let story = format!("{} → {operation}", self.stories());
        let base = exchange::<T>(scattered, operation, n).into_base(operation, story);
        Bag::new(vec![Segment::of_open::<T>(base, open)])
    }
}

impl<K, V> Bag<(K, V)>
where
    K: Element + Ord + Clone,
    V: Element + Clone,
{
    /// The pairs in the order of their keys, from least to greatest; those of equal keys in the order they had. Else as [`sort_by`](Bag::sort_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sorted = Bag::from_sequence([(2, 'a'), (1, 'b'), (2, 'c')], 3).sort_by_key();
    /// assert_eq!(evaluate(&sorted)?, [(1, 'b'), (2, 'a'), (2, 'c')]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort_by_key(&self) -> Bag<(K, V)> {
        let compare = |a: &(K, V), b: &(K, V)| a.0.cmp(&b.0);
        self.sorted::<(K, V)>("sort_by_key", compare, sorted_by(compare))
    }

    /// The pairs in the order of their keys, from greatest to least; those of equal keys in the order they had. Else as [`sort_by`](Bag::sort_by).
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sorted = Bag::from_sequence([(2, 'a'), (1, 'b'), (2, 'c')], 3).sort_by_key_descending();
    /// assert_eq!(evaluate(&sorted)?, [(2, 'a'), (2, 'c'), (1, 'b')]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sort_by_key_descending(&self) -> Bag<(K, V)> {
        let compare = |a: &(K, V), b: &(K, V)| b.0.cmp(&a.0);
        self.sorted::<(K, V)>("sort_by_key_descending", compare, sorted_by(compare))
    }
}

fn sorted_by<T>(compare: impl Fn(&T, &T) -> Ordering + Clone) -> impl Fn(Vec<T>) -> Vec<T> + Clone {
    move |mut items| {
        items.sort_by(&compare);
        items
    }
}

/// Gathers a partition and sorts it.
fn run_sink<T: Element + Clone, Named: 'static>(operation: &str, sort: impl Fn(Vec<T>) -> Vec<T> + Send + Sync + 'static) -> Sink {
    Sink {
        open: Func::erased::<T, _>(|_| Ok(cell(Vec::<T>::new()))),
        push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            lock::<Batch<T>>(inputs.value(0))?.move_onto(&mut *lock::<Vec<T>>(inputs.value(1))?);
            Ok(Value::new(true))
        }),
        close: Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
            let items = std::mem::take(&mut *lock::<Vec<T>>(inputs.value(0))?);
            Ok(Bucket::new(sort(items)).into_value())
        }),
        label: operation.to_owned(),
    }
}

/// Where a range ends: before this element, at this position of the run of this number.
type Bound<T> = (u64, u64, T);

/// The tasks that cut each run at bounds that they share: a value [`Buckets<T>`] a run.
fn cut<T: Element + Clone, Named: 'static>(
    operation: &str,
    runs: Lowered,
    n: usize,
    compare: impl Fn(&T, &T) -> Ordering + Clone + Send + Sync + 'static,
) -> Lowered {
    let Lowered { mut graph, places } = runs;
    let m = places.len() as u32;
    let mut tokenizer = Tokenizer::new();
    places.chunk_by(|a, b| a.0 == b.0).for_each(|run| {
        tokenizer.text(run[0].0.as_str()).number(run.len() as u64);
    });
    let token = tokenizer.number(n as u64).finish();
    let name = |part: &str| Name::from_token(&format!("{operation}-{part}"), token);
    let number = count(n);
    graph.insert_layer(number.layer());
    let (samples, bounds, pieces) = (name("sample"), name("bounds"), name("scatter"));
    let constant = (number.name().clone(), 0);
    let n_samples = (SAMPLES / places.len().max(1)).clamp(16, (4 * n).max(16));
    let sampling = count(n_samples);
    graph.insert_layer(sampling.layer());
    let sample = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
        let n_samples = *inputs.get::<u64>(0)? as usize;
        let run = inputs.get::<Bucket<T>>(1)?.content().ok_or(TAKEN)?;
        let run: &[T] = run.get::<Partition<T>>()?;
        let n = n_samples.min(run.len());
        // Each sample stands in the middle of as many elements as every other of its run.
        let at = |k: usize| ((2 * k + 1) as u128 * run.len() as u128 / (2 * n) as u128) as usize;
        let samples = (0..n).map(|k| (at(k) as u64, run.len() as f64 / n as f64, run[at(k)].clone())).collect();
        Ok(Partition::<(u64, f64, T)>(samples).into_value())
    });
    let inputs: Vec<Vec<Place>> = places.iter().map(|run| vec![(sampling.name().clone(), 0), run.clone()]).collect();
    add_layer(&mut graph, samples.clone(), sample, &inputs);
    let by = compare.clone();
    let find = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| Ok(Partition(bounds_of::<T>(inputs, &by)?).into_value()));
    let inputs: Vec<Place> = [constant.clone()].into_iter().chain((0..m).map(|i| (samples.clone(), i))).collect();
    add_layer(&mut graph, bounds.clone(), find, &[inputs]);
    let scatter = Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
        let n = *inputs.get::<u64>(0)? as usize;
        let bounds = inputs.get::<Partition<Bound<T>>>(1)?;
        let run = receive::<T>(inputs, 2)?.into_vec();
        let mut ends: Vec<usize> = bounds.iter().map(|bound| end_of(&run, u64::from(inputs.block()), bound, &compare)).collect();
        ends.resize(n, run.len());
        let (mut items, mut start) = (run.into_iter(), 0);
        let mut buckets = Vec::with_capacity(n);
        for end in ends {
            // An order that is none may give ends that do not ascend.
            buckets.push(items.by_ref().take(end.saturating_sub(start)).collect());
            start = end.max(start);
        }
        Ok(Buckets::<T>::new(buckets).into_value())
    });
    let inputs: Vec<Vec<Place>> = places.iter().map(|run| vec![constant.clone(), (bounds.clone(), 0), run.clone()]).collect();
    add_layer(&mut graph, pieces.clone(), scatter, &inputs);
    Lowered { graph, places: (0..m).map(|i| (pieces.clone(), i)).collect() }
}

/// At most `n - 1` bounds that part what the samples stand for evenly, of a number `n` and samples.
fn bounds_of<T: Element + Clone>(inputs: &Inputs<'_>, compare: &impl Fn(&T, &T) -> Ordering) -> Result<Vec<Bound<T>>, BoxError> {
    let n = *inputs.get::<u64>(0)? as usize;
    let mut all: Vec<(u64, u64, f64, &T)> = Vec::new();
    for (run, value) in inputs.values()[1..].iter().enumerate() {
        let samples = value.get::<Partition<(u64, f64, T)>>()?;
        all.extend(samples.iter().map(|(position, weight, x)| (run as u64, *position, *weight, x)));
    }
    // Stable, and they come in the order of runs and positions.
    all.sort_by(|a, b| compare(a.3, b.3));
    let total: f64 = all.iter().map(|sample| sample.2).sum();
    let mut bounds = Vec::with_capacity(n.saturating_sub(1));
    let mut before = 0.0;
    for (run, position, weight, x) in all {
        if bounds.len() + 1 < n && before + weight / 2.0 >= total * (bounds.len() + 1) as f64 / n as f64 {
            bounds.push((run, position, x.clone()));
        }
        before += weight;
    }
    Ok(bounds)
}

/// How many elements of run number `number` come before a bound.
fn end_of<T>(run: &[T], number: u64, bound: &Bound<T>, compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let (of_run, position, x) = bound;
    let less = run.partition_point(|a| compare(a, x) == Ordering::Less);
    let equal = less + run[less..].partition_point(|a| compare(a, x) == Ordering::Equal);
    match number.cmp(of_run) {
        Ordering::Less => equal,
        Ordering::Equal => (*position as usize).clamp(less, equal),
        Ordering::Greater => less,
    }
}
