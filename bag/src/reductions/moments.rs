//! Statistics of numbers: `mean`, `var`, `std`, `stats`, all from one pass.
//!
//! A batch's mean and squared deviations are taken in two passes over numbers that lie in the first level of the cache, and merged by Chan, Golub and LeVeque, "Updating formulae
//! and a pairwise algorithm for computing sample variances" (1979); sums are Neumaier's. So no digits are lost to a large mean, and the order of all additions is fixed.

use arras_core::{BoxError, Data, Delayed, Func, Graph, Inputs, Key, Value};
use num_traits::AsPrimitive;
use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::engine::tree;
use crate::error::Error;
use crate::steps::elementwise::Environment;

/// What [`Bag::stats`] tells of numbers.
///
/// ```
/// use arras_bag::Bag;
/// use arras_core::evaluate;
/// let stats = evaluate(&Bag::from_sequence([1, 2, 3, 4], 2).stats())?;
/// assert_eq!((stats.count, stats.mean, stats.min, stats.max, stats.var(1)), (4, 2.5, 1.0, 4.0, 5.0 / 3.0));
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Their mean; NaN if there are none.
    pub mean: f64,
    /// The smallest; NaN if there are none, or one of them is.
    pub min: f64,
    /// The largest; NaN if there are none, or one of them is.
    pub max: f64,
    /// The sum of their squared differences from the mean.
    pub squares: f64,
}

impl Stats {
    /// The variance, whose divisor is `count - ddof`; NaN if that is not positive.
    pub fn var(&self, ddof: u64) -> f64 {
        match self.count.checked_sub(ddof) {
            None | Some(0) => f64::NAN,
            Some(n) => self.squares / n as f64,
        }
    }

    /// The standard deviation, the root of [`var`](Stats::var).
    pub fn std(&self, ddof: u64) -> f64 {
        self.var(ddof).sqrt()
    }
}

/// Statistics so far, which can be merged.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Moments {
    count: u64,
    sum: Sum,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
}

/// A sum, and what rounding took off it.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, x: f64) {
        let sum = self.sum + x;
        self.lost += if self.sum.abs() >= x.abs() { (self.sum - sum) + x } else { (x - sum) + self.sum };
        self.sum = sum;
    }

    fn total(self) -> f64 {
        // Next to an infinity what was lost is no number.
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

impl Default for Moments {
    fn default() -> Moments {
        Moments { count: 0, sum: Sum::default(), mean: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

/// The smaller, or NaN.
fn smaller(a: f64, b: f64) -> f64 {
    if b < a || b.is_nan() { b } else { a }
}

/// The larger, or NaN.
fn larger(a: f64, b: f64) -> f64 {
    if b > a || b.is_nan() { b } else { a }
}

impl Moments {
    fn of(numbers: &[f64]) -> Moments {
        let mut moments = Moments { count: numbers.len() as u64, ..Moments::default() };
        if numbers.is_empty() {
            return moments;
        }
        numbers.iter().for_each(|x| moments.sum.add(*x));
        moments.mean = moments.sum.total() / numbers.len() as f64;
        // The second sum is what rounding the mean left over.
        let (mut squares, mut left) = (0.0, 0.0);
        for x in numbers {
            let away = x - moments.mean;
            squares += away * away;
            left += away;
        }
        moments.squares = squares - left * left / numbers.len() as f64;
        moments.min = numbers.iter().copied().fold(f64::INFINITY, smaller);
        moments.max = numbers.iter().copied().fold(f64::NEG_INFINITY, larger);
        moments
    }

    fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.squares += other.squares + apart * apart * (n * m / (n + m));
        self.sum.add(other.sum.sum);
        self.sum.add(other.sum.lost);
        self.count += other.count;
        self.mean = self.sum.total() / self.count as f64;
        self.min = smaller(self.min, other.min);
        self.max = larger(self.max, other.max);
    }

    fn merged(inputs: &Inputs<'_>) -> Result<Moments, BoxError> {
        let mut moments = Moments::default();
        for value in inputs.values() {
            moments.merge(value.get::<Moments>()?);
        }
        Ok(moments)
    }

    pub(crate) fn stats(&self) -> Stats {
        let some = |x: f64| if self.count == 0 { f64::NAN } else { x };
        Stats {
            count: self.count,
            sum: self.sum.total(),
            mean: some(self.mean),
            min: some(self.min),
            max: some(self.max),
            squares: self.squares,
        }
    }
}

impl<T: AsPrimitive<f64> + Send + Sync> Bag<T> {
    /// Count, sum, mean, variance, least and greatest in one pass. Integers of more than 53 bits are rounded.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let stats = evaluate(&Bag::range(0..100, 3).stats())?;
    /// assert_eq!((stats.count, stats.mean, stats.max), (100, 49.5, 99.0));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn stats(&self) -> Delayed<Stats> {
        self.of_moments("stats", (), |(), moments| Ok(moments.stats()))
    }

    /// The mean.
    ///
    /// # Errors
    /// [`Error::Empty`] at run if the bag has no elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::range(0..100, 3).mean())?, 49.5);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn mean(&self) -> Delayed<f64> {
        self.of_moments("mean", (), |(), moments| match moments.count {
            0 => Err(Error::Empty { operation: "mean" }),
            _ => Ok(moments.mean),
        })
    }

    /// The variance: the mean squared difference from the mean, with `count - ddof` as the divisor. `ddof` is 0 for all there is, 1 for a sample.
    ///
    /// # Errors
    /// [`Error::TooFew`] at run if there are not more than `ddof` elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 2, 3, 4], 2).var(0))?, 1.25);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn var(&self, ddof: u64) -> Delayed<f64> {
        self.of_moments("var", ddof, |ddof, moments| enough("var", moments, *ddof).map(|stats| stats.var(*ddof)))
    }

    /// The standard deviation, the root of [`var`](Bag::var).
    ///
    /// # Errors
    /// [`Error::TooFew`] at run if there are not more than `ddof` elements.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(evaluate(&Bag::from_sequence([1, 3], 2).std(0))?, 1.0);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn std(&self, ddof: u64) -> Delayed<f64> {
        self.of_moments("std", ddof, |ddof, moments| enough("std", moments, *ddof).map(|stats| stats.std(*ddof)))
    }

    /// What `finish` makes of the moments of all elements.
    fn of_moments<E, R>(
        &self,
        operation: &'static str,
        environment: E,
        finish: impl Fn(&E, &Moments) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Delayed<R>
    where
        E: Environment,
        R: Data,
    {
        match self.lower_moments(operation, environment, finish) {
            Ok((graph, key)) => Delayed::from_graph(graph, key),
            Err(error) => Delayed::failed(error),
        }
    }

    /// The tasks of [`of_moments`](Bag::of_moments), and the key of the value.
    pub(crate) fn lower_moments<E, R>(
        &self,
        operation: &'static str,
        environment: E,
        finish: impl Fn(&E, &Moments) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<(Graph, Key), arras_core::Error>
    where
        E: Environment,
        R: Data,
    {
        let combine = Func::erased::<Moments, _>(|inputs: &Inputs<'_>| Ok(Value::new(Moments::merged(inputs)?)));
        let finish = Func::erased_with::<R, _, _>(environment, move |environment, inputs: &Inputs<'_>| {
            Ok(Value::new(finish(environment, &Moments::merged(inputs)?)?))
        });
        let lowered = self.lower("moments", &moments_sink::<T>(), &[])?;
        Ok(tree::combine(lowered, operation, combine, Some(finish)))
    }
}

fn enough(operation: &'static str, moments: &Moments, ddof: u64) -> Result<Stats, Error> {
    if moments.count > ddof { Ok(moments.stats()) } else { Err(Error::TooFew { operation, n: moments.count, ddof }) }
}

fn moments_sink<T: AsPrimitive<f64> + Send + Sync>() -> Sink {
    Sink {
        open: Func::erased::<Moments, _>(|_| Ok(cell((Moments::default(), Vec::<f64>::new())))),
        push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            let (moments, numbers) = &mut *lock::<(Moments, Vec<f64>)>(inputs.value(1))?;
            numbers.clear();
            rest(inputs)?.progress.watched(batch.len(), |_| numbers.extend(batch.items().map(|x| x.as_())));
            moments.merge(&Moments::of(numbers));
            Ok(Value::new(true))
        }),
        close: Func::erased::<Moments, _>(|inputs: &Inputs<'_>| Ok(Value::new(lock::<(Moments, Vec<f64>)>(inputs.value(0))?.0))),
        label: "moments".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mean_takes_no_digits_from_the_variance() {
        let numbers: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 10)).collect();
        for n in [1, 7, 100, 1000] {
            let mut moments = Moments::default();
            numbers.chunks(n).for_each(|batch| moments.merge(&Moments::of(batch)));
            assert!((moments.stats().var(0) - 8.25).abs() < 1e-8, "{n}: {}", moments.stats().var(0));
            assert_eq!(moments.mean, 1e9 + 4.5);
        }
    }

    #[test]
    fn a_sum_loses_nothing_to_its_own_size() {
        let mut moments = Moments::default();
        [1.0, 1e100, 1.0, -1e100].iter().for_each(|x| moments.merge(&Moments::of(&[*x])));
        assert_eq!(moments.stats().sum, 2.0);
    }

    #[test]
    fn what_is_not_finite_shows() {
        let infinite = Moments::of(&[1.0, f64::INFINITY]).stats();
        assert_eq!((infinite.sum, infinite.mean, infinite.max, infinite.min), (f64::INFINITY, f64::INFINITY, f64::INFINITY, 1.0));
        let mut moments = Moments::of(&[f64::NAN]);
        moments.merge(&Moments::of(&[1.0]));
        let none = moments.stats();
        assert!(none.sum.is_nan() && none.mean.is_nan() && none.min.is_nan() && none.max.is_nan() && none.var(0).is_nan());
        let empty = Moments::default().stats();
        assert!(empty.count == 0 && empty.sum == 0.0 && empty.mean.is_nan() && empty.min.is_nan() && empty.var(0).is_nan());
    }
}
