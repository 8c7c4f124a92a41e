//! Ranges of numbers, made as they are read: a partition holds its two ends and nothing else.

use std::ops::Range;

use arras_core::{BoxError, Func, Inputs, Name, Tokenizer, Value};

use crate::bag::{Bag, Base, Segment};
use crate::engine::batch::{Batch, lock};
use crate::engine::run::{Cursor, cursor_value};
use crate::error::Error;
use crate::partition::Element;

mod sealed {
    pub trait Sealed {}
}

/// The integers of which there are ranges: those of up to 64 bits.
pub trait Integer: Element + Copy + sealed::Sealed {
    #[doc(hidden)]
    fn to_wide(self) -> i128;
    #[doc(hidden)]
    fn from_wide(wide: i128) -> Self;
    /// Moves up to `limit` numbers from the start of the range onto the end of `out`.
    #[doc(hidden)]
    fn advance(range: &mut Range<Self>, limit: usize, out: &mut Vec<Self>);
}

macro_rules! integers {
    ($($t:ty)*) => {$(
        impl sealed::Sealed for $t {}
        impl Integer for $t {
            fn to_wide(self) -> i128 {
                self as i128
            }
            fn from_wide(wide: i128) -> Self {
                wide as $t
            }
            fn advance(range: &mut Range<Self>, limit: usize, out: &mut Vec<Self>) {
                let left = range.end as i128 - range.start as i128;
                let middle = if left > limit as i128 { (range.start as i128 + limit as i128) as $t } else { range.end };
                out.extend(range.start..middle);
                range.start = middle.max(range.start);
            }
        }
    )*};
}
integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

impl<T: Integer> Bag<T> {
    /// The numbers of a range, in `n_partitions` stretches whose lengths differ by at most one. They are made as they are read, so a range of any length holds nothing.
    ///
    /// Fewer numbers than partitions give as many partitions as there are numbers; an empty range gives one empty partition. Equal ranges have equal names.
    ///
    /// # Errors
    /// The bag carries [`Error::ZeroPartitions`] if `n_partitions` is 0.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// let sum = Bag::range(0..1_000_000u64, 8).map(|x| x * x).filter(|x| x % 2 == 0).sum();
    /// assert_eq!(evaluate(&sum)?, (0..1_000_000).map(|x| x * x).filter(|x| x % 2 == 0).sum::<u64>());
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn range(range: Range<T>, n_partitions: usize) -> Bag<T> {
        if n_partitions == 0 {
            return Bag::failed(Error::ZeroPartitions { operation: "range" });
        }
        let start = range.start.to_wide();
        let length = (range.end.to_wide() - start).max(0);
        // Layers count blocks in u32s.
        let n = (n_partitions as i128).min(length).clamp(1, i128::from(u32::MAX));
        let bound = |i: i128| T::from_wide(start + i * (length / n) + i.min(length % n));
        let ends = (0..n).map(|i| Value::new(vec![bound(i).to_wide() as i64, bound(i + 1).to_wide() as i64])).collect();
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(std::any::type_name::<T>()).number(start as u64).number(length as u64).number(n as u64);
        let name = Name::from_token("range", tokenizer.finish());
        let open = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let ends = inputs.get::<Vec<i64>>(0)?;
            // The lower 64 bits are all that a number of up to 64 bits has.
            let range = T::from_wide(i128::from(ends[0]))..T::from_wide(i128::from(ends[1]));
            Ok(cursor_value(RangeCursor { range }))
        });
        let story = format!("range({start}..{})", start + length);
        Bag::new(vec![Segment::of_open::<T>(Base::of_values(name, ends, story), open)])
    }
}

struct RangeCursor<T> {
    range: Range<T>,
}

impl<T: Integer> Cursor for RangeCursor<T> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<T>>(slot)?;
        let out = slot.owned();
        out.clear();
        T::advance(&mut self.range, limit, out);
        Ok(!out.is_empty())
    }
}
