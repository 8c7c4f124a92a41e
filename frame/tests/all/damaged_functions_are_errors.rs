//! Functions on the wire that were damaged are errors, never a panic and never another function.

use std::fs;

use arras_core::portable::{FuncWire, WireError};
use arras_core::{Delayed, Func, Tokenizer, delayed};
use arras_frame::Frame;
use arras_frame::polars::prelude::*;

use crate::oracle::{rows, wires};

/// A function of every kind.
fn every_kind() -> Vec<FuncWire> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.csv"), "key,x\n1,2.5\n").unwrap();
    let scan = Frame::scan_csv(folder.path().join("a.csv")).unwrap();
    let memory = Frame::from_polars(rows(20), 9).unwrap();
    let parts: Vec<Delayed<i64>> = vec![delayed(|| 1i64, ())];
    let schema = df!("x" => [1i64]).unwrap().schema().clone();
    let converted = Frame::from_partitions(parts, schema, |x: &i64| df!("x" => [*x])).unwrap();
    let steps = memory
        .filter(col("word").eq(lit("東京")))
        .with_columns([col("key").is_in(lit(Series::new("".into(), [1i64, 2])).implode(false), false)]);
    let mut all = wires(&scan);
    for frame in
        [&steps, &steps.group_by([col("key")]).agg([col("x").mean(), len()]), &steps.value_counts("word"), &memory.head(3), &converted]
    {
        all.extend(wires(frame));
    }
    // Without the functions of the user's that capture nothing.
    all.retain(|wire| !wire.environment.is_empty());
    assert!(all.len() >= 10);
    all
}

fn refused(wire: &FuncWire) -> String {
    match Func::from_wire(wire) {
        Err(WireError::Environment { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_byte_and_every_length() {
    for good in every_kind() {
        assert!(Func::from_wire(&good).is_ok());
        for i in 0..good.environment.len() {
            for damage in [0x01, 0x55, 0x80] {
                let mut bad = good.clone();
                bad.environment[i] ^= damage;
                refused(&bad);
            }
            let mut bad = good.clone();
            bad.environment.truncate(i);
            refused(&bad);
        }
    }
}

/// These bytes as the environment of a function of this name, behind a checksum that fits.
fn sealed(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut all = Tokenizer::new().text(name).hashed(bytes).finish().bits().to_le_bytes().to_vec();
    all.extend_from_slice(bytes);
    // MessagePack's header of up to 4 GiB of bytes.
    let mut environment = vec![0xc6];
    environment.extend_from_slice(&(all.len() as u32).to_be_bytes());
    environment.extend_from_slice(&all);
    environment
}

/// What is behind the checksum.
fn unsealed(environment: &[u8]) -> &[u8] {
    let header = match environment[0] {
        0xc4 => 2,
        0xc5 => 3,
        0xc6 => 5,
        other => panic!("{other:#x}"),
    };
    &environment[header + 16..]
}

#[test]
fn nonsense_behind_a_checksum_that_fits() {
    for good in every_kind() {
        let bytes = unsealed(&good.environment);
        let whole = Func::from_wire(&good).unwrap();
        let with = |bytes: &[u8]| FuncWire { environment: sealed(&whole.name(), bytes), ..good.clone() };
        assert!(Func::from_wire(&with(bytes)).is_ok(), "the seal is made as ours is");
        for nonsense in [&b""[..], b"\xc0", b"\x93\x01\x02\x03", &[0x91; 100_000], &[0xff; 64], &bytes[..bytes.len() / 2]] {
            let why = refused(&with(nonsense));
            assert!(why.contains("polars cannot read it"), "{why}");
        }
        // Whatever polars makes of these, it is no panic.
        for i in 0..bytes.len() {
            for damage in [0x01, 0x7f, 0xff] {
                let mut bad = bytes.to_vec();
                bad[i] ^= damage;
                let _ = Func::from_wire(&with(&bad));
            }
        }
    }
}

#[test]
fn the_parameters_of_another_function() {
    let all = every_kind();
    let names: Vec<_> = all.iter().map(|wire| Func::from_wire(wire).unwrap().name().into_owned()).collect();
    for (a, name) in all.iter().zip(&names) {
        for (b, other) in all.iter().zip(&names).filter(|(_, other)| *other != name) {
            let why = refused(&FuncWire { environment: b.environment.clone(), ..a.clone() });
            assert!(why.contains("checksum"), "{name} from {other}: {why}");
        }
    }
}
