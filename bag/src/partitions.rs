//! Whole partitions: `map_partitions`, `concat`, and the ways to and from [`Delayed`].

use std::marker::PhantomData;
use std::ops::Range;

use arras_core::{Collection, Delayed, Func, Graph, Inputs, Key, Name, Task, Tokenizer, Value};

use crate::bag::{Bag, Base, Lowered, Segment};
use crate::engine::batch::{Batch, lock};
use crate::engine::run::{Cursor, cursor_value};
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::steps::elementwise::{Environment, label};

impl<T: Element + Clone> Bag<T> {
    /// All that `function` makes of each partition, which it sees whole.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sums = Bag::from_sequence([1, 2, 3, 4], 2).map_partitions(|items: &[i32]| [items.iter().sum::<i32>()]);
    /// assert_eq!(evaluate(&sums)?, [3, 7]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_partitions<R, I, F>(&self, function: F) -> Bag<R>
    where
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&[T]) -> I + Send + Sync + 'static,
    {
        let open = open_partitions::<F, _, _, _, _>((), move |(), _, items| function(items));
        self.partitions_mapped("map_partitions", |_| open.clone())
    }

    /// [`map_partitions`](Bag::map_partitions) with captures that travel: `function` gets `&environment` before the partition.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let firsts = Bag::from_sequence([1, 2, 3, 4], 2).map_partitions_with(1, |&n: &usize, items| items[..n].to_vec());
    /// assert_eq!(evaluate(&firsts)?, [1, 3]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_partitions_with<E, R, I, F>(&self, environment: E, function: F) -> Bag<R>
    where
        E: Environment,
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(&E, &[T]) -> I + Send + Sync + 'static,
    {
        let open = open_partitions::<F, _, _, _, _>(environment, move |environment, _, items| function(environment, items));
        self.partitions_mapped("map_partitions_with", |_| open.clone())
    }

    /// [`map_partitions`](Bag::map_partitions) that tells `function` the number of the partition, counted from 0.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let numbered = Bag::from_sequence(["a", "b", "c"], 2).map_partitions_with_index(|i, items| [(i, items.len())]);
    /// assert_eq!(evaluate(&numbered)?, [(0, 2), (1, 1)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn map_partitions_with_index<R, I, F>(&self, function: F) -> Bag<R>
    where
        R: Send + Sync + 'static,
        I: IntoIterator<Item = R>,
        F: Fn(usize, &[T]) -> I + Clone + Send + Sync + 'static,
    {
        self.partitions_mapped("map_partitions_with_index", |first| {
            let function = function.clone();
            open_partitions::<F, _, _, _, _>(first, move |first, block, items| function((first + block) as usize, items))
        })
    }

    /// Each partition as one element.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2, 3], 2).glom())?, [vec![1, 2], vec![3]]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn glom(&self) -> Bag<Vec<T>> {
        let open = open_partitions::<fn(T), _, _, _, _>((), |(), _, items: &[T]| [items.to_vec()]);
        self.partitions_mapped("glom", |_| open.clone())
    }

    /// What the functions of [`open_partitions`] make of each partition: one for each segment, which is told how many partitions lie before the segment's.
    fn partitions_mapped<R: Send + Sync + 'static>(&self, operation: &str, mut open: impl FnMut(u32) -> Func) -> Bag<R> {
        let lowered = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let mut segments = Vec::new();
        let mut start = 0;
        for before in self.segments().unwrap_or_default() {
            let open = open(start as u32);
            let story = format!("{} → {}", self.stories(), label(operation, &open));
            let name = lowered.places[start].0.clone();
            start += before.base.n_partitions() as usize;
            let base = Base::of_layer(lowered.graph.clone(), name, before.base.n_partitions(), story);
            segments.push(Segment::of_open::<R>(base, open));
        }
        Bag::new(segments)
    }

    /// The same elements in at most `n_partitions` partitions: neighbours are put together, as evenly as their number allows. Nothing moves to
    /// another partition than its neighbours do, so a bag that has no more partitions than that stays as it is.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let few = Bag::from_sequence(0..10, 5).coalesce(2);
    /// assert_eq!((few.n_partitions(), evaluate(&few)?.len()), (2, 10));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn coalesce(&self, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "coalesce" });
        }
        if self.n_partitions() <= n_partitions {
            return self.clone();
        }
        let Lowered { graph, places } = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        let mut tokenizer = Tokenizer::new();
        self.keys().iter().for_each(|key| {
            tokenizer.text(&key.to_string());
        });
        tokenizer.number(n_partitions as u64);
        let bound = |i: usize| i * places.len() / n_partitions;
        let lists = (0..n_partitions).map(|i| places[bound(i)..bound(i + 1)].to_vec()).collect();
        let story = format!("{} → coalesce({n_partitions})", self.stories());
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_lists(graph, "coalesce", tokenizer, lists, story))])
    }

    /// The same elements, in the same order, in `n_partitions` partitions. Fewer are made by putting neighbours together, as [`coalesce`](Bag::coalesce) does; more by
    /// cutting each partition into as many pieces as its share of the new ones, as evenly as can be. Nothing is shuffled, as in dask.bag: partitions of very different
    /// lengths stay so.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let more = Bag::from_sequence(0..10, 2).repartition(5);
    /// assert_eq!(evaluate(&more.glom())?, [vec![0, 1], vec![2, 3, 4], vec![5], vec![6, 7], vec![8, 9]]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn repartition(&self, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "repartition" });
        }
        let before = self.n_partitions();
        if before >= n_partitions {
            return self.coalesce(n_partitions);
        }
        let Lowered { graph, places } = match self.lower_partitions() {
            Ok(lowered) => lowered,
            Err(error) => return Bag::failed(error),
        };
        // Layers count blocks in u32s.
        let n_partitions = n_partitions.min(u32::MAX as usize);
        let bound = |i: usize| i * n_partitions / before;
        let mut tokenizer = Tokenizer::new();
        self.keys().iter().for_each(|key| {
            tokenizer.text(&key.to_string());
        });
        tokenizer.number(n_partitions as u64);
        let lists = places.iter().enumerate().flat_map(|(i, place)| vec![vec![place.clone()]; bound(i + 1) - bound(i)]).collect();
        let open = Func::erased_with::<Partition<T>, _, _>((before, n_partitions), |(before, after), inputs: &Inputs<'_>| {
            // Which partition this is a piece of, and which of its pieces.
            let bound = |i: usize| i * after / before;
            let block = inputs.block() as usize;
            let i = ((block + 1) * before).div_ceil(*after) - 1;
            let (piece, pieces) = (block - bound(i), bound(i + 1) - bound(i));
            let partition = inputs.value(0);
            let length = partition.get::<Partition<T>>()?.len();
            let cut = |piece: usize| (length as u128 * piece as u128 / pieces as u128) as usize;
            let range = cut(piece)..cut(piece + 1);
            Ok(cursor_value(StretchCursor::<T> { partition: partition.clone(), range, marker: PhantomData }))
        });
        let story = format!("{} → repartition({n_partitions})", self.stories());
        let base = Base::of_lists(graph, "repartition", tokenizer, lists, story);
        Bag::new(vec![Segment::of_open::<T>(base, open)])
    }

    /// The partitions as single values, which share the bag's tasks.
    ///
    /// # Errors
    /// What was wrong when the bag was built.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::{Bag, Partition};
    /// use arras_core::evaluate;
    /// let lengths: Vec<_> = Bag::from_sequence(0..5, 2).to_delayed()?.iter().map(|part| part.map(|items: &Partition<i32>| items.len())).collect();
    /// assert_eq!(evaluate(&lengths)?, [3, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn to_delayed(&self) -> arras_core::Result<Vec<Delayed<Partition<T>>>> {
        let graph = self.graph()?;
        Ok(self.keys().into_iter().map(|key| Delayed::from_graph(graph.clone(), key)).collect())
    }
}

impl<T: Element> Bag<T> {
    /// A bag of partitions that are computed elsewhere, one each.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if there are none, or what was wrong with a part.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::{Bag, Partition};
    /// use arras_core::{delayed, evaluate};
    /// let parts = (1..=2).map(|n| delayed(|n: i32| Partition(vec![n; n as usize]), (n,)));
    /// assert_eq!(evaluate(&Bag::from_delayed(parts))?, [1, 2, 2]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn from_delayed(parts: impl IntoIterator<Item = Delayed<Partition<T>>>) -> Bag<T>
    where
        T: Clone,
    {
        let mut graph = Graph::new();
        let mut keys: Vec<Key> = Vec::new();
        let mut tokenizer = Tokenizer::new();
        for part in parts {
            match part.graph() {
                Ok(of_part) => graph.merge(&of_part),
                Err(error) => return Bag::failed(error),
            }
            tokenizer.text(&part.key().to_string());
            keys.push(part.key());
        }
        if keys.is_empty() {
            return Bag::failed(Error::ZeroPartitions { operation: "from_delayed" });
        }
        let name = Name::from_token("from_delayed", tokenizer.finish());
        let n_partitions = keys.len() as u32;
        graph.extend(keys.into_iter().enumerate().map(|(i, key)| (Key::from((&name, i as u32)), Task::Alias(key))));
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_layer(graph, name, n_partitions, "from_delayed".to_owned()))])
    }
}

impl<T> Bag<T> {
    /// The elements of all bags, one bag after another: their partitions side by side, nothing moved.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if there are no bags, or what was wrong with the first that could not be built.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let both = Bag::concat([Bag::from_sequence([1, 2], 2), Bag::from_sequence([3], 1)]).map(|x| x * 10);
    /// assert_eq!((both.n_partitions(), evaluate(&both)?), (3, vec![10, 20, 30]));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn concat(bags: impl IntoIterator<Item = Bag<T>>) -> Bag<T> {
        let mut segments = Vec::new();
        for bag in bags {
            match bag.segments() {
                Ok(own) => segments.extend_from_slice(own),
                Err(error) => return Bag::failed(error),
            }
        }
        if segments.is_empty() {
            return Bag::failed(Error::ZeroPartitions { operation: "concat" });
        }
        Bag::new(segments)
    }
}

/// Opens a partition as what a function makes of it, which gets an environment and the partition's place in its segment.
fn open_partitions<Named, E, T, R, I>(environment: E, function: impl Fn(&E, u32, &[T]) -> I + Send + Sync + 'static) -> Func
where
    Named: 'static,
    E: Environment,
    T: Send + Sync + 'static,
    R: Send + Sync + 'static,
    I: IntoIterator<Item = R>,
{
    Func::erased_with::<Named, E, _>(environment, move |environment: &E, inputs: &Inputs<'_>| {
        let items: Vec<R> = function(environment, inputs.block(), inputs.get::<Partition<T>>(0)?).into_iter().collect();
        Ok(cursor_value(VecCursor { items: items.into_iter() }))
    })
}

/// Hands out what a function made.
pub(crate) struct VecCursor<R> {
    pub(crate) items: std::vec::IntoIter<R>,
}

impl<R: Send + Sync + 'static> Cursor for VecCursor<R> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, arras_core::BoxError> {
        let mut slot = lock::<Batch<R>>(slot)?;
        let out = slot.owned();
        out.clear();
        out.extend(self.items.by_ref().take(limit));
        Ok(!out.is_empty())
    }
}

/// Hands out a stretch of a partition that others read too.
struct StretchCursor<T> {
    partition: Value,
    range: Range<usize>,
    marker: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Cursor for StretchCursor<T> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, arras_core::BoxError> {
        let Range { start, end } = self.range;
        self.range.start = end.min(start + limit);
        *lock::<Batch<T>>(slot)? = Batch::Shared { partition: self.partition.clone(), range: start..self.range.start, kept: None };
        Ok(start < end)
    }
}
