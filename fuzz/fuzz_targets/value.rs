//! Any bytes are a value, or an error.
#![no_main]

use std::collections::BTreeMap;

use arras_core::Value;
use libfuzzer_sys::fuzz_target;

type Nested = Vec<BTreeMap<String, Option<(f64, Vec<u8>)>>>;

fuzz_target!(|input: (Vec<u8>, bool, u8, u8)| {
    let (data, raw, at, flip) = input;
    if raw {
        let _ = Value::from_wire(&data);
        return;
    }
    // The type's own 16 bytes, changed at most in one place, before the input.
    let mut bytes = Vec::new();
    Value::new(Nested::new()).to_wire(&mut bytes).expect("it is portable");
    bytes.truncate(16);
    if let Some(place) = bytes.get_mut(at as usize) {
        *place ^= flip;
    }
    bytes.extend(data);
    if let Ok(value) = Value::from_wire(&bytes) {
        let mut again = Vec::new();
        value.to_wire(&mut again).expect("what was read can be written");
    }
});
