//! Errors: at build wherever schema and expressions tell, typed, kept by every frame built on the first wrong one.

use arras_core::{Collection, evaluate};
use arras_frame::polars::prelude::*;
use arras_frame::{Error, Frame};

use crate::oracle::rows;

fn frame() -> Frame {
    Frame::from_polars(rows(20), 3).unwrap()
}

#[test]
fn unknown_columns_are_found_out_at_build() {
    for (found, step) in [
        (frame().select([col("wort")]), "select"),
        (frame().filter(col("wort").gt(lit(1))), "filter"),
        (frame().with_columns([col("wort") + lit(1)]), "with_columns"),
        (frame().group_by(["wort"]).agg([len()]), "group_by"),
        (frame().group_by(["key"]).agg([col("wort").sum()]), "group_by"),
    ] {
        let Err(Error::Step { step: found, source, .. }) = found.schema() else { panic!("{step}: {:?}", found.schema()) };
        assert_eq!(found, step);
        assert!(source.to_string().contains("wort") && !source.to_string().contains("plan"), "{source}");
    }
}

#[test]
fn types_that_do_not_fit_are_found_out_at_build() {
    for wrong in [
        frame().filter(col("int")),
        frame().group_by(["key"]).agg([col("word").sum()]),
        frame().select([col("int"), col("key").alias("int")]),
        frame().select([col("word") / lit(2)]),
        frame().group_by(["key"]).agg([col("int").sum().alias("key")]),
    ] {
        assert!(matches!(wrong.schema(), Err(Error::Step { .. })), "{:?}", wrong.schema());
    }
    let mean = frame().group_by(["key"]).agg([col("word").mean()]);
    assert!(matches!(mean.schema(), Err(Error::UnsupportedAggregate { .. })), "{:?}", mean.schema());
}

#[test]
fn aggregates_that_cannot_be_split_are_named() {
    for (expr, word) in [
        (col("int").median(), "median"),
        (col("int").std(1), "std"),
        (col("int").var(0), "var"),
        (col("int").n_unique(), "n_unique"),
        (col("int").first(), "first"),
        (col("int").last(), "last"),
        (col("int"), "list of a group's values"),
        (col("int").implode(false), "list of a group's values"),
        (col("int").sum() + col("int").median(), "median"),
        (col("int").nan_min(), "nan_min"),
        (col("int").shift(lit(1)).sum(), "shift"),
        (col("int").sort(SortOptions::default()).sum(), "sort"),
        ((col("int") - col("int").mean()).sum(), "mean"),
        (col("int").filter(col("odd")).filter(col("odd").filter(col("odd"))).sum(), "filter"),
        (lit(1).sum(), "no column"),
        (lit(1), "aggregates nothing"),
    ] {
        let found = frame().group_by(["key"]).agg([expr.clone().alias("y")]).schema();
        let Err(error @ Error::UnsupportedAggregate { .. }) = &found else { panic!("{expr:?}: {found:?}") };
        let text = error.to_string();
        assert!(text.contains(word) && text.contains("Supported are sum"), "{expr:?}: {text}");
    }
}

#[test]
fn no_keys_no_partitions() {
    assert!(matches!(frame().group_by(Vec::<Expr>::new()).agg([len()]).schema(), Err(Error::NoKeys)));
    assert!(matches!(Frame::from_polars(rows(1), 0), Err(Error::ZeroPartitions { .. })));
    assert!(matches!(Frame::from_polars(rows(1), usize::MAX), Err(Error::TooManyPartitions { .. })));
}

#[test]
fn a_wrong_frame_stays_wrong_and_says_so_before_anything_runs() {
    let wrong =
        frame().select([col("wort")]).filter(col("x").gt(lit(1))).head(3).value_counts("word").group_by(["a"]).agg([len()]).drop(["z"]);
    let error = wrong.graph().unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::Step { step: "select", .. })), "{error}");
    assert!(error.find::<PolarsError>().is_some());
    assert!(evaluate(&wrong).unwrap_err().find::<Error>().is_some());
    assert!(wrong.columns().is_err() && wrong.n_partitions().is_err());
    assert!(wrong.to_string().contains("wort") && format!("{wrong:?}").contains("wort") && wrong.describe().contains("wort"));
    assert!(wrong.keys().is_empty());
}

#[test]
fn what_only_the_data_can_tell_is_an_error_at_run() {
    let strict = frame().select([col("word").strict_cast(DataType::Int64)]);
    let error = evaluate(&strict).unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::Partition { place, .. }) if place.contains("select")), "{error}");
    let error = evaluate(&frame().group_by([col("word").strict_cast(DataType::Int64)]).agg([len()])).unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::Partition { .. })), "{error}");
    let failing = |_: Column| -> PolarsResult<Column> { Err(PolarsError::ComputeError("the user's own".into())) };
    let error = evaluate(&frame().select([col("int").map(failing, |_, field| Ok(field.clone()))])).unwrap_err();
    assert!(error.to_string().contains("the user's own"), "{error}");
}

#[test]
fn frames_and_errors_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Frame>();
    crosses::<arras_frame::GroupBy>();
    crosses::<Error>();
}

#[test]
fn a_frame_shows_its_columns_and_its_plan() {
    let frame = Frame::from_polars(df!("town" => ["Bern"], "größe" => [1.5]).unwrap(), 3).unwrap();
    assert_eq!(frame.to_string(), "Frame: 2 columns in 3 partitions\n    town   str\n    größe  f64");
    let query = frame.filter(col("größe").gt(lit(1))).group_by(["town"]).agg([col("größe").mean()]).head(1);
    assert_eq!(format!("{query:?}"), "Frame(head, 1 partitions)");
    let plan = query.describe();
    assert!(plan.contains("3 × one polars query, from_polars → filter"), "{plan}");
    assert!(plan.contains("exchange group_by by [town]: 3 partial results") && plan.contains("exchange head 1"), "{plan}");
}
