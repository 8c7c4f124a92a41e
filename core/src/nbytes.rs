//! How many bytes a value holds, estimated by walking it with a serializer that counts instead of writing.
//!
//! A sequence or map counts its first [`SAMPLE`] entries and takes the rest to be like them, so the cost of a long one is a call an
//! element, and of a byte buffer nothing.

use std::fmt;

use serde::ser::{self, Serialize};

/// Entries of a sequence that are looked at.
const SAMPLE: usize = 64;

/// The bytes a value holds: its own size and that of everything behind its pointers, as far as serde shows it.
pub(crate) fn estimate_nbytes<T: Serialize>(value: &T) -> usize {
    count(value).unwrap_or(size_of_val(value))
}

/// A part's own size covers numbers, options, variants and the headers of vectors; the walk adds what is behind pointers.
fn count<T: Serialize + ?Sized>(part: &T) -> Result<usize, Stop> {
    Ok(size_of_val(part).max(part.serialize(Counter)?))
}

struct Counter;

/// Counts a sequence, map or struct.
struct Parts {
    seen: usize,
    sampled_bytes: usize,
    header: usize,
}

impl Parts {
    fn new(header: usize) -> Parts {
        Parts { seen: 0, sampled_bytes: 0, header }
    }
    /// Adds an entry of a sequence or map. Serde often passes a reference to a reference here, whose own size would say nothing.
    fn add<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Stop> {
        if self.seen < SAMPLE {
            self.sampled_bytes += part.serialize(Counter)?;
        }
        self.seen += 1;
        Ok(())
    }
    /// Adds a field of a struct or tuple.
    fn add_field<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Stop> {
        self.header += count(part)?;
        Ok(())
    }
    fn total(self) -> usize {
        let sampled = self.seen.min(SAMPLE);
        let body = if sampled == 0 { 0 } else { (self.sampled_bytes as u128 * self.seen as u128 / sampled as u128) as usize };
        self.header + body
    }
}

#[derive(Debug)]
struct Stop;
impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value's own Serialize failed")
    }
}
impl std::error::Error for Stop {}
impl ser::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Stop {
        Stop
    }
}

const HEADER: usize = 24;

macro_rules! sized {
    ($($method:ident: $type:ty),*) => { $(fn $method(self, _: $type) -> Result<usize, Stop> { Ok(size_of::<$type>()) })* };
}

impl ser::Serializer for Counter {
    type Ok = usize;
    type Error = Stop;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    sized!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
           serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_f32: f32,
           serialize_f64: f64, serialize_char: char);

    fn serialize_str(self, text: &str) -> Result<usize, Stop> {
        Ok(HEADER + text.len())
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Result<usize, Stop> {
        Ok(HEADER + bytes.len())
    }
    fn serialize_none(self) -> Result<usize, Stop> {
        // What it could have been is not shown, so a word.
        Ok(size_of::<usize>())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<usize, Stop> {
        // A number has no bits to spare, so whether it is there takes as much again; what is larger mostly has.
        let tag = if size_of_val(value) <= size_of::<usize>() { size_of_val(value) } else { 0 };
        Ok(tag + value.serialize(Counter)?)
    }
    fn serialize_unit(self) -> Result<usize, Stop> {
        Ok(0)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<usize, Stop> {
        Ok(0)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<usize, Stop> {
        Ok(1)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<usize, Stop> {
        value.serialize(Counter)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, _: u32, _: &'static str, value: &T) -> Result<usize, Stop> {
        value.serialize(Counter)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts, Stop> {
        Ok(Parts::new(HEADER))
    }
    fn serialize_tuple(self, _: usize) -> Result<Parts, Stop> {
        Ok(Parts::new(0))
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(Parts::new(0))
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(Parts::new(0))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Parts, Stop> {
        Ok(Parts::new(2 * HEADER))
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(Parts::new(0))
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Parts, Stop> {
        Ok(Parts::new(0))
    }
    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! parts {
    ($($trait:ident $method:ident $add:ident),*) => { $(impl ser::$trait for Parts {
        type Ok = usize;
        type Error = Stop;
        fn $method<T: Serialize + ?Sized>(&mut self, part: &T) -> Result<(), Stop> { self.$add(part) }
        fn end(self) -> Result<usize, Stop> { Ok(self.total()) }
    })* };
}
parts!(SerializeSeq serialize_element add, SerializeTuple serialize_element add_field,
       SerializeTupleStruct serialize_field add_field, SerializeTupleVariant serialize_field add_field);

macro_rules! fields {
    ($($trait:ident),*) => { $(impl ser::$trait for Parts {
        type Ok = usize;
        type Error = Stop;
        fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, part: &T) -> Result<(), Stop> {
            self.add_field(part)
        }
        fn end(self) -> Result<usize, Stop> { Ok(self.total()) }
    })* };
}
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts {
    type Ok = usize;
    type Error = Stop;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Stop> {
        self.add(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        // Keys and values are both parts, so the mean of the sample is that of half an entry.
        self.add(value)
    }
    fn end(self) -> Result<usize, Stop> {
        Ok(self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::estimate_nbytes;
    use std::collections::BTreeMap;

    #[test]
    fn sizes_follow_the_contents() {
        assert_eq!(estimate_nbytes(&1.0f64), 8);
        assert_eq!(estimate_nbytes(&vec![0u64; 1_000_000]), 24 + 8_000_000);
        assert_eq!(estimate_nbytes(&vec!["abcd".to_owned(); 1000]), 24 + 28_000);
        let map: BTreeMap<u32, u64> = (0..1000).map(|i| (i, 1)).collect();
        assert_eq!(estimate_nbytes(&map), 48 + 12_000);
        assert_eq!(estimate_nbytes(&Vec::<u8>::new()), 24);
    }
}
