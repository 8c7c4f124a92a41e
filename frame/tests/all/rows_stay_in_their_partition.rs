//! Row-local steps give what polars gives on all rows; what looks at other rows is refused when the frame is built.

use arras_frame::polars::prelude::*;
use arras_frame::{Error, Frame};

use crate::oracle::{compute, compute_here, rows, same, same_by};

#[test]
fn select_filter_and_with_columns_are_those_of_polars() {
    macro_rules! query {
        ($start:expr) => {
            $start
                .with_columns([(col("int") * lit(2)).alias("double"), lit("same").alias("constant"), col("x").fill_null(lit(0.0))])
                .filter(col("double").gt(lit(0)).and(col("word").is_not_null()))
                .select([col("word"), col("double"), col("constant"), col("word").str().len_bytes().alias("bytes"), lit(1).alias("one")])
        };
    }
    same(&rows(100), |frame| query!(frame), |whole| query!(whole));
    same(&rows(0), |frame| query!(frame), |whole| query!(whole));
}

#[test]
fn expressions_that_polars_calls_elementwise() {
    let exprs = [
        col("word").is_in(lit(Series::new("".into(), ["東京", ""])).implode(false), false).alias("in"),
        when(col("odd")).then(col("int")).otherwise(lit(NULL)).alias("when"),
        col("day").cast(DataType::String).alias("text"),
        col("word").str().starts_with(lit("Z")).alias("starts"),
        col("x").is_nan().alias("nan"),
        (-col("int")).alias("minus"),
        col("tiny").cast(DataType::UInt8).alias("cast"),
    ];
    same(&rows(50), |frame| frame.select(&exprs), |whole| whole.select(&exprs));
    same(&rows(50), |frame| frame.select([all().as_expr()]), |whole| whole.select([all().as_expr()]));
}

#[test]
fn filters_take_constants_and_nulls() {
    for predicate in [lit(true), lit(false), col("odd"), col("never").gt(lit(0)), lit(NULL).cast(DataType::Boolean)] {
        same(&rows(20), |frame| frame.filter(predicate.clone()), |whole| whole.filter(predicate.clone()));
    }
}

#[test]
fn rename_and_drop() {
    let frame = Frame::from_polars(rows(4), 3).unwrap();
    let renamed = frame.rename(["word", "key"], ["key", "wort"]).drop(["x", "single"]);
    let columns: Vec<_> = renamed.columns().unwrap().into_iter().map(|name| name.to_string()).collect();
    assert_eq!(columns[..4], ["key", "wort", "odd", "tiny"]);
    assert_eq!(compute(&renamed).height(), 4);
    assert!(matches!(frame.rename(["wort"], ["w"]).schema(), Err(Error::UnknownColumn { step: "rename", .. })));
    assert!(matches!(frame.drop(["wort"]).schema(), Err(Error::UnknownColumn { step: "drop", .. })));
    assert!(matches!(frame.rename(["word"], ["key"]).schema(), Err(Error::Step { step: "rename", .. })));
}

#[test]
fn columns_whose_names_look_like_patterns_are_columns() {
    let rows = df!("*" => [1, 2], "^a.*$" => [3, 4], "a" => [5, 6]).unwrap();
    let frame = Frame::from_polars(rows, 2).unwrap();
    assert_eq!(compute(&frame.drop(["*"])), df!("^a.*$" => [3, 4], "a" => [5, 6]).unwrap());
    assert_eq!(compute(&frame.rename(["^a.*$"], ["b"]).drop(["*"])), df!("b" => [3, 4], "a" => [5, 6]).unwrap());
    assert_eq!(compute(&frame.value_counts("*")).height(), 2);
}

#[test]
fn what_looks_at_other_rows_is_refused() {
    let x = || col("int");
    let refused = [
        x().sum(),
        x() - x().mean(),
        len(),
        x().shift(lit(1)),
        x().sort(SortOptions::default()),
        x().sort_by([col("key")], SortMultipleOptions::default()),
        x().sum().over([col("key")]).unwrap(),
        x().reverse(),
        x().head(Some(2)),
        x().slice(lit(0), lit(1)),
        x().unique(),
        x().drop_nulls(),
        x().filter(col("odd")),
        x().implode(false),
        x().first(),
        x().quantile(lit(0.5), QuantileMethod::Nearest),
        x().arg_unique(),
        x().is_in(col("key").implode(false), false),
        x().arg_max(),
        x().fill_null_with_strategy(FillNullStrategy::Forward(None)),
        lit(Series::new("s".into(), [1, 2])),
        x().gather(lit(0), false),
        x().n_unique(),
        x().map(|column| Ok(column.sum_reduce()?.into_column(column.name().clone())), |_, field| Ok(field.clone())).sum(),
    ];
    let frame = Frame::from_polars(rows(20), 3).unwrap();
    for expr in refused {
        let step = |found: Frame| match found.schema() {
            Err(Error::NotRowLocal { step, why, .. }) => {
                assert!(!why.is_empty());
                step
            }
            other => panic!("{expr:?}: {other:?}"),
        };
        assert_eq!(step(frame.select([expr.clone().alias("y")])), "select");
        assert_eq!(step(frame.with_columns([expr.clone().alias("y")])), "with_columns");
        assert_eq!(step(frame.filter(expr.clone().cast(DataType::Boolean))), "filter");
        assert_eq!(step(frame.group_by([expr.clone().alias("y")]).agg([len().alias("n")])), "group_by");
    }
}

#[test]
fn constants_alone_are_no_selection() {
    let frame = Frame::from_polars(rows(20), 3).unwrap();
    assert!(matches!(frame.select([lit(1)]).schema(), Err(Error::NotRowLocal { .. })));
    assert!(matches!(frame.group_by([lit(1)]).agg([len()]).schema(), Err(Error::NotRowLocal { .. })));
    assert!(frame.select([lit(1).alias("one"), col("int")]).schema().is_ok());
    let bare = Frame::from_polars(DataFrame::empty_with_height(3), 2).unwrap();
    assert!(matches!(bare.with_columns([lit(1)]).schema(), Err(Error::NotRowLocal { .. })));
    assert_eq!(compute(&bare).height(), 3);
}

#[test]
fn a_closure_of_the_user_sees_partitions() {
    let add = |column: Column| column + Column::new_scalar("".into(), Scalar::from(1i32), 1);
    let expr = col("int").map(add, |_, field| Ok(field.clone()));
    same_by(compute_here, &rows(30), |frame| frame.select([expr.clone()]), |whole| whole.select([expr.clone()]));
}

#[test]
fn hundreds_of_steps_are_one_query() {
    let mut frame = Frame::from_polars(df!("x" => [1i64, 2]).unwrap(), 2).unwrap();
    for _ in 0..300 {
        frame = frame.with_columns([col("x") + lit(1)]);
    }
    assert_eq!(compute(&frame), df!("x" => [301i64, 302]).unwrap());
}
