//! `histogram`: how many numbers lie in each bucket.

use arras_core::{Delayed, Func, Graph, Inputs, Name, Tokenizer, Value};
use num_traits::AsPrimitive;
use serde::{Deserialize, Serialize};

use crate::bag::{Bag, Constant, Lowered, Place};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::engine::tree;
use crate::error::Error;

/// The buckets of a [`Bag::histogram`].
#[derive(Debug, Clone, PartialEq)]
pub enum Buckets {
    /// So many of equal width between the smallest and the largest number.
    Even(usize),
    /// Those between neighbours of these edges, which must rise.
    Edges(Vec<f64>),
}

impl From<usize> for Buckets {
    fn from(n: usize) -> Buckets {
        Buckets::Even(n)
    }
}

impl From<Vec<f64>> for Buckets {
    fn from(edges: Vec<f64>) -> Buckets {
        Buckets::Edges(edges)
    }
}

impl<const N: usize> From<[f64; N]> for Buckets {
    fn from(edges: [f64; N]) -> Buckets {
        Buckets::Edges(edges.to_vec())
    }
}

/// What a [`Bag::histogram`] gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Histogram {
    /// The edges of the buckets, one more than there are buckets.
    pub edges: Vec<f64>,
    /// How many numbers lie in each bucket.
    pub counts: Vec<u64>,
}

impl<T: AsPrimitive<f64> + Send + Sync> Bag<T> {
    /// How many numbers lie in each bucket: so many of equal width (a number) or those between given edges (an array or a vector). A bucket has its lower edge and not its upper
    /// one, but for the last, which has both. Numbers outside and NaN are not counted.
    ///
    /// Given edges take one pass; equal widths take one more for the smallest and the largest number. If these are equal there is one bucket, as in Spark.
    ///
    /// # Errors
    /// The value carries [`Error::Argument`] if there is no bucket or the edges do not rise. For equal widths, at run, [`Error::Empty`] if the bag has no elements and
    /// [`Error::NotFinite`] if the smallest or largest number is not finite.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let numbers = Bag::range(0..51, 3);
    /// let histogram = evaluate(&numbers.histogram(2))?;
    /// assert_eq!((histogram.edges, histogram.counts), (vec![0.0, 25.0, 50.0], vec![25, 26]));
    /// assert_eq!(evaluate(&numbers.histogram([0.0, 5.0, 25.0, 50.0]))?.counts, [5, 20, 26]);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn histogram(&self, buckets: impl Into<Buckets>) -> Delayed<Histogram> {
        let operation = "histogram";
        let wrong = |why: &str| Delayed::failed(Error::Argument { operation, why: why.to_owned() }.into());
        let edges = match buckets.into() {
            Buckets::Even(0) => return wrong("there must be at least one bucket"),
            Buckets::Even(n) => self.even_edges(n),
            Buckets::Edges(edges) if edges.len() < 2 => return wrong("a bucket has two edges"),
            Buckets::Edges(edges) if !edges.windows(2).all(|pair| pair[0] < pair[1]) => return wrong("the edges of the buckets must rise"),
            Buckets::Edges(edges) => {
                let constant = Constant::new("edges", Value::new(edges));
                let mut graph = Graph::new();
                graph.insert_layer(constant.layer());
                Ok((graph, (constant.name().clone(), 0)))
            }
        };
        let sink = Sink {
            open: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let edges = inputs.get::<Vec<f64>>(0)?.clone();
                Ok(cell(Histogram { counts: vec![0; edges.len() - 1], edges }))
            }),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut histogram = lock::<Histogram>(inputs.value(1))?;
                rest(inputs)?.progress.watched(batch.len(), |_| batch.items().for_each(|x| histogram.count(x.as_())));
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| Ok(Value::new(lock::<Histogram>(inputs.value(0))?.clone()))),
            label: operation.to_owned(),
        };
        let lowered = edges.and_then(|(graph, place)| self.lower_sharing("histogram-partition", &sink, graph, &place));
        match lowered {
            Err(error) => Delayed::failed(error),
            Ok(lowered) => {
                let (graph, key) = tree::combine(lowered, operation, Func::of_many(Histogram::merged), None);
                Delayed::from_graph(graph, key)
            }
        }
    }

    /// The edges of `n` buckets of equal width, as a value of a graph.
    fn even_edges(&self, n: usize) -> Result<(Graph, Place), arras_core::Error> {
        let (graph, key) = self.lower_moments("histogram-edges", n, |&n, moments| {
            let stats = moments.stats();
            if stats.count == 0 {
                return Err(Error::Empty { operation: "histogram" });
            }
            if let Some(value) = [stats.min, stats.max].into_iter().find(|x| !x.is_finite()) {
                return Err(Error::NotFinite { operation: "histogram", value });
            }
            if stats.min == stats.max {
                return Ok(vec![stats.min, stats.max]);
            }
            // Not by a width, which may be infinite.
            let at = |i: usize| {
                let part = i as f64 / n as f64;
                stats.min * (1.0 - part) + stats.max * part
            };
            let mut edges: Vec<f64> = (0..n).map(at).collect();
            edges[0] = stats.min;
            edges.push(stats.max);
            Ok(edges)
        })?;
        Ok((graph, (key.name().clone(), 0)))
    }
}

impl Histogram {
    fn count(&mut self, x: f64) {
        let last = self.counts.len();
        // The first edge that is larger; none is larger than NaN, and the last edge is not larger than itself.
        let above = self.edges.partition_point(|edge| *edge <= x);
        if above > last && x == self.edges[last] {
            self.counts[last - 1] += 1;
        } else if above > 0 && above <= last {
            self.counts[above - 1] += 1;
        }
    }

    fn merged(parts: &[&Histogram]) -> Histogram {
        let mut all = parts[0].clone();
        for part in &parts[1..] {
            all.counts.iter_mut().zip(&part.counts).for_each(|(n, more)| *n += more);
        }
        all
    }
}

impl<T: Send + Sync + 'static> Bag<T> {
    /// The tasks that run all partitions into `sink`, which opens one value of a graph.
    fn lower_sharing(&self, operation: &str, sink: &Sink, graph: Graph, place: &Place) -> Result<Lowered, arras_core::Error> {
        let mut lowered = Lowered { graph, places: Vec::with_capacity(self.n_partitions()) };
        for segment in self.segments()? {
            let token = Tokenizer::new().text(segment.name(operation, sink, &[]).as_str()).text(place.0.as_str()).finish();
            let name = Name::from_token(operation, token);
            segment.lower_with(&mut lowered.graph, name.clone(), sink.clone(), BATCH, 1, |_| vec![place.clone()]);
            lowered.places.extend((0..segment.base.n_partitions()).map(|i| (name.clone(), i)));
        }
        Ok(lowered)
    }
}
