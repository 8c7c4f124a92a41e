use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arras_bag::{Bag, Error, ReadCsv, ReadJsonLines};
use arras_core::evaluate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::computed;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u64,
    name: String,
    score: Option<f64>,
}

fn file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn rows(n: u64) -> Vec<Row> {
    (0..n).map(|id| Row { id, name: format!("näme \"{id}\"\n,"), score: (id % 3 > 0).then_some(id as f64 / 7.0) }).collect()
}

#[test]
fn json_lines_are_what_serde_reads_of_each_line() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows(500);
    let mut text = String::from("\u{feff}");
    for (i, row) in rows.iter().enumerate() {
        text.push_str(&serde_json::to_string(row).unwrap());
        text.push_str(["\n", "\r\n", "\n\n", "\n  \n"][i % 4]);
    }
    let path = file(folder.path(), "a.jsonl", &text);
    for nbytes in [7, 100, 5_000, 1 << 20] {
        let read = ReadJsonLines::new(&path).blocksize(nbytes);
        assert_eq!(evaluate(&read.read::<Row>().unwrap()).unwrap(), rows);
        let values = evaluate(&read.read::<serde_json::Value>().unwrap()).unwrap();
        assert_eq!(values, rows.iter().map(|row| serde_json::to_value(row).unwrap()).collect::<Vec<_>>());
    }
    assert_eq!(computed(&Bag::<Row>::read_json_lines(&path).unwrap()), rows);
    let both = ReadJsonLines::new([&path, &path].map(PathBuf::as_path)).files_per_partition(2).read::<Row>().unwrap();
    assert_eq!((both.n_partitions(), computed(&both.count())), (1, 1000));
    assert_eq!(computed(&Bag::<Row>::read_json_lines(file(folder.path(), "empty", "")).unwrap()), []);
}

#[test]
fn a_bad_line_of_json_is_named_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let good = "{\"id\": 1, \"name\": \"a\", \"score\": null}\n";
    let bad = ["{\"id\": -1, \"name\": \"a\"}\n", "{\"id\": 1, \"nam\n", "\"\u{e9}\n"];
    // The last is Latin-1.
    let bytes: Vec<u8> = [good, bad[0], good, bad[1], bad[2], good].concat().chars().map(|c| c as u8).collect();
    let path = file(folder.path(), "a.jsonl", bytes);
    let error = evaluate(&Bag::<Row>::read_json_lines(&path).unwrap().count()).unwrap_err();
    match error.find() {
        Some(Error::BadRecord(bad)) => {
            assert_eq!((&bad.path, bad.partition, bad.line, bad.offset), (&path, 0, Some(2), Some(38)));
            assert!(bad.expected.contains("Row"), "{bad}");
        }
        _ => panic!("{error}"),
    }
    let text = error.to_string();
    for part in ["a.jsonl", "line 2", "byte 38", "partition 0", "Row", "invalid value: integer `-1`", "column"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for nbytes in [5, 60, 1 << 20] {
        let read = ReadJsonLines::new(&path).blocksize(nbytes);
        assert_eq!(evaluate(&read.clone().skip_bad().read::<Row>().unwrap()).unwrap().len(), 3);
        let results = computed(&read.read_results::<Row>().unwrap());
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, false, true]);
        let (rows, bad) = read.read_counted::<Row>().unwrap();
        assert_eq!(computed(&rows).len(), 3);
        assert_eq!(computed(&rows.map(|row| row.id).sum()), 3);
        let bad = computed(&bad);
        assert_eq!(bad.count, 3);
        assert_eq!(bad.first, results.into_iter().filter_map(Result::err).collect::<Vec<_>>());
    }
    // What is damaged is no bad record.
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, good.repeat(5000).as_bytes()).unwrap();
    let mut bytes = gz.finish().unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let path = file(folder.path(), "a.jsonl.gz", bytes);
    for bag in [Bag::<Row>::read_json_lines(&path).unwrap(), ReadJsonLines::new(&path).skip_bad().read().unwrap()] {
        let error = evaluate(&bag.count()).unwrap_err();
        assert!(matches!(error.find(), Some(Error::Damaged { format: "gzip", .. })), "{error}");
    }
}

#[test]
fn csv_records_by_name_by_position_and_as_maps() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{feff}score,id,name\r\n0.5,1,a\r\n,2,\"b\r\n, \"\"c\"\"\"\r\n\r\n7,3,ü\r\n";
    let path = file(folder.path(), "a.csv", text);
    let row = |id, name: &str, score| Row { id, name: name.to_owned(), score };
    let expected = [row(1, "a", Some(0.5)), row(2, "b\r\n, \"c\"", None), row(3, "ü", Some(7.0))];
    assert_eq!(computed(&Bag::<Row>::read_csv(&path).unwrap()), expected);
    let maps = computed(&Bag::<BTreeMap<String, String>>::read_csv(&path).unwrap());
    assert_eq!(serde_json::to_value(&maps[0]).unwrap(), json!({"id": "1", "name": "a", "score": "0.5"}));
    let tuples = computed(&ReadCsv::new(&path).read::<(Option<f64>, u64, String)>().unwrap());
    assert_eq!(tuples[2], (Some(7.0), 3, "ü".to_owned()));
    let raw = computed(&ReadCsv::new(&path).has_headers(false).read::<Vec<String>>().unwrap());
    assert_eq!((raw.len(), &raw[0][0]), (4, &"score".to_owned()));
    let path = file(folder.path(), "b.csv", "# about\n'x;y'; 1 \n'z' ;2\n");
    let read = ReadCsv::new(&path).delimiter(b';').quote(b'\'').comment(b'#').trim().has_headers(false);
    assert_eq!(computed(&read.read::<(String, u8)>().unwrap()), [("x;y".to_owned(), 1), ("z".to_owned(), 2)]);
    for text in ["", "id,name,score\n"] {
        assert_eq!(computed(&Bag::<Row>::read_csv(file(folder.path(), "c.csv", text)).unwrap()), []);
    }
}

#[test]
fn csv_without_line_ends_in_fields_can_be_cut() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "id,name,score\n".to_owned();
    (0..200).for_each(|id| text.push_str(&format!("{id},name {id},{}\n", id * 2)));
    let path = file(folder.path(), "a.csv", &text);
    for nbytes in [3, 50, 1_000] {
        let rows = evaluate(&ReadCsv::new(&path).blocksize(nbytes).read::<Row>().unwrap()).unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    }
    let bad = file(folder.path(), "b.csv", text.replace("150,", "x,"));
    let error = evaluate(&ReadCsv::new(&bad).blocksize(500).read::<Row>().unwrap().count()).unwrap_err();
    let offset = text.find("150,").unwrap() as u64;
    assert!(matches!(error.find(), Some(Error::BadRecord(bad)) if bad.offset == Some(offset) && bad.line.is_none()), "{error}");
}

#[test]
fn a_bad_record_of_csv_is_named_or_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "a.csv", b"id,name,score\n1,a,\nx,b,\n2,c\n3,\xff,\n4,d,0.5\n");
    let error = evaluate(&Bag::<Row>::read_csv(&path).unwrap().count()).unwrap_err();
    let text = error.to_string();
    for part in ["a.csv", "line 3", "byte 19", "\"id\"", "invalid digit"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let (rows, bad) = ReadCsv::new(&path).read_counted::<Row>().unwrap();
    assert_eq!(computed(&rows).iter().map(|row| row.id).collect::<Vec<_>>(), [1, 4]);
    let bad = computed(&bad);
    assert_eq!(bad.first.iter().map(|bad| bad.line).collect::<Vec<_>>(), [Some(3), Some(4), Some(5)]);
    assert!(bad.first[1].why.contains("2 fields") && bad.first[2].why.to_lowercase().contains("utf-8"), "{bad:?}");
    assert_eq!(computed(&ReadCsv::new(&path).skip_bad().read::<Row>().unwrap()).len(), 2);
    // A short record lacks a field, whoever allows it.
    assert_eq!(computed(&ReadCsv::new(&path).flexible().skip_bad().read::<(String, String)>().unwrap()).len(), 4);
    let error = evaluate(&ReadCsv::new(&path).read::<(u8, u8, u8, u8)>().unwrap()).unwrap_err();
    assert!(matches!(error.find(), Some(Error::BadRecord(_))), "{error}");
}
