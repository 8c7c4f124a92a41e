//! Tasks run in an order in which values die young. Each test is a drawing, the order expected of it, and the most values (or bytes) held at once.

use super::drawing::Drawing;

#[test]
fn a_chain_holds_a_value_and_the_one_made_of_it() {
    let run = Drawing::new("a -> b\n b -> c\n c -> d").run("d");
    assert_eq!((run.text().as_str(), run.peak), ("a b c d", 2));
}

#[test]
fn a_sum_of_two_leaves_loads_one_at_a_time() {
    let run = Drawing::new("load0 -> map0 \n load1 -> map1 \n map0 map1 -> sum").run("sum");
    assert_eq!((run.text().as_str(), run.peak), ("load0 map0 load1 map1 sum", 3));
}

#[test]
fn a_diamond_runs_in_the_order_of_its_inputs() {
    let run = Drawing::new("a -> b c \n b c -> d").run("d");
    assert_eq!((run.text().as_str(), run.peak), ("a b c d", 3));
    assert_eq!(Drawing::new("a -> b c \n c b -> d").run("d").peak, 3);
}

/// A reduction of `n` leaves named `l0…`, `fan` at a time: `r` is the result.
fn reduction(drawing: &mut Drawing, leaf: &str, n: usize, fan: usize, result: &str) {
    let mut level: Vec<String> = (0..n).map(|i| format!("{leaf}{i}")).collect();
    for depth in 1.. {
        let next = level.chunks(fan).enumerate().map(|(i, inputs)| {
            let name = if level.len() <= fan { result.to_owned() } else { format!("{result}{depth}_{i}") };
            drawing.reads(name.as_str(), inputs);
            name
        });
        level = next.collect();
        if level.len() == 1 {
            return;
        }
    }
}

#[test]
fn a_wide_reduction_holds_one_value_a_level_and_the_inputs_of_one_task() {
    for (n, fan, depth) in [(64, 2, 6), (64, 4, 3), (64, 8, 2), (100, 3, 5)] {
        let mut drawing = Drawing::default();
        reduction(&mut drawing, "l", n, fan, "r");
        let peak = drawing.run("r").peak as usize;
        // A level holds up to fan - 1 finished values while the next is made.
        assert!(peak <= depth * (fan - 1) + 2, "{n} leaves by {fan}: {peak}");
    }
}

#[test]
fn a_value_that_feeds_a_mean_and_a_variance_feeds_both_and_goes() {
    let mut drawing = Drawing::default();
    for i in 0..32 {
        drawing.reads(format!("s{i}"), [format!("x{i}")]);
        drawing.reads(format!("q{i}"), [format!("x{i}")]);
    }
    reduction(&mut drawing, "s", 32, 2, "mean");
    reduction(&mut drawing, "q", 32, 2, "var");
    let run = drawing.run("mean var");
    assert!(
        run.text().starts_with("x0 s0 q0 x1 s1 mean1_0 q1 var1_0 x2 s2 q2 x3 s3 mean1_1 mean2_0 q3 var1_1 var2_0 x4"),
        "{}",
        run.text()
    );
    assert_eq!(run.peak, 2 * 5 + 3, "a value a level of each, and the last three");
    // Five statistics of a hundred blocks hold no more blocks than one of them.
    let mut drawing = Drawing::default();
    for statistic in ["count", "sum", "min", "max", "square"] {
        (0..100).for_each(|i| drawing.reads(format!("{statistic}_{i}_"), [format!("x{i}")]));
        let mut inner = Drawing::default();
        reduction(&mut inner, "y", 100, 4, "r");
        (0..100).for_each(|i| drawing.reads(format!("{statistic}y{i}"), [format!("{statistic}_{i}_")]));
        reduction(&mut drawing, &format!("{statistic}y"), 100, 4, statistic);
    }
    let run = drawing.run("count sum min max square");
    assert!(run.peak <= 5 * 3 * 4 + 6, "{}", run.peak);
}

#[test]
fn a_value_that_feeds_a_thousand_maps_does_not_run_them_before_their_reductions() {
    for n in [4, 1000] {
        let mut drawing = Drawing::default();
        for i in 0..n {
            drawing.reads(format!("map{i}"), ["root"]);
            drawing.reads(format!("small{i}"), [format!("map{i}")]);
            drawing.size(format!("map{i}"), 1000);
            drawing.size(format!("small{i}"), 1);
        }
        reduction(&mut drawing, "small", n, 10, "end");
        let run = drawing.run("end");
        assert!(run.text().starts_with("root map0 small0 map1 small1 map2 small2 map3 small3"), "{}", run.text());
        assert!(run.peak < 1000 + 30, "{}", run.peak);
    }
}

#[test]
fn the_input_that_needs_most_goes_first() {
    // By counts: c needs 3 values at once, d 1.
    let run = Drawing::new("l1 l2 -> a \n l3 l4 -> b \n a b -> c \n l5 -> d \n d c -> e").run("e");
    assert_eq!((run.text().as_str(), run.peak), ("l1 l2 a l3 l4 b c l5 d e", 4));
    // By bytes: `small` passes through 1,000 bytes and leaves 1, `middle` through 600 and leaves 500.
    let drawing = "light -> middle \n big -> small \n middle small -> end \n big:1000 small:1 light:100 middle:500 end:1";
    let run = Drawing::new(drawing).run("end");
    assert_eq!((run.text().as_str(), run.peak), ("big small light middle end", 1001));
    // Without sizes the order of the inputs stays.
    let run = Drawing::new(drawing.rsplit_once('\n').unwrap().0).run("end");
    assert_eq!(run.text(), "light middle big small end");
    // A size that is not known counts as the smallest that is.
    let run = Drawing::new("l1 l2 -> a \n l3 -> b \n b a -> c \n a:10 b:10 c:10").run("c");
    assert_eq!(run.text(), "l1 l2 a l3 b c");
}

#[test]
fn a_stencil_is_swept_along_its_diagonal() {
    let mut drawing = Drawing::default();
    for (t, x) in (1..6).flat_map(|t| (0..100i32).map(move |x| (t, x))) {
        drawing.reads(format!("{t}_{x}"), (x - 1..=x + 1).filter(|x| (0..100).contains(x)).map(|y| format!("{}_{y}", t - 1)));
        if t == 5 {
            drawing.reads(format!("write{x}"), [format!("5_{x}")]);
        }
    }
    reduction(&mut drawing, "write", 100, 2, "end");
    let run = drawing.run("end");
    assert!(run.peak <= 5 * 3 + 8, "{} of a row of 100", run.peak);
    assert!(run.rank("write50") < run.rank("0_60"), "the far end is not loaded before the near one is written");
}

#[test]
fn several_outputs_run_one_after_another_and_share_what_they_can() {
    let run = Drawing::new("x0 -> y0 \n x1 -> y1 \n x2 -> y2 \n y0 -> z0 \n y1 -> z1 \n y2 -> z2").run("z0 z1 z2");
    assert_eq!((run.text().as_str(), run.peak), ("x0 y0 z0 x1 y1 z1 x2 y2 z2", 4));
    let run = Drawing::new("x -> a b \n a -> far \n other -> far").run("far b");
    assert_eq!(run.text(), "x a b other far", "b is the last to read x");
    let run = Drawing::new("x -> a \n a -> b").run("b a x b");
    assert_eq!((run.text().as_str(), run.peak), ("x a b", 3));
}

#[test]
fn what_is_left_as_the_last_reader_of_a_value_runs() {
    // o0 could run early, but frees nothing before o2 has read i1 too.
    let run = Drawing::new("i0 i1 -> o0 \n i0 i1 i2 -> o1 \n i1 i2 -> o2 \n o1 o2 far o0 -> end").run("end");
    assert_eq!((run.text().as_str(), run.peak), ("i0 i1 i2 o1 o2 o0 far end", 5));
}

#[test]
fn a_product_of_blocks_sums_each_block_before_the_next() {
    const N: usize = 6;
    let mut drawing = Drawing::default();
    for (i, j) in (0..N).flat_map(|i| (0..N).map(move |j| (i, j))) {
        (0..N).for_each(|k| drawing.reads(format!("p{i}{j}{k}"), [format!("a{i}{k}"), format!("b{k}{j}")]));
        drawing.reads(format!("c{i}{j}"), (0..N).map(|k| format!("p{i}{j}{k}")));
        drawing.reads(format!("written{i}{j}"), [format!("c{i}{j}")]);
    }
    let wanted: String = (0..N * N).map(|c| format!("written{}{} ", c / N, c % N)).collect();
    let run = drawing.run(&wanted);
    // All of b, a row of a, the products of one block, and what is written. Of 36 + 36 + 216 + 36 + 36.
    assert!(run.peak as usize <= N * N + 2 * N + 2 * N + N * N, "{}", run.peak);
}

#[test]
fn a_shuffle_splits_each_part_when_it_is_there() {
    const N: u64 = 12;
    let mut drawing = Drawing::default();
    for i in 0..N {
        drawing.reads(format!("mapped{i}"), [format!("loaded{i}")]);
        (0..N).for_each(|j| drawing.reads(format!("split{i}_{j}"), [format!("mapped{i}")]));
        ["loaded", "mapped", "merged"].iter().for_each(|name| drawing.size(format!("{name}{i}"), 100 * N));
        (0..N).for_each(|j| drawing.size(format!("split{i}_{j}"), 100));
        drawing.reads(format!("merged{i}"), (0..N).map(|j| format!("split{j}_{i}")));
        drawing.reads(format!("reduced{i}"), [format!("merged{i}")]);
        drawing.size(format!("reduced{i}"), 1);
    }
    drawing.reads("end", (0..N).map(|i| format!("reduced{i}")));
    drawing.size("end", 1);
    let run = drawing.run("end");
    assert!(run.peak <= 100 * N * (N + 2) + N, "all parts, one of them whole, and one merged: {}", run.peak);
    assert_eq!(run.rank("loaded1"), run.rank("split0_11") + 1);
    assert_eq!(run.rank("reduced3"), run.rank("merged3") + 1);
}

#[test]
fn a_covariance_is_done_with_a_pair_of_blocks_before_the_next() {
    let mut drawing = Drawing::default();
    for i in 0..50 {
        drawing.reads(format!("xy{i}"), [format!("x{i}"), format!("y{i}")]);
        for block in ["x", "y", "xy"].map(|name| format!("{name}{i}")) {
            drawing.reads(format!("sum_{block}"), [block.as_str()]);
            drawing.size(format!("sum_{block}"), 8);
            drawing.size(block, 1000);
        }
    }
    for name in ["x", "y", "xy"] {
        drawing.reads(format!("mean_{name}"), (0..50).map(|i| format!("sum_{name}{i}")));
        drawing.size(format!("mean_{name}"), 8);
    }
    let run = drawing.run("mean_x mean_y mean_xy");
    assert!(run.text().starts_with("x0 sum_x0 y0 xy0 sum_xy0 sum_y0 x1"), "{}", run.text());
    assert!(run.peak <= 3 * 1000 + 3 * 51 * 8, "{}", run.peak);
}

#[test]
fn wide_readers_of_shared_values_are_ordered_in_linear_time() {
    // Each of 50,000 values feeds two wide tasks and one of its own.
    const N: usize = 50_000;
    let mut graph = arras_core::Graph::new();
    let layer = |name: &str, n: usize, inputs: &dyn Fn(usize) -> Vec<u32>| {
        let mut layer = arras_core::GridBuilder::new(arras_core::Name::new(name), &[n as u32]);
        let func = layer.func(super::reference::mix());
        let below = layer.depends_on(arras_core::Name::new("x"));
        (0..n).for_each(|i| layer.call(func, inputs(i).into_iter().map(|flat| (below, flat))));
        layer.sizes(arras_core::Sizes::Uniform(if n == 1 { 8 * N as u64 } else { 8 }));
        layer.build()
    };
    graph.insert_layer(layer("x", N, &|_| vec![]));
    graph.insert_layer(layer("own", N, &|i| vec![i as u32]));
    graph.insert_layer(layer("wide", 1, &|_| (0..N as u32).collect()));
    graph.insert_layer(layer("twice", 1, &|_| (0..2 * N as u32).map(|i| i / 2).collect()));
    let wanted: Vec<arras_core::Key> =
        [("wide", 0), ("twice", 0)].into_iter().chain((0..N as u32).map(|i| ("own", i))).map(arras_core::Key::from).collect();
    let start = std::time::Instant::now();
    let plan = arras_core::Plan::new(&graph, &wanted).unwrap();
    assert_eq!(plan.len(), 2 * N + 2);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn the_parts_of_a_value_are_taken_at_once_however_many_they_are() {
    use std::borrow::Cow;

    use arras_core::{BoxError, Func, Graph, GridBuilder, Inputs, Kernel, Key, Name, Plan, Value};

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Part;
    impl Kernel for Part {
        fn name(&self) -> Cow<'static, str> {
            "part".into()
        }
        fn takes_part(&self) -> bool {
            true
        }
        fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
            Ok(inputs.value(0).clone())
        }
    }
    let n = 20;
    let mut graph = Graph::new();
    let mut whole = GridBuilder::new(Name::new("whole"), &[2]);
    let func = whole.func(Func::new(|| 1u64));
    (0..2).for_each(|_| whole.call(func, []));
    graph.insert_layer(whole.build());
    let mut parts = GridBuilder::new(Name::new("parts"), &[2, n]);
    let (func, from) = (parts.func(Func::kernel(Part)), parts.depends_on(Name::new("whole")));
    (0..2 * n).for_each(|i| parts.call(func, [(from, i / n)]));
    graph.insert_layer(parts.build());
    let mut ends = GridBuilder::new(Name::new("ends"), &[n]);
    let (func, from) = (ends.func(Func::of_many(|xs: &[&u64]| xs.len() as u64)), ends.depends_on(Name::new("parts")));
    (0..n).for_each(|j| ends.call(func, [(from, j), (from, n + j)]));
    graph.insert_layer(ends.build());

    let keys: Vec<Key> = (0..n).map(|j| Key::new(Name::new("ends"), [j].into_iter().collect())).collect();
    let plan = Plan::new(&graph, &keys).unwrap();
    let layers: Vec<&str> = (0..plan.len() as u32).map(|id| plan.layer_name(id).unwrap().as_str()).collect();
    let runs: Vec<(&str, usize)> = layers.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    assert_eq!(runs, [("whole", 1), ("parts", 20), ("whole", 1), ("parts", 20), ("ends", 20)]);
}
