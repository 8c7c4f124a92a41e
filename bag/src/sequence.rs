//! Bags of what is in memory already.

use arras_core::{BoxError, Func, Inputs, Name, Token, Value};

use crate::bag::{Bag, Base, Segment};
use crate::batch::{Batch, lock};
use crate::error::Error;
use crate::partition::{Element, Partition};
use crate::run::{Cursor, cursor_value};

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

/// Opens a partition that is a value.
pub(crate) fn open<T: Send + Sync + 'static>() -> Func {
    Func::erased::<Partition<T>, _>(|inputs: &Inputs<'_>| {
        let partition = inputs.value(0).clone();
        let length = partition.get::<Partition<T>>()?.len();
        Ok(cursor_value(PartitionCursor::<T> { partition, position: 0, length, marker: std::marker::PhantomData }))
    })
}

struct PartitionCursor<T> {
    partition: Value,
    position: usize,
    length: usize,
    marker: std::marker::PhantomData<fn() -> T>,
}

impl<T: Send + Sync + 'static> Cursor for PartitionCursor<T> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let start = self.position;
        self.position = self.length.min(start + limit);
        *lock::<Batch<T>>(slot)? = Batch::Shared { partition: self.partition.clone(), range: start..self.position, kept: None };
        Ok(start < self.position)
    }
}
