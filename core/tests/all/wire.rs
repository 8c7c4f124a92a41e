//! Parts of a plan and values go to another process and come back the same; what is damaged on the way is refused.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arras_core::portable::WireError;
use arras_core::{Error, Graph, Key, Opaque, Plan, Remote, Source, SubPlan, Task, Token, Value, task, value};
use proptest::prelude::*;

use super::reference::{Case, cases, integers};

/// Runs a plan in rank order.
fn run(plan: &Plan) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for id in 0..plan.len() as u32 {
        values.push(plan.call(id, |input| &values[input as usize]).unwrap());
    }
    plan.outputs()
        .map(|output| match output {
            Source::Task(id) => values[id as usize].clone(),
            Source::Constant(index) => plan.constant(index).clone(),
        })
        .collect()
}

/// Runs a plan in parts, each of which travels. `part_of` says which part a task belongs to; a part reads earlier ones only.
fn run_in_parts(plan: &Plan, part_of: &[usize], constants_apart: bool) -> Vec<Value> {
    let mut known: BTreeMap<u32, Value> = BTreeMap::new();
    for part in 0..=part_of.iter().copied().max().unwrap_or(0) {
        let tasks: Vec<u32> = (0..plan.len() as u32).filter(|&id| part_of[id as usize] == part).collect();
        let mut arguments: Vec<Source> = Vec::new();
        for &id in &tasks {
            for source in plan.inputs(id) {
                let outside = match source {
                    Source::Task(input) => !tasks.contains(&input),
                    Source::Constant(_) => constants_apart,
                };
                if outside && !arguments.contains(&source) {
                    arguments.push(source);
                }
            }
        }
        let bytes = plan.part(&tasks, &arguments, &tasks).to_bytes().unwrap();
        let sub_plan = SubPlan::from_bytes(&bytes).unwrap();
        assert_eq!((sub_plan.n_arguments(), sub_plan.n_results()), (arguments.len(), tasks.len()));
        let values = arguments
            .iter()
            .map(|source| {
                let value = match *source {
                    Source::Task(id) => &known[&id],
                    Source::Constant(index) => plan.constant(index),
                };
                let mut bytes = Vec::new();
                value.to_wire(&mut bytes).unwrap();
                Value::from_wire(&bytes).unwrap()
            })
            .collect();
        let bound = sub_plan.bind(values).unwrap();
        assert_eq!(bound.key(0), Key::from(("task", 0)));
        known.extend(tasks.into_iter().zip(run(&bound)));
    }
    plan.outputs()
        .map(|output| match output {
            Source::Task(id) => known[&id].clone(),
            Source::Constant(index) => plan.constant(index).clone(),
        })
        .collect()
}

proptest! {
    #[test]
    fn a_plan_run_in_parts_gives_what_the_whole_gives(
        Case { graph, wanted } in cases(),
        cuts in prop::collection::vec(0usize..4, 64),
        constants_apart: bool,
    ) {
        let plan = Plan::new(&graph, &wanted).unwrap();
        prop_assume!(!plan.is_empty());
        // A task's part is at least that of what it reads, so parts can run one after another.
        let mut part_of: Vec<usize> = Vec::new();
        for id in 0..plan.len() as u32 {
            let earliest = plan.task_inputs(id).map(|input| part_of[input as usize]).max().unwrap_or(0);
            part_of.push(earliest.max(cuts[id as usize % cuts.len()]));
        }
        // Parts that nothing is in are left out.
        let mut used: Vec<usize> = part_of.clone();
        used.sort_unstable();
        used.dedup();
        let part_of: Vec<usize> = part_of.iter().map(|part| used.binary_search(part).unwrap()).collect();
        let values = run_in_parts(&plan, &part_of, constants_apart);
        let found: Vec<i64> = values.iter().map(|value| *value.get::<i64>().unwrap()).collect();
        prop_assert_eq!(found, integers(&graph, &wanted));
    }
}

fn sum_of_two() -> Plan {
    let mut graph = Graph::new();
    graph.insert("x", value(7i64));
    graph.insert("a", task(|x: &i64| x + 1, ("x",)));
    graph.insert("b", task(|x: &i64, y: &i64| x * y, ("a", "x")));
    Plan::new(&graph, &["b".into()]).unwrap()
}

#[test]
fn any_flipped_byte_or_cut_is_an_error_or_another_valid_plan_and_nothing_worse() {
    let bytes = sum_of_two().part(&[0, 1], &[], &[1]).to_bytes().unwrap();
    for i in 0..bytes.len() {
        assert!(SubPlan::from_bytes(&bytes[..i]).is_err(), "cut at {i}");
        for flip in [1u8, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bad = bytes.clone();
            bad[i] ^= flip;
            if let Ok(part) = SubPlan::from_bytes(&bad) {
                let n_arguments = part.n_arguments();
                if n_arguments > 100 {
                    continue;
                }
                let plan = part.bind(vec![Value::new(1i64); n_arguments]).unwrap();
                for id in 0..plan.len() as u32 {
                    let given = Value::new(1i64);
                    let _ = plan.call(id, |_| &given);
                }
            }
        }
    }
}

#[test]
fn a_part_that_reads_what_it_is_not_given_is_not_written() {
    let plan = sum_of_two();
    let error = plan.part(&[1], &[], &[1]).to_bytes().unwrap_err().to_string();
    assert_eq!(error, "task 1 reads task 0, which is neither in the part nor an argument of it");
    let error = plan.part(&[0], &[], &[1]).to_bytes().unwrap_err().to_string();
    assert_eq!(error, "task 1 is to be a result of a part that it is not in");
    let part = SubPlan::from_bytes(&plan.part(&[1], &[Source::Task(0)], &[1]).to_bytes().unwrap()).unwrap();
    assert!(matches!(part.bind(Vec::new()), Err(Error::WrongInputs { expected: 1, found: 0 })));
}

#[test]
fn a_value_of_a_type_that_stays_is_refused_on_both_sides() {
    let mut bytes = Vec::new();
    let error = Value::new(Opaque(1u8)).to_wire(&mut bytes).unwrap_err().to_string();
    assert!(error.contains("Opaque") || error.contains("u8"), "{error}");
    assert!(bytes.is_empty());
    for bytes in [&b""[..], b"short", &[0; 16], &[255; 40]] {
        assert!(Value::from_wire(bytes).is_err());
    }
    Value::new("text".to_owned()).to_wire(&mut bytes).unwrap();
    let error = Value::from_wire(&bytes[..18]).unwrap_err();
    assert!(matches!(&error, WireError::Value { type_name, .. } if type_name.contains("String")), "{error}");
}

/// A value elsewhere, and how often it was fetched.
struct Elsewhere(Arc<AtomicUsize>);

impl Remote for Elsewhere {
    fn fetch(&self) -> arras_core::Result<Value> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Value::new(7i64))
    }
    fn nbytes(&self) -> usize {
        8
    }
    fn token(&self) -> Token {
        Token::of(&7).unwrap()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn describe(&self) -> String {
        "seven, elsewhere".to_owned()
    }
}

#[test]
fn remote_values_are_fetched_once_for_a_run_here_and_not_before() {
    let fetched = Arc::new(AtomicUsize::new(0));
    let remote = Value::remote(Arc::new(Elsewhere(fetched.clone())));
    assert_eq!((remote.nbytes(), remote.is_portable()), (8, false));
    remote.check::<String>().unwrap();
    assert!(remote.get::<i64>().is_err());
    let mut graph = Graph::new();
    graph.insert("x", Task::Value(remote.clone()));
    graph.insert("y", task(|x: &i64, z: &i64| x + z, ("x", "x")));
    let plan = Arc::new(Plan::new(&graph, &["y".into(), "x".into()]).unwrap());
    plan.check_portable().unwrap();
    assert_eq!(fetched.load(Ordering::Relaxed), 0);
    let local = plan.localised().unwrap();
    let values = run(&local);
    assert_eq!(values.iter().map(|value| *value.get::<i64>().unwrap()).collect::<Vec<_>>(), [14, 7]);
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
    assert!(Arc::ptr_eq(&local.localised().unwrap(), &local));
}
