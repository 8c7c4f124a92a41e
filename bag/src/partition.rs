//! Partitions: the elements that one task of a bag makes.

use std::io;
use std::mem::needs_drop;
use std::ops::Deref;

use arras_core::{Measure, Value};
use serde::de::{Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde::{Deserialize, de};
use serde_bytes::ByteBuf;

/// A type whose values a task can hand on as part of a partition: whatever serde can write, and can read into something that lives as long as it likes.
///
/// That is every type with serde's derives, and `&'static str` besides, alone or inside tuples and structs, so that bags can be made of literals.
/// Only the ends of a run of steps have to be elements: what `map` hands to `filter` within a run may be of any type.
pub trait Element: Serialize + Deserialize<'static> + Send + Sync + 'static {}

impl<T: Serialize + Deserialize<'static> + Send + Sync + 'static> Element for T {}

/// The elements that one task of a bag makes, in order: the type of the values behind a bag's keys. Reads as the vector it holds.
///
/// It travels between processes whatever its elements are. Texts that elements *borrow* (`&'static str`) are read back into memory that the receiving process
/// keeps until it ends: hold large amounts of text as `String`.
///
/// ```
/// use arras_bag::Partition;
/// let partition = Partition(vec!["a", "b"]);
/// assert_eq!(partition.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Partition<T>(pub Vec<T>);

impl<T: Element> Partition<T> {
    /// The partition as a value of a task.
    pub(crate) fn into_value(self) -> Value {
        Value::measured(self)
    }
}

impl<T> Deref for Partition<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

/// So many elements are looked at to estimate what the others hold.
const SAMPLE: usize = 64;

impl<T: Element> Measure for Partition<T> {
    /// Exact for elements that own nothing; otherwise what evenly spread elements hold on average, counted as the bytes of their serialised form.
    fn nbytes(&self) -> usize {
        let direct = size_of::<Self>() + self.0.capacity() * size_of::<T>();
        if !needs_drop::<T>() || self.0.is_empty() {
            return direct;
        }
        let stride = self.0.len().div_ceil(SAMPLE);
        let mut sampled = 0;
        let mut owned = CountingWriter(0);
        for element in self.0.iter().step_by(stride) {
            sampled += 1;
            // An element that cannot be written counts as what was written of it.
            let _ = element.serialize(&mut rmp_serde::Serializer::new(&mut owned));
        }
        direct + (owned.0 as u128 * self.0.len() as u128 / sampled) as usize
    }
}

struct CountingWriter(usize);

impl io::Write for CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// On the wire a partition is one byte string, MessagePack inside: only so can it be read twice, see `decode`.

impl<T: Serialize> Serialize for Partition<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&rmp_serde::to_vec_named(&self.0).map_err(S::Error::custom)?)
    }
}

impl<'de, T: Element> Deserialize<'de> for Partition<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?.into_vec();
        decode(bytes).map(Partition).map_err(D::Error::custom)
    }
}

/// Reads elements back. Those that own their text are read from bytes that go away; the first to insist on borrowing makes the bytes stay for good.
fn decode<T: Element>(bytes: Vec<u8>) -> Result<Vec<T>, rmp_serde::decode::Error> {
    let copied = Vec::<T>::deserialize(&mut rmp_serde::Deserializer::new(bytes.as_slice()));
    match copied {
        Ok(items) => Ok(items),
        Err(copying) => {
            // Damaged bytes fail both ways, and must not be kept: most damage is no complete MessagePack.
            de::IgnoredAny::deserialize(&mut rmp_serde::Deserializer::new(bytes.as_slice())).map_err(|_| copying)?;
            rmp_serde::from_slice::<Vec<T>>(bytes.leak())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Element + Clone + PartialEq + std::fmt::Debug>(items: Vec<T>) {
        let value = Partition(items.clone()).into_value();
        let mut bytes = Vec::new();
        value.encode(&mut bytes).unwrap();
        assert_eq!(value.decode_like(&bytes).unwrap().get::<Partition<T>>().unwrap().0, items);
    }

    #[test]
    fn owned_and_borrowed_elements_read_back() {
        round_trip(vec!["ä".to_owned(), String::new()]);
        round_trip(vec!["ä", "", "b"]);
        round_trip(vec![("a", 1u64), ("b", u64::MAX)]);
        round_trip(vec![Some(1.5f64), None]);
        round_trip(Vec::<()>::new());
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let value = Partition(vec!["abc", "def"]).into_value();
        let mut bytes = Vec::new();
        value.encode(&mut bytes).unwrap();
        bytes.truncate(bytes.len() - 2);
        assert!(value.decode_like(&bytes).is_err());
    }

    #[test]
    fn sizes_follow_the_contents() {
        assert_eq!(Partition(vec![0u64; 1000]).nbytes(), 24 + 8000);
        let texts = Partition(vec!["x".repeat(100); 1000]).nbytes();
        assert!((124_000..130_000).contains(&texts), "{texts}");
    }
}
