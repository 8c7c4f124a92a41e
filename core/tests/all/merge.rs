//! Merging graphs shares layers, takes equal work once, and leaves every reader with what it read before.

use std::sync::Arc;

use arras_core::{Graph, Key, get, optimise, task, value};

use super::layers::{grids, plus_one};

fn int(graph: &Graph, key: impl Into<Key>) -> i64 {
    get(graph, key).unwrap()
}

fn shared(one: &Graph, other: &Graph, name: &str) -> bool {
    let find = |graph: &Graph| graph.layers().find(|layer| layer.name().as_str() == name).cloned().unwrap();
    Arc::ptr_eq(&find(one), &find(other))
}

#[test]
fn layers_are_shared_not_copied_and_new_ones_come_last() {
    let x = grids(&[3]);
    let mut graph = Graph::from_iter([("a", value(1i64))]);
    graph.merge(&x);
    graph.merge(&x);
    assert!(shared(&graph, &x, "x") && shared(&graph, &x, "y"));
    assert_eq!(graph.layers().map(|layer| layer.name().to_string()).collect::<Vec<_>>(), ["a", "x", "y"]);
    assert_eq!(graph.len(), 7);
    // A grid layer that both built is the same work: the one that was there stays.
    let mut again = grids(&[3]);
    again.merge(&x);
    assert!(!shared(&again, &x, "x") && again.len() == 6);
    // Editing a merged graph leaves the other as it was.
    graph.insert(("x", 1), value(-1i64));
    assert_eq!((int(&graph, ("y", 1)), int(&x, ("y", 1))), (0, 11));
}

#[test]
fn of_hand_built_layers_the_union_is_taken_and_the_others_task_wins() {
    let mut one = Graph::from_iter([(("x", 0), value(0i64)), (("x", 1), value(1i64))]);
    let other = Graph::from_iter([(("x", 2), value(22i64)), (("x", 1), value(11i64))]);
    one.merge(&other);
    assert_eq!([0, 1, 2].map(|i| int(&one, ("x", i))), [0, 11, 22]);
    assert_eq!(one.keys().collect::<Vec<_>>(), [0, 1, 2].map(|i| Key::from(("x", i))));
    assert_eq!(other.len(), 2);
}

#[test]
fn a_whole_grid_layer_wins_over_a_culled_one_and_two_culled_ones_unite() {
    let whole = grids(&[2, 2]);
    let culled = |i: u32, j: u32| optimise::cull(&whole, &[Key::from(("y", [i, j]))]).unwrap();
    let (mut first, last) = (culled(0, 1), culled(1, 1));
    assert_eq!((first.len(), last.len()), (2, 2));

    let mut graph = first.clone();
    graph.merge(&whole);
    assert!(shared(&graph, &whole, "x") && shared(&graph, &whole, "y"));
    let mut graph = whole.clone();
    graph.merge(&first);
    assert!(shared(&graph, &whole, "x"));

    first.merge(&last);
    assert_eq!(first.len(), 4);
    first.check().unwrap();
    assert_eq!((int(&first, ("y", [0, 1])), int(&first, ("y", [1, 1]))), (11, 31));
    assert!(!first.contains(("y", [0, 0])));
    first.merge(&whole);
    assert_eq!((first.len(), int(&first, ("y", [1, 0]))), (8, 21));
}

#[test]
fn a_grid_layer_may_meet_hand_built_tasks_of_its_name() {
    // The hand-built ones are there first, in another order than the grid's.
    let mut graph = Graph::from_iter([(("x", 2), value(-2i64)), (("x", 0), value(-1i64))]);
    graph.merge(&grids(&[3]));
    graph.check().unwrap();
    assert_eq!([0, 1, 2].map(|i| int(&graph, ("y", i))), [1, 11, 21], "the other's tasks win");

    // The grid is there first.
    let mut graph = grids(&[3]);
    graph.merge(&Graph::from_iter([(("x", 2), value(-2i64)), (("x", 7), value(7i64))]));
    assert_eq!([0, 1, 2].map(|i| int(&graph, ("y", i))), [1, 11, -1]);
    assert_eq!((graph.len(), int(&graph, ("x", 7))), (7, 7));

    // In two dimensions, where a number alone does not tell the block.
    let mut graph = Graph::from_iter([(("x", [1, 1]), value(-5i64)), (("x", [5, 5]), value(5i64))]);
    let mut edited = grids(&[2, 2]);
    edited.insert(("x", [1, 0]), value(100i64));
    graph.merge(&edited);
    assert_eq!([[0, 0], [0, 1], [1, 0], [1, 1]].map(|index| int(&graph, ("y", index))), [1, 11, 101, 31]);
    assert_eq!(int(&graph, ("x", [5, 5])), 5);
}

#[test]
fn merging_tables_in_different_orders_leaves_the_readers_alone() {
    let mut other = Graph::from_iter([(("x", 1), value(10i64)), (("x", 0), value(0i64))]);
    other.insert_layer(plus_one("y", "x", &[2]));
    let mut graph = Graph::from_iter([(("x", 0), value(0i64)), (("x", 1), value(10i64))]);
    graph.merge(&other);
    assert_eq!([0, 1].map(|i| int(&other, ("y", i))), [1, 11]);
    assert_eq!([0, 1].map(|i| int(&graph, ("y", i))), [1, 11]);
}

#[test]
fn an_edited_copy_merged_with_the_original_is_the_union() {
    let original = grids(&[3]);
    let mut edited = original.clone();
    edited.remove(("x", 0));
    edited.insert(("y", 2), task(|x: &i64| x * 1000, (("x", 2),)));
    assert!(shared(&original, &original.clone(), "x"));
    edited.merge(&original);
    assert_eq!((edited.len(), int(&edited, ("y", 0)), int(&edited, ("y", 2))), (6, 1, 21), "the original's task wins");
    let mut graph = original.clone();
    let mut own = original.clone();
    own.insert(("y", 2), task(|x: &i64| x * 1000, (("x", 2),)));
    graph.merge(&own);
    assert_eq!(int(&graph, ("y", 2)), 20_000, "the edited task wins");
}
