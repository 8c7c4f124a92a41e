//! Names: equal work has equal names, so it is planned once; other work has others.

use std::fs;

use arras_core::Collection;
use arras_frame::Frame;
use arras_frame::polars::prelude::*;

use crate::oracle::rows;

#[test]
fn equal_queries_have_equal_keys() {
    let frame = Frame::from_polars(rows(10), 3).unwrap();
    let make: [fn(&Frame) -> Frame; 14] = [
        |frame| frame.filter(col("int").is_not_null()),
        |frame| frame.filter(col("int").is_null()),
        |frame| frame.select([cols(["int", "long"]).as_expr().fill_null(lit(1))]),
        |frame| frame.select([cols(["int", "long"]).as_expr().fill_null(lit(2))]),
        |frame| frame.filter(col("day").gt(lit(Scalar::new_date(1)))),
        |frame| frame.filter(col("odd")),
        |frame| frame.filter(col("int").gt(lit(1))),
        |frame| frame.filter(col("int").gt(lit(2))),
        |frame| frame.select([col("int")]),
        |frame| frame.with_columns([col("int")]),
        |frame| frame.head(3),
        |frame| frame.head(4),
        |frame| frame.value_counts("key"),
        |frame| frame.group_by(["key"]).agg([len().alias("count")]),
    ];
    let keys: Vec<_> = make.iter().map(|make| make(&frame).keys()).collect();
    assert!(keys.iter().all(|keys| !keys.is_empty()));
    for (i, make) in make.iter().enumerate() {
        assert_eq!(make(&frame).keys(), keys[i]);
        for (j, other) in keys.iter().enumerate() {
            assert_eq!(i == j, keys[i] == *other, "{i} {j}");
        }
    }
}

#[test]
fn rows_in_memory_have_names_of_their_own() {
    assert_ne!(Frame::from_polars(rows(3), 1).unwrap().keys(), Frame::from_polars(rows(3), 1).unwrap().keys());
}

#[test]
fn files_have_equal_names_until_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "x\n1\n").unwrap();
    let keys = || Frame::scan_csv(&path).unwrap().keys();
    let before = keys();
    assert_eq!(before, keys());
    fs::write(&path, "x\n1\n2\n").unwrap();
    assert_ne!(before, keys());
}

#[test]
fn equal_options_of_the_reader_give_equal_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "x\n1\n").unwrap();
    let keys = |separator: u8| Frame::scan_csv_with(&path, move |reader| reader.with_separator(separator)).unwrap().keys();
    assert_eq!(keys(b';'), keys(b';'));
    assert_ne!(keys(b';'), keys(b'|'));
    assert_eq!(keys(b','), Frame::scan_csv(&path).unwrap().keys());
}

#[test]
fn keys_say_what_their_tasks_do() {
    let frame = Frame::from_polars(rows(10), 2).unwrap();
    let operation = |frame: &Frame| frame.keys()[0].name().operation().to_owned();
    assert_eq!(operation(&frame), "from_polars");
    assert_eq!(operation(&frame.filter(col("odd")).select([col("int")])), "select");
    assert_eq!(operation(&frame.value_counts("key")), "value_counts");
    assert_eq!(operation(&frame.head(1)), "head");
    let labels: Vec<String> =
        frame.filter(col("odd")).group_by(["key"]).agg([len()]).graph().unwrap().iter().map(|(_, task)| task.label()).collect();
    assert_eq!(labels, ["Partition", "Partition", "Partial", "Partial", "Finish"]);
}
