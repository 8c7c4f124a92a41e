use arras_bag::{Bag, Error};
use arras_core::{Collection, evaluate};
use arras_scheduler::{Compute, Threads};

#[test]
fn no_partitions() {
    let bag = Bag::from_sequence([1, 2], 0);
    assert_eq!(bag.n_partitions(), 0);
    assert!(bag.to_string().contains("at least one partition"), "{bag}");
    let later = bag.map(|x| x + 1).filter(|x| *x > 0);
    for error in [
        bag.graph().unwrap_err(),
        later.graph().unwrap_err(),
        later.count().graph().unwrap_err(),
        later.frequencies().graph().unwrap_err(),
        later.take(1).graph().unwrap_err(),
        later.map_partitions(|x| x.to_vec()).graph().unwrap_err(),
        later.to_delayed().map(drop).unwrap_err(),
        Bag::concat([later.clone(), later.clone()]).graph().unwrap_err(),
        evaluate(&later.min()).unwrap_err(),
        later.compute_with(&Threads::new(2)).unwrap_err(),
    ] {
        assert!(matches!(error.find(), Some(Error::ZeroPartitions { operation: "from_sequence" })), "{error}");
    }
    assert!(matches!(Bag::<i32>::concat([]).graph().unwrap_err().find(), Some(Error::ZeroPartitions { .. })));
    assert!(matches!(Bag::<i32>::from_delayed([]).graph().unwrap_err().find(), Some(Error::ZeroPartitions { .. })));
}

#[test]
fn files_that_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    assert!(matches!(Bag::read_text(&path), Err(Error::MissingFile { path: found }) if found == path));
    assert!(matches!(Bag::read_text(folder.path().join("*.txt")), Err(Error::NoMatch { pattern }) if pattern.ends_with("*.txt")));
    assert!(matches!(Bag::read_text("a[b"), Err(Error::Pattern { .. })));
    assert!(matches!(Bag::read_text(folder.path()), Err(Error::IsFolder { .. })));
    assert!(matches!(Bag::read_text(Vec::<String>::new()), Err(Error::NoMatch { .. })));

    std::fs::write(&path, "x").unwrap();
    let bag = Bag::read_text(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = bag.count().compute_with(&Threads::new(2)).unwrap_err();
    assert!(matches!(error.find(), Some(Error::MissingFile { path: found }) if *found == path), "{error}");
    assert!(error.to_string().contains("a.txt"), "{error}");
}

#[test]
fn damaged_archives() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for i in 0..100_000 {
        writeln!(encoder, "line {i}").unwrap();
    }
    let good = encoder.finish().unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x55;
    let damage = [("cut.gz", good[..good.len() / 2].to_vec()), ("flipped.gz", flipped), ("none.gz", b"plain text\n".to_vec())];
    for (name, bytes) in damage {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = evaluate(&Bag::read_text(&path).unwrap().count()).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Damaged { path: found, .. }) if *found == path), "{name}: {error}");
    }
    let empty = folder.path().join("empty.gz");
    std::fs::write(&empty, "").unwrap();
    let result = evaluate(&Bag::read_text(&empty).unwrap().count());
    assert!(matches!(result.as_ref().map_err(|error| error.find::<Error>()), Ok(0) | Err(Some(Error::Damaged { .. }))), "{result:?}");
}

#[test]
fn a_panic_in_a_closure_reaches_the_caller() {
    let bag = Bag::from_sequence(0..10, 3).map(|x| 10 / (x - 5));
    let error = bag.compute_with(&Threads::new(2)).unwrap_err();
    assert!(error.to_string().contains("divide by zero"), "{error}");
    assert_eq!(Bag::from_sequence(0..10, 3).map(|x| x + 1).compute_with(&Threads::new(2)).unwrap().len(), 10);
}
