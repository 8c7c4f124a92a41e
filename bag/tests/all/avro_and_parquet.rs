use std::path::{Path, PathBuf};

#[cfg(feature = "avro")]
use arras_bag::ReadAvro;
#[cfg(feature = "parquet")]
use arras_bag::ReadParquet;
use arras_bag::{Bag, Error};
use arras_core::evaluate;
use arras_scheduler::{Compute, Threads};
use serde::{Deserialize, Serialize};

use crate::{PARTITIONS, computed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Place {
    x: f64,
    y: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    Small,
    Large,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: i64,
    name: String,
    score: Option<f64>,
    tags: Vec<String>,
    place: Place,
    kind: Kind,
}

fn rows(n: i64) -> Vec<Row> {
    let row = |id: i64| Row {
        id,
        name: format!("näme {id}"),
        score: (id % 3 > 0).then_some(id as f64 / 7.0),
        tags: (0..id % 4).map(|i| format!("tag {i}")).collect(),
        place: Place { x: id as f64, y: -0.5 },
        kind: if id % 2 == 0 { Kind::Small } else { Kind::Large },
    };
    (0..n).map(row).collect()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[cfg(feature = "avro")]
const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "long"},
    {"name": "name", "type": "string"},
    {"name": "score", "type": ["null", "double"]},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "place", "type": {"type": "record", "name": "Place", "fields": [{"name": "x", "type": "double"}, {"name": "y", "type": "double"}]}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["Small", "Large"]}}
]}"#;

#[cfg(feature = "avro")]
#[test]
fn avro_records_come_back() {
    let rows = rows(1_500);
    for n in PARTITIONS {
        let folder = tempfile::tempdir().unwrap();
        let paths = Bag::from_sequence(rows.clone(), n).to_avro(folder.path(), SCHEMA).compute_with(&Threads::new(2)).unwrap();
        assert_eq!((paths.len(), paths[0].file_name().unwrap().to_str().unwrap()), (n, "part-00000.avro"));
        let read = Bag::<Row>::read_avro(folder.path().join("*")).unwrap();
        assert!(computed(&read) == rows, "{n}");
        let together = ReadAvro::new(paths).files_per_partition(7).read::<Row>().unwrap();
        assert_eq!((together.n_partitions(), evaluate(&together.count()).unwrap()), (n.div_ceil(7), 1_500));
    }
    let folder = tempfile::tempdir().unwrap();
    let none = Bag::from_sequence(Vec::<Row>::new(), 1).to_avro(folder.path(), SCHEMA);
    assert_eq!(evaluate(&Bag::<Row>::read_avro(evaluate(&none).unwrap()).unwrap()).unwrap(), []);
}

#[cfg(feature = "avro")]
#[test]
fn bad_avro_is_named() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Other {
        id: u8,
    }
    let folder = tempfile::tempdir().unwrap();
    let bag = Bag::from_sequence(rows(500), 1);
    let error = evaluate(&bag.to_avro(folder.path(), "{\"type\": \"recorder\"}")).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Schema { operation: "to_avro", .. })), "{error}");
    let error = evaluate(&bag.to_avro(folder.path(), "\"string\"")).unwrap_err();
    assert!(matches!(error.find(), Some(Error::NotWritable { partition: 0, .. })), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let path = evaluate(&bag.to_avro(folder.path(), SCHEMA)).unwrap().remove(0);
    // Records from 256 on do not fit.
    let error = evaluate(&Bag::<Other>::read_avro(&path).unwrap().count()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::BadRecord(bad)) if bad.record == 257), "{error}");
    let (good, bad) = ReadAvro::new(&path).read_counted::<Other>().unwrap();
    assert_eq!((evaluate(&good).unwrap().len(), evaluate(&bad).unwrap().count), (256, 244));
    assert_eq!(evaluate(&ReadAvro::new(&path).skip_bad().read::<Other>().unwrap().count()).unwrap(), 256);

    let good = std::fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x55;
    for (name, bytes) in
        [("cut", &good[..good.len() - 20]), ("flipped", &flipped), ("text", b"some text that is longer than a header"), ("empty", b"")]
    {
        let path = write(folder.path(), name, bytes);
        let error = evaluate(&ReadAvro::new(&path).skip_bad().read::<Row>().unwrap().count()).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Damaged { path: found, format: "Avro", .. }) if *found == path), "{name}: {error}");
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_rows_come_back() {
    let rows = rows(1_500);
    for n in PARTITIONS {
        let folder = tempfile::tempdir().unwrap();
        let paths = Bag::from_sequence(rows.clone(), n).to_parquet(folder.path()).compute_with(&Threads::new(2)).unwrap();
        assert_eq!((paths.len(), paths[0].file_name().unwrap().to_str().unwrap()), (n, "part-00000.parquet"));
        let read = Bag::<Row>::read_parquet(folder.path().join("*")).unwrap();
        assert_eq!(read.n_partitions(), n);
        assert!(computed(&read) == rows, "{n}");
        assert_eq!(evaluate(&read.take(3)).unwrap(), rows[..3]);
    }
    // No rows, tuples, and only some of the columns.
    let folder = tempfile::tempdir().unwrap();
    let none = evaluate(&Bag::from_sequence(Vec::<Row>::new(), 1).to_parquet(folder.path().join("none"))).unwrap();
    assert_eq!(computed(&Bag::<Row>::read_parquet(none).unwrap()), []);
    let pairs = vec![(1u64, "a".to_owned()), (2, "b".to_owned())];
    let paths = evaluate(&Bag::from_sequence(pairs.clone(), 1).to_parquet(folder.path().join("pairs"))).unwrap();
    assert_eq!(computed(&Bag::<(u64, String)>::read_parquet(paths).unwrap()), pairs);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Some {
        id: i64,
        place: Place,
    }
    let paths = evaluate(&Bag::from_sequence(rows.clone(), 1).to_parquet(folder.path().join("rows"))).unwrap();
    let some = ReadParquet::new(paths).columns(["id", "place"]).read::<Some>().unwrap();
    assert!(evaluate(&some).unwrap().iter().zip(&rows).all(|(some, row)| some.id == row.id && some.place == row.place));
}

#[cfg(feature = "parquet")]
#[test]
fn bad_parquet_is_named() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Other {
        id: u8,
    }
    let folder = tempfile::tempdir().unwrap();
    let bag = Bag::from_sequence(rows(500), 1);
    let values = Bag::from_sequence([serde_json::json!({"a": 1})], 1);
    let error = evaluate(&values.to_parquet(folder.path())).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Schema { operation: "to_parquet", .. })), "{error}");

    let path = evaluate(&bag.to_parquet(folder.path())).unwrap().remove(0);
    let error = evaluate(&Bag::<Other>::read_parquet(&path).unwrap().count()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::BadRecord(bad)) if bad.record == 257), "{error}");
    let (good, bad) = ReadParquet::new(&path).read_counted::<Other>().unwrap();
    assert_eq!((evaluate(&good).unwrap().len(), evaluate(&bad).unwrap().count), (256, 244));

    let good = std::fs::read(&path).unwrap();
    for (name, bytes) in [("cut", &good[..good.len() - 20]), ("text", b"some text that is longer than a footer"), ("empty", b"")] {
        let path = write(folder.path(), name, bytes);
        let error = Bag::<Row>::read_parquet(&path).unwrap_err();
        assert!(matches!(&error, Error::Damaged { path: found, format: "Parquet", .. } if *found == path), "{name}: {error}");
    }
    let mut flipped = good.clone();
    flipped[100..140].fill(0x55);
    let path = write(folder.path(), "flipped", &flipped);
    let error = evaluate(&ReadParquet::new(&path).skip_bad().read::<Row>().unwrap().count()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::Damaged { path: found, format: "Parquet", .. }) if *found == path), "{error}");
}
