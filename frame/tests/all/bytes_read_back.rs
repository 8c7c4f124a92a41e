//! Partitions on the wire: what is written reads back; what is damaged is an error, never a panic.

use arras_core::{Measure, Value};
use arras_frame::Partition;
use arras_frame::polars::prelude::*;

use crate::oracle::rows;

fn value(rows: DataFrame) -> Value {
    Value::measured(Partition::new(rows))
}

fn written(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_written_reads_back() {
    let mut pieces = rows(10);
    pieces.vstack_mut(&rows(5)).unwrap();
    for rows in [rows(0), rows(1), rows(100), rows(100).slice(37, 20), pieces, DataFrame::empty(), DataFrame::empty_with_height(7)] {
        let value = value(rows.clone());
        assert!(value.is_portable());
        let back = value.decode_like(&written(&value)).unwrap();
        let back = back.get::<Partition>().unwrap().frame();
        assert_eq!((back.schema(), back.height()), (rows.schema(), rows.height()));
        assert!(back.equals_missing(&rows));
    }
}

#[test]
fn columns_of_every_kind_read_back() {
    let grouped = rows(30).lazy().group_by_stable([col("key")]).agg([col("word"), col("odd").first()]);
    let nested = grouped.with_columns([
        col("key").cast(DataType::String).cast(DataType::from_categories(Categories::global())).alias("category"),
        arras_frame::polars::lazy::dsl::as_struct(vec![col("key"), col("odd")]).alias("both"),
        lit(NULL).alias("nothing"),
    ]);
    let nested = nested.collect().unwrap();
    let value = value(nested.clone());
    let back = value.decode_like(&written(&value)).unwrap();
    assert!(back.get::<Partition>().unwrap().frame().equals_missing(&nested));
}

#[test]
fn damage_is_an_error() {
    let value = value(rows(20));
    let bytes = written(&value);
    for i in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[i] ^= 0x55;
        assert!(value.decode_like(&bad).is_err(), "byte {i}");
    }
    for length in 0..bytes.len() {
        assert!(value.decode_like(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_partition_knows_its_size() {
    let (small, large) = (Partition::new(rows(10)), Partition::new(rows(1_000)));
    assert!(large.nbytes() > 20 * small.nbytes() / 2);
    assert_eq!(value(rows(1_000)).nbytes(), large.nbytes());
}
