//! A group-by over partitions gives what polars' `group_by_stable` gives on all rows: values, types, names and order.

use arras_core::evaluate;
use arras_frame::Frame;
use arras_frame::polars::{self, prelude::*};
use proptest::prelude::*;

use crate::oracle::{PARTITIONS, assert_same, compute, rows, same};

#[track_caller]
fn grouped(rows: &DataFrame, keys: &[Expr], aggregates: &[Expr]) {
    same(rows, |frame| frame.group_by(keys).agg(aggregates), |whole| whole.group_by_stable(keys).agg(aggregates));
}

const NUMBERS: [&str; 7] = ["x", "single", "tiny", "small", "int", "long", "wide"];

#[test]
fn every_aggregate_of_every_number() {
    for column in NUMBERS.into_iter().chain(["odd", "never", "span"]) {
        let column = col(column);
        let aggregates = [
            column.clone().sum().alias("sum"),
            column.clone().mean().alias("mean"),
            column.clone().min().alias("min"),
            column.clone().max().alias("max"),
            column.clone().count().alias("count"),
            column.clone().len().alias("length"),
            len(),
        ];
        grouped(&rows(60), &[col("key")], &aggregates);
    }
}

#[test]
fn text_and_times_have_what_polars_gives_them() {
    for column in ["word", "day", "instant"] {
        grouped(
            &rows(60),
            &[col("odd")],
            &[col(column).min().alias("min"), col(column).max().alias("max"), col(column).count().alias("count")],
        );
    }
    for column in ["day", "instant", "span"] {
        grouped(&rows(60), &[col("odd")], &[col(column).mean()]);
    }
}

#[test]
fn keys_of_every_type_in_the_order_of_their_first_row() {
    for key in ["word", "key", "odd", "x", "single", "tiny", "never", "day", "instant"] {
        grouped(&rows(60), &[col(key)], &[len(), col("int").sum().alias("sum")]);
    }
    grouped(&rows(60), &[col("word"), col("odd"), col("key")], &[len()]);
}

#[test]
fn categories_structs_and_bytes_are_keys_and_have_extremes() {
    let word = || col("word").fill_null(lit("none"));
    let ranks = FrozenCategories::new(["", "none", "🦀", "東京", "a b", "Zürich", "Genève"]).unwrap();
    let rich = rows(60).lazy().with_columns([
        word().cast(DataType::from_categories(Categories::global())).alias("category"),
        word().cast(DataType::from_frozen_categories(ranks)).alias("rank"),
        word().cast(DataType::Binary).alias("bytes"),
        polars::lazy::dsl::as_struct(vec![col("word"), col("odd")]).alias("both"),
        lit(NULL).alias("nothing"),
    ]);
    let rich = rich.collect().unwrap();
    for column in ["category", "rank", "bytes", "both", "nothing"] {
        grouped(&rich, &[col(column)], &[len(), col("int").sum()]);
        grouped(&rich, &[col("odd")], &[col(column).min().alias("min"), col(column).max().alias("max"), col(column).count()]);
    }
}

#[test]
fn keys_may_be_expressions() {
    grouped(&rows(60), &[(col("int") % lit(3)).alias("rest"), col("word").is_null().alias("silent")], &[col("int").sum()]);
    grouped(&rows(60), &[when(col("x").gt(lit(0.0))).then(lit("above")).otherwise(lit("below"))], &[len()]);
}

#[test]
fn expressions_over_aggregates_and_of_row_local_inputs() {
    let aggregates = [
        (col("x").max() - col("x").min()).alias("range"),
        (col("int").sum() / col("int").count()).alias("whole mean"),
        col("int").sum().cast(DataType::Float32).alias("cast"),
        (col("int") * col("tiny") + lit(1)).sum().alias("products"),
        when(col("long").mean().gt(lit(20_000_000))).then(lit("far")).otherwise(lit("near")).alias("where"),
        col("single").mean().fill_null(lit(-1.0f32)).alias("filled"),
        (len() * lit(2) + col("odd").sum()).alias("counted"),
        col("int").filter(col("odd")).sum().alias("odd sum"),
        col("x").filter(col("int").gt(lit(0))).mean().alias("mean of some"),
        col("word").filter(col("word").str().len_bytes().gt(lit(3))).max().alias("long words"),
    ];
    grouped(&rows(60), &[col("key")], &aggregates);
}

#[test]
fn wildcards_and_lists_of_columns_are_expanded() {
    grouped(&rows(60).drop_many(["word", "day", "instant"]), &[col("key")], &[all().as_expr().sum().name().suffix(" in all")]);
    grouped(&rows(60), &[col("key")], &[cols(["int", "long"]).as_expr().mean()]);
}

#[test]
fn no_aggregates_give_the_distinct_keys() {
    grouped(&rows(60), &[col("key"), col("odd")], &[]);
}

#[test]
fn names_of_our_own_collide_with_no_key() {
    let rows = df!("part 0" => [1, 2, 1], "part leaf 0" => [3, 3, 3], "_part 0" => [1, 1, 1]).unwrap();
    let keys: Vec<Expr> = ["part 0", "part leaf 0", "_part 0"].into_iter().map(col).collect();
    grouped(&rows, &keys, &[len().alias("part leaf 1"), col("part 0").mean().alias("mean")]);
}

#[test]
fn sums_wrap_where_those_of_polars_wrap() {
    let rows = df!("k" => [1, 1, 1], "i" => [i32::MAX, i32::MAX, 5], "l" => [i64::MAX, 1, 1], "b" => [127i8, 127, 127]).unwrap();
    grouped(&rows, &[col("k")], &[col("i").sum(), col("l").sum(), col("b").sum()]);
}

#[test]
fn a_group_of_nan_alone_and_zeros_of_both_signs() {
    let rows = df!("k" => [1, 1, 2, 2, 3], "x" => [f64::NAN, f64::NAN, f64::NAN, 1.0, f64::INFINITY], "z" => [0.0, -0.0, f64::NAN, -f64::NAN, 1.0]);
    let rows = rows.unwrap();
    grouped(&rows, &[col("k")], &[col("x").min().alias("min"), col("x").max().alias("max"), col("x").sum().alias("sum"), col("x").mean()]);
    grouped(&rows, &[col("z")], &[len()]);
}

#[test]
fn no_rows_and_steps_that_leave_none() {
    grouped(&rows(0), &[col("key")], &[col("x").mean(), len()]);
    let nothing = col("int").gt(lit(1_000_000));
    same(
        &rows(60),
        |frame| frame.filter(nothing.clone()).group_by(["key"]).agg([col("x").sum()]),
        |whole| whole.filter(nothing.clone()).group_by_stable(["key"]).agg([col("x").sum()]),
    );
}

#[test]
fn steps_before_between_and_after() {
    macro_rules! query {
        ($start:expr, $group_by:ident) => {
            $start
                .filter(col("int").gt(lit(-300)))
                .with_columns([(col("int") % lit(4)).alias("rest")])
                .$group_by([col("key"), col("rest")])
                .agg([col("x").count().alias("n"), col("wide").sum()])
                .filter(col("n").gt(lit(0)))
                .$group_by([col("rest")])
                .agg([col("wide").max(), col("n").sum().alias("all")])
                .select([col("rest"), (col("wide") + col("all")).alias("sum")])
        };
    }
    same(&rows(200), |frame| query!(frame, group_by), |whole| query!(whole, group_by_stable));
}

#[test]
fn many_partitions_are_merged_along_a_tree() {
    let rows = rows(1_000);
    let frame = Frame::from_polars(rows.clone(), 600).unwrap().group_by(["word"]).agg([col("int").sum(), col("x").mean()]);
    let expected = rows.lazy().group_by_stable(["word"]).agg([col("int").sum(), col("x").mean()]).collect().unwrap();
    assert_same(&compute(&frame), &expected, "600 partitions");
}

#[test]
fn the_same_partitions_give_the_same_bits() {
    let frame = Frame::from_polars(rows(1_000), 10).unwrap().group_by(["key"]).agg([col("single").mean(), (col("x") / lit(7.0)).sum()]);
    let first = evaluate(&frame).unwrap();
    for _ in 0..5 {
        assert!(evaluate(&frame).unwrap().equals_missing(&first));
    }
}

fn any_rows() -> impl Strategy<Value = DataFrame> {
    let key = prop_oneof![Just(None), proptest::option::of("[a-cä-ö東]{0,2}")];
    let float = prop_oneof![Just(None), Just(Some(f64::NAN)), (-8i32..8).prop_map(|n| Some(f64::from(n) / 4.0))];
    let row = (key, 0i32..3, float, proptest::option::of(-100i64..100), any::<u8>());
    proptest::collection::vec(row, 0..40).prop_map(|rows| {
        df!(
            "s" => rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>(),
            "i" => rows.iter().map(|row| row.1).collect::<Vec<_>>(),
            "x" => rows.iter().map(|row| row.2).collect::<Vec<_>>(),
            "l" => rows.iter().map(|row| row.3).collect::<Vec<_>>(),
            "b" => rows.iter().map(|row| row.4).collect::<Vec<_>>(),
        )
        .expect("equal lengths")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_rows_in_any_partitions(rows in any_rows(), n_partitions in 1usize..12, threshold in -50i64..50) {
        let aggregates = [
            col("x").sum().alias("sum"), col("x").mean().alias("mean"), col("x").min().alias("min"), col("l").max(), col("l").mean().alias("l mean"),
            col("b").sum().alias("b sum"), col("l").filter(col("x").gt(lit(0.0))).sum().alias("some"), col("l").count().alias("n"), len(),
        ];
        let keys = [vec![col("s")], vec![col("i"), col("s")], vec![col("x")], vec![(col("l") / lit(10)).alias("tens")]];
        for keys in keys {
            let ours = Frame::from_polars(rows.clone(), n_partitions).unwrap().filter(col("l").gt(lit(threshold)).or(col("l").is_null()));
            let whole = rows.clone().lazy().filter(col("l").gt(lit(threshold)).or(col("l").is_null()));
            let expected = whole.group_by_stable(&keys).agg(&aggregates).collect().unwrap();
            assert_same(&compute(&ours.group_by(&keys).agg(&aggregates)), &expected, "group_by");
        }
    }
}

#[test]
fn partitions_are_what_was_asked_for() {
    for n in PARTITIONS {
        let frame = Frame::from_polars(rows(5), n).unwrap();
        assert_eq!(frame.n_partitions().unwrap(), n);
        assert_eq!(frame.group_by(["key"]).agg([len()]).n_partitions().unwrap(), 1);
    }
}
