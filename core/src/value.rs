//! Values: what tasks hand to each other, shared and erased.
//!
//! ```text
//!     Value = Arc<dyn Any + Send + Sync>          the data, shared by all its readers
//!           + &'static ValueTable                 its type: name, size in bytes, encode, decode
//! ```
//! Between crates the type is open, so anything [`Data`] can be a value; inside a crate the types are few and known.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::io::{self, Write};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{BoxError, Error, Result};
use crate::nbytes::estimate_nbytes;
use crate::portable::{self, Place, WireError};
use crate::remote::{Remote, RemoteHandle};
use crate::token::Token;

/// What is known of a value's type, one static table a type. Its address, relative to the executable, is what travels with a value.
#[repr(C)]
pub struct ValueTable {
    pub(crate) magic: portable::Magic,
    pub(crate) type_name: fn() -> &'static str,
    type_id: fn() -> TypeId,
    nbytes: fn(&(dyn Any + Send + Sync)) -> usize,
    token: fn(&(dyn Any + Send + Sync)) -> Option<Token>,
    codec: Option<ValueCodec>,
}

struct ValueCodec {
    encode: fn(&(dyn Any + Send + Sync), &mut dyn Write) -> Result<(), BoxError>,
    decode: fn(&[u8]) -> Result<Value, BoxError>,
}

/// A type whose values tasks may hand to each other: anything that serde can write and read back, and [`Opaque`] for what it cannot.
///
/// Under the synchronous and the threads scheduler nothing is ever serialised. User types travel between processes as self-describing
/// MessagePack with field names, which reads back every serde attribute; one known gap is an option of what is itself written as nothing:
/// `Some(None)` and `Some(())` come back as `None`.
pub trait Data: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn table() -> &'static ValueTable;
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Data for T {
    fn table() -> &'static ValueTable {
        Tables::<T>::DATA
    }
}

/// Holds what must stay in its process: a connection, a handle, a type without serde.
///
/// ```
/// use arras_core::{Opaque, delayed, evaluate};
/// let channel = delayed(|| Opaque(std::sync::mpsc::channel::<u8>().0), ());
/// assert!(evaluate(&channel.map(|sender: &Opaque<_>| sender.0.send(1).is_err())).unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Opaque<T>(pub T);

impl<T: Send + Sync + 'static> Data for Opaque<T> {
    fn table() -> &'static ValueTable {
        Tables::<Opaque<T>>::OPAQUE
    }
}

/// A type that knows its own size in memory, in bytes, at no cost. Blocks and partitions do.
pub trait Measure {
    /// Bytes held, the buffers behind pointers included.
    fn nbytes(&self) -> usize;
}

/// Refuses a text or bytes whose length MessagePack cannot express. The serializer cuts such a length to 32 bits, and hands the content on whole.
struct Expressible<'o> {
    out: &'o mut dyn Write,
    refused: Result<(), String>,
}

impl Write for Expressible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if u32::try_from(bytes.len()).is_err() {
            self.refused = Err(format!("one text or buffer of {} bytes, and {} is the most that can be written", bytes.len(), u32::MAX));
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.out.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A `T` that all of the bytes belong to. What is left over is the rest of a list whose length was cut to 32 bits, or no part of the value.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BoxError> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer)?;
    // Where nothing is left, there is not even a first byte.
    match <()>::deserialize(&mut deserializer) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(format!("a value that ends before its {} bytes do", bytes.len()).into()),
    }
}

struct Tables<T>(PhantomData<T>);

fn held<T: 'static>(value: &(dyn Any + Send + Sync)) -> &T {
    value.downcast_ref().expect("a table is only ever paired with a value of its own type")
}

impl<T: Send + Sync + 'static> Tables<T> {
    const OPAQUE: &'static ValueTable = &ValueTable {
        magic: portable::VALUE_MAGIC,
        type_name: type_name::<T>,
        type_id: TypeId::of::<T>,
        nbytes: |value| size_of_val(held::<T>(value)),
        token: |_| None,
        codec: None,
    };
}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Tables<T> {
    const CODEC: ValueCodec = ValueCodec {
        encode: |value, out| {
            let mut out = Expressible { out, refused: Ok(()) };
            let written = held::<T>(value).serialize(&mut rmp_serde::Serializer::new(&mut out).with_struct_map());
            // What is wrong, not what the format made of it.
            out.refused?;
            Ok(written?)
        },
        decode: |bytes| Ok(Value::new(whole::<T>(bytes)?)),
    };
    const DATA: &'static ValueTable = &ValueTable {
        magic: portable::VALUE_MAGIC,
        type_name: type_name::<T>,
        type_id: TypeId::of::<T>,
        nbytes: |value| estimate_nbytes(held::<T>(value)),
        token: |value| Token::of(held::<T>(value)).ok(),
        codec: Some(Self::CODEC),
    };
}

impl<T: Serialize + DeserializeOwned + Measure + Send + Sync + 'static> Tables<T> {
    const MEASURED: &'static ValueTable = &ValueTable {
        magic: portable::VALUE_MAGIC,
        type_name: type_name::<T>,
        type_id: TypeId::of::<T>,
        nbytes: |value| held::<T>(value).nbytes(),
        token: |value| Token::of(held::<T>(value)).ok(),
        codec: Some(ValueCodec { encode: Self::CODEC.encode, decode: |bytes| Ok(Value::measured(whole::<T>(bytes)?)) }),
    };
}

impl<T: Measure + Send + Sync + 'static> Tables<T> {
    const LOCAL: &'static ValueTable = &ValueTable {
        magic: portable::VALUE_MAGIC,
        type_name: type_name::<T>,
        type_id: TypeId::of::<T>,
        nbytes: |value| held::<T>(value).nbytes(),
        token: |_| None,
        codec: None,
    };
}

/// A value of some type, shared. Cloning it copies a pointer.
///
/// ```
/// use arras_core::Value;
/// let value = Value::new(vec![1, 2, 3]);
/// assert_eq!(value.get::<Vec<i32>>()?, &[1, 2, 3]);
/// assert!(value.get::<String>().is_err());
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Value {
    data: Arc<dyn Any + Send + Sync>,
    table: &'static ValueTable,
}

impl Value {
    /// Takes a value of any [`Data`] type. Its size is estimated, by one look at its serialised shape, when somebody asks.
    pub fn new<T: Data>(value: T) -> Value {
        Value { data: Arc::new(value), table: T::table() }
    }

    /// Takes a value that knows its size.
    pub fn measured<T: Serialize + DeserializeOwned + Measure + Send + Sync + 'static>(value: T) -> Value {
        Value { data: Arc::new(value), table: Tables::<T>::MEASURED }
    }

    /// Takes a value that knows its size and stays in this process.
    pub fn local<T: Measure + Send + Sync + 'static>(value: T) -> Value {
        Value { data: Arc::new(value), table: Tables::<T>::LOCAL }
    }

    /// The value, if it is a `T`.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn get<T: 'static>(&self) -> Result<&T> {
        self.data.downcast_ref().ok_or_else(|| self.wrong_type::<T>())
    }

    /// The value, if it is a `T`: moved out if this is the last reference, cloned otherwise.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn into_inner<T: Clone + Send + Sync + 'static>(self) -> Result<T> {
        let table = self.table;
        match self.data.downcast::<T>() {
            Ok(data) => Ok(Arc::unwrap_or_clone(data)),
            Err(_) => Err(Error::WrongType { expected: type_name::<T>(), found: (table.type_name)() }),
        }
    }

    /// The value, if it is a `T` and this is the last reference; else the reference back.
    ///
    /// # Errors
    /// The value as it was.
    pub fn into_sole<T: Send + Sync + 'static>(self) -> std::result::Result<T, Value> {
        let table = self.table;
        let data = self.data.downcast::<T>().map_err(|data| Value { data, table })?;
        Arc::try_unwrap(data).map_err(|data| Value { data, table })
    }

    fn wrong_type<T>(&self) -> Error {
        Error::WrongType { expected: type_name::<T>(), found: self.type_name() }
    }

    /// The name of the value's type, for people.
    pub fn type_name(&self) -> &'static str {
        (self.table.type_name)()
    }

    /// The value's type.
    pub fn type_id(&self) -> TypeId {
        (self.table.type_id)()
    }

    /// Bytes held in memory: exact for [`measured`](Value::measured) values, an estimate by one pass for others.
    pub fn nbytes(&self) -> usize {
        (self.table.nbytes)(&*self.data)
    }

    /// The token of what the value holds, by one pass over it; none for a value that cannot be serialised.
    pub fn token(&self) -> Option<Token> {
        (self.table.token)(&*self.data)
    }

    /// Whether the value can be written and read back in another process.
    pub fn is_portable(&self) -> bool {
        self.table.codec.is_some()
    }

    /// Appends the value's serialised form.
    ///
    /// # Errors
    /// [`NotEncodable`] if it must stay in this process; a text or a buffer of 4 GiB or more; else what its `Serialize` reports. A list of as many
    /// elements is refused when it is read back.
    pub fn encode(&self, out: &mut dyn Write) -> Result<(), BoxError> {
        match &self.table.codec {
            Some(codec) => (codec.encode)(&*self.data, out),
            None => Err(Box::new(NotEncodable { type_name: self.type_name() })),
        }
    }

    /// Reads back a value of the same type as this one.
    ///
    /// # Errors
    /// As for [`encode`](Value::encode); bytes that are left over.
    pub fn decode_like(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        match &self.table.codec {
            Some(codec) => (codec.decode)(bytes),
            None => Err(Box::new(NotEncodable { type_name: self.type_name() })),
        }
    }

    /// Writes the value for another process of the same executable: 16 bytes that name its type, then its serialised form. Large buffers of blocks and partitions
    /// are handed to `out` as they lie in memory, so it should not copy what is large.
    ///
    /// # Errors
    /// As for [`encode`](Value::encode).
    pub fn to_wire(&self, out: &mut dyn Write) -> Result<(), BoxError> {
        if !self.is_portable() {
            return Err(Box::new(NotEncodable { type_name: self.type_name() }));
        }
        let Place { offset, name_hash } = Place::of(self.table);
        out.write_all(&offset.to_le_bytes())?;
        out.write_all(&name_hash.to_le_bytes())?;
        self.encode(out)
    }

    /// Reads a value that another process of the same executable wrote with [`to_wire`](Value::to_wire).
    ///
    /// The caller must know that the sender runs the same build. Damage on the way is found and refused, as far as the type's own `Deserialize` finds it.
    ///
    /// ```
    /// use arras_core::Value;
    /// let mut bytes = Vec::new();
    /// Value::new(vec![1, 2, 3]).to_wire(&mut bytes)?;
    /// assert_eq!(Value::from_wire(&bytes)?.get::<Vec<i32>>()?, &[1, 2, 3]);
    /// assert!(Value::from_wire(&bytes[..17]).is_err());
    /// # Ok::<(), arras_core::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// [`WireError`].
    pub fn from_wire(bytes: &[u8]) -> Result<Value, WireError> {
        let damaged = || WireError::Damaged { why: format!("a value of {} bytes", bytes.len()) };
        let (offset, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let (name_hash, data) = rest.split_first_chunk().ok_or_else(damaged)?;
        let place = Place { offset: i64::from_le_bytes(*offset), name_hash: u64::from_le_bytes(*name_hash) };
        let table: &'static ValueTable = place.table()?;
        let type_name = (table.type_name)();
        let Some(codec) = &table.codec else { return Err(WireError::Value { type_name, why: "it stays in its process".to_owned() }) };
        (codec.decode)(data).map_err(|error| WireError::Value { type_name, why: error.to_string() })
    }

    /// Stands for a value that lives elsewhere: see [`Remote`].
    pub fn remote(remote: Arc<dyn Remote>) -> Value {
        Value { data: Arc::new(RemoteHandle(remote)), table: Tables::<RemoteHandle>::LOCAL }
    }

    /// What the value stands for, if it lives elsewhere.
    pub fn as_remote(&self) -> Option<&Arc<dyn Remote>> {
        self.data.downcast_ref::<RemoteHandle>().map(|handle| &handle.0)
    }

    /// Checks that the value is a `T`, or stands for a remote one, whose type is known only where it is.
    ///
    /// # Errors
    /// [`Error::WrongType`].
    pub fn check<T: 'static>(&self) -> Result<()> {
        if self.as_remote().is_some() { Ok(()) } else { self.get::<T>().map(|_| ()) }
    }

    /// Whether two values are the same one in memory.
    pub fn same(&self, other: &Value) -> bool {
        Arc::ptr_eq(&self.data, &other.data)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.type_name())
    }
}

/// A value that must stay in its process was to be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a value of type {type_name} cannot be serialised: give the type serde's derives")]
pub struct NotEncodable {
    type_name: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words_and_has_a_niche() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Option<Value>>(), 24);
    }

    #[test]
    fn what_is_written_reads_back() {
        let value = Value::new(serde_json::json!({"a": [1, 2.5, null], "ü": "x"}));
        let mut bytes = Vec::new();
        value.encode(&mut bytes).unwrap();
        let back = value.decode_like(&bytes).unwrap();
        assert_eq!(back.get::<serde_json::Value>().unwrap(), value.get::<serde_json::Value>().unwrap());
        assert!(value.decode_like(&bytes[..3]).is_err());
    }

    #[test]
    fn opaque_values_stay() {
        let value = Value::new(Opaque(std::sync::Mutex::new(1)));
        assert!(!value.is_portable());
        let error = value.encode(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("Mutex"), "{error}");
    }

    #[test]
    fn a_shared_value_is_cloned_and_a_sole_one_moved() {
        let value = Value::new(vec![1]);
        let address = value.get::<Vec<i32>>().unwrap().as_ptr();
        let copy = value.clone().into_inner::<Vec<i32>>().unwrap();
        assert_ne!(copy.as_ptr(), address);
        let other = value.clone();
        let value = value.into_sole::<Vec<i32>>().expect_err("there is another");
        drop(other);
        let value = value.into_sole::<String>().expect_err("it is no text");
        let moved = value.into_inner::<Vec<i32>>().unwrap();
        assert_eq!(moved.as_ptr(), address);
    }
}
