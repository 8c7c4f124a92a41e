//! Partitions of other collections: a function makes the rows of each, held to the schema that was promised.

use std::sync::Arc;

use arras_core::{Collection, Delayed, Graph, GridBuilder, Layer, Name, Persist, Value, delayed, evaluate, get_values, try_delayed};
use arras_frame::polars::prelude::*;
use arras_frame::{Error, Frame};

use crate::oracle::{compute, rows, same};

fn schema() -> SchemaRef {
    Arc::new(Schema::from_iter([("words".into(), DataType::String)]))
}

fn words(part: &Vec<String>) -> PolarsResult<DataFrame> {
    df!("words" => part)
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn from_delayed_values() {
    let parts = vec![delayed(|| strings(&["the", "cät"]), ()), delayed(Vec::<String>::new, ()), delayed(|| strings(&["the"]), ())];
    let frame = Frame::from_partitions(parts, schema(), words).unwrap();
    assert_eq!(frame.n_partitions().unwrap(), 3);
    assert_eq!(compute(&frame), df!("words" => ["the", "cät", "the"]).unwrap());
    assert_eq!(compute(&frame.value_counts("words")), df!("words" => ["the", "cät"], "count" => [2u32, 1]).unwrap());
    assert_eq!(compute(&frame.filter(col("words").eq(lit("the")))).height(), 2);
    assert_eq!(compute(&frame.head(1)).height(), 1);
}

#[test]
fn from_a_layer_of_another_collection() {
    let mut graph = Graph::new();
    let parts = (0..4).map(|i| Value::new(strings(&["a", "b", "c", "d"][..i]))).collect();
    graph.insert_layer(Layer::values(Name::new("lines"), &[4], parts));
    let mut upper = GridBuilder::new(Name::new("upper"), &[4]);
    let lines = upper.depends_on(Name::new("lines"));
    let func = upper.func(arras_core::Func::new(|part: &Vec<String>| part.iter().map(|word| word.to_uppercase()).collect::<Vec<_>>()));
    (0..4).for_each(|i| upper.call(func, [(lines, i)]));
    graph.insert_layer(upper.build());
    let parts = (0..4).map(|i| Delayed::from_graph(graph.clone(), ("upper", i))).collect();
    let frame = Frame::from_partitions(parts, schema(), words).unwrap();
    assert_eq!(compute(&frame), df!("words" => ["A", "A", "B", "A", "B", "C"]).unwrap());
    assert_eq!(compute(&frame.value_counts("words").head(1)), df!("words" => ["A"], "count" => [3u32]).unwrap());
}

#[test]
fn one_partition_alone_is_the_one_that_was_asked_for() {
    let mut sparse = Graph::new();
    for i in [7u32, 3, 5] {
        sparse.insert(("sparse", i), arras_core::value(strings(&[&i.to_string()])));
    }
    let mut dense = Graph::new();
    dense.insert_layer(Layer::values(Name::new("dense"), &[2, 2], (0..4).map(|i: i32| Value::new(strings(&[&i.to_string()]))).collect()));
    let parts = vec![
        Delayed::from_graph(sparse.clone(), ("sparse", 3)),
        Delayed::from_graph(dense.clone(), ("dense", [1, 0])),
        delayed(|| strings(&["x"]), ()),
        Delayed::from_graph(sparse, ("sparse", 5)),
        Delayed::from_graph(dense, ("dense", [0, 1])),
    ];
    let frame = Frame::from_partitions(parts, schema(), words).unwrap().filter(col("words").is_not_null());
    let expected = df!("words" => ["3", "2", "x", "5", "1"]).unwrap();
    assert_eq!(compute(&frame), expected);
    for (i, key) in frame.keys().into_iter().enumerate() {
        let culled = arras_core::optimise::optimise(&frame.graph().unwrap(), std::slice::from_ref(&key)).unwrap();
        let value = get_values(&culled, &[key]).unwrap().remove(0);
        assert_eq!(value.get::<arras_frame::Partition>().unwrap().frame(), &expected.slice(i as i64, 1));
    }
}

#[test]
fn equal_parts_give_equal_names_unless_the_function_captures() {
    let make = || Frame::from_partitions(vec![delayed(|| strings(&["a"]), ())], schema(), words).unwrap();
    let one = || vec![delayed(|| strings(&["a"]), ())];
    assert_ne!(make().keys(), Frame::from_partitions(one(), schema(), |part: &Vec<String>| words(part)).unwrap().keys());
    let named = || Frame::from_partitions(vec![delayed(strings_of_nothing, ())], schema(), words).unwrap();
    assert_eq!(named().keys(), named().keys());
    let n = 3;
    let captured = || {
        Frame::from_partitions(vec![delayed(strings_of_nothing, ())], schema(), move |part: &Vec<String>| {
            words(&part.iter().take(n).cloned().collect())
        })
        .unwrap()
    };
    assert_ne!(captured().keys(), captured().keys());
}

fn strings_of_nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn rows_of_another_schema_are_an_error() {
    let frame = Frame::from_partitions(vec![delayed(|| 1i64, ()), delayed(|| 2i64, ())], schema(), |&n: &i64| match n {
        1 => df!("words" => ["one"]),
        _ => df!("words" => [2i64]),
    });
    let error = evaluate(&frame.unwrap()).unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::SchemaMismatch { place, .. }) if place == "partition 1"), "{error}");
}

#[test]
fn errors_of_parts_and_functions_come_through() {
    let failing = try_delayed(|| "x".parse::<i64>(), ());
    let frame = Frame::from_partitions(vec![failing], schema(), |_: &i64| df!("words" => ["one"])).unwrap();
    assert!(evaluate(&frame).unwrap_err().find::<std::num::ParseIntError>().is_some());
    let refused = |_: &i64| -> PolarsResult<DataFrame> { Err(PolarsError::ComputeError("no rows today".into())) };
    let frame = Frame::from_partitions(vec![delayed(|| 1i64, ())], schema(), refused).unwrap();
    assert!(evaluate(&frame).unwrap_err().to_string().contains("no rows today"));
    let none = Frame::from_partitions(Vec::<Delayed<i64>>::new(), schema(), refused).unwrap_err();
    assert!(matches!(none, Error::ZeroPartitions { .. }));
}

#[test]
fn a_missing_part_is_found_out_before_anything_runs() {
    let parts = vec![Delayed::<Vec<String>>::from_graph(Graph::new(), ("gone", 3))];
    let error = evaluate(&Frame::from_partitions(parts, schema(), words).unwrap()).unwrap_err();
    assert!(matches!(&error, arras_core::Error::MissingKey { key, .. } if key.to_string().contains("gone")), "{error}");
}

#[test]
fn a_persisted_frame_keeps_its_keys_and_stands_on_its_values() {
    let frame = Frame::from_polars(rows(30), 4).unwrap().filter(col("odd"));
    let values = get_values(&frame.graph().unwrap(), &frame.keys()).unwrap();
    let persisted = frame.persisted(values).unwrap();
    assert_eq!(persisted.keys(), frame.keys());
    assert_eq!(persisted.graph().unwrap().len(), 4);
    let count = |frame: &Frame| compute(&frame.group_by(["key"]).agg([col("int").sum(), len()]));
    assert_eq!(count(&persisted), count(&frame));
    assert!(frame.persisted(vec![Value::new(1i64)]).is_err());
}

#[test]
fn a_frame_in_pieces_is_cut_too() {
    let mut pieces = rows(10);
    for _ in 0..3 {
        pieces.vstack_mut(&rows(7)).unwrap();
    }
    same(&pieces, |frame| frame.clone(), |whole| whole);
    assert!(compute(&Frame::from_polars(pieces, 3).unwrap()).columns().iter().all(|column| column.n_chunks() == 1));
}

#[test]
fn several_frames_compute_together_and_share_their_work() {
    let frame = Frame::from_polars(rows(30), 3).unwrap();
    let groups = frame.group_by(["key"]).agg([col("int").sum(), len()]);
    let pair = (groups.clone(), groups.filter(col("len").gt(lit(1))));
    let alone = pair.0.graph().unwrap().len();
    assert_eq!(pair.graph().unwrap().len(), alone + 1, "one task more for the filter");
    let (all, some) = evaluate(&pair).unwrap();
    assert_eq!(all.lazy().filter(col("len").gt(lit(1))).collect().unwrap(), some);
}
