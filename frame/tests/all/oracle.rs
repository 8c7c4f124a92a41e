//! The oracle: polars itself, on the whole frame at once.

use std::sync::LazyLock;

use arras_core::optimise::cull;
use arras_core::portable::FuncWire;
use arras_core::{Collection, Func, Plan, Source, SubPlan, Value, evaluate};
use arras_frame::Frame;
use arras_frame::polars::prelude::*;
use arras_scheduler::{Compute, Synchronous, Threads};

/// Partitions that every case is cut into: one, few, and more than there are rows.
pub(crate) const PARTITIONS: [usize; 4] = [1, 3, 10, 70];

static POOLS: LazyLock<[Threads; 3]> = LazyLock::new(|| [1, 2, 3].map(Threads::new));

/// The frame's result, the same to the bit under every scheduler and from functions and values that travelled; its declared schema has to be that of the result.
#[track_caller]
pub(crate) fn compute(frame: &Frame) -> DataFrame {
    let result = compute_here(frame);
    let travelled = travel(frame).unwrap_or_else(|error| panic!("{error}"));
    assert!(identical(&travelled, &result), "travelled: {travelled}\nwhere it was {result}");
    result
}

/// As [`compute`], of a frame that does not travel.
#[track_caller]
pub(crate) fn compute_here(frame: &Frame) -> DataFrame {
    let declared = frame.schema().unwrap();
    let result = evaluate(frame).unwrap();
    assert_eq!(result.schema(), &declared, "the declared schema is that of the result");
    assert!(identical(&frame.compute_with(&Synchronous).unwrap(), &result), "synchronous");
    for pool in POOLS.iter() {
        assert!(identical(&frame.compute_with(pool).unwrap(), &result), "{pool:?}");
    }
    result
}

/// The plan of a frame, as a scheduler gets it.
pub(crate) fn plan(frame: &Frame) -> Plan {
    let keys = frame.keys();
    Plan::new(&cull(&frame.graph().unwrap(), &keys).unwrap(), &keys).unwrap()
}

/// The frame's result, from a plan all of whose functions and values went over the wire.
pub(crate) fn travel(frame: &Frame) -> arras_core::Result<DataFrame> {
    let here = plan(frame);
    here.check_portable()?;
    let tasks: Vec<u32> = (0..here.len() as u32).collect();
    let bytes = here.part(&tasks, &[], &tasks).to_bytes().expect("what is portable can be written");
    let there = SubPlan::from_bytes(&bytes).expect("what was written can be read").bind(Vec::new())?;
    let mut values: Vec<Value> = Vec::new();
    for &id in &tasks {
        let value = there.call(id, |input| &values[input as usize]).map_err(|source| here.failure(id, source))?;
        values.push(sent(&value));
    }
    let outputs = here.outputs().map(|output| match output {
        Source::Task(id) => values[id as usize].clone(),
        Source::Constant(index) => sent(here.constant(index)),
    });
    frame.finish(outputs.collect())
}

fn sent(value: &Value) -> Value {
    let mut bytes = Vec::new();
    value.to_wire(&mut bytes).unwrap();
    Value::from_wire(&bytes).unwrap()
}

/// The functions of a frame's tasks, each once.
pub(crate) fn funcs(frame: &Frame) -> Vec<Func> {
    let plan = plan(frame);
    let mut funcs: Vec<Func> = Vec::new();
    for id in 0..plan.len() as u32 {
        if !funcs.iter().any(|func| func.same(plan.func(id))) {
            funcs.push(plan.func(id).clone());
        }
    }
    funcs
}

/// The functions of a frame's tasks as they travel.
pub(crate) fn wires(frame: &Frame) -> Vec<FuncWire> {
    funcs(frame).iter().map(|func| func.to_wire().unwrap()).collect()
}

/// Checks that a frame's method gives what polars' gives on the same rows, cut in any way.
#[track_caller]
pub(crate) fn same(rows: &DataFrame, ours: impl Fn(&Frame) -> Frame, polars: impl Fn(LazyFrame) -> LazyFrame) {
    same_by(compute, rows, ours, polars);
}

/// As [`same`], of frames that are computed by `compute`.
#[track_caller]
pub(crate) fn same_by(
    compute: impl Fn(&Frame) -> DataFrame,
    rows: &DataFrame,
    ours: impl Fn(&Frame) -> Frame,
    polars: impl Fn(LazyFrame) -> LazyFrame,
) {
    // polars 0.55 forgets the order of some group-bys that are asked to keep it, unless it is told not to look for such chances.
    let expected = polars(rows.clone().lazy()).with_check_order(false).collect().unwrap();
    for n_partitions in PARTITIONS {
        let frame = ours(&Frame::from_polars(rows.clone(), n_partitions).unwrap());
        let result = compute(&frame);
        assert_same(&result, &expected, &format!("{n_partitions} partitions"));
    }
}

/// Equal, nulls and NaN included; floating-point numbers up to the order in which they were added.
#[track_caller]
pub(crate) fn assert_same(result: &DataFrame, expected: &DataFrame, what: &str) {
    assert_eq!(result.schema(), expected.schema(), "{what}");
    assert_eq!(result.height(), expected.height(), "{what}: {result} where polars has {expected}");
    for (ours, theirs) in result.columns().iter().zip(expected.columns()) {
        let near = match ours.dtype() {
            DataType::Float64 => (0..ours.len()).all(|row| close(number(ours, row), number(theirs, row), 1e-12)),
            DataType::Float32 => (0..ours.len()).all(|row| close(number(ours, row), number(theirs, row), 1e-5)),
            _ => ours.equals_missing(theirs),
        };
        assert!(near, "{what}: column {:?}\n{result}\nwhere polars has\n{expected}", ours.name());
    }
}

/// A floating-point number; none for a null.
fn number(column: &Column, row: usize) -> Option<f64> {
    match column.get(row) {
        Ok(AnyValue::Float64(value)) => Some(value),
        Ok(AnyValue::Float32(value)) => Some(value.into()),
        _ => None,
    }
}

/// Equal to the bit. polars finds NaN equal to NaN and zeros of both signs equal, so floating-point numbers are compared as bits besides.
pub(crate) fn identical(a: &DataFrame, b: &DataFrame) -> bool {
    a.equals_missing(b) && a.columns().iter().zip(b.columns()).all(|(a, b)| (0..a.len()).all(|row| bits(a, row) == bits(b, row)))
}

fn bits(column: &Column, row: usize) -> Option<u64> {
    number(column, row).map(f64::to_bits)
}

fn close(a: Option<f64>, b: Option<f64>, relative: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= relative * a.abs().max(b.abs()).max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Rows of many types, with nulls, NaN and text that is no ASCII. `n` rows, always the same.
pub(crate) fn rows(n: usize) -> DataFrame {
    let pick = |i: usize, modulus: usize| (i * 2_654_435_761 + i / 3) % modulus;
    let words = ["Zürich", "Genève", "東京", "", "a b", "🦀"];
    df!(
        "word" => (0..n).map(|i| (pick(i, 11) != 3).then(|| words[pick(i, 6)])).collect::<Vec<_>>(),
        "key" => (0..n).map(|i| (pick(i, 7) != 2).then(|| pick(i, 5) as i64 - 2)).collect::<Vec<_>>(),
        "odd" => (0..n).map(|i| i % 2 == 1).collect::<Vec<_>>(),
        "x" => (0..n).map(|i| match pick(i, 13) { 0 => None, 1 => Some(f64::NAN), k => Some(k as f64 / 3.0 - 1.0) }).collect::<Vec<_>>(),
        "single" => (0..n).map(|i| (i % 4 != 0).then_some(i as f32 * 0.5)).collect::<Vec<_>>(),
        "tiny" => (0..n).map(|i| (i % 5 != 0).then(|| (pick(i, 250) as i64 - 125) as i8)).collect::<Vec<_>>(),
        "small" => (0..n).map(|i| pick(i, 60_000) as u16).collect::<Vec<_>>(),
        "int" => (0..n).map(|i| pick(i, 1_000) as i32 - 500).collect::<Vec<_>>(),
        "long" => (0..n).map(|i| (i % 6 != 1).then(|| i as i64 * 1_000_003)).collect::<Vec<_>>(),
        "wide" => (0..n).map(|i| i as u64 * 7).collect::<Vec<_>>(),
        "never" => vec![None::<i64>; n],
    )
    .unwrap()
    .lazy()
    .with_columns([
        col("int").cast(DataType::Date).alias("day"),
        col("long").cast(DataType::Datetime(TimeUnit::Milliseconds, None)).alias("instant"),
        col("int").cast(DataType::Duration(TimeUnit::Microseconds)).alias("span"),
    ])
    .collect()
    .unwrap()
}
