use arras_benches::graphs::{Shape, map_map_sum};
use arras_benches::phases;
use arras_core::{Plan, evaluate};
use arras_scheduler::{Compute, Synchronous, Threads};

const SHAPES: [Shape; 7] = [
    Shape::Independent(1),
    Shape::Independent(100),
    Shape::Tree(0),
    Shape::Tree(5),
    Shape::Chain(50),
    Shape::Stencil(7, 9),
    Shape::HandBuiltTree(5),
];

#[test]
fn every_task_counted_is_wanted_and_run() {
    for shape in SHAPES {
        let (graph, keys) = shape.build();
        graph.check().unwrap();
        assert_eq!(Plan::new(&graph, &keys).unwrap().len(), shape.n_tasks() as usize, "{shape:?}");
        // Asserts by itself that all tasks ran.
        phases::measure(shape, &Synchronous).unwrap();
        phases::measure(shape, &Threads::new(2)).unwrap();
    }
}

#[test]
fn the_best_of_phases_is_the_best_of_each() {
    let one = phases::Phases { build: 1.0, cull: 5.0, freeze: 2.0, run: 4.0, drop: 9.0 };
    let other = phases::Phases { build: 2.0, cull: 1.0, freeze: 3.0, run: 1.0, drop: 8.0 };
    let best = one.min(other);
    assert_eq!(best, phases::Phases { build: 1.0, cull: 1.0, freeze: 2.0, run: 1.0, drop: 8.0 });
    assert_eq!(best.total(), 5.0);
}

#[test]
fn blocks_are_made_mapped_and_summed() {
    let total = map_map_sum(300, 10);
    let expected: u64 = (0..300u32).map(|i| u64::from((i as u8).wrapping_add(1)) * 10).sum();
    assert_eq!(evaluate(&total).unwrap(), expected);
    let (sum, report) = total.compute_with_report(&Threads::new(2)).unwrap();
    assert_eq!((sum, report.tasks), (expected, 901));
}
