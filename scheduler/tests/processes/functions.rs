//! What runs in a worker, and how it comes back.

use arras_core::{
    Data, Delayed, Error, Func, Graph, Inputs, Kernel, Key, Panic, Task, Value, delayed, fallible_task, task, try_delayed, with,
};
use arras_scheduler::{Compute, Processes, RunOptions, Scheduler, WorkerError, current_scheduler};
use serde::{Deserialize, Serialize};

use crate::ends;
use crate::support::*;

fn item(x: &i64) -> i64 {
    x + 1
}

fn generic<T: Clone + Into<f64>>(x: &T) -> f64 {
    x.clone().into() * 2.0
}

#[derive(Serialize, Deserialize)]
struct Scale(f64);

impl Kernel for Scale {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "scale".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, arras_core::BoxError> {
        Ok(Value::new(inputs.get::<f64>(0)? * self.0))
    }
}

pub(crate) fn all_kinds_of_portable_functions() {
    let processes = processes(2);
    let one = delayed(|| 1i64, ());
    let two = delayed(item, (&one,));
    let closure = delayed(|x: &i64, text: &String| format!("{text}{x}"), (&two, "n".to_owned()));
    let captured = delayed(with(vec![10i64, 20], |numbers: &Vec<i64>, x: &i64| numbers.iter().sum::<i64>() + x), (&two,));
    let fallible = try_delayed(|text: &String| text[1..].parse::<i32>(), (&closure,));
    let generic = delayed(generic::<i32>, (&fallible,));
    let found = (two, closure, captured, fallible, generic.clone()).compute_with(&processes).unwrap();
    assert_eq!(found, (2, "n2".to_owned(), 32, 2, 4.0));
    let mut graph = Graph::new();
    graph.insert("x", task(|| 2.5f64, ()));
    graph.insert("y", Task::call(Func::kernel(Scale(4.0)), [arras_core::Input::Key("x".into())]));
    let plan = plan(&graph, &["y".into()]);
    assert_eq!(processes.run(&plan, &RunOptions::default()).unwrap()[0].get::<f64>().unwrap(), &10.0);
    nothing_is_left(&processes);
}

pub(crate) fn what_cannot_travel_is_refused_before_anything_runs() {
    let marks = Marks::new();
    let processes = processes(2);
    let first = delayed(with(marks.path("ran"), |path: &std::path::PathBuf| mark(path)), ());
    let k = 3;
    let second = delayed(move |x: &usize| x + k, (&first,));
    let error = second.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::NotPortable { key, why, .. } if *key == second.key() && why.contains("captures")), "{error}");
    let opaque = delayed(|_: &arras_core::Opaque<u8>| 1, (arras_core::Opaque(1u8),));
    assert!(matches!(opaque.compute_with(&processes), Err(Error::NotPortable { .. })));
    assert_eq!((marks.count("ran"), processes.pids().len()), (0, 0));
}

pub(crate) fn errors_come_back_with_key_and_function() {
    fn fails(x: &i64) -> Result<u8, std::num::TryFromIntError> {
        u8::try_from(x - 1000)
    }
    let processes = processes(2);
    let mut graph = Graph::new();
    graph.insert("a", task(|| 1i64, ()));
    graph.insert("b", task(|x: &i64| x + 1, ("a",)));
    graph.insert("bad", fallible_task(fails, ("b",)));
    graph.insert("c", task(|x: &u8| i64::from(*x), ("bad",)));
    let plan = plan(&graph, &["c".into()]);
    for _ in 0..2 {
        let error = processes.run(&plan, &RunOptions::default()).unwrap_err();
        let Error::Task { key, func, .. } = &error else { panic!("{error}") };
        assert_eq!(*key, Key::from("bad"));
        assert!(func.contains("fails"), "{func}");
        assert!(
            matches!(error.find::<WorkerError>(), Some(WorkerError::Failed { message }) if message.contains("out of range")),
            "{error}"
        );
        nothing_is_left(&processes);
    }
    assert_eq!(processes.pids().len(), 1, "the worker is not to blame");
}

pub(crate) fn panics_come_back_with_their_words() {
    let processes = processes(2);
    let bad = delayed(|| 3i64, ()).map(|x: &i64| -> i64 { panic!("no {x} here, ü") });
    let error = bad.compute_with(&processes).unwrap_err();
    assert!(matches!(&error, Error::Task { key, .. } if *key == bad.key()), "{error}");
    assert_eq!(error.find::<Panic>().unwrap().message(), "no 3 here, ü");
    let odd = delayed(|| -> i64 { std::panic::panic_any(7u8) }, ());
    assert!(odd.compute_with(&processes).unwrap_err().find::<Panic>().is_some());
    assert_eq!(delayed(|| 1, ()).compute_with(&processes).unwrap(), 1);
}

/// A value with a mind of its own about being written and read.
#[derive(Clone)]
enum Moody {
    Fine,
    FailsToBeWritten,
    FailsToBeRead,
    PanicsWhenWritten,
    PanicsWhenRead,
}

impl Serialize for Moody {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Moody::Fine => serializer.serialize_u8(0),
            Moody::FailsToBeWritten => Err(serde::ser::Error::custom("does not want to be written")),
            Moody::FailsToBeRead => serializer.serialize_u8(1),
            Moody::PanicsWhenWritten => panic!("panics when written"),
            Moody::PanicsWhenRead => serializer.serialize_u8(2),
        }
    }
}

impl<'de> Deserialize<'de> for Moody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Moody, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Moody::Fine),
            1 => Err(serde::de::Error::custom("does not want to be read")),
            _ => panic!("panics when read"),
        }
    }
}

pub(crate) fn values_and_captures_that_cannot_be_written_or_read_name_their_task() {
    fn check<T: Data + Clone>(processes: &Processes, work: &arras_core::Delayed<T>, culprit: &Key, words: &str) {
        let error = work.compute_with(processes).err().unwrap();
        assert!(matches!(&error, Error::Task { key, .. } if key == culprit), "{error}");
        assert!(error.to_string().contains(words), "{error}");
        nothing_is_left(processes);
    }
    let processes = processes(2);
    assert!(matches!(delayed(|| Moody::Fine, ()).compute_with(&processes).unwrap(), Moody::Fine));
    // Results.
    let result = delayed(|| Moody::FailsToBeWritten, ());
    check(&processes, &result, &result.key(), "does not want to be written");
    let result = delayed(|| Moody::PanicsWhenWritten, ());
    check(&processes, &result, &result.key(), "panics when written");
    let result = delayed(|| Moody::FailsToBeRead, ());
    check(&processes, &result, &result.key(), "does not want to be read");
    let result = delayed(|| Moody::PanicsWhenRead, ());
    check(&processes, &result, &result.key(), "panics when read");
    // Arguments and captures.
    let words = ["to be written", "to be read", "when written", "when read"];
    for (mood, words) in
        [Moody::FailsToBeWritten, Moody::FailsToBeRead, Moody::PanicsWhenWritten, Moody::PanicsWhenRead].into_iter().zip(words)
    {
        let mut graph = Graph::new();
        graph.insert("one", task(|| 1i64, ()));
        graph.insert("value", Task::Value(Value::new(mood.clone())));
        graph.insert("reader", task(|x: &i64, _: &Moody| *x, ("one", "value")));
        check(&processes, &Delayed::<i64>::from_graph(graph, "reader"), &"reader".into(), words);
        let mut graph = Graph::new();
        graph.insert("one", task(|| 1i64, ()));
        graph.insert("captures", task(with(mood, |_: &Moody, x: &i64| *x), ("one",)));
        check(&processes, &Delayed::<i64>::from_graph(graph, "captures"), &"captures".into(), words);
    }
}

fn moody(words: &str) -> Moody {
    match words {
        "to be written" => Moody::FailsToBeWritten,
        "when written" => Moody::PanicsWhenWritten,
        "to be read" => Moody::FailsToBeRead,
        "when read" => Moody::PanicsWhenRead,
        _ => Moody::Fine,
    }
}

pub(crate) fn one_bad_value_among_many_is_named() {
    let brought_home = processes(2);
    for words in ["to be written", "when written", "to be read", "when read"] {
        let check = |processes: &Processes, graph: &Graph, keys: &[Key]| {
            let error = processes.run(&plan(graph, keys), &RunOptions::default()).unwrap_err();
            assert!(matches!(&error, Error::Task { key, .. } if key.index().first().is_some_and(|i| i % 10 == 5)), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            nothing_is_left(processes);
        };
        let mut graph = Graph::new();
        for i in 0..300u32 {
            let words = if i % 10 == 5 { words } else { "" };
            graph.insert(("t", i), task(with(words.to_owned(), |words: &String| moody(words)), ()));
        }
        check(&brought_home, &graph, &(0..300).map(key).collect::<Vec<_>>());
        // Now they are brought to the worker that reads all. The first and the last wait for each other, so that both workers make some.
        let marks = Marks::new();
        for i in [0, 299] {
            let waits = with(marks.path("both"), |path: &std::path::PathBuf| {
                mark(path);
                until(|| std::fs::read(path).unwrap().len() >= 2);
                Moody::Fine
            });
            graph.insert(("t", i), task(waits, ()));
        }
        graph.insert("all", arras_core::task_of_many(|all: &[&Moody]| all.len() as u64, (0..300u32).map(|i| ("t", i))));
        check(&processes(2), &graph, &["all".into()]);
    }
    no_orphans(brought_home, &[]);
}

pub(crate) fn a_task_that_computes_does_so_on_the_threads_of_its_worker() {
    let processes = processes(2);
    let nested = delayed(
        || {
            let scheduler = current_scheduler().unwrap();
            let parts: Vec<_> = (0..100u64).map(|i| delayed(|i: u64| (i * i, std::process::id()), (i,))).collect();
            let parts = parts.compute().unwrap();
            let here = parts.iter().all(|(_, pid)| *pid == std::process::id());
            (scheduler.name(), scheduler.n_workers() as u64, parts.iter().map(|(square, _)| square).sum::<u64>(), here)
        },
        (),
    );
    assert_eq!(nested.compute_with(&processes).unwrap(), ("threads".to_owned(), 1, 328_350, true));
}

pub(crate) fn a_task_that_starts_workers_of_its_own() {
    let processes = processes(2);
    let nested = delayed(
        || {
            let inner = Processes::new(1).unwrap();
            let pid = delayed(std::process::id, ()).compute_with(&inner).unwrap();
            (std::process::id(), pid)
        },
        (),
    );
    let (outer, inner) = nested.compute_with(&processes).unwrap();
    assert!(processes.pids().contains(&outer) && inner != outer && inner != std::process::id());
    are_gone(&[seen(inner)]);
    // One whose worker is killed while it has workers: those go with it.
    let marks = Marks::new();
    let nested = delayed(
        with(marks.path("inner"), |path: &std::path::PathBuf| {
            let inner = Processes::new(1).unwrap();
            let first = delayed(std::process::id, ()).compute_with(&inner).unwrap();
            if mark(&path.with_extension("once")) == 0 {
                std::fs::write(path, first.to_string()).unwrap();
                kill_self(rustix::process::Signal::KILL);
            }
            7
        }),
        (),
    );
    assert_eq!(nested.compute_with(&processes).unwrap(), 7);
    are_gone(&[seen(std::fs::read_to_string(marks.path("inner")).unwrap().parse().unwrap())]);
    no_orphans(processes, &[]);
}

pub(crate) fn what_tasks_print_is_seen() {
    let output = ends::program("prints").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("hello from a task 1") && text.contains("hello from a task 2"), "{text:?}");
    assert_eq!(text.matches("and more").count(), 2, "what was printed last, without the end of a line: {text:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("an error of a task"), "{errors:?}");
}
