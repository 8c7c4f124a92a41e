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
fn reads_of_parts_and_records_travel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    std::fs::write(&path, "1\n2\nx\n4\n").unwrap();
    let text = ReadText::new(&path).blocksize(3).encoding("latin1").read().unwrap();
    let keys = text.keys();
    let lines = keys.iter().map(|key| computed_abroad(&text.graph().unwrap(), key).get::<Partition<String>>().unwrap().0.clone());
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

#[test]
fn exchanges_travel_with_their_closures() {
    let pairs = Bag::from_sequence((0..100u64).map(|i| (i % 7, i)), 3);
    let others = pairs.map(|(key, x)| (key + 3, x.to_string()));
    let all = |bag: &dyn Fn() -> (Graph, Vec<arras_core::Key>)| {
        let (graph, keys) = bag();
        keys.iter().map(|key| computed_abroad(&graph, key)).collect::<Vec<Value>>()
    };
    macro_rules! travels {
        ($($bag:expr),* $(,)?) => { $({
            let bag = $bag;
            let values = all(&|| (bag.graph().unwrap(), Collection::keys(&bag)));
            assert_eq!(bag.finish(values).unwrap(), arras_core::evaluate(&bag).unwrap(), "{bag}");
        })* };
    }
    travels!(
        pairs.reduce_by_key(|a, b| a + b),
        pairs.fold_by_key(1, |a, b| a ^ b),
        pairs.aggregate_by_key(0u8, |n, _| n + 1, |a, b| a + b),
        pairs.combine_by_key(|x| vec![x], |list, x| [list, vec![x]].concat(), |a, b| [a, b].concat()),
        pairs.count_by_key(),
        pairs.group_by_key(),
        pairs.group_by(|x| x.1 % 5),
        pairs.join(&others),
        pairs.full_join(&others),
        pairs.cogroup(&others),
        pairs.cogroup3(&others, &pairs),
        pairs.subtract_by_key(&others),
        pairs.distinct(),
        pairs.distinct_by(|x| x.1 % 3),
        pairs.intersection(&pairs),
        pairs.subtract(&pairs.filter(|x| x.0 > 3)),
        pairs.sort_by_key(),
        pairs.sort_by(|x| x.1 % 11),
        pairs.sort_with(|a, b| b.1.cmp(&a.1)),
        pairs.partition_by(2, |key| usize::from(*key > 3)),
        pairs.partition_by_key(4),
        pairs.map_values(|x| x + 1).keys(),
        pairs.frequencies(),
        Bag::from_sequence(["b", "a", "b"], 3).map(|x| (*x, 1)).reduce_by_key(|a, b| a + b),
    );
    let map = pairs.collect_as_map();
    let value = computed_abroad(&map.graph().unwrap(), &map.key());
    assert_eq!(value.get::<rustc_hash::FxHashMap<u64, u64>>().unwrap(), &arras_core::evaluate(&map).unwrap());
    let found = pairs.lookup(3);
    let value = computed_abroad(&found.graph().unwrap(), &found.key());
    assert_eq!(value.get::<Vec<u64>>().unwrap(), &arras_core::evaluate(&found).unwrap());
}
