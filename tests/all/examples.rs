//! The programs of the first page, as they are written there.

#[cfg(feature = "array")]
#[test]
fn the_pi_estimate() -> Result<(), Box<dyn std::error::Error>> {
    use arras::prelude::*;
    let n = 10_000usize;
    let uniform = |seed| Rng::seed(seed).uniform(-1.0, 1.0, n, n);
    let (x_data, y_data) = (uniform(1)?.compute()?, uniform(2)?.compute()?);
    let folder = tempfile::tempdir()?;
    let picture = folder.path().join("pi.svg");

    let x = Array::from_ndarray(x_data, 1_000)?;
    let y = Array::from_ndarray(y_data, 1_000)?;
    let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
    let pi = 4.0 * hit_test.sum() / n as f64;
    println!("{x}\n{}", pi.explain()?);
    pi.visualize(&picture)?;
    let a = pi.compute()?;
    let b = pi.compute_with(&Synchronous)?;
    assert_eq!(a, b);
    assert!((a[[]] - std::f64::consts::PI).abs() < 0.1);
    assert!(std::fs::read_to_string(picture)?.contains("</svg>"));
    Ok(())
}

#[cfg(feature = "bag")]
#[test]
fn the_word_count() -> Result<(), arras::Error> {
    use arras::prelude::*;
    let counts = Bag::from_sequence(["the cat sat on the mat", "the dog sat on the mat"], 2)
        .flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b)
        .compute()?;
    let expected = [("the", 4), ("cat", 1), ("sat", 2), ("on", 2), ("mat", 2), ("dog", 1)];
    assert_eq!(counts, expected.map(|(word, n)| (word.to_owned(), n)));
    Ok(())
}

#[cfg(all(feature = "bag", feature = "frame"))]
#[test]
fn the_words_of_files_as_a_frame() -> Result<(), Box<dyn std::error::Error>> {
    use arras::prelude::*;
    // A bag of `String`s hands out `&String`.
    #[allow(clippy::ptr_arg)]
    fn split_words(line: &String) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }
    let corpus = tempfile::tempdir()?;
    std::fs::write(corpus.path().join("a.txt"), "the cat\nsat on the mat\n")?;
    std::fs::write(corpus.path().join("b.txt"), "the dög\n")?;
    let words = Bag::read_text(corpus.path().join("*.txt"))?.flat_map(split_words).to_frame("words")?;
    let counts = words.value_counts("words").compute()?;
    assert_eq!(counts.height(), 6);
    assert_eq!(counts.get_row(0)?.0[0].get_str(), Some("the"));
    Ok(())
}

#[test]
fn a_graph_by_hand() -> Result<(), arras::Error> {
    use arras::prelude::*;
    let mut graph = Graph::new();
    graph.insert("a", value(2i64));
    graph.insert("b", value(2i64));
    graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
    let four: i64 = arras::get(&graph, "result")?;
    assert_eq!(four, 4);
    assert_eq!(Delayed::<i64>::from_graph(graph, "result").compute_with(&Threads::new(2))?, 4);
    Ok(())
}
