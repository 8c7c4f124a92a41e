//! Graphs drawn as text, and what running them in rank order holds.
//!
//! ```text
//! load0 -> map0        map0 reads load0
//! map0 map1 -> sum     sum reads map0, then map1
//! load0:800            load0's value has 800 bytes
//! ```

use arras_core::{Func, Graph, GridBuilder, Inputs, Key, Name, Plan, Sizes, Source, Value};
use std::collections::BTreeMap;

/// A graph, drawn.
#[derive(Default, Clone, Debug)]
pub(super) struct Drawing {
    /// What each task reads, in order of first mention.
    tasks: Vec<(String, Vec<String>)>,
    sizes: BTreeMap<String, u64>,
}

impl Drawing {
    pub(super) fn new(text: &str) -> Drawing {
        let mut drawing = Drawing::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.split_once("->") {
                Some((inputs, tasks)) => tasks.split_whitespace().for_each(|task| drawing.reads(task, inputs.split_whitespace())),
                None => line.split_whitespace().for_each(|sized| {
                    let (task, size) = sized.split_once(':').expect("a size is task:bytes");
                    drawing.size(task, size.parse().unwrap());
                }),
            }
        }
        drawing
    }

    /// Adds inputs to a task.
    pub(super) fn reads(&mut self, task: impl Into<String>, inputs: impl IntoIterator<Item = impl Into<String>>) {
        let inputs: Vec<String> = inputs.into_iter().map(Into::into).collect();
        let task = task.into();
        for name in inputs.iter().chain([&task]) {
            if !self.tasks.iter().rev().any(|(known, _)| known == name) {
                self.tasks.push((name.clone(), Vec::new()));
            }
        }
        self.tasks.iter_mut().rev().find(|(known, _)| *known == task).unwrap().1.extend(inputs);
    }

    /// States the size of a task's value.
    pub(super) fn size(&mut self, task: impl Into<String>, nbytes: u64) {
        self.sizes.insert(task.into(), nbytes);
    }

    fn graph(&self) -> Graph {
        let mut graph = Graph::new();
        for (task, inputs) in &self.tasks {
            let mut layer = GridBuilder::new(Name::new(task.as_str()), &[]);
            let func = layer.func(Func::erased::<Graph, _>(|_: &Inputs<'_>| Ok(Value::new(()))));
            let inputs: Vec<_> = inputs.iter().map(|input| (layer.depends_on(Name::new(input.as_str())), 0)).collect();
            layer.call(func, inputs);
            layer.sizes(self.sizes.get(task).map_or(Sizes::Unknown, |&size| Sizes::Uniform(size)));
            graph.insert_layer(layer.build());
        }
        graph
    }

    /// Runs what `wanted` need in rank order.
    pub(super) fn run(&self, wanted: &str) -> Run {
        let wanted: Vec<Key> = wanted.split_whitespace().map(Key::from).collect();
        let plan = Plan::new(&self.graph(), &wanted).unwrap();
        let keys = (0..plan.len() as u32).map(|id| plan.key(id).name().as_str().to_owned());
        Run { order: keys.collect(), peak: peak(&plan) }
    }
}

/// The order of a plan, and the most that it holds: values, or bytes where they are stated.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) order: Vec<String>,
    pub(super) peak: u64,
}

impl Run {
    pub(super) fn text(&self) -> String {
        self.order.join(" ")
    }

    pub(super) fn rank(&self, task: &str) -> usize {
        self.order.iter().position(|name| name == task).unwrap_or_else(|| panic!("{task} is in the plan"))
    }
}

/// The most that is held when tasks run in rank order: a task's inputs and its result are there together, a value goes after its last reader.
pub(super) fn peak(plan: &Plan) -> u64 {
    let size = |id: u32| plan.nbytes(id).unwrap_or(1);
    let mut unread: Vec<usize> = (0..plan.len() as u32).map(|id| plan.readers(id).len()).collect();
    for output in plan.outputs() {
        if let Source::Task(id) = output {
            unread[id as usize] += 1;
        }
    }
    let (mut live, mut peak) = (0, 0);
    for id in 0..plan.len() as u32 {
        live += size(id);
        peak = peak.max(live);
        for input in plan.task_inputs(id) {
            assert!(input < id, "an input has a lower rank than its reader");
            unread[input as usize] -= 1;
            live -= if unread[input as usize] == 0 { size(input) } else { 0 };
        }
    }
    peak
}
