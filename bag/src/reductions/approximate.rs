//! Answers that need not be exact, in little memory: `count_approx_distinct` and `approx_quantiles`.

use std::hash::Hash;

use arras_core::{BoxError, Delayed, Func, Inputs, Value};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use num_traits::AsPrimitive;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteBuf;
use tdigest::{Centroid, TDigest};

use crate::bag::Bag;
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::run::{Sink, rest};
use crate::error::Error;

/// A HyperLogLog sketch as a value.
struct Sketch(HllSketch);

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.serialize())
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sketch, D::Error> {
        HllSketch::deserialize(&ByteBuf::deserialize(deserializer)?).map(Sketch).map_err(D::Error::custom)
    }
}

impl<T: Hash + Send + Sync + 'static> Bag<T> {
    /// About how many different elements there are: HyperLogLog, as Spark's method of this name. `relative_error` is the standard deviation of the estimate, such as 0.01; its
    /// inverse square is the memory in bytes that a partition takes, whatever it holds. The same answer each time, however the elements are partitioned.
    ///
    /// # Errors
    /// The value carries [`Error::Fraction`] if `relative_error` is not between 0.00072 and 0.26.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let n = evaluate(&Bag::range(0..100_000, 4).map(|x| x % 5_000).count_approx_distinct(0.02))?;
    /// assert!((4_500..5_500).contains(&n));
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn count_approx_distinct(&self, relative_error: f64) -> Delayed<u64> {
        let operation = "count_approx_distinct";
        // 1.04 over the root of the number of registers, of which there are 2^4 to 2^21.
        let bits = (2.0 * (1.04 / relative_error).log2()).ceil();
        if !(4.0..=21.0).contains(&bits) {
            let expected = "between 0.00072 and 0.26";
            return Delayed::failed(Error::Fraction { operation, fraction: relative_error, expected }.into());
        }
        let bits = bits as u8;
        let sink = Sink {
            open: Func::erased_with::<T, _, _>(bits, |bits, _| Ok(cell(Some(HllSketch::new(*bits, HllType::Hll8)?)))),
            push: Func::erased_with::<T, _, _>(bits, |_, inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut sketch = lock::<Option<HllSketch>>(inputs.value(1))?;
                let sketch = sketch.as_mut().ok_or("taken at the end")?;
                rest(inputs)?.progress.watched(batch.len(), |done| {
                    batch.items().for_each(|x| {
                        sketch.update(x);
                        *done += 1;
                    });
                });
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let sketch = lock::<Option<HllSketch>>(inputs.value(0))?.take().ok_or("taken once")?;
                Ok(Value::new(Sketch(sketch)))
            }),
            label: operation.to_owned(),
        };
        let union = |bits: u8, inputs: &Inputs<'_>| -> Result<HllUnion, BoxError> {
            let mut union = HllUnion::new(bits)?;
            for value in inputs.values() {
                union.update(&value.get::<Sketch>()?.0);
            }
            Ok(union)
        };
        let combine = Func::erased_with::<Sketch, _, _>(bits, move |bits, inputs: &Inputs<'_>| {
            Ok(Value::new(Sketch(union(*bits, inputs)?.to_sketch(HllType::Hll8))))
        });
        let finish = Func::erased_with::<Sketch, _, _>(bits, move |bits, inputs: &Inputs<'_>| {
            // The estimate that goes by the registers alone, which are the same for all partitionings.
            Ok(Value::new(union(*bits, inputs)?.composite_estimate().round() as u64))
        });
        self.reduction(operation, sink, &[], combine, Some(finish))
    }
}

/// Centroids of a t-digest: the relative error of a quantile near the ends is about a hundredth of its distance from the end.
const CENTROIDS: usize = 1000;

impl<T: AsPrimitive<f64> + Send + Sync> Bag<T> {
    /// About where so much of all numbers lies below: 0.5 is the median. By t-digests (Dunning and Ertl, "Computing extremely accurate quantiles using t-digests", 2019) of 1,000
    /// centroids, which are the more exact the nearer a quantile is to 0 or 1. Memory: some tens of kB a partition.
    ///
    /// The same answer each time, for the same partitions.
    ///
    /// # Errors
    /// The value carries [`Error::Fraction`] if a quantile is not between 0 and 1. At run [`Error::Empty`] if the bag has no elements, [`Error::NotFinite`] if one is NaN or infinite.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let quantiles = evaluate(&Bag::range(0..10_001, 4).approx_quantiles(&[0.0, 0.5, 1.0]))?;
    /// assert!(quantiles[0] == 0.0 && (quantiles[1] - 5_000.0).abs() < 10.0 && quantiles[2] == 10_000.0);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn approx_quantiles(&self, quantiles: &[f64]) -> Delayed<Vec<f64>> {
        let operation = "approx_quantiles";
        if let Some(&fraction) = quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Delayed::failed(Error::Fraction { operation, fraction, expected: "between 0 and 1" }.into());
        }
        let sink = Sink {
            open: Func::erased::<T, _>(|_| Ok(cell(TDigest::new_with_size(CENTROIDS)))),
            push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let batch = lock::<Batch<T>>(inputs.value(0))?;
                let mut digest = lock::<TDigest>(inputs.value(1))?;
                let mut numbers = batch.items().map(|x| x.as_());
                if let Some(value) = numbers.clone().find(|x| !x.is_finite()) {
                    return Err(Error::NotFinite { operation: "approx_quantiles", value }.into());
                }
                rest(inputs)?.progress.watched(batch.len(), |_| digest.extend_values(&mut numbers));
                Ok(Value::new(true))
            }),
            close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
                let mut digest = lock::<TDigest>(inputs.value(0))?;
                digest.flush();
                Ok(Value::new(Digest::of(&digest)))
            }),
            label: operation.to_owned(),
        };
        let merged = |inputs: &Inputs<'_>| -> Result<TDigest, BoxError> {
            let mut filled = Vec::with_capacity(inputs.len());
            for value in inputs.values() {
                filled.extend(Some(value.get::<Digest>()?.whole()).filter(|digest| !digest.is_empty()));
            }
            Ok(if filled.is_empty() { TDigest::new_with_size(CENTROIDS) } else { TDigest::merge_digests(filled) })
        };
        let combine = Func::erased::<TDigest, _>(move |inputs: &Inputs<'_>| Ok(Value::new(Digest::of(&merged(inputs)?))));
        let finish = Func::erased_with::<TDigest, _, _>(quantiles.to_vec(), move |quantiles, inputs: &Inputs<'_>| {
            let digest = merged(inputs)?;
            let answers = quantiles.iter().map(|q| digest.estimate_quantile(*q)).collect::<Option<Vec<f64>>>();
            Ok(Value::new(answers.ok_or(Error::Empty { operation: "approx_quantiles" })?))
        });
        self.reduction(operation, sink, &[], combine, Some(finish))
    }
}

/// A t-digest as a value: the crate's own serde would pin other crates' versions.
#[derive(Serialize, Deserialize)]
struct Digest {
    /// Means and weights.
    centroids: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
    /// The least and the greatest; none of nothing.
    limits: Option<(f64, f64)>,
}

impl Digest {
    fn of(digest: &TDigest) -> Digest {
        let centroids = digest.centroids().iter().map(|centroid| (centroid.mean(), centroid.weight())).collect();
        Digest { centroids, sum: digest.sum(), count: digest.count(), limits: digest.min().zip(digest.max()) }
    }

    fn whole(&self) -> TDigest {
        let (min, max) = self.limits.unzip();
        let centroids = self.centroids.iter().map(|&(mean, weight)| Centroid::new(mean, weight)).collect();
        TDigest::new(centroids, self.sum, self.count, max, min, CENTROIDS)
    }
}
