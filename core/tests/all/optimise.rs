//! The optimiser changes what runs, never what comes out.

use std::sync::Arc;

use arras_core::optimise::{cull, fuse, inline, optimise};
use arras_core::{
    Func, Graph, GridBuilder, Input, Key, Layer, Name, Plan, Sizes, Task, Value, alias, explain, get, get_values, task, value,
};
use proptest::prelude::*;

use super::reference::{ancestors, cases, integers, mix};

fn calls(graph: &Graph) -> Vec<(Key, Func)> {
    let calls = graph.iter().filter_map(|(key, task)| match task {
        Task::Call { func, .. } => Some((key, func)),
        _ => None,
    });
    calls.collect()
}

fn n_steps(graph: &Graph) -> usize {
    calls(graph).iter().map(|(_, func)| func.n_steps()).sum()
}

fn values(graph: &Graph, keys: &[Key]) -> Vec<i64> {
    graph.check().unwrap();
    get_values(graph, keys).unwrap().iter().map(|value| *value.get::<i64>().unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_are_the_same_before_and_after_every_pass(case in cases()) {
        let (graph, wanted) = (&case.graph, &case.wanted[..]);
        let expected = integers(graph, wanted);
        prop_assert_eq!(&values(graph, wanted), &expected);
        let culled = cull(graph, wanted).unwrap();
        let inlined = inline(graph, wanted).unwrap();
        let fused = fuse(&culled, wanted).unwrap();
        let optimised = optimise(graph, wanted).unwrap();
        for after in [&culled, &inlined, &fused, &fuse(graph, wanted).unwrap(), &fuse(&inlined, wanted).unwrap(), &inline(&fused, wanted).unwrap(),
                      &cull(&fused, wanted).unwrap(), &optimised, &optimise(&optimised, wanted).unwrap(), &optimise(&fused, wanted).unwrap()] {
            prop_assert_eq!(&values(after, wanted), &expected);
            prop_assert_eq!(&integers(after, wanted), &expected);
        }
        // Each call is made once, fused or not.
        prop_assert_eq!(n_steps(&fused), n_steps(&culled));
        prop_assert!(fused.len() <= culled.len());
        prop_assert_eq!(culled.keys().collect::<std::collections::BTreeSet<_>>(), ancestors(graph, wanted));
    }

    #[test]
    fn culled_parts_merge_to_the_same_values(case in cases(), edited in any::<prop::sample::Index>()) {
        let (graph, wanted) = (&case.graph, &case.wanted[..]);
        let expected = integers(graph, wanted);
        let mut merged = Graph::new();
        for key in wanted {
            merged.merge(&cull(graph, std::slice::from_ref(key)).unwrap());
        }
        prop_assert_eq!(&values(&merged, wanted), &expected);
        // Taking a task out and putting it back edits its layer and changes nothing.
        let keys: Vec<Key> = merged.keys().collect();
        let key = edited.get(&keys);
        let task = merged.remove(key).unwrap();
        merged.insert(key, task);
        prop_assert_eq!(&values(&merged, wanted), &expected);
        prop_assert_eq!(&values(&optimise(&merged, wanted).unwrap(), wanted), &expected);
        merged.merge(graph);
        prop_assert_eq!(&values(&merged, wanted), &expected);
    }

    #[test]
    fn fused_functions_travel(case in cases()) {
        let wanted = &case.wanted[..];
        let mut fused = optimise(&case.graph, wanted).unwrap();
        Plan::new(&fused, wanted).unwrap().check_portable().unwrap();
        for (key, func) in calls(&fused) {
            let Some(Task::Call { inputs, block, .. }) = fused.get(&key) else { unreachable!() };
            let func = Func::from_wire(&func.to_wire().unwrap()).unwrap();
            fused.insert(key, Task::Call { func, inputs, block });
        }
        prop_assert_eq!(values(&fused, wanted), integers(&case.graph, wanted));
    }
}

/// `names[0]` over `n` values, each layer a function of the one before at the same place.
fn rows(names: &[&str], n: u32) -> Graph {
    let mut graph = Graph::new();
    graph.insert_layer(Layer::values(Name::new(names[0]), &[n], (0..n).map(|i| Value::new(i64::from(i))).collect()));
    for pair in names.windows(2) {
        let mut layer = GridBuilder::new(Name::new(pair[1]), &[n]);
        let below = layer.depends_on(Name::new(pair[0]));
        let func = layer.func(mix());
        (0..n).for_each(|i| layer.call(func, [(below, i)]));
        layer.sizes(Sizes::Each((0..u64::from(n)).map(|i| 100 + i).collect()));
        graph.insert_layer(layer.build());
    }
    graph
}

fn layer<'g>(graph: &'g Graph, name: &str) -> &'g Arc<Layer> {
    graph.layers().find(|layer| layer.name().as_str() == name).unwrap()
}

#[test]
fn cull_shares_layers_that_are_needed_whole() {
    let mut graph = rows(&["x", "y", "z"], 5);
    graph.insert("all", Task::call(mix(), (0..5).map(|i| Input::Key(Key::from(("y", i))))));
    let culled = cull(&graph, &["all".into(), Key::from(("z", 3))]).unwrap();
    assert!(Arc::ptr_eq(layer(&graph, "x"), layer(&culled, "x")) && Arc::ptr_eq(layer(&graph, "y"), layer(&culled, "y")));
    assert_eq!(layer(&culled, "z").len(), 1);
    assert_eq!(culled.layers().map(|layer| layer.name().as_str()).collect::<Vec<_>>(), ["x", "y", "z", "all"]);
    assert!(cull(&graph, &["none".into()]).unwrap_err().to_string().contains("\"none\" is not in the graph"));
    assert!(cull(&graph, &[]).unwrap().is_empty());
}

#[test]
fn a_culled_layer_depends_on_what_its_tasks_read() {
    let mut graph = rows(&["x", "y"], 2);
    graph.insert("a", value(1i64));
    let mut both = GridBuilder::new(Name::new("both"), &[2]);
    let (y, a, again) = (both.depends_on(Name::new("y")), both.depends_on(Name::new("a")), both.depends_on(Name::new("y")));
    let func = both.func(mix());
    both.call(func, [(y, 0), (again, 1)]);
    both.call(func, [(a, 0)]);
    graph.insert_layer(both.build());
    let names = |graph: &Graph| layer(graph, "both").dependencies().iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&graph), ["y", "a"]);
    let key = [Key::from(("both", 1))];
    let culled = cull(&graph, &key).unwrap();
    assert_eq!((names(&culled), culled.len()), (vec!["a".to_owned()], 2));
    assert_eq!(values(&culled, &key), values(&graph, &key));
}

#[test]
fn inline_writes_small_values_and_resolves_rows_of_aliases() {
    let mut graph = Graph::from_iter([("small", value(2i64)), ("large", value(vec![1i64; 100]))]);
    graph.extend([("a", alias("small")), ("b", alias("a")), ("c", alias("large")), ("kept", alias("b"))]);
    graph.insert("sum", task(|x: &i64, many: &Vec<i64>, y: &i64| x + y + many.iter().sum::<i64>(), ("b", "c", "small")));
    let inlined = inline(&graph, &["sum".into(), "kept".into()]).unwrap();
    let Some(Task::Call { inputs, .. }) = inlined.get("sum") else { panic!("a call") };
    assert!(matches!(&inputs[..], [Input::Value(_), Input::Key(large), Input::Value(_)] if *large == Key::from("large")), "{inputs:?}");
    assert!(!inlined.contains("c") && inlined.contains("kept"), "wanted keys stay");
    assert_eq!((get::<i64>(&inlined, "sum").unwrap(), get::<i64>(&inlined, "kept").unwrap()), (104, 2));
    let only = inline(&graph, &["sum".into()]).unwrap();
    assert_eq!(only.keys().collect::<Vec<_>>(), ["large", "sum"].map(Key::from));
}

#[test]
fn fuse_makes_one_task_of_a_chain_of_layers_and_each_step_learns_its_own_block() {
    let graph = rows(&["x", "a", "b", "c"], 4);
    let wanted: Vec<Key> = (0..4).map(|i| Key::from(("c", i))).collect();
    let fused = fuse(&graph, &wanted).unwrap();
    assert_eq!((fused.len(), n_steps(&fused)), (8, 12));
    assert_eq!(values(&fused, &wanted), integers(&graph, &wanted));
    let plan = Plan::new(&fused, &wanted).unwrap();
    assert_eq!((0..4).map(|id| plan.nbytes(id)).collect::<Vec<_>>(), [100, 101, 102, 103].map(Some), "sizes stay known");

    // A layer read by a grid layer can be fused and is still found by its number, as can a chain be fused again.
    let mut longer = fused.clone();
    let mut d = GridBuilder::new(Name::new("d"), &[2]);
    let c = d.depends_on(Name::new("c"));
    let func = d.func(mix());
    d.call(func, [(c, 3)]);
    d.call(func, [(c, 0), (c, 1)]);
    longer.insert_layer(d.build());
    let ends = [Key::from(("d", 0)), Key::from(("d", 1))];
    let again = fuse(&longer, &ends).unwrap();
    assert_eq!(calls(&again).iter().map(|(_, func)| func.n_steps()).collect::<Vec<_>>(), [3, 3, 3, 4, 1]);
    assert_eq!(values(&again, &ends), integers(&longer, &ends));
}

#[test]
fn shared_and_wanted_values_are_not_fused() {
    let mut graph = rows(&["x", "a", "b"], 1);
    graph.insert("once", task(|x: &i64| x + 1, (("b", 0),)));
    let steps = |graph: &Graph, keys: &[Key]| n_steps(&fuse(graph, keys).unwrap()) - calls(&fuse(graph, keys).unwrap()).len();
    assert_eq!(steps(&graph, &["once".into()]), 2);
    assert_eq!(steps(&graph, &["once".into(), Key::from(("b", 0))]), 1, "wanted");
    graph.insert("twice", task(|x: &i64, y: &i64| x * y, ("once", "once")));
    assert_eq!(steps(&graph, &["twice".into()]), 2, "read twice by one task");
    graph.insert("other", task(|x: &i64| x - 1, (("b", 0),)));
    assert_eq!(steps(&graph, &["twice".into(), "other".into()]), 1, "read by two tasks");
    graph.insert("alias", alias("other"));
    assert_eq!(steps(&graph, &["twice".into(), "alias".into()]), 1, "another name is a reader");
}

#[test]
fn a_chain_drops_each_value_once_it_is_used() {
    static LIVE: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    use std::sync::atomic::Ordering::SeqCst;
    struct Counted;
    impl Drop for Counted {
        fn drop(&mut self) {
            LIVE.fetch_sub(1, SeqCst);
        }
    }
    type Held = arras_core::Opaque<Counted>;
    fn make() -> Held {
        assert!(LIVE.fetch_add(1, SeqCst) < 2, "a step holds its input and its result at most");
        arras_core::Opaque(Counted)
    }
    let mut graph = Graph::from_iter([(("x", 0), task(make, ()))]);
    (1..50).for_each(|i| drop(graph.insert(("x", i), task(|_: &Held| make(), (("x", i - 1),)))));
    graph.insert("end", task(|_: &Held| 1i64, (("x", 49),)));
    let fused = fuse(&graph, &["end".into()]).unwrap();
    assert_eq!((fused.len(), get::<i64>(&fused, "end").unwrap(), LIVE.load(SeqCst)), (1, 1, 0));
    let name = calls(&fused)[0].1.name().into_owned();
    assert!(name.len() < 500 && name.starts_with("make → ") && name.contains("… 43 steps …"), "{name}");
}

#[test]
fn a_long_chain_is_fused_and_run_without_recursion() {
    let mut graph = Graph::from_iter([(("x", 0), task(|| 0i64, ()))]);
    (1..100_000).for_each(|i| drop(graph.insert(("x", i), task(|x: &i64| x + 1, (("x", i - 1),)))));
    let key = [Key::from(("x", 99_999))];
    let fused = optimise(&graph, &key).unwrap();
    assert_eq!((fused.len(), values(&fused, &key)), (1, vec![99_999]));
    assert!(explain(&arras_core::Delayed::<i64>::from_graph(fused, key[0].clone())).unwrap().len() < 1000);
}
