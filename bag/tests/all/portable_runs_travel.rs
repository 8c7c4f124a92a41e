use arras_bag::{Bag, Partition};
use arras_core::{Collection, Func, Graph, Inputs, Task, Value};

/// Runs a graph as if every function and every value came from another process.
fn computed_abroad(graph: &Graph, key: &arras_core::Key) -> Value {
    match graph.get(key).expect("the key is there") {
        Task::Value(value) => {
            let mut bytes = Vec::new();
            value.encode(&mut bytes).unwrap();
            value.decode_like(&bytes).unwrap()
        }
        Task::Alias(key) => computed_abroad(graph, &key),
        Task::Call { func, inputs, block } => {
            let func = Func::from_wire(&func.to_wire().unwrap()).unwrap();
            let values: Vec<Value> = inputs
                .iter()
                .map(|input| match input {
                    arras_core::Input::Key(key) => computed_abroad(graph, key),
                    arras_core::Input::Value(value) => value.clone(),
                })
                .collect();
            let value = func.call(&Inputs::new(&values.iter().collect::<Vec<_>>(), block)).unwrap();
            let mut bytes = Vec::new();
            value.encode(&mut bytes).unwrap();
            value.decode_like(&bytes).unwrap()
        }
    }
}

#[test]
fn closures_that_capture_nothing_travel_with_their_run() {
    let counts = Bag::from_sequence(["the cat sat on the mat", "the dog sat on the mat"], 2)
        .flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| word != "on")
        .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b);
    let value = computed_abroad(&counts.graph().unwrap(), &Collection::keys(&counts)[0]);
    let expected = [("the", 4), ("cat", 1), ("sat", 2), ("mat", 2), ("dog", 1)];
    assert_eq!(value.get::<Partition<(String, u64)>>().unwrap().0, expected.map(|(word, n)| (word.to_owned(), n)));

    let numbers = Bag::from_sequence(0..10i64, 3).map(|x| x * x);
    for (bag, expected) in [
        (numbers.take(2), vec![0, 1]),
        (numbers.map_partitions(|items| items.iter().map(|x| x * 2).collect::<Vec<_>>()).take(3), vec![0, 2, 8]),
    ] {
        let value = computed_abroad(&bag.graph().unwrap(), &bag.keys()[0]);
        assert_eq!(value.get::<Partition<i64>>().unwrap().0, expected);
    }
    for (sum, expected) in [
        (numbers.sum(), 285),
        (numbers.reduce(|a, b| a.max(b)), 81),
        (numbers.min(), 0),
        (numbers.fold(0, |a, x| a + x, |a, b| a + b), 285),
    ] {
        let value = computed_abroad(&sum.graph().unwrap(), &sum.key());
        assert_eq!(value.get::<i64>().unwrap(), &expected);
    }
}

#[test]
fn a_read_travels_as_the_names_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "x\ny\n").unwrap();
    let bag = Bag::read_text(&path).unwrap();
    let value = computed_abroad(&bag.graph().unwrap(), &bag.keys()[0]);
    assert_eq!(value.get::<Partition<String>>().unwrap().0, ["x", "y"]);
}

#[test]
fn a_run_that_captures_says_so() {
    let k = 3;
    let bag = Bag::from_sequence(0..10i64, 3).map(|x| x + 1).map(move |x| x * k);
    let Some(Task::Call { func, .. }) = bag.graph().unwrap().get(&bag.keys()[0]) else { panic!("a run is a call") };
    assert!(func.portability().unwrap_err().contains("captures"));
}

#[test]
fn captures_that_are_spelled_out_travel() {
    let bag = Bag::range(0..10i64, 3)
        .map_with(3, |k, x| x * k)
        .filter_with(vec![9, 12], |drop, x| !drop.contains(x))
        .flat_map_with("a".to_owned(), |text, &x| [x, text.len() as i64]);
    let expected = [0, 1, 3, 1, 6, 1, 15, 1, 18, 1, 21, 1, 24, 1, 27, 1];
    let abroad = |bag: &Bag<i64>| {
        let graph = bag.graph().unwrap();
        bag.keys().iter().flat_map(|key| computed_abroad(&graph, key).get::<Partition<i64>>().unwrap().0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(abroad(&bag), expected);
    assert_eq!(abroad(&bag.accumulate(|a, b| a + b)).last(), Some(&expected.iter().sum()));
    assert_eq!(abroad(&bag.scan(0, |a, b| a + b)).last(), Some(&expected.iter().sum()));
    assert_eq!(abroad(&bag.enumerate().starmap(|i, _| *i as i64)), (0..16).collect::<Vec<_>>());
    assert_eq!(abroad(&bag.repartition(7)), expected);
    assert_eq!(abroad(&bag.random_sample(1.0, 1)), expected);
    assert_eq!(abroad(&bag.take_sample(16, 1)), expected);
    assert_eq!(abroad(&bag.topk(2)), [27, 24]);
    assert_eq!(abroad(&bag.zip(&bag).cartesian(&bag).starmap(|(a, _), _| *a)).len(), 256);
    assert_eq!(abroad(&bag.glom().pluck(0usize)), [0, 15, 21]);
    let value = |delayed: arras_core::Delayed<f64>| *computed_abroad(&delayed.graph().unwrap(), &delayed.key()).get::<f64>().unwrap();
    assert_eq!(value(bag.mean()), 122.0 / 16.0);
    assert!(value(bag.std(1)) > 0.0);
    let histogram = bag.histogram(2);
    let value = computed_abroad(&histogram.graph().unwrap(), &histogram.key());
    assert_eq!(value.get::<arras_bag::Histogram>().unwrap().counts, [11, 5]);
    let sum = bag.fold_with(100, 0, |m, acc, x| (acc + x) % m, |m, a, b| (a + b) % m);
    assert_eq!(computed_abroad(&sum.graph().unwrap(), &sum.key()).get::<i64>().unwrap(), &22);
    let distinct = bag.count_approx_distinct(0.05);
    assert_eq!(computed_abroad(&distinct.graph().unwrap(), &distinct.key()).get::<u64>().unwrap(), &9);
    let quantiles = bag.approx_quantiles(&[1.0]);
    assert_eq!(computed_abroad(&quantiles.graph().unwrap(), &quantiles.key()).get::<Vec<f64>>().unwrap(), &[27.0]);
}
