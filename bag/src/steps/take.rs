//! `take`: the first elements, from as few partitions as need be.
//!
//! ```text
//!     base 0 ──► first 0 ──► first 1 ──► first 2 ──► …       each takes what the ones before it left to be taken; one that is asked
//!                  │           ▲  ▲                            for nothing does not open its source
//!                  │        base 1
//!                  └──────────┴─────► take: put together
//! ```

use arras_core::{Func, Graph, Inputs, Key, Name, Tokenizer, Value};
use serde::{Deserialize, Serialize};
use std::mem::replace;

use crate::bag::{Bag, Base, Constant, Lowered, Segment};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::numbers::add_layer;
use crate::engine::run::Sink;
use crate::partition::{Element, Partition};

/// What one partition gave of the first elements.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Taken<T: Element> {
    items: Partition<T>,
    /// How many are still to be taken from later partitions.
    missing: u64,
}

impl<T: Element + Clone> Bag<T> {
    /// The first `n` elements, in one partition; all if there are fewer.
    ///
    /// Partitions are asked one after another, and only until there are enough; within a partition reading stops with the batch that has enough, and the first batch is no larger
    /// than `n`. So the first few lines of many large files cost a few reads of one file. What other tasks make is computed either way.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let squares = Bag::from_sequence(0..1_000_000u64, 100).map(|x| x * x);
    /// assert_eq!(evaluate(&squares.take(4))?, [0, 1, 4, 9]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn take(&self, n: usize) -> Bag<T> {
        let segments = match self.segments() {
            Ok(segments) => segments,
            Err(error) => return Bag::failed(error),
        };
        let wanted = Constant::new("n", Value::new(n as u64));
        let mut lowered = Lowered { graph: Graph::new(), places: Vec::with_capacity(self.n_partitions()) };
        lowered.graph.insert_layer(wanted.layer());
        for segment in segments {
            lower::<T>(segment, &wanted, n, &mut lowered);
        }
        let story = format!("{} → take({n})", self.stories());
        let (graph, name) = put_together::<T>(lowered, wanted);
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_layer(graph, name, 1, story))])
    }
}

/// Adds the tasks that take from one segment what those before it left to be taken.
fn lower<T: Element + Clone>(segment: &Segment, wanted: &Constant, n: usize, lowered: &mut Lowered) {
    let (before, last) = lowered.places.last().cloned().unwrap_or_else(|| (wanted.name().clone(), 0));
    let sink = take_sink::<T>();
    let token = {
        let of_run = segment.name("take-partition", &sink, &[]);
        Tokenizer::new().text(of_run.as_str()).text(before.as_str()).number(u64::from(last)).finish()
    };
    let name = Name::from_token("take-partition", token);
    let mut before = (before, last);
    segment.lower_with(&mut lowered.graph, name.clone(), sink, n, 1, |i| vec![replace(&mut before, (name.clone(), i))]);
    lowered.places.extend((0..segment.base.n_partitions()).map(|i| (name.clone(), i)));
}

/// Takes as many elements as are missing.
fn take_sink<T: Element + Clone>() -> Sink {
    Sink {
        open: Func::erased::<Taken<T>, _>(|inputs: &Inputs<'_>| {
            let before = inputs.value(0);
            let missing = match before.get::<Taken<T>>() {
                Ok(before) => before.missing,
                Err(_) => *before.get::<u64>()?,
            };
            Ok(cell(Taken::<T> { items: Partition(Vec::new()), missing }))
        }),
        push: Func::erased::<Taken<T>, _>(|inputs: &Inputs<'_>| {
            let mut taken = lock::<Taken<T>>(inputs.value(1))?;
            let mut batch = lock::<Batch<T>>(inputs.value(0))?;
            let n = batch.len().min(usize::try_from(taken.missing).unwrap_or(usize::MAX));
            match &mut *batch {
                Batch::Owned(items) => taken.items.0.extend(items.drain(..n)),
                shared => taken.items.0.extend(shared.items().take(n).cloned()),
            }
            taken.missing -= n as u64;
            Ok(Value::new(taken.missing > 0))
        }),
        close: Func::erased::<Taken<T>, _>(|inputs: &Inputs<'_>| {
            let mut taken = lock::<Taken<T>>(inputs.value(0))?;
            Ok(Value::new(Taken { items: Partition(std::mem::take(&mut taken.items.0)), missing: taken.missing }))
        }),
        label: "take".to_owned(),
    }
}

/// Adds the task that puts the pieces together.
fn put_together<T: Element + Clone>(lowered: Lowered, wanted: Constant) -> (Graph, Name) {
    let func = Func::erased::<Taken<T>, _>(|inputs: &Inputs<'_>| {
        let mut items = Vec::new();
        for value in inputs.values() {
            items.extend_from_slice(&value.get::<Taken<T>>()?.items);
        }
        Ok(Partition(items).into_value())
    });
    let Lowered { mut graph, places } = lowered;
    let last = places.last().map_or_else(|| Key::from(wanted.name().clone()), |(name, i)| Key::from((name, *i)));
    let name = Name::from_token("take", Tokenizer::new().text(&last.to_string()).finish());
    add_layer(&mut graph, name.clone(), func, &[places]);
    (graph, name)
}
