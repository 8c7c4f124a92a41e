use arras_benches::compare::{Outcome, Report, rows};

fn outcome(name: &str, peer_s: Option<f64>) -> Outcome {
    let peer = Some("dask".to_owned());
    Outcome { name: name.to_owned(), ours_s: 0.5, peer, peer_s, detail: "1 µs a \"task\"".to_owned(), peer_failed: false }
}

/// The column, counted in characters, at which a word begins.
fn column(line: &str, word: &str) -> usize {
    line[..line.find(word).unwrap()].chars().count()
}

#[test]
fn lines_stand_below_their_heads() {
    let rows = rows();
    let mut report = Report::new(&rows);
    let head = report.head();
    let with = report.line(outcome("tasks/tree", Some(33.0)));
    let without = report.line(outcome("tasks/hand-built-tree", None));
    for line in [&with, &without] {
        assert_eq!(column(line, "1 µs"), column(&head, "detail"), "{head}\n{line}");
        assert_eq!(column(line, "dask"), column(&head, "peer"), "{head}\n{line}");
    }
    assert!(with.contains("500 ms") && with.contains("33.0 s") && with.contains("66.0x"), "{with}");
    assert!(without.contains('–'), "{without}");
}

#[test]
fn the_file_holds_the_outcomes_and_leaves_nothing_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("target").join("compare.json");
    let mut report = Report::new([]);
    report.line(outcome("a", Some(1.0)));
    report.line(outcome("b", None));
    report.write_json(&path).unwrap();
    let read: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let expected = serde_json::json!([
        { "name": "a", "ours_s": 0.5, "peer": "dask", "peer_s": 1.0, "ratio": 2.0, "detail": "1 µs a \"task\"" },
        { "name": "b", "ours_s": 0.5, "peer": "dask", "peer_s": null, "ratio": null, "detail": "1 µs a \"task\"" },
    ]);
    assert_eq!(read, expected);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("compare.json");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("something"), "").unwrap();
    let error = Report::new([]).write_json(&taken).unwrap_err();
    assert!(error.to_string().contains("compare.json"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn names_of_rows_are_family_and_case_and_unique() {
    let mut names: Vec<&str> = rows().iter().map(|row| row.name).collect();
    assert!(names.iter().all(|name| name.split('/').count() == 2 && !name.contains(' ')), "{names:?}");
    let n = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n);
}
