//! The exchange: every source partition sends a bucket to every destination.
//!
//! ```text
//!     partition i ──run──► scatter: Buckets [b₀ b₁ … bₙ]          one task a source partition
//!                               │ split (i, j): bucket j of it     a pointer; a value of its own, that is freed, spilled and restored alone
//!                               ▼
//!     partition j opens (0, j) (1, j) … (m, j), in this order      a cursor that combines, joins or merges, and streams into the steps after it
//! ```
//! Group, join, sort, distinct and all others by key are an exchange between a sink that puts elements into buckets and a cursor that reads them. The last to read a bucket takes its
//! elements; others get copies. As destinations read their buckets in the order of the source partitions, the order of all results is fixed.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::vec;

use arras_core::{BoxError, Func, Graph, GridBuilder, Inputs, Kernel, Measure, Name, Tokenizer, Value};
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use crate::bag::{Bag, Base, Constant, Lowered, Place};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::numbers::Numbers;
use crate::engine::run::{Cursor, Sink, rest};
use crate::error::Error;
use crate::partition::{Element, Partition};

/// The most buckets of one exchange: the tasks that split them cost a microsecond and some hundred bytes each.
const MOST_BUCKETS: usize = 1 << 20;

/// So many partitions come out of an exchange of `m`, where nobody says: as many as went in, unless that makes too many buckets.
pub(crate) fn default_partitions(m: usize) -> usize {
    m.min(MOST_BUCKETS / m.max(1)).max(1)
}

/// What a source partition sends, a bucket a destination.
pub(crate) struct Buckets<E> {
    /// Each holds a [`Partition<E>`].
    buckets: Vec<Value>,
    marker: PhantomData<fn() -> E>,
}

impl<E: Element> Buckets<E> {
    pub(crate) fn new(buckets: Vec<Vec<E>>) -> Buckets<E> {
        Buckets { buckets: buckets.into_iter().map(|items| Partition(items).into_value()).collect(), marker: PhantomData }
    }

    pub(crate) fn into_value(self) -> Value {
        Value::measured(self)
    }
}

impl<E: Element> Measure for Buckets<E> {
    fn nbytes(&self) -> usize {
        size_of::<Self>() + self.buckets.iter().map(|bucket| size_of::<Value>() + bucket.nbytes()).sum::<usize>()
    }
}

impl<E: Element> Serialize for Buckets<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.buckets.len()))?;
        for bucket in &self.buckets {
            seq.serialize_element(bucket.get::<Partition<E>>().map_err(S::Error::custom)?)?;
        }
        seq.end()
    }
}

impl<'de, E: Element> Deserialize<'de> for Buckets<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<E>(PhantomData<E>);
        impl<'de, E: Element> Visitor<'de> for Values<E> {
            type Value = Vec<Value>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("buckets")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Value>, A::Error> {
                let mut buckets = Vec::new();
                while let Some(bucket) = seq.next_element::<Partition<E>>()? {
                    buckets.push(bucket.into_value());
                }
                Ok(buckets)
            }
        }
        Ok(Buckets { buckets: deserializer.deserialize_seq(Values::<E>(PhantomData))?, marker: PhantomData })
    }
}

/// Elements on their way from one task to another, of which the last reader takes possession.
pub(crate) struct Bucket<E> {
    /// Holds a [`Partition<E>`], until it is taken.
    content: Mutex<Option<Value>>,
    marker: PhantomData<fn() -> E>,
}

impl<E: Element> Bucket<E> {
    pub(crate) fn new(items: Vec<E>) -> Bucket<E> {
        Bucket::of(Partition(items).into_value())
    }

    fn of(content: Value) -> Bucket<E> {
        Bucket { content: Mutex::new(Some(content)), marker: PhantomData }
    }

    pub(crate) fn into_value(self) -> Value {
        Value::measured(self)
    }

    /// What it holds: a [`Partition<E>`], unless it is taken.
    pub(crate) fn content(&self) -> Option<Value> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<E: Element> Measure for Bucket<E> {
    fn nbytes(&self) -> usize {
        size_of::<Self>() + self.content().map_or(0, |content| content.nbytes())
    }
}

impl<E: Element> Serialize for Bucket<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = self.content().ok_or_else(|| S::Error::custom(TAKEN))?;
        content.get::<Partition<E>>().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de, E: Element> Deserialize<'de> for Bucket<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Bucket::of(Partition::<E>::deserialize(deserializer)?.into_value()))
    }
}

pub(crate) const TAKEN: &str = "a bucket that its last reader has taken";

/// The elements of a bucket: taken out of it by its last reader, else copied as they are asked for.
pub(crate) enum Received<E> {
    Own(vec::IntoIter<E>),
    Shared { content: Value, position: usize, marker: PhantomData<fn() -> E> },
}

/// The elements of the bucket that is input `i`.
pub(crate) fn receive<E: Element>(inputs: &Inputs<'_>, i: usize) -> Result<Received<E>, BoxError> {
    let bucket = inputs.get::<Bucket<E>>(i)?;
    let content = if inputs.is_last(i) { bucket.content.lock().unwrap_or_else(PoisonError::into_inner).take() } else { bucket.content() };
    let content = content.ok_or(TAKEN)?;
    content.get::<Partition<E>>()?;
    Ok(match content.into_sole::<Partition<E>>() {
        Ok(items) => Received::Own(items.0.into_iter()),
        Err(content) => Received::Shared { content, position: 0, marker: PhantomData },
    })
}

impl<E: Element + Clone> Received<E> {
    pub(crate) fn into_vec(self) -> Vec<E> {
        match self {
            Received::Own(items) => items.collect(),
            Received::Shared { .. } => Iterator::collect(self),
        }
    }
}

impl<E: Element + Clone> Iterator for Received<E> {
    type Item = E;
    #[inline]
    fn next(&mut self) -> Option<E> {
        match self {
            Received::Own(items) => items.next(),
            Received::Shared { content, position, .. } => {
                let item = content.get::<Partition<E>>().expect("checked when it was received").get(*position)?.clone();
                *position += 1;
                Some(item)
            }
        }
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Received::Own(items) => items.len(),
            Received::Shared { content, position, .. } => content.get::<Partition<E>>().map_or(0, |items| items.len() - position),
        };
        (left, Some(left))
    }
}

impl<E: Element + Clone> ExactSizeIterator for Received<E> {}

/// Takes one bucket out of a source partition's.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Split<E> {
    marker: PhantomData<fn() -> E>,
}

impl<E: Element> Kernel for Split<E> {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed("split")
    }

    fn takes_part(&self) -> bool {
        true
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let buckets = &inputs.get::<Buckets<E>>(0)?.buckets;
        let bucket = buckets.get(inputs.block() as usize % buckets.len().max(1)).ok_or("there are as many buckets as destinations")?;
        Ok(Bucket::<E>::of(bucket.clone()).into_value())
    }
}

/// Buckets where their destinations find them.
pub(crate) struct Exchanged {
    pub(crate) graph: Graph,
    /// What each destination reads, in the order of the sources.
    pub(crate) lists: Vec<Vec<Place>>,
    /// Says what was exchanged.
    pub(crate) name: Name,
}

/// Brings bucket `j` of every source, which are values [`Buckets<E>`] of `n`, to destination `j`.
pub(crate) fn exchange<E: Element>(lowered: Lowered, operation: &str, n: usize) -> Exchanged {
    let Lowered { mut graph, places } = lowered;
    let mut tokenizer = Tokenizer::new();
    places.chunk_by(|a, b| a.0 == b.0).for_each(|run| {
        tokenizer.text(run[0].0.as_str()).number(run.len() as u64);
    });
    let name = Name::from_token(&format!("{operation}-split"), tokenizer.number(n as u64).finish());
    let mut builder = GridBuilder::new(name.clone(), &[places.len() as u32, n as u32]);
    let func = builder.func(Func::kernel(Split::<E> { marker: PhantomData }));
    let mut numbers = Numbers::default();
    for (source, i) in &places {
        let number = numbers.of(&mut builder, source);
        (0..n).for_each(|_| builder.call(func, [(number, *i)]));
    }
    graph.insert_layer(builder.build());
    let lists = (0..n).map(|j| (0..places.len()).map(|i| (name.clone(), (i * n + j) as u32)).collect()).collect();
    Exchanged { graph, lists, name }
}

impl<T: Send + Sync + 'static> Bag<T> {
    /// How many partitions come out of an exchange of this bag, and of others with it.
    pub(crate) fn exchange_partitions(&self, others: &[usize]) -> Result<usize, Error> {
        let m = others.iter().copied().fold(self.n_partitions(), usize::max);
        let n = self.shuffle_partitions().unwrap_or_else(|| default_partitions(m));
        // Layers count tasks in u32s.
        let limit = (u32::MAX as usize / 2) / m.max(1);
        if n > limit { Err(Error::TooManyPartitions { operation: "exchange", n_partitions: n, limit }) } else { Ok(n) }
    }

    /// Sends what `make` makes of each element to the destination that `place` names, in their order.
    pub(crate) fn scattered<Named, E>(
        &self,
        operation: &'static str,
        n: usize,
        make: impl Fn(T) -> E + Send + Sync + 'static,
        place: impl Fn(&E, usize) -> usize + Send + Sync + 'static,
    ) -> Result<Exchanged, arras_core::Error>
    where
        Named: 'static,
        T: Clone,
        E: Element,
    {
        struct State<T, E> {
            buckets: Vec<Vec<E>>,
            items: Vec<T>,
        }
        let sink = Sink {
            open: Func::erased::<E, _>(|inputs: &Inputs<'_>| {
                let n = *inputs.get::<u64>(0)? as usize;
                let buckets = (0..n).map(|_| Vec::new()).collect();
                Ok(cell(State::<T, E> { buckets, items: Vec::new() }))
            }),
            push: Func::erased::<Named, _>(move |inputs: &Inputs<'_>| {
                let State { buckets, items } = &mut *lock::<State<T, E>>(inputs.value(1))?;
                lock::<Batch<T>>(inputs.value(0))?.move_onto(items);
                let n = buckets.len();
                let rest = rest(inputs)?;
                rest.progress.watched(items.len(), |done| {
                    for item in items.drain(..) {
                        let element = make(item);
                        let partition = place(&element, n);
                        buckets.get_mut(partition).ok_or(Error::NoSuchPartition { partition, n_partitions: n })?.push(element);
                        *done += 1;
                    }
                    Ok::<_, Error>(())
                })?;
                Ok(rest.answer(true))
            }),
            close: Func::erased::<E, _>(|inputs: &Inputs<'_>| {
                let buckets = std::mem::take(&mut lock::<State<T, E>>(inputs.value(0))?.buckets);
                Ok(Buckets::new(buckets).into_value())
            }),
            label: operation.to_owned(),
        };
        let lowered = self.lower(&format!("{operation}-scatter"), &sink, &[count(n)])?;
        Ok(exchange::<E>(lowered, operation, n))
    }
}

impl Exchanged {
    /// What the destinations read, as what runs start from.
    pub(crate) fn into_base(self, operation: &'static str, story: String) -> Base {
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(self.name.as_str());
        Base::of_lists(self.graph, operation, tokenizer, self.lists, story)
    }

    /// Puts another exchange to as many destinations behind this one, and in front of all the number of sources of this one, by which [`sides`] tells them apart.
    pub(crate) fn beside(mut self, other: &Exchanged) -> Exchanged {
        self.graph.merge(&other.graph);
        let n_sources = count(self.lists.first().map_or(0, Vec::len));
        self.graph.insert_layer(n_sources.layer());
        for (list, more) in self.lists.iter_mut().zip(&other.lists) {
            list.insert(0, (n_sources.name().clone(), 0));
            list.extend_from_slice(more);
        }
        let token = Tokenizer::new().text(self.name.as_str()).text(other.name.as_str()).finish();
        Exchanged { name: Name::from_token(self.name.operation(), token), ..self }
    }
}

/// The inputs of a destination from the two sides of [`Exchanged::beside`].
pub(crate) fn sides<'a>(inputs: &Inputs<'a>) -> Result<(Inputs<'a>, Inputs<'a>), BoxError> {
    let n = *inputs.get::<u64>(0)? as usize;
    let (_, buckets) = inputs.split_at(1);
    if n > buckets.len() {
        return Err("a destination has the buckets of both its sides".into());
    }
    Ok(buckets.split_at(n))
}

/// Takes all buckets in turn, a batch at a time.
pub(crate) fn each_batch<E: Element + Clone>(
    inputs: &Inputs<'_>,
    mut take: impl FnMut(&mut Vec<E>) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let mut batch = Vec::with_capacity(BATCH);
    for i in 0..inputs.len() {
        let mut received = receive::<E>(inputs, i)?;
        while received.len() > 0 {
            batch.extend(received.by_ref().take(BATCH));
            take(&mut batch)?;
            batch.clear();
        }
    }
    Ok(())
}

/// The number of elements of the largest bucket.
pub(crate) fn largest<E: Element>(inputs: &Inputs<'_>) -> Result<usize, BoxError> {
    let mut most = 0;
    for value in inputs.values() {
        let content = value.get::<Bucket<E>>()?.content().ok_or(TAKEN)?;
        most = most.max(content.get::<Partition<E>>()?.len());
    }
    Ok(most)
}

/// A number as a value that tasks share.
pub(crate) fn count(n: usize) -> Constant {
    Constant::new("count", Value::new(n as u64))
}

/// Hands out what an iterator makes, a batch at a time.
pub(crate) struct IterCursor<I> {
    items: I,
}

impl<I> IterCursor<I> {
    pub(crate) fn new(items: I) -> IterCursor<I> {
        IterCursor { items }
    }
}

impl<R: Send + Sync + 'static, I: Iterator<Item = R> + Send> Cursor for IterCursor<I> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<R>>(slot)?;
        let out = slot.owned();
        out.clear();
        out.extend(self.items.by_ref().take(limit.min(BATCH)));
        Ok(!out.is_empty())
    }
}
