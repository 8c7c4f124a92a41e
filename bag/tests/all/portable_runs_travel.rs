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
