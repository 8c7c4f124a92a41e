use std::path::{Path, PathBuf};

use arras_bag::{Bag, Error, WriteFiles};
use arras_core::evaluate;
use arras_scheduler::{Compute, Synchronous, Threads};
use serde::{Deserialize, Serialize};

use crate::PARTITIONS;

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u64,
    name: String,
    score: Option<f64>,
}

fn rows(n: u64) -> Vec<Row> {
    (0..n).map(|id| Row { id, name: format!("näme \"{id}\"\n,"), score: (id % 3 > 0).then_some(id as f64 / 7.0) }).collect()
}

#[test]
fn lines_come_back_and_files_have_their_bytes() {
    let lines: Vec<String> = (0..2_500).map(|i| format!("line {i} ü")).collect();
    for n in PARTITIONS {
        let bag = Bag::from_sequence(lines.clone(), n);
        let expected: Vec<String> =
            bag.to_delayed().unwrap().iter().map(|part| evaluate(part).unwrap().iter().map(|line| format!("{line}\n")).collect()).collect();
        for threads in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let written = bag.to_textfiles(folder.path().join("a/b/out-*.txt"));
            let paths = if threads == 0 { written.compute_with(&Synchronous) } else { written.compute_with(&Threads::new(threads)) };
            let paths = paths.unwrap();
            assert_eq!(paths.len(), n);
            assert_eq!(names(&folder.path().join("a/b")).len(), n, "nothing else");
            assert!(paths.is_sorted(), "numbers are padded: {paths:?}");
            for (path, expected) in paths.iter().zip(&expected) {
                assert_eq!(std::fs::read_to_string(path).unwrap(), *expected);
            }
            assert_eq!(evaluate(&Bag::read_text(folder.path().join("a/b/*")).unwrap()).unwrap(), lines);
        }
    }
}

#[test]
fn endings_compress() {
    let lines: Vec<String> = (0..30_000).map(|i| format!("line {i} {:x}", i * 0x9e37_79b9u64)).collect();
    let bag = Bag::from_sequence(lines.clone(), 3);
    let mut endings = vec!["txt", "gz", "bz2", "lz4"];
    if cfg!(feature = "xz") {
        endings.push("xz");
    }
    if cfg!(feature = "zstd") {
        endings.push("zst");
    }
    let mut sizes = Vec::new();
    for ending in endings {
        let folder = tempfile::tempdir().unwrap();
        let paths = bag.to_textfiles(folder.path().join(format!("*.{ending}"))).compute_with(&Threads::new(2)).unwrap();
        assert!(evaluate(&Bag::read_text(paths.clone()).unwrap()).unwrap() == lines, "{ending}");
        sizes.push(paths.iter().map(|path| std::fs::metadata(path).unwrap().len()).sum::<u64>());
    }
    assert!(sizes[1..].iter().all(|size| *size < sizes[0] * 9 / 10), "{sizes:?}");
}

#[test]
fn records_come_back() {
    let rows = rows(700);
    for n in PARTITIONS {
        let bag = Bag::from_sequence(rows.clone(), n);
        let folder = tempfile::tempdir().unwrap();
        let paths = bag.to_json_lines(folder.path().join("json")).compute_with(&Threads::new(2)).unwrap();
        assert_eq!(paths[0].file_name().unwrap(), "part-00000.jsonl");
        assert!(evaluate(&Bag::<Row>::read_json_lines(folder.path().join("json/*")).unwrap()).unwrap() == rows, "json in {n}");
        let line = std::fs::read_to_string(&paths[0]).unwrap().lines().nth(1).unwrap().to_owned();
        assert_eq!(line, serde_json::to_string(&rows[1]).unwrap());
        bag.to_csv(folder.path().join("csv/x*.csv.gz")).compute_with(&Threads::new(2)).unwrap();
        assert!(evaluate(&Bag::<Row>::read_csv(folder.path().join("csv/*")).unwrap()).unwrap() == rows, "csv in {n}");
    }
    // The steps before stream into the file, and empty partitions are empty files.
    let folder = tempfile::tempdir().unwrap();
    let few = Bag::from_sequence(0..10u64, 5).filter(|x| *x > 5).map(|x| x.to_string());
    let both = Bag::concat([few.clone(), few]);
    let paths = evaluate(&both.to_textfiles(folder.path().join("*"))).unwrap();
    let texts: Vec<String> = paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(texts, ["", "", "", "6\n7\n", "8\n9\n", "", "", "", "6\n7\n", "8\n9\n"]);
}

#[test]
fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("out");
    let write =
        |n: usize, to: WriteFiles| Bag::from_sequence((0..n).map(|i| i.to_string()), n).to_textfiles(to).compute_with(&Threads::new(2));
    write(5, (&target).into()).unwrap();
    for n in [1, 5, 9] {
        let error = write(n, (&target).into()).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Exists { path }) if *path == target.join("part-00000.txt")), "{error}");
    }
    std::fs::write(target.join("notes.txt"), "mine").unwrap();
    // A later file of a larger write is another partition of the bag for whoever reads the folder.
    write(2, WriteFiles::to(&target).overwrite()).unwrap();
    assert_eq!(names(&target), ["notes.txt", "part-00000.txt", "part-00001.txt"]);
    std::fs::remove_file(target.join("part-00000.txt")).unwrap();
    assert!(matches!(write(1, (&target).into()).unwrap_err().find(), Some(Error::Exists { path }) if path.ends_with("part-00001.txt")));

    // Files that somebody makes between build and run, and while it runs.
    let late = Bag::from_sequence(["a"], 1).to_textfiles(folder.path().join("late-*"));
    std::fs::write(folder.path().join("late-0"), "mine").unwrap();
    let error = late.compute_with(&Threads::new(1)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Exists { .. })), "{error}");
    let path = folder.path().join("during-1");
    let bag = Bag::from_sequence(["a", "b"], 2).map({
        let path = path.clone();
        move |x| {
            std::fs::write(&path, "mine").unwrap();
            x.to_string()
        }
    });
    let error = bag.to_textfiles(folder.path().join("during-*")).compute_with(&Threads::new(1)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Exists { path: found }) if *found == path), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(names(folder.path()), ["during-1", "late-0", "out"], "all or none");
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a/b/*.txt.gz", "a/b"] {
        for bad in [999, 0, 500] {
            let bag = Bag::from_sequence(0..1_000, 7).map(move |x| {
                assert_ne!(*x, bad, "a bad element");
                x.to_string()
            });
            for n in 1..4 {
                let error = bag.to_textfiles(folder.path().join(name)).compute_with(&Threads::new(n)).unwrap_err();
                assert!(error.to_string().contains("a bad element"), "{error}");
                assert_eq!(names(folder.path()), [""; 0], "not even the folder");
            }
            assert!(bag.to_textfiles(folder.path().join(name)).compute_with(&Synchronous).is_err());
            assert_eq!(names(folder.path()), [""; 0]);
        }
    }
    // What was there before is as it was.
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let path = folder.path().join("out/part-00000.txt");
    std::fs::write(&path, "before").unwrap();
    let bag = Bag::from_sequence(0..1_000, 7).map(|x| (10 / (x - 700)).to_string());
    assert!(bag.to_textfiles(WriteFiles::to(folder.path().join("out")).overwrite()).compute_with(&Threads::new(2)).is_err());
    assert_eq!(
        (names(&folder.path().join("out")), std::fs::read_to_string(&path).unwrap()),
        (vec!["part-00000.txt".to_owned()], "before".to_owned())
    );
}

#[test]
fn elements_that_a_format_has_no_form_for() {
    let folder = tempfile::tempdir().unwrap();
    let nested = Bag::from_sequence([(1, vec![vec![2]])], 1).map(|x| std::collections::BTreeMap::from([(x.1.clone(), x.0)]));
    for written in [nested.to_json_lines(folder.path().join("j")), nested.to_csv(folder.path().join("c"))] {
        let error = evaluate(&written).unwrap_err();
        assert!(matches!(error.find(), Some(Error::NotWritable { partition: 0, .. })), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn targets_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let write = |target: PathBuf| evaluate(&Bag::from_sequence(["a"], 1).to_textfiles(target)).unwrap_err();
    let path = folder.path().join("file");
    std::fs::write(&path, "x").unwrap();
    assert!(matches!(write(path.clone()).find(), Some(Error::Target { .. })));
    assert!(matches!(write("".into()).find(), Some(Error::Target { .. })));
    assert!(matches!(write(folder.path().join("*-*")).find(), Some(Error::Target { .. })));
    let error = write(path.join("below/*"));
    assert!(matches!(error.find(), Some(Error::Io { path: found, .. }) if found.starts_with(&path)), "{error}");
    assert!(matches!(write(PathBuf::from("/proc/arras/x-*")).find(), Some(Error::Io { .. } | Error::MissingFile { .. })));
    assert!(evaluate(&Bag::from_sequence(["a"], 0).to_textfiles(folder.path())).is_err());
    assert_eq!(names(folder.path()), ["file"]);
    let url = format!("file://{}/by%20url/*.txt", folder.path().display());
    let paths = evaluate(&Bag::from_sequence(["a"], 1).to_textfiles(url)).unwrap();
    assert_eq!(paths, [folder.path().join("by url/0.txt")]);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    // A tiny file system of our own, where this user may make one.
    let folder = tempfile::tempdir().unwrap();
    let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(folder.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("no tmpfs can be mounted here: not tested");
        return;
    }
    let lines = Bag::from_sequence((0..600_000).map(|i| i.to_string()), 2);
    let results = ["*.txt", "*.gz"].map(|name| lines.to_textfiles(folder.path().join(name)).compute_with(&Threads::new(2)));
    let left = names(folder.path());
    let unmounted = std::process::Command::new("umount").arg(folder.path()).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    for result in results {
        let error = result.unwrap_err();
        match error.find() {
            Some(Error::Io { path, source }) => {
                assert!(path.starts_with(folder.path()), "{error}");
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");
            }
            _ => panic!("{error}"),
        }
    }
    assert_eq!(left, [""; 0]);
}
