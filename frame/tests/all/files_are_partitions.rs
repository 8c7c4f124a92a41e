//! Files: one partition each, in order, held to the first one's schema; what is wrong with one names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arras_core::evaluate;
use arras_frame::polars::io::RowIndex;
use arras_frame::polars::prelude::*;
use arras_frame::{Error, Frame};

use crate::oracle::{assert_same, compute, rows};

fn write_parquet(path: &Path, rows: &DataFrame) {
    ParquetWriter::new(fs::File::create(path).unwrap()).finish(&mut rows.clone()).unwrap();
}

fn write_csv(path: &Path, rows: &DataFrame) {
    CsvWriter::new(fs::File::create(path).unwrap()).finish(&mut rows.clone()).unwrap();
}

fn folder_of(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// The error of a task, as the frame's own.
#[track_caller]
fn run_error(frame: &Frame) -> Error {
    let error = evaluate(frame).unwrap_err();
    error.find::<Error>().unwrap_or_else(|| panic!("{error:?}")).clone()
}

#[test]
fn parquet_by_pattern_is_the_frame_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let whole = rows(100);
    for (name, start, length) in [("b", 40, 25), ("a", 0, 40), ("c", 65, 0), ("d", 65, 35)] {
        write_parquet(&folder.path().join(format!("{name}.parquet")), &whole.slice(start, length));
    }
    fs::write(folder.path().join("notes.txt"), "no data").unwrap();
    let frame = Frame::scan_parquet(folder.path().join("*.parquet")).unwrap();
    assert_eq!(frame.n_partitions().unwrap(), 4);
    assert_same(&compute(&frame), &whole, "all of it");
    let ours = frame.filter(col("int").gt(lit(0))).group_by(["word"]).agg([col("x").mean(), col("tiny").sum()]);
    let theirs = whole.lazy().filter(col("int").gt(lit(0))).group_by_stable(["word"]).agg([col("x").mean(), col("tiny").sum()]);
    assert_same(&compute(&ours), &theirs.collect().unwrap(), "grouped");
}

#[test]
fn csv_by_pattern_is_the_frame_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let columns = ["key", "odd", "int", "long", "single"];
    let whole = rows(100).select(columns).unwrap();
    for (i, start) in [0usize, 30, 60].into_iter().enumerate() {
        write_csv(&folder.path().join(format!("{i}.csv")), &whole.slice(start as i64, if i == 2 { 40 } else { 30 }));
    }
    let frame = Frame::scan_csv(folder.path().join("[0-9].csv")).unwrap();
    let read = || {
        let paths = (0..3).map(|i| PlRefPath::try_from_pathbuf(folder.path().join(format!("{i}.csv"))).unwrap());
        concat(paths.map(|path| LazyCsvReader::new(path).finish().unwrap()).collect::<Vec<_>>(), UnionArgs::default()).unwrap()
    };
    assert_same(&compute(&frame), &read().collect().unwrap(), "all of it");
    let ours = frame.with_columns([(col("int") % lit(3)).alias("rest")]).group_by(["rest"]).agg([col("single").sum(), len()]);
    let theirs = read().with_columns([(col("int") % lit(3)).alias("rest")]).group_by_stable(["rest"]).agg([col("single").sum(), len()]);
    assert_same(&compute(&ours), &theirs.collect().unwrap(), "grouped");
}

#[test]
fn paths_patterns_and_lists() {
    let folder = folder_of(&[("b.csv", "x\n2\n"), ("a.csv", "x\n1\n"), ("c[1].csv", "x\n3\n")]);
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let read =
        |frame: Result<Frame, Error>| compute(&frame.unwrap()).column("x").unwrap().i64().unwrap().into_no_null_iter().collect::<Vec<_>>();
    assert_eq!(read(Frame::scan_csv(at("a.csv"))), [1]);
    assert_eq!(read(Frame::scan_csv(text("a.csv").as_str())), [1]);
    assert_eq!(read(Frame::scan_csv(text("?.csv"))), [1, 2]);
    assert_eq!(read(Frame::scan_csv([at("b.csv"), at("a.csv"), at("b.csv")])), [2, 1, 2]);
    assert_eq!(read(Frame::scan_csv(vec![text("b.csv"), text("?.csv")])), [2, 1, 2]);
    assert_eq!(read(Frame::scan_csv(at("c[1].csv"))), [3], "a file of exactly this name");
    assert_eq!(read(Frame::scan_csv(at("*"))), [1, 2, 3]);
}

#[test]
fn names_of_files_may_be_anything() {
    let folder = folder_of(&[("ein Fluß, 川.csv", "größe\n1\n"), ("100%25 & more?.csv", "größe\n2\n")]);
    for name in ["ein Fluß, 川.csv", "100%25 & more?.csv"] {
        assert_eq!(compute(&Frame::scan_csv(folder.path().join(name)).unwrap()).get_column_names(), ["größe"]);
    }
}

#[test]
fn files_that_are_not_there_are_found_out_at_build() {
    let folder = folder_of(&[("a.csv", "x\n1\n")]);
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(Frame::scan_csv(at("b.csv")), Err(Error::MissingFile { path }) if path == at("b.csv")));
    assert!(matches!(Frame::scan_parquet([at("a.csv"), at("b.csv")]), Err(Error::MissingFile { path }) if path == at("b.csv")));
    assert!(matches!(Frame::scan_csv(at("*.txt")), Err(Error::NoFiles { .. })));
    assert!(matches!(Frame::scan_csv(Vec::<PathBuf>::new()), Err(Error::NoFiles { .. })));
    assert!(matches!(Frame::scan_csv(folder.path()), Err(Error::Directory { .. })));
    assert!(matches!(Frame::scan_csv("[a-"), Err(Error::Pattern { .. })));
}

#[test]
fn a_file_that_vanished_or_changed_is_named_at_run() {
    let folder = folder_of(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,y\n3,4\n")]);
    let b = folder.path().join("b.csv");
    let frame = Frame::scan_csv(folder.path().join("*.csv")).unwrap();
    fs::write(&b, "x,z\n3,4\n").unwrap();
    assert!(matches!(run_error(&frame), Error::SchemaMismatch { place, .. } if place == b.display().to_string()));
    fs::write(&b, "y,x\n3,4\n").unwrap();
    assert!(matches!(run_error(&frame), Error::SchemaMismatch { .. }), "columns in another order");
    fs::write(&b, "x\n3\n").unwrap();
    assert!(matches!(run_error(&frame), Error::SchemaMismatch { .. }), "a column is missing");
    fs::write(&b, "").unwrap();
    assert!(matches!(run_error(&frame), Error::File { path, .. } if path == b), "an empty file");
    fs::remove_file(&b).unwrap();
    assert!(matches!(run_error(&frame), Error::File { path, .. } if path == b));
}

#[test]
fn a_csv_file_that_is_not_what_it_should_be_is_named() {
    let good = ("a.csv", "x,y\n1,2\n");
    for (what, text) in
        [("ragged", &b"x,y\n1,2,3\n4,5\n"[..]), ("text for a number", b"x,y\n1,two\n"), ("a float for an integer", b"x,y\n1,2.5\n")]
    {
        let folder = folder_of(&[good]);
        let bad = folder.path().join("b.csv");
        fs::write(&bad, text).unwrap();
        let frame = Frame::scan_csv(folder.path().join("*.csv")).unwrap();
        let error = run_error(&frame);
        assert!(matches!(&error, Error::File { path, .. } if *path == bad), "{what}: {error}");
    }
}

#[test]
fn a_csv_file_that_is_not_utf8_is_named() {
    let bytes = b"x,y\n1,ok\n2,\xff\xfe broken\n";
    let folder = folder_of(&[("a.csv", "x,y\n1,ok\n")]);
    let bad = folder.path().join("b.csv");
    fs::write(&bad, bytes).unwrap();
    let error = run_error(&Frame::scan_csv(folder.path().join("*.csv")).unwrap());
    assert!(matches!(&error, Error::File { path, .. } if *path == bad), "{error}");
    // Alone, it may be found out at build or at run, but it is found out.
    let found = Frame::scan_csv(&bad).map(|frame| run_error(&frame));
    assert!(matches!(found, Ok(Error::File { .. }) | Err(Error::File { .. })), "{found:?}");
}

#[test]
fn a_header_that_is_not_utf8_is_named_at_build() {
    let folder = folder_of(&[]);
    let path = folder.path().join("a.csv");
    fs::write(&path, b"gr\xf6sse,y\n1,2\n").unwrap();
    let error = Frame::scan_csv(&path).unwrap_err();
    assert!(matches!(&error, Error::File { path: found, .. } if *found == path), "{error}");
    fs::write(&path, "gr\u{fffd}sse,y\n1,2\n").unwrap();
    assert_eq!(compute(&Frame::scan_csv(&path).unwrap()).height(), 1, "the sign for what cannot be read, in the file itself");
    fs::write(&path, b"x,y\n1,gr\xf6sse\n").unwrap();
    let lossy = Frame::scan_csv_with(&path, |reader| reader.with_encoding(CsvEncoding::LossyUtf8)).unwrap();
    assert_eq!(compute(&lossy), df!("x" => [1i64], "y" => ["gr\u{fffd}sse"]).unwrap());
}

#[test]
fn an_empty_first_file_has_no_schema() {
    let folder = folder_of(&[("a.csv", ""), ("b.csv", "x\n1\n")]);
    assert!(matches!(Frame::scan_csv(folder.path().join("*.csv")), Err(Error::File { path, .. }) if path.ends_with("a.csv")));
    assert_eq!(compute(&Frame::scan_csv(folder.path().join("b.csv")).unwrap()).height(), 1);
}

#[test]
fn a_csv_file_of_a_header_alone_has_no_rows() {
    let folder = folder_of(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "x,y\n"), ("c.csv", "x,y\n3,4\n")]);
    assert_eq!(compute(&Frame::scan_csv(folder.path().join("*.csv")).unwrap()), df!("x" => [1i64, 3], "y" => [2i64, 4]).unwrap());
}

#[test]
fn a_parquet_file_that_is_not_what_it_should_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.parquet"), folder.path().join("b.parquet"));
    write_parquet(&a, &df!("x" => [1i64], "y" => ["ä"]).unwrap());
    for other in [df!("x" => [1i32], "y" => ["ä"]), df!("y" => ["ä"], "x" => [1i64]), df!("x" => [1i64])] {
        write_parquet(&b, &other.unwrap());
        let error = run_error(&Frame::scan_parquet(folder.path().join("*.parquet")).unwrap());
        assert!(matches!(&error, Error::SchemaMismatch { place, .. } if *place == b.display().to_string()), "{error}");
    }
    for bytes in [&b"PAR1 but no more"[..], b"", b"x,y\n1,2\n"] {
        fs::write(&b, bytes).unwrap();
        let error = run_error(&Frame::scan_parquet(folder.path().join("*.parquet")).unwrap());
        assert!(matches!(&error, Error::File { path, .. } if *path == b), "{error}");
        assert!(matches!(Frame::scan_parquet(&b), Err(Error::File { path, .. }) if path == b));
    }
}

#[test]
fn options_of_the_reader() {
    let folder = folder_of(&[("a.csv", "1;-;ä\n2;5;ö\n"), ("b.csv", "3;6;\n")]);
    let frame = Frame::scan_csv_with(folder.path().join("*.csv"), |reader| {
        reader.with_separator(b';').with_has_header(false).with_null_values(Some(NullValues::AllColumnsSingle("-".into())))
    });
    let expected = df!("column_1" => [1i64, 2, 3], "column_2" => [None, Some(5i64), Some(6)], "column_3" => [Some("ä"), Some("ö"), None]);
    assert!(compute(&frame.unwrap()).equals_missing(&expected.unwrap()));
}

#[test]
fn names_and_types_by_the_users_wish() {
    let folder = folder_of(&[("a.csv", "1,2\n"), ("b.csv", "3,4\n")]);
    let schema = Arc::new(Schema::from_iter([("größe".into(), DataType::Float32), ("n".into(), DataType::Int8)]));
    let frame = {
        let schema = schema.clone();
        Frame::scan_csv_with(folder.path().join("*.csv"), move |reader| reader.with_has_header(false).with_schema(Some(schema.clone())))
    };
    let frame = frame.unwrap();
    assert_eq!(frame.schema().unwrap(), schema);
    assert_eq!(compute(&frame), df!("größe" => [1.0f32, 3.0], "n" => [2i8, 4]).unwrap());
    fs::write(folder.path().join("b.csv"), "3\n").unwrap();
    assert!(matches!(run_error(&frame), Error::SchemaMismatch { .. }));

    let folder = folder_of(&[("a.csv", "x\n1\n2\n"), ("b.csv", "x\n3\n4\n")]);
    let frame = Frame::scan_csv_with(folder.path().join("*.csv"), |reader| {
        let index = RowIndex { name: "i".into(), offset: 0 };
        reader.with_n_rows(Some(1)).with_row_index(Some(index)).with_include_file_paths(Some("path".into())).with_glob(true)
    });
    assert_eq!(compute(&frame.unwrap()), df!("x" => [1i64, 3]).unwrap());
}

#[test]
fn filters_and_columns_reach_the_scan() {
    use arras_core::Collection;
    let folder = tempfile::tempdir().unwrap();
    write_parquet(&folder.path().join("a.parquet"), &rows(10));
    let frame = Frame::scan_parquet(folder.path().join("*.parquet")).unwrap();
    let plan = frame.filter(col("int").gt(lit(0))).select([col("word")]).describe();
    assert!(plan.contains("SELECTION") && plan.contains("PROJECT") && plan.contains("2/14"), "{plan}");
    let plan = frame.value_counts("word").describe();
    assert!(plan.contains("PROJECT 1/14"), "{plan}");
}
