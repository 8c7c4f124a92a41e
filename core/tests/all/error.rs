//! Errors say what went wrong, at which values, and what to do; and the error of user code can be had back by its type.

use std::num::ParseIntError;
use std::sync::Arc;

use arras_core::{
    Delayed, Error, Func, Graph, Input, Key, Panic, SharedError, Task, delayed, evaluate, fallible_task, get, optimise, try_delayed, value,
};

#[derive(Debug, thiserror::Error)]
#[error("while reading the table")]
struct Reading {
    source: arras_core::BoxError,
}

#[derive(Debug, thiserror::Error)]
#[error("a handle built on a failed one")]
struct Poisoned {
    source: SharedError,
}

fn parse() -> Delayed<i64> {
    try_delayed(|text: &String| text.parse::<i64>(), ("4x".to_owned(),))
}

#[test]
fn a_users_error_is_found_by_its_type() {
    let error = evaluate(&parse()).unwrap_err();
    assert_eq!(error.find::<ParseIntError>(), Some(&"4x".parse::<i64>().unwrap_err()));
    assert!(error.find::<Panic>().is_none() && error.find::<std::io::Error>().is_none());
    let collection = Error::collection(Panic::new("boom"));
    assert_eq!(collection.find::<Panic>().unwrap().message(), "boom");
}

#[test]
fn an_error_is_found_through_runs_within_runs_and_other_errors() {
    // A task that evaluates a graph of its own, three deep, with a wrapper of another crate between.
    let inner = || evaluate(&parse());
    let middle = move || evaluate(&try_delayed(move || inner().map_err(|error| Reading { source: error.into() }), ()));
    let error = evaluate(&try_delayed(middle, ())).unwrap_err();
    assert!(error.find::<ParseIntError>().is_some());
    assert!(error.find::<Reading>().is_some());
    assert!(matches!(error.find::<Error>(), Some(Error::Task { .. })), "the inner run's");
    // Errors are cloned into the handles built on a failed one, so they are met behind shared pointers.
    let shared: SharedError = Arc::new("x".parse::<u8>().unwrap_err());
    let error = Error::collection(Poisoned { source: shared });
    assert!(error.find::<ParseIntError>().is_some());
    let error = Error::collection(Reading { source: Box::new(Error::collection(Panic::new("deep"))) });
    assert_eq!(error.find::<Panic>().unwrap().message(), "deep");
}

#[test]
fn an_error_of_the_file_system_is_found_as_itself() {
    let gone = || Error::io("/data/part-3.csv", std::io::Error::new(std::io::ErrorKind::NotFound, "no such file"));
    assert_eq!(gone().to_string(), "/data/part-3.csv: no such file");
    assert_eq!(gone().find::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
    let error = evaluate(&try_delayed(move || Err::<u8, Error>(gone()), ())).unwrap_err();
    assert_eq!(error.find::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_failed_task_is_named_with_its_function_and_what_it_said() {
    let graph = Graph::from_iter([
        (Key::from("text"), value("4 2".to_owned())),
        (Key::from(("number", 3)), fallible_task(|text: &String| text.parse::<i64>(), ("text",))),
    ]);
    let error = get::<i64>(&graph, ("number", 3)).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("task (\"number\", 3) failed in all::all::error::a_failed_task"), "{text}");
    assert!(text.ends_with(": invalid digit found in string"), "{text}");
    assert_eq!(error.clone().to_string(), text, "errors can be cloned");
}

#[test]
fn a_failed_step_of_a_fused_chain_is_named() {
    fn parse(text: String) -> Result<i64, ParseIntError> {
        text.parse()
    }
    fn double(x: &i64) -> i64 {
        x * 2
    }
    let text = delayed(|| "4x".to_owned(), ());
    let graph = {
        use arras_core::Collection;
        let mut graph = text.graph().unwrap();
        graph.insert("number", fallible_task(parse, (text.key(),)));
        graph.insert("double", arras_core::task(double, ("number",)));
        optimise::fuse(&graph, &["double".into()]).unwrap()
    };
    assert_eq!(graph.len(), 1);
    let error = get::<i64>(&graph, "double").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("task \"double\" failed in a_failed_step_of_a_fused_chain_is_named.closure → parse → double: "), "{text}");
    assert!(text.contains("::parse: invalid digit"), "{text}");
    assert!(error.find::<ParseIntError>().is_some());
}

#[test]
fn wrong_types_and_wrong_numbers_of_inputs_are_errors_that_name_both() {
    let add = || Func::new(|x: &i64, y: &i64| x + y);
    let input = |name: &str| Input::Key(name.into());
    let graph = Graph::from_iter([
        ("a", value(1i64)),
        ("b", value("text".to_owned())),
        ("types", Task::call(add(), [input("a"), input("b")])),
        ("few", Task::call(add(), [input("a")])),
        ("many", Task::call(add(), [input("a"), input("a"), input("a")])),
    ]);
    let text = |key: &str| get::<i64>(&graph, key).unwrap_err().to_string();
    assert!(text("types").ends_with("expected a value of type i64, found alloc::string::String"), "{}", text("types"));
    assert!(
        text("few").ends_with("a function of 2 parameters was called with 1 input: give its task one key for each parameter"),
        "{}",
        text("few")
    );
    assert!(text("many").contains("a function of 2 parameters was called with 3 inputs"), "{}", text("many"));
    let error = get::<u8>(&graph, "a").unwrap_err();
    assert_eq!(error.to_string(), "expected a value of type u8, found i64");
}

#[test]
fn what_a_panic_said_is_kept() {
    let caught = |f: fn()| Panic::caught(std::panic::catch_unwind(f).unwrap_err()).to_string();
    assert_eq!(caught(|| panic!("plain")), "panicked: plain");
    assert_eq!(caught(|| panic!("with {}", 1)), "panicked: with 1");
    assert_eq!(caught(|| std::panic::panic_any(7)), "panicked: a value that is no text");
}
