//! A graph is a keyed map of tasks: built by hand or by collections, looked into, edited, merged and checked.

use arras_core::{
    Delayed, Error, Func, Graph, GridBuilder, Inputs, Key, Name, Sizes, Task, Value, alias, explain, get, get_values, task, task_of_many,
    value,
};

use super::layers::{grids, numbers, plus_one};

fn keys(graph: &Graph) -> Vec<String> {
    graph.keys().map(|key| key.to_string()).collect()
}

fn int(graph: &Graph, key: impl Into<Key>) -> i64 {
    get(graph, key).unwrap()
}

#[test]
fn iteration_follows_insertion_and_a_replaced_task_keeps_its_place() {
    let mut graph = Graph::new();
    for name in ["b", "a", "c"] {
        assert!(graph.insert(name, value(1i64)).is_none());
    }
    for i in [7, 3, 9, 1, 5, 0] {
        graph.insert(("x", i), value(i64::from(i)));
    }
    assert!(graph.insert("a", value(2i64)).is_some());
    assert!(graph.insert(("x", 9), value(-9i64)).is_some());
    let expected = ["\"b\"", "\"a\"", "\"c\"", "(\"x\", 7)", "(\"x\", 3)", "(\"x\", 9)", "(\"x\", 1)", "(\"x\", 5)", "(\"x\", 0)"];
    assert_eq!(keys(&graph), expected);
    assert_eq!((int(&graph, "a"), int(&graph, ("x", 9)), graph.len()), (2, -9, 9));
    assert_eq!(graph.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(), expected);

    // Removing across the sizes at which a layer searches its entries one by one.
    for (n_left, i) in [3, 0, 9, 7, 5, 1].into_iter().enumerate() {
        assert!(graph.remove(("x", i)).is_some() && graph.remove(("x", i)).is_none());
        assert!(!graph.contains(("x", i)) && graph.get(("x", i)).is_none());
        assert_eq!(graph.len(), 8 - n_left);
    }
    assert_eq!(keys(&graph), ["\"b\"", "\"a\"", "\"c\""]);
    assert!(graph.remove("b").is_some() && graph.remove("nobody").is_none());
    assert_eq!(keys(&graph), ["\"a\"", "\"c\""]);
}

#[test]
fn from_iter_and_extend_let_the_last_task_win() {
    let mut graph = Graph::from_iter([("a", value(1i64)), ("a", value(2i64))]);
    graph.extend([("b", alias("a")), ("a", value(3i64))]);
    assert_eq!((graph.len(), int(&graph, "b")), (2, 3));
    assert!(Graph::from_iter(Vec::<(Key, Task)>::new()).is_empty());
}

#[test]
fn grids_of_every_rank_are_keyed_in_row_major_order() {
    for grid in [&[][..], &[3], &[2, 3], &[2, 1, 3], &[2, 1, 3, 2], &[1, 2, 1, 2, 2]] {
        let graph = grids(grid);
        let n = grid.iter().product::<u32>() as usize;
        assert_eq!(graph.len(), 2 * n);
        let keys: Vec<Key> = graph.keys().skip(n).collect();
        assert!(keys.is_sorted(), "row-major order is the order of the indices");
        let values = get_values(&graph, &keys).unwrap();
        for (flat, (key, value)) in keys.iter().zip(values).enumerate() {
            assert_eq!(key.index().len(), grid.len());
            assert_eq!(value.get::<i64>().unwrap(), &(flat as i64 * 10 + 1));
            assert_eq!(graph.get(key).unwrap().dependencies().next().unwrap().index(), key.index());
        }
        let beyond = Key::new(Name::new("x"), grid.iter().copied().collect());
        assert!(grid.is_empty() || !graph.contains(&beyond));
        assert!(!graph.contains(("x", [0; 6])), "an index of another rank is no key");
    }
}

#[test]
fn an_empty_grid_has_no_tasks_and_harms_nobody() {
    let mut graph = grids(&[0]);
    let mut none = GridBuilder::new(Name::new("none"), &[2, 0]);
    none.sizes(Sizes::Each([].into()));
    graph.insert_layer(none.build());
    graph.insert("sum", task_of_many(|xs: &[&i64]| xs.len(), Vec::<Key>::new()));
    graph.check().unwrap();
    assert_eq!(get::<usize>(&graph, "sum").unwrap(), 0);
    assert!(explain(&Delayed::<usize>::from_graph(graph, "sum")).unwrap().contains("1 task"));
}

#[test]
fn editing_a_grid_layer_keeps_the_rest_and_its_readers() {
    let mut graph = grids(&[2, 3]);
    let replaced = graph.insert(("x", [1, 0]), value(-7i64)).unwrap();
    assert!(matches!(replaced, Task::Value(_)));
    assert_eq!((int(&graph, ("y", [1, 0])), int(&graph, ("y", [1, 1])), int(&graph, ("y", [0, 2]))), (-6, 41, 21));
    assert_eq!(graph.len(), 12);

    // The reader is edited too: calls keep their inputs and their blocks.
    graph.insert(("y", [0, 0]), task(|x: &i64| x * 2, (("x", [1, 2]),)));
    assert_eq!((int(&graph, ("y", [0, 0])), int(&graph, ("y", [1, 2]))), (100, 51));

    // Removed and put back, in another place of the order.
    let task = graph.remove(("x", [0, 1])).unwrap();
    assert_eq!(int(&graph, ("y", [1, 2])), 51, "others are read as before");
    assert_eq!(graph.check().unwrap_err().to_string(), "key (\"x\", 0, 1) is not in the graph, but task (\"y\", 0, 1) reads it");
    graph.insert(("x", [0, 1]), task);
    graph.insert(("x", [9, 9]), value(99i64));
    assert_eq!((int(&graph, ("y", [0, 1])), int(&graph, ("y", [1, 2])), int(&graph, ("x", [9, 9]))), (11, 51, 99));
}

#[test]
fn a_layer_emptied_and_filled_again_is_still_read_by_its_grid() {
    let mut graph = grids(&[1, 1]);
    let key = Key::from(("x", [0, 0]));
    graph.remove(&key).unwrap();
    assert_eq!(graph.check().unwrap_err().to_string(), "key (\"x\", 0, 0) is not in the graph, but task (\"y\", 0, 0) reads it");
    assert_eq!(keys(&graph), ["(\"y\", 0, 0)"]);
    graph.insert(&key, value(5i64));
    assert_eq!(int(&graph, ("y", [0, 0])), 6);
}

#[test]
fn a_function_still_learns_its_block_after_its_layer_is_edited() {
    let mut graph = Graph::new();
    let mut layer = GridBuilder::new(Name::new("block"), &[2, 2]);
    let func = layer.func(Func::erased::<Graph, _>(|inputs: &Inputs<'_>| Ok(Value::new(i64::from(inputs.block())))));
    (0..4).for_each(|_| layer.call(func, []));
    graph.insert_layer(layer.build());
    graph.remove(("block", [0, 0]));
    graph.insert(("block", [0, 1]), value(-1i64));
    assert_eq!((int(&graph, ("block", [1, 0])), int(&graph, ("block", [1, 1])), int(&graph, ("block", [0, 1]))), (2, 3, -1));
}

#[test]
fn a_grid_layer_reads_hand_built_tasks_by_their_number_whatever_their_order() {
    let mut graph = Graph::new();
    for i in [2u32, 0, 1] {
        graph.insert(("x", i), value(i64::from(i) * 10));
    }
    graph.insert_layer(plus_one("y", "x", &[3]));
    assert_eq!([0, 1, 2].map(|i| int(&graph, ("y", i))), [1, 11, 21]);
    graph.remove(("x", 0));
    assert_eq!([1, 2].map(|i| int(&graph, ("y", i))), [11, 21]);
    assert_eq!(graph.check().unwrap_err().to_string(), "key (\"x\", 0) is not in the graph, but task (\"y\", 0) reads it");

    // A plain key is number 0.
    let mut graph = Graph::from_iter([("x", value(4i64))]);
    graph.insert_layer(plus_one("y", "x", &[1]));
    assert_eq!(int(&graph, ("y", 0)), 5);
}

#[test]
fn a_reference_outside_a_grid_is_a_missing_key() {
    for grid in [&[3][..], &[2, 0], &[0], &[1, 1], &[]] {
        let mut graph = Graph::new();
        graph.insert_layer(numbers("x", grid));
        let mut layer = GridBuilder::new(Name::new("y"), &[1]);
        let below = layer.depends_on(Name::new("x"));
        let func = layer.func(Func::new(|x: &i64| *x));
        layer.call(func, [(below, 7)]);
        graph.insert_layer(layer.build());
        assert!(matches!(graph.check(), Err(Error::MissingKey { wanted_by: Some(_), .. })), "{grid:?}");
        assert!(graph.get(("y", 0)).is_some());
        if graph.contains(("x", [0, 0])) {
            graph.insert(("x", [0, 0]), value(1i64));
            assert!(matches!(get::<i64>(&graph, ("y", 0)), Err(Error::MissingKey { .. })), "an edited layer of {grid:?}");
        }
    }
}

#[test]
fn what_is_not_needed_may_be_broken() {
    let mut graph = Graph::from_iter([("fine", value(1i64)), ("broken", alias("gone")), ("a", alias("b")), ("b", alias("a"))]);
    graph.insert(("x", 0), value(1i64));
    graph.insert(("x", 1), task(|x: &i64| *x, ("gone",)));
    assert_eq!(int(&graph, "fine"), 1);
    assert_eq!(int(&graph, ("x", 0)), 1);
    assert_eq!(get::<i64>(&graph, ("x", 1)).unwrap_err().to_string(), "key \"gone\" is not in the graph, but task (\"x\", 1) reads it");
    assert!(matches!(graph.check(), Err(Error::MissingKey { .. })));
}

#[test]
fn missing_keys_name_their_reader() {
    let graph = Graph::from_iter([("a", alias("b")), ("b", alias("c")), ("d", task(|x: &i64| *x, ("e",)))]);
    let text = |key: &str| get::<i64>(&graph, key).unwrap_err().to_string();
    assert_eq!(text("a"), "key \"c\" is not in the graph, but task \"b\" reads it");
    assert_eq!(text("d"), "key \"e\" is not in the graph, but task \"d\" reads it");
    assert_eq!(text("f"), "key \"f\" is not in the graph");
    let mut graph = Graph::new();
    graph.insert_layer(plus_one("y", "x", &[2]));
    assert!(matches!(graph.check(), Err(Error::MissingKey { key, wanted_by: Some(_) }) if key == Key::from(("x", 0))));
}

#[test]
fn cycles_are_named_from_reader_to_read() {
    let mut graph =
        Graph::from_iter([("a", alias("b")), ("b", task(|x: &i64, _y: &i64| *x, ("z", "c"))), ("c", alias("a")), ("z", value(1i64))]);
    let Err(Error::Cycle { keys }) = graph.check() else { panic!("a cycle") };
    assert_eq!(keys, ["a", "b", "c"].map(Key::from));
    assert_eq!(graph.check().unwrap_err().to_string(), "the graph has a cycle: \"a\" → \"b\" → \"c\" → \"a\"");
    assert!(matches!(get::<i64>(&graph, "c"), Err(Error::Cycle { .. })));
    assert_eq!(int(&graph, "z"), 1, "what is not on the cycle can be had");
    graph.insert("c", alias("z"));
    assert_eq!(int(&graph, "a"), 1);
    let own = Graph::from_iter([("a", alias("a"))]);
    assert_eq!(own.check().unwrap_err().to_string(), "the graph has a cycle: \"a\" → \"a\"");
}

#[test]
fn aliases_of_aliases_and_keys_wanted_twice() {
    let mut graph = grids(&[2]);
    graph.extend([("a", alias(("y", 1))), ("b", alias("a")), ("c", alias("b"))]);
    graph.insert("sum", task(|x: &i64, y: &i64| x + y, ("c", "a")));
    let values = get_values(&graph, &["c", "sum", "c", "a"].map(Key::from)).unwrap();
    assert_eq!(values.iter().map(|value| *value.get::<i64>().unwrap()).collect::<Vec<_>>(), [11, 22, 11, 11]);
    assert!(values[0].same(&values[2]) && values[0].same(&values[3]));
    assert!(get_values(&graph, &[]).unwrap().is_empty());
    assert!(matches!(get::<f64>(&graph, "sum"), Err(Error::WrongType { .. })));
}
