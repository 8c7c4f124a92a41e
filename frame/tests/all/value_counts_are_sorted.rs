//! Value counts: the most frequent first, equally frequent ones in the order of their first row.

use arras_frame::polars::prelude::*;
use arras_frame::{Error, Frame};

use crate::oracle::{PARTITIONS, compute, rows, same};

#[test]
fn as_a_stable_sort_of_the_groups() {
    let options = || SortMultipleOptions::default().with_order_descending(true).with_maintain_order(true);
    for column in ["word", "key", "odd", "x", "never"] {
        same(
            &rows(60),
            |frame| frame.value_counts(column),
            |whole| whole.group_by_stable([col(column)]).agg([len().alias("count")]).sort_by_exprs([col("count")], options()),
        );
    }
}

#[test]
fn ties_keep_the_order_of_their_first_row() {
    let words = ["the", "cat", "sat", "on", "the", "mat", "the", "dog", "sat", "on", "the", "mat"];
    for n in PARTITIONS {
        let counts = compute(&Frame::from_polars(df!("words" => words).unwrap(), n).unwrap().value_counts("words"));
        let expected = df!("words" => ["the", "sat", "on", "mat", "cat", "dog"], "count" => [4u32, 2, 2, 2, 1, 1]).unwrap();
        assert_eq!(counts, expected);
    }
}

#[test]
fn no_rows_no_column_and_a_column_called_count() {
    let frame = Frame::from_polars(rows(0), 3).unwrap();
    assert_eq!(compute(&frame.value_counts("word")).height(), 0);
    assert!(matches!(frame.value_counts("wort").schema(), Err(Error::UnknownColumn { step: "value_counts", .. })));
    let frame = Frame::from_polars(df!("count" => [1]).unwrap(), 1).unwrap();
    assert!(matches!(frame.value_counts("count").schema(), Err(Error::Step { step: "value_counts", .. })));
}
