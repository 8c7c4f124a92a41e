use arras_bag::{BadRecords, Bag, Partition, ReadCsv, ReadJsonLines, ReadText};
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
    let value = computed_abroad(&counts.graph().unwrap(), &counts.keys()[0]);
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
fn reads_of_parts_and_records_travel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "1\n2\nx\n4\n").unwrap();
    let text = ReadText::new(&path).blocksize(3).encoding("latin1").read().unwrap();
    let lines =
        text.keys().into_iter().map(|key| computed_abroad(&text.graph().unwrap(), &key).get::<Partition<String>>().unwrap().0.clone());
    assert_eq!(lines.collect::<Vec<_>>().concat(), ["1", "2", "x", "4"]);
    let (json, bad) = ReadJsonLines::new(&path).read_counted::<u64>().unwrap();
    let value = computed_abroad(&json.graph().unwrap(), &json.keys()[0]);
    assert_eq!(value.get::<Partition<u64>>().unwrap().0, [1, 2, 4]);
    let value = computed_abroad(&bad.graph().unwrap(), &bad.key());
    assert_eq!(value.get::<BadRecords>().unwrap().first[0].line, Some(3));
    let csv = ReadCsv::new(&path).has_headers(false).skip_bad().read::<(u64,)>().unwrap().map(|row| row.0);
    let value = computed_abroad(&csv.graph().unwrap(), &csv.keys()[0]);
    assert_eq!(value.get::<Partition<u64>>().unwrap().0, [1, 2, 4]);
}

#[test]
fn a_write_travels_and_its_last_step_names_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let written = Bag::from_sequence(0..5i64, 2).map(|x| x * x).to_json_lines(folder.path().join("*.jsonl.gz"));
    let value = computed_abroad(&written.graph().unwrap(), &written.key());
    let paths = value.get::<Vec<std::path::PathBuf>>().unwrap();
    assert_eq!(paths.len(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    let back = Bag::<i64>::read_json_lines(paths.clone()).unwrap();
    assert_eq!(arras_core::evaluate(&back).unwrap(), [0, 1, 4, 9, 16]);
    // A partition that fails far from where the run began takes its file away.
    let bad = Bag::from_sequence(0..5i64, 1).map(|x| 10 / (x - 3)).to_json_lines(folder.path().join("bad-*"));
    let graph = bad.graph().unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| computed_abroad(&graph, &bad.key()))).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_run_that_captures_says_so() {
    let k = 3;
    let bag = Bag::from_sequence(0..10i64, 3).map(|x| x + 1).map(move |x| x * k);
    let Some(Task::Call { func, .. }) = bag.graph().unwrap().get(&bag.keys()[0]) else { panic!("a run is a call") };
    assert!(func.portability().unwrap_err().contains("captures"));
}
