//! What stays in its process says so before anything runs, with the part of it that cannot leave.

use arras_core::{Error, delayed};
use arras_frame::Frame;
use arras_frame::polars::prelude::*;

use crate::oracle::{compute, compute_here, plan, rows, travel};

fn frame() -> Frame {
    Frame::from_polars(rows(20), 3).unwrap()
}

fn closure(expr: Expr) -> Expr {
    let n = 1i32;
    expr.map(move |column| column + Column::new_scalar("".into(), Scalar::from(n), 1), |_, field| Ok(field.clone()))
}

/// Why a frame stays, once it is known that it computes where it is.
#[track_caller]
fn why(frame: &Frame) -> String {
    assert!(frame.schema().is_ok(), "{:?}", frame.schema());
    compute_here(frame);
    match plan(frame).check_portable() {
        Err(Error::NotPortable { why, .. }) => {
            assert_eq!(travel(frame).unwrap_err().to_string(), plan(frame).check_portable().unwrap_err().to_string());
            why
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn closures_in_expressions() {
    let x = || closure(col("int"));
    for (frame, step) in [
        (frame().select([col("key"), x()]), "select"),
        (frame().with_columns([(x() + lit(1)).alias("y")]), "with_columns"),
        (frame().filter(x().gt(lit(3))), "filter"),
        (frame().filter(x().gt(lit(3))).select([col("key")]).head(3), "filter"),
        (frame().group_by([x()]).agg([len()]), "group_by"),
        (frame().group_by([col("key")]).agg([x().sum()]), "group_by"),
        (frame().group_by([col("key")]).agg([closure(col("int").sum())]), "group_by"),
    ] {
        let why = why(&frame);
        assert!(why.starts_with(&format!("{step}: ")) && why.contains("map") && why.contains("calls a closure"), "{why}");
    }
}

#[test]
fn closures_that_rename() {
    let renamed = col("int").name().map(PlanCallback::new(|name: PlSmallStr| Ok(format!("{name}_again").into())));
    let why = why(&frame().select([renamed]));
    assert!(why.starts_with("select: ") && why.contains("calls a closure"), "{why}");
}

#[test]
fn a_closure_that_captures_and_a_frame_built_on_what_it_makes() {
    let columns = ["int"];
    let schema = rows(1).select(columns).unwrap().schema().clone();
    let made = |part: &usize| rows(*part).select(["int"]);
    let parts = || vec![delayed(|| 3usize, ()), delayed(|| 4usize, ())];
    compute(&Frame::from_partitions(parts(), schema.clone(), made).unwrap());
    let captured = Frame::from_partitions(parts(), schema, move |part: &usize| rows(*part).select(columns)).unwrap();
    for frame in [captured.clone(), captured.head(2), captured.group_by([col("int")]).agg([len()])] {
        let why = why(&frame);
        assert!(why.contains("it captures values") && why.contains("what_stays_says_why"), "{why}");
    }
}

#[test]
fn the_error_names_the_task() {
    let error = plan(&frame().filter(closure(col("int")).gt(lit(3)))).check_portable().unwrap_err();
    assert!(matches!(&error, Error::NotPortable { key, .. } if key.name().operation() == "filter"), "{error}");
}

/// `x + 1 + 1 + …`
fn sum(n: usize) -> Expr {
    (0..n).fold(col("x"), |sum, _| sum + lit(1))
}

/// Casts within casts, which polars computes by recursion.
fn casts(n: usize) -> Expr {
    (0..n).fold(col("x"), |cast, i| cast.cast(if i % 2 == 0 { DataType::Int32 } else { DataType::Int64 }))
}

/// The stack of a worker thread.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap().join().unwrap();
}

#[test]
fn hundreds_of_operations_inside_one_another() {
    on_a_small_stack(|| {
        let frame = Frame::from_polars(df!("x" => [1i64, 2]).unwrap(), 2).unwrap();
        assert_eq!(compute(&frame.select([sum(200)])), df!("x" => [201i64, 202]).unwrap());
        assert_eq!(compute(&frame.group_by([sum(200)]).agg([casts(300).sum().alias("y")])).height(), 2);
        assert!(travel(&frame.select([casts(999)])).is_ok());
        let error = plan(&frame.select([closure(casts(900))])).check_portable().unwrap_err().to_string();
        assert!(error.contains("calls a closure"), "{error}");
    });
}

#[test]
fn thousands_of_operations_inside_one_another() {
    on_a_small_stack(|| {
        let frame = Frame::from_polars(df!("x" => [1i64, 2]).unwrap(), 2).unwrap();
        for n in [1_000, 5_000] {
            let error = plan(&frame.select([casts(n)])).check_portable().unwrap_err().to_string();
            assert!(error.contains("select: an expression with more than 1000 operations inside one another"), "{error}");
        }
        // In steps, as many travel.
        let steps = (0..20).fold(frame, |frame, _| frame.with_columns([sum(100)]));
        assert_eq!(compute(&steps), df!("x" => [2_001i64, 2_002]).unwrap());
    });
}
