//! Values know their size, their token and their serialised form.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

use arras_core::{Error, Measure, Opaque, Token, Value};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn round_trip<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(data: &T) -> T {
    let value = Value::new(data.clone());
    let mut bytes = vec![0xff; 3];
    value.encode(&mut bytes).unwrap();
    assert_eq!(bytes[..3], [0xff; 3], "encoding appends");
    let back = value.decode_like(&bytes[3..]).unwrap();
    assert_eq!(back.type_id(), value.type_id());
    assert!(value.decode_like(&bytes[3..bytes.len() - 1]).is_err(), "a cut message is refused");
    back.into_inner().unwrap()
}

fn survives<T: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static>(data: T) {
    assert_eq!(round_trip(&data), data);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(f64),
    Text(String),
    Both { number: i64, text: Option<String> },
    Many(Vec<Untagged>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Tagged {
    OneWay { speed: f32 },
    Empty,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Unit,
    Pair(u8, char),
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Inner {
    a: u8,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    b: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flattened {
    #[serde(rename = "Größe")]
    size: i32,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NewType(Vec<u8>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum List {
    Node(i64, Box<List>),
    End,
}

#[test]
fn every_serde_attribute_survives() {
    use Untagged::{Both, Many, Number, Text};
    survives(vec![Number(1.5), Text("ü".into()), Both { number: -1, text: None }, Many(vec![Number(-0.0), Text(String::new())])]);
    survives((Tagged::OneWay { speed: 0.5 }, Tagged::Empty, Adjacent::Unit, Adjacent::Pair(1, '🧵')));
    let rest = BTreeMap::from([("x".to_owned(), 1), ("y".to_owned(), i64::MIN)]);
    survives(Flattened { size: -3, inner: Inner { a: 1, b: Some(u64::MAX) }, rest: rest.clone() });
    survives(Flattened { size: 3, inner: Inner::default(), rest });
    survives((Unit, NewType(vec![0, 255]), [1u8; 3], ((), "text".to_owned())));
    survives(List::Node(1, Box::new(List::Node(2, Box::new(List::End)))));
    survives((i8::MIN, i64::MIN, u64::MAX, i128::MIN, u128::MAX, f32::MIN_POSITIVE, f64::INFINITY, '\0', true));
    survives(BTreeMap::from([((1u8, -1i8), vec![Some(1), None])]));
    survives(HashMap::from([(Some("a".to_owned()), 1)]));
    survives((std::time::Duration::from_nanos(1), std::path::PathBuf::from("/a/ü"), Arc::new(5u8), std::num::NonZeroU32::MIN));
    survives(Ok::<u8, String>(1));
    assert!(round_trip(&f64::NAN).is_nan());
    // The known gap: an option of what is itself written as nothing.
    assert_eq!(round_trip(&vec![Some(None::<u8>), Some(Some(1)), None]), [None, Some(Some(1)), None]);
    assert_eq!(round_trip(&vec![Some(()), None]), [None, None]);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(data: Vec<(Option<i64>, String, BTreeMap<u8, f64>, Result<char, u128>)>) {
        prop_assert_eq!(round_trip(&data), data);
    }

    #[test]
    fn sizes_of_flat_vectors_are_exact(floats: Vec<f64>, bytes: Vec<u8>, text: String, options: Vec<Option<u32>>) {
        prop_assert_eq!(Value::new(floats.clone()).nbytes(), 24 + 8 * floats.len());
        prop_assert_eq!(Value::new(bytes.clone()).nbytes(), 24 + bytes.len());
        prop_assert_eq!(Value::new(text.clone()).nbytes(), 24 + text.len());
        prop_assert_eq!(Value::new(options.clone()).nbytes(), 24 + 8 * options.len());
    }
}

#[test]
fn bytes_that_no_part_of_a_value_reads_are_refused() {
    let values = [Value::new(vec![1u8, 2]), Value::new(None::<u8>), Value::new("text".to_owned()), Value::new(())];
    for value in values {
        let mut bytes = Vec::new();
        value.to_wire(&mut bytes).unwrap();
        for rest in [0, 0x93, 0xc0, 0xc1, 0xff] {
            let error = Value::from_wire(&[&bytes[..], &[rest]].concat()).unwrap_err();
            assert!(error.to_string().contains("ends before"), "{value:?}, {rest}: {error}");
        }
    }
    // A list of 2^32 + 1 elements is written with a length of 1.
    let error = Value::new(vec![0u8; 1]).decode_like(&[0x91, 7, 7, 7]).unwrap_err();
    assert!(error.to_string().contains("4 bytes"), "{error}");
}

/// Writes its bytes in one piece, as blocks do.
#[derive(Clone, Deserialize)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
#[cfg_attr(miri, ignore)]
fn a_buffer_whose_length_cannot_be_written_is_refused() {
    // Zeros that nobody looks at take no memory.
    let error = Value::new(Bytes(vec![0; (1 << 32) + 1])).encode(&mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("4294967297 bytes"), "{error}");
}

#[test]
fn sizes_follow_what_is_behind_pointers() {
    let size = |value: Value| value.nbytes();
    assert_eq!(size(Value::new(())), 0);
    assert_eq!(size(Value::new(1u8)), 1);
    assert_eq!(size(Value::new(vec![vec![0u32; 1000]; 100])), 24 + 100 * (24 + 4000));
    assert_eq!(size(Value::new(vec![(1u64, "four".to_owned()); 1000])), 24 + 1000 * (8 + 24 + 4));
    assert_eq!(size(Value::new(Arc::new(vec![0u8; 500]))), 24 + 500);
    assert_eq!(size(Value::new(Some(Box::new([0u64; 32])))), 8 + 256);
    // A struct is at least as large as it is, whichever variant or option it holds.
    assert_eq!(size(Value::new((None::<[u64; 20]>, 1u8))), size_of::<(Option<[u64; 20]>, u8)>());
    let many = size(Value::new(vec![None::<f64>; 1000]));
    assert!((8_000..=16_024).contains(&many), "what an absent number could be is not shown: {many}");
    assert_eq!(size(Value::new(vec![Some(1.0f64); 1000])), 24 + 16_000);
    assert_eq!(size(Value::new(Opaque([0u64; 4]))), 32);
    // A serialisation that fails does not matter here.
    let poisoned = std::sync::Mutex::new(7u64);
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let _held = poisoned.lock();
                std::panic::resume_unwind(Box::new(()))
            })
            .join()
            .unwrap_err()
    });
    assert!(size(Value::new(Arc::new(poisoned))) >= 8);
}

#[derive(Clone, Serialize, Deserialize)]
struct Block(usize);

impl Measure for Block {
    fn nbytes(&self) -> usize {
        self.0
    }
}

#[test]
fn measured_values_say_their_own_size_also_after_a_journey() {
    let value = Value::measured(Block(1 << 40));
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    assert_eq!((value.nbytes(), value.decode_like(&bytes).unwrap().nbytes()), (1 << 40, 1 << 40));
    let local = Value::local(Block(7));
    assert_eq!((local.nbytes(), local.is_portable(), local.token()), (7, false, None));
    let error = local.encode(&mut bytes).unwrap_err().to_string();
    assert!(error.contains("Block") && error.ends_with("give the type serde's derives"), "{error}");
}

#[test]
fn tokens_follow_the_contents_and_stay_from_release_to_release() {
    let token = |value: Value| value.token().unwrap().to_string();
    assert_eq!(token(Value::new(vec![1.5f64, -0.0])), token(Value::new(vec![1.5f64, -0.0])));
    assert_ne!(token(Value::new(vec![1.5f64, -0.0])), token(Value::new(vec![1.5f64, 0.0])));
    assert_ne!(token(Value::new(("ab".to_owned(), "c".to_owned()))), token(Value::new(("a".to_owned(), "bc".to_owned()))));
    assert_eq!(token(Value::new(5u8)), Token::of(&5u8).unwrap().to_string());
    // Caches on disk are keyed by tokens, so these are part of the format.
    assert_eq!(token(Value::new((1u8, "a".to_owned(), vec![1.5f64]))), "2752eaf99e85922b7bfd62df8cf0e241");
    assert_eq!(token(Value::new(Inner { a: 1, b: None })), "da22b802b4eb55af3bdc1b0bcf4c0204");
    assert!(Value::new(Opaque(1)).token().is_none());
}

#[test]
fn a_wrong_type_is_an_error_that_names_both() {
    let value = Value::new(vec![1u8]);
    let Err(Error::WrongType { expected, found }) = value.get::<String>() else { panic!("a vector is no text") };
    assert_eq!((expected, found), ("alloc::string::String", "alloc::vec::Vec<u8>"));
    assert!(matches!(value.clone().into_inner::<Vec<i8>>(), Err(Error::WrongType { .. })));
    assert_eq!(value.into_inner::<Vec<u8>>().unwrap(), [1]);
    // Bytes of another type are refused too, or read as what they mean there; never undefined.
    let mut bytes = Vec::new();
    Value::new("text".to_owned()).encode(&mut bytes).unwrap();
    assert!(Value::new(1i64).decode_like(&bytes).is_err());
    assert!(Value::new(Inner::default()).decode_like(&[]).is_err());
}
