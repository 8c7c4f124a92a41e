//! Random choices of elements: `random_sample`, `sample_with_replacement`, `random_split`, `take_sample`.
//!
//! The numbers of a partition are a stream of ChaCha8 of its own, drawn in the order of the elements: a choice depends on the seed, the partition and the place in it, never
//! on who computes it.

use std::collections::BinaryHeap;

use arras_core::{BoxError, Graph, Inputs, Tokenizer};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rand_distr::{Distribution, Poisson};
use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::engine::batch::{Batch, lock};
use crate::engine::run::Rest;
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::steps::elementwise::expand;

/// What a random step is made of.
#[derive(Clone, Serialize, Deserialize)]
struct Draws {
    operation: String,
    seed: u64,
    /// Partitions before those of the step.
    first: u32,
}

impl Draws {
    /// The stream of one partition.
    fn stream(&self, inputs: &Inputs<'_>) -> ChaCha8Rng {
        // Steps of other kinds draw other numbers for the same seed.
        let token = Tokenizer::new().text(&self.operation).number(self.seed).finish().bits().to_le_bytes();
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(&token);
        let mut stream = ChaCha8Rng::from_seed(seed);
        stream.set_stream(u64::from(self.first + inputs.block()));
        stream
    }
}

/// A number between 0 and 1, 1 excluded.
fn unit(stream: &mut ChaCha8Rng) -> f64 {
    (stream.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

impl<T: Send + Sync + 'static> Bag<T> {
    /// Each element with probability `fraction`, in order. The same seed keeps the same elements, as long as the partitions are the same.
    ///
    /// # Errors
    /// The bag carries [`Error::Fraction`] if `fraction` is not between 0 and 1.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let some = Bag::range(0..10_000, 4).random_sample(0.1, 42);
    /// let n = evaluate(&some.count())?;
    /// assert!((900..1100).contains(&n));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn random_sample(&self, fraction: f64, seed: u64) -> Bag<T> {
        if !(0.0..=1.0).contains(&fraction) {
            return Bag::failed(Error::Fraction { operation: "random_sample", fraction, expected: "between 0 and 1" });
        }
        self.chosen("random_sample", seed, 0.0, fraction)
    }

    /// One bag for each weight: each element goes to one of them, with a probability in proportion to its weight. In order; the same seed splits the same way, as long as the
    /// partitions are the same.
    ///
    /// # Errors
    /// The bags carry [`Error::Fraction`] if a weight is negative or not finite, or all are 0. No weights give no bags.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let parts = Bag::range(0..1_000, 4).random_split(&[0.8, 0.2], 42);
    /// let (train, test) = evaluate(&(parts[0].count(), parts[1].count()))?;
    /// assert_eq!(train + test, 1_000);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn random_split(&self, weights: &[f64], seed: u64) -> Vec<Bag<T>> {
        let total: f64 = weights.iter().sum();
        let wrong = weights.iter().copied().find(|weight| !(*weight >= 0.0 && weight.is_finite()));
        if let Some(fraction) = wrong.or((total <= 0.0 || !total.is_finite()).then_some(total)) {
            let error = || Error::Fraction { operation: "random_split", fraction, expected: "0 or more, and not all 0" };
            return weights.iter().map(|_| Bag::failed(error())).collect();
        }
        let mut before = 0.0;
        let last = weights.iter().rposition(|weight| *weight > 0.0);
        let bound = |sum: f64, i: usize| if Some(i) == last { 1.0 } else { sum / total };
        let split = weights.iter().enumerate().map(|(i, weight)| {
            let low = (before / total).min(1.0);
            before += weight;
            self.chosen("random_split", seed, low, if *weight > 0.0 { bound(before, i) } else { low })
        });
        split.collect()
    }

    /// The elements whose number lies from `low` up to `high`.
    fn chosen(&self, operation: &'static str, seed: u64, low: f64, high: f64) -> Bag<T> {
        self.reading_step::<fn(T), (Draws, f64, f64), T>(
            operation,
            &Graph::new(),
            |partitions| ((Draws { operation: operation.to_owned(), seed, first: partitions.start }, low, high), Vec::new()),
            |(draws, low, high), inputs, rest| {
                {
                    let mut batch = lock::<Batch<T>>(inputs.value(0))?;
                    rest.progress.with_state(
                        || Ok(draws.stream(inputs)),
                        |stream: &mut ChaCha8Rng| {
                            batch.retain(|_| (*low..*high).contains(&unit(stream)));
                        },
                    )?;
                    std::mem::swap(&mut *batch, &mut *lock::<Batch<T>>(inputs.value(1))?);
                }
                rest.push()
            },
        )
    }

    /// Each element as often as chance has it, `fraction` times on average: Spark's `sample` with replacement. Copies stand side by side; the number of each is drawn from a
    /// Poisson distribution. The same seed gives the same elements, as long as the partitions are the same.
    ///
    /// # Errors
    /// The bag carries [`Error::Fraction`] if `fraction` is negative or not finite.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let twice = Bag::range(0..10_000, 4).sample_with_replacement(2.0, 42);
    /// assert!((19_000..21_000).contains(&evaluate(&twice.count())?));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn sample_with_replacement(&self, fraction: f64, seed: u64) -> Bag<T>
    where
        T: Clone,
    {
        let operation = "sample_with_replacement";
        // What is drawn must fit a count of copies, and rand_distr refuses rates near the largest integers.
        if !(0.0..=1e9).contains(&fraction) {
            return Bag::failed(Error::Fraction { operation, fraction, expected: "between 0 and 1e9" });
        }
        self.reading_step::<fn(T), (Draws, f64), T>(
            operation,
            &Graph::new(),
            |partitions| ((Draws { operation: operation.to_owned(), seed, first: partitions.start }, fraction), Vec::new()),
            |(draws, fraction), inputs, rest| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let poisson = if *fraction > 0.0 { Some(Poisson::new(*fraction)?) } else { None };
                let mut times = Vec::with_capacity(batch.len());
                rest.progress.with_state(
                    || Ok(draws.stream(inputs)),
                    |stream: &mut ChaCha8Rng| {
                        times.extend(batch.items().map(|_| poisson.map_or(0, |poisson| poisson.sample(stream) as usize)));
                    },
                )?;
                let copies = batch.items().zip(&times).map(|(x, &n)| Ok(std::iter::repeat_n(x, n).cloned()));
                expand(inputs.value(1), rest, batch.len(), copies)
            },
        )
    }

    /// `n` elements, each choice of so many as likely as any other; all if there are fewer. In the order of the bag, in one partition.
    ///
    /// Memory: `n` elements a partition. The same seed chooses the same elements, as long as the partitions are the same.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let five = evaluate(&Bag::range(0..1_000, 4).take_sample(5, 42))?;
    /// assert!(five.len() == 5 && five.is_sorted());
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn take_sample(&self, n: usize, seed: u64) -> Bag<T>
    where
        T: Element + Clone,
    {
        // Each element gets a random number, and those with the smallest are the sample.
        let tagged = self.reading_step::<fn(T), (Draws, u64), Tagged<T>>(
            "take_sample",
            &Graph::new(),
            |partitions| ((Draws { operation: "take_sample".to_owned(), seed, first: partitions.start }, n as u64), Vec::new()),
            |(draws, n), inputs, rest| tag::<T>(draws, *n as usize, inputs, rest),
        );
        let smallest = tagged.take_ordered_by(n, |a, b| (a.number, a.place).cmp(&(b.number, b.place)));
        smallest.map_partitions(|tagged| {
            let mut sample: Vec<&Tagged<T>> = tagged.iter().collect();
            sample.sort_unstable_by_key(|tagged| tagged.place);
            sample.into_iter().map(|tagged| tagged.element.0[0].clone()).collect::<Vec<T>>()
        })
    }
}

/// An element of a sample, perhaps.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct Tagged<T: Element> {
    number: u64,
    /// The partition, and the place in it.
    place: (u32, u64),
    element: Partition<T>,
}

/// Numbers the elements at random. Those that `n` smaller numbers went before are not copied.
fn tag<T: Element + Clone>(draws: &Draws, n: usize, inputs: &Inputs<'_>, rest: &Rest) -> Result<bool, BoxError> {
    {
        let batch = lock::<Batch<T>>(inputs.value(0))?;
        let mut out = lock::<Batch<Tagged<T>>>(inputs.value(1))?;
        let out = out.owned();
        out.clear();
        let start = rest.progress.seen();
        let partition = draws.first + inputs.block();
        let first = || Ok((draws.stream(inputs), BinaryHeap::<u64>::new()));
        rest.progress.with_state(first, |(stream, smallest): &mut (ChaCha8Rng, BinaryHeap<u64>)| {
            rest.progress.watched(batch.len(), |_| {
                for (i, x) in (start..).zip(batch.items()) {
                    let number = stream.next_u64();
                    if smallest.len() == n && smallest.peek().is_none_or(|largest| *largest < number) {
                        continue;
                    }
                    smallest.push(number);
                    if smallest.len() > n {
                        smallest.pop();
                    }
                    out.push(Tagged { number, place: (partition, i), element: Partition(vec![x.clone()]) });
                }
            });
        })?;
    }
    rest.push()
}
