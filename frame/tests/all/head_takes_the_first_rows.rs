//! Head: the first rows, from as few partitions as hold them.

use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::evaluate;
use arras_frame::Frame;
use arras_frame::polars::prelude::*;

use crate::oracle::{rows, same};

#[test]
fn the_first_rows_of_polars() {
    for n in [0, 1, 7, 20, 59, 60, 61, usize::MAX] {
        let limit = IdxSize::try_from(n).unwrap_or(IdxSize::MAX);
        same(&rows(60), |frame| frame.head(n), |whole| whole.limit(limit));
        let odd = || col("odd").and(col("int").gt(lit(0)));
        same(&rows(60), |frame| frame.filter(odd()).head(n), |whole| whole.filter(odd()).limit(limit));
        same(&rows(0), |frame| frame.head(n), |whole| whole.limit(limit));
    }
}

#[test]
fn steps_after_head_see_its_rows() {
    same(
        &rows(60),
        |frame| frame.head(10).filter(col("odd")).group_by(["key"]).agg([len()]).head(2),
        |whole| whole.limit(10).filter(col("odd")).group_by_stable(["key"]).agg([len()]).limit(2),
    );
}

#[test]
fn partitions_that_are_not_needed_are_not_looked_at() {
    static LOOKED: AtomicUsize = AtomicUsize::new(0);
    let look = |column: Column| {
        LOOKED.fetch_add(1, Ordering::Relaxed);
        Ok(column)
    };
    let frame = Frame::from_polars(rows(100), 100).unwrap().select([col("int").map(look, |_, field| Ok(field.clone()))]);
    for (n, partitions) in [(1, 1), (2, 5), (5, 5), (6, 21), (100, 100)] {
        LOOKED.store(0, Ordering::Relaxed);
        assert_eq!(evaluate(&frame.head(n)).unwrap().height(), n);
        assert_eq!(LOOKED.load(Ordering::Relaxed), partitions, "for {n} rows");
    }
}

#[test]
fn files_that_are_not_needed_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(folder.path().join(name).with_extension("csv"), "x\n1\n2\n").unwrap();
    }
    let frame = Frame::scan_csv(folder.path().join("*.csv")).unwrap();
    std::fs::remove_file(folder.path().join("b.csv")).unwrap();
    std::fs::remove_file(folder.path().join("c.csv")).unwrap();
    assert_eq!(evaluate(&frame.head(2)).unwrap().height(), 2);
    assert!(evaluate(&frame.head(3)).is_err());
}
