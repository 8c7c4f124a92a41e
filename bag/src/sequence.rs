//! Bags of what is in memory already.

use std::marker::PhantomData;

use arras_core::{BoxError, Func, Inputs, Name, Token, Value};

use crate::bag::{Bag, Base, Segment};
use crate::engine::batch::{Batch, lock};
use crate::engine::run::{Cursor, cursor_value};
use crate::error::Error;
use crate::partition::{Element, Partition};

impl<T: Element> Bag<T> {
    /// A bag of these elements, in `n_partitions` runs of neighbours whose lengths differ by at most one.
    ///
    /// Fewer elements than partitions give as many partitions as there are elements; no elements give one empty partition. The elements are taken in
    /// here and now, and shared by all that is computed from the bag.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// assert_eq!(Bag::from_sequence(["a", "b", "c"], 2).n_partitions(), 2);
    /// assert_eq!(Bag::from_sequence(["a", "b", "c"], 100).n_partitions(), 3);
    /// assert!(evaluate(&Bag::from_sequence(["a"], 0)).is_err());
    /// ```
    pub fn from_sequence(items: impl IntoIterator<Item = T>, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "from_sequence" });
        }
        let items: Vec<T> = items.into_iter().collect();
        // Layers count blocks in u32s.
        let n = n_partitions.min(items.len()).clamp(1, u32::MAX as usize);
        let (length, longer) = (items.len() / n, items.len() % n);
        let mut partitions = Vec::with_capacity(n);
        if n == 1 {
            partitions.push(Partition(items).into_value());
        } else {
            let mut items = items.into_iter();
            for i in 0..n {
                partitions.push(Partition(items.by_ref().take(length + usize::from(i < longer)).collect()).into_value());
            }
        }
        let name = Name::from_token("from_sequence", Token::unique());
        Bag::new(vec![Segment::of_partitions::<T>(Base::of_values(name, partitions, "from_sequence".to_owned()))])
    }
}

/// Opens partitions that are values, to be read one after another.
pub(crate) fn open<T: Send + Sync + 'static>() -> Func {
    Func::erased::<Partition<T>, _>(|inputs: &Inputs<'_>| {
        let partitions: Vec<Value> = inputs.values().iter().map(|&value| value.clone()).collect();
        partitions.iter().try_for_each(|value| value.get::<Partition<T>>().map(drop))?;
        Ok(cursor_value(PartitionsCursor::<T> { partitions, current: 0, position: 0, marker: PhantomData }))
    })
}

struct PartitionsCursor<T> {
    partitions: Vec<Value>,
    current: usize,
    /// In the current partition.
    position: usize,
    marker: PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Cursor for PartitionsCursor<T> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        while let Some(partition) = self.partitions.get(self.current) {
            let (start, length) = (self.position, partition.get::<Partition<T>>()?.len());
            if start < length {
                self.position = length.min(start + limit);
                *lock::<Batch<T>>(slot)? = Batch::Shared { partition: partition.clone(), range: start..self.position, kept: None };
                return Ok(true);
            }
            (self.current, self.position) = (self.current + 1, 0);
        }
        Ok(false)
    }
}
