//! Elements with their place in the bag: `enumerate`, `zip_with_index`.
//!
//! ```text
//!     run ─► count 0 ─┐                        ┌─► run ─► enumerate from 0
//!     run ─► count 1 ─┼─► [0, n0, n0 + n1, …] ─┼─► run ─► enumerate from n0
//!     run ─► count 2 ─┘                        └─► run ─► enumerate from n0 + n1
//! ```

use arras_core::{Func, Graph, Name, Tokenizer};

use crate::bag::{Bag, Lowered, Place};
use crate::engine::batch::{Batch, lock};
use crate::engine::numbers::add_layer;
use crate::reductions::reduce::count_sink;

impl<T: Clone + Send + Sync + 'static> Bag<T> {
    /// Each element behind its place in the bag, counted from 0.
    ///
    /// The elements of all partitions are counted first, and made a second time to be numbered, as in Spark: persist a bag that is dear to make and does not lie in
    /// memory. Nothing is held in between.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let kept = Bag::from_sequence(["a", "b", "c", "d"], 3).filter(|x| *x != "b");
    /// assert_eq!(evaluate(&kept.enumerate())?, [(0, "a"), (1, "c"), (2, "d")]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn enumerate(&self) -> Bag<(u64, T)> {
        self.numbered("enumerate", |i, x| (i, x))
    }

    /// Each element before its place in the bag: [`enumerate`](Bag::enumerate) by Spark's name and order.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence(["a", "b"], 2).zip_with_index())?, [("a", 0), ("b", 1)]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn zip_with_index(&self) -> Bag<(T, u64)> {
        self.numbered("zip_with_index", |i, x| (x, i))
    }

    fn numbered<R: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        pair: impl Fn(u64, T) -> R + Clone + Send + Sync + 'static,
    ) -> Bag<R> {
        let (graph, place) = match self.starts() {
            Ok(starts) => starts,
            Err(error) => return Bag::failed(error),
        };
        self.reading_step::<fn(T), u32, R>(
            operation,
            &graph,
            |partitions| (partitions.start, vec![vec![place.clone(); partitions.len()]]),
            move |first, inputs, rest| {
                let start = rest.read(0)?.get::<Vec<u64>>()?[(first + inputs.block()) as usize] + rest.progress.seen();
                {
                    let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                    let mut out = lock::<Batch<R>>(inputs.value(1))?;
                    let out = out.owned();
                    out.clear();
                    rest.progress.watched(batch.len(), |_| match &mut *batch {
                        Batch::Owned(items) => out.extend((start..).zip(items.drain(..)).map(|(i, x)| pair(i, x))),
                        shared => out.extend((start..).zip(shared.items()).map(|(i, x)| pair(i, x.clone()))),
                    });
                }
                rest.push()
            },
        )
    }

    /// The place in the bag of each partition's first element, as one value: a `Vec<u64>`.
    fn starts(&self) -> Result<(Graph, Place), arras_core::Error> {
        let Lowered { mut graph, places } = self.lower("count-partition", &count_sink::<T>(), &[])?;
        let mut tokenizer = Tokenizer::new();
        places.iter().for_each(|(name, i)| {
            tokenizer.text(name.as_str()).number(u64::from(*i));
        });
        let name = Name::from_token("starts", tokenizer.finish());
        let func = Func::of_many(|counts: &[&u64]| {
            let starts = counts.iter().scan(0, |next, n| Some(std::mem::replace(next, *next + **n)));
            starts.collect::<Vec<u64>>()
        });
        add_layer(&mut graph, name.clone(), func, &[places]);
        Ok((graph, (name, 0)))
    }
}
