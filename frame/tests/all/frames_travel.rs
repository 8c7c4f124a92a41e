//! Frames travel: from functions that went over the wire comes, to the bit, what comes from those that stayed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arras_core::{Collection, Delayed, Persist, Source, SubPlan, Value, delayed, get_values, with};
use arras_frame::Frame;
use arras_frame::polars::prelude::*;

use crate::oracle::{compute, funcs, identical, plan, rows, wires};

fn write_parquet(path: &Path, rows: &DataFrame) {
    ParquetWriter::new(fs::File::create(path).unwrap()).finish(&mut rows.clone()).unwrap();
}

fn write_csv(path: &Path, rows: &DataFrame) {
    CsvWriter::new(fs::File::create(path).unwrap()).finish(&mut rows.clone()).unwrap();
}

/// A frame of every kind over these partitions; what [`compute`] checks of each is the test.
fn every_kind_over(frame: &Frame) {
    let odd = frame.filter(col("odd"));
    let steps = odd.with_columns([(col("int") + lit(1)).alias("next")]).select([col("key"), col("next"), col("x")]);
    let aggregates = || {
        let x = || col("x");
        [
            x().sum().alias("sum"),
            x().mean().alias("mean"),
            x().min().alias("min"),
            x().max().alias("max"),
            x().count().alias("count"),
            x().len().alias("length"),
            x().filter(col("next").gt(lit(0))).sum().alias("some"),
            (x().max() - x().min()).alias("spread"),
            len().alias("n"),
        ]
    };
    let grouped = steps.group_by([col("key")]).agg(aggregates());
    for frame in [
        frame.clone(),
        odd.clone(),
        steps.rename(["x", "next"], ["next", "x"]).drop(["key"]),
        grouped.clone(),
        grouped.filter(col("n").gt(lit(1))).group_by([col("length")]).agg([col("sum").mean(), len()]),
        frame.value_counts("key"),
        frame.head(0),
        frame.head(7),
        frame.head(1_000_000),
        odd.head(15).group_by([col("key")]).agg([col("x").mean()]).head(2).select([col("x")]),
        grouped.head(3).value_counts("n"),
    ] {
        compute(&frame);
    }
}

#[test]
fn frames_of_rows_in_memory() {
    for n_partitions in [1, 3, 70] {
        every_kind_over(&Frame::from_polars(rows(60), n_partitions).unwrap());
    }
}

#[test]
fn frames_of_files() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..10usize {
        let part = rows(60).slice(i as i64 * 6, 6);
        write_parquet(&folder.path().join(format!("{i}.parquet")), &part);
        write_csv(&folder.path().join(format!("{i}.csv")), &part.select(["key", "odd", "int", "x", "word"]).unwrap());
        fs::write(folder.path().join(format!("{i}.txt")), format!("#\n{i};true;{};1,5\n-;false;7;-\n", i * i)).unwrap();
    }
    every_kind_over(&Frame::scan_parquet(folder.path().join("*.parquet")).unwrap());
    every_kind_over(&Frame::scan_csv(folder.path().join("*.csv")).unwrap());
    let names = ["key", "odd", "int", "x"].map(PlSmallStr::from);
    let types = [DataType::Int8, DataType::Boolean, DataType::UInt16, DataType::Float32];
    let schema: SchemaRef = Arc::new(names.into_iter().zip(types).collect());
    let options = |reader: LazyCsvReader| {
        let reader = reader.with_separator(b';').with_has_header(false).with_comment_prefix(Some("#".into())).with_decimal_comma(true);
        reader.with_null_values(Some(NullValues::AllColumns(vec!["-".into()]))).with_schema(Some(schema))
    };
    let frame = Frame::scan_csv_with(folder.path().join("*.txt"), options).unwrap();
    assert_eq!(compute(&frame).column("x").unwrap().null_count(), 10, "the options took effect");
    every_kind_over(&frame);
}

fn some_rows(part: &usize) -> PolarsResult<DataFrame> {
    rows(60).slice(*part as i64 * 10, 10).select(["key", "odd", "int", "x"])
}

#[test]
fn frames_of_what_other_collections_compute() {
    let parts = || (0..6usize).map(|i| delayed(with(i, |i: &usize| *i), ())).collect::<Vec<Delayed<usize>>>();
    let schema = some_rows(&0).unwrap().schema().clone();
    let named = Frame::from_partitions(parts(), schema.clone(), some_rows).unwrap();
    let closed = Frame::from_partitions(parts(), schema.clone(), |part: &usize| some_rows(part)).unwrap();
    let add = 1i32;
    let spelled = with(add, |add: &i32, part: &usize| some_rows(part)?.lazy().with_columns([col("int") + lit(*add)]).collect());
    let spelled = Frame::from_partitions(parts(), schema, spelled).unwrap();
    assert_eq!(compute(&named), compute(&closed));
    assert_ne!(compute(&named), compute(&spelled));
    [named, closed, spelled].iter().for_each(every_kind_over);
}

#[test]
fn persisted_frames() {
    let frame = Frame::from_polars(rows(60), 4).unwrap().filter(col("odd"));
    let values = get_values(&frame.graph().unwrap(), &frame.keys()).unwrap();
    every_kind_over(&frame.persisted(values).unwrap());
}

/// Constants of every type; what polars cannot compare or show travels all the same.
fn constants() -> Vec<Expr> {
    let quiet_nan = f64::from_bits(0x7ff8_0000_0000_1234);
    let many = Series::new("s".into(), [Some("東京"), None, Some(""), Some("a\0b")]);
    let numbers = || Series::new("n".into(), (0..300_000i64).map(|i| (i % 3 != 0).then_some(i % 7)).collect::<Vec<_>>());
    let mut pieces = numbers().slice(5, 290_000);
    pieces.append(&numbers().slice(99_999, 7)).unwrap();
    let words: Vec<String> = (0..1_000).map(|i| format!("a word that is too long to lie in its view, {i}")).collect();
    vec![
        col("key").is_in(lit(pieces).implode(false), false),
        col("key").is_in(lit(numbers().filter(&numbers().is_null()).unwrap()).implode(false), true),
        col("word").is_in(lit(Series::new("".into(), words).slice(-3, 2)).implode(false), false),
        col("odd").is_in(lit(Series::new("".into(), [true, false, true]).slice(1, 1)).implode(false), false),
        lit(0.0),
        lit(-0.0),
        lit(f64::NAN),
        lit(quiet_nan),
        lit(-quiet_nan),
        lit(f64::NEG_INFINITY),
        lit(f64::MIN_POSITIVE / 8.0),
        lit(Scalar::from(-0.0f32)),
        lit(Scalar::from(f32::from_bits(0x7fc0_0abc))),
        lit(Scalar::from(0.1f32)),
        lit(u64::MAX),
        lit(i64::MIN),
        lit(i64::MIN).cast(DataType::Float64),
        lit(Scalar::from(-128i8)),
        lit(Scalar::from(255u8)),
        lit(Scalar::from(u16::MAX)),
        lit(1),
        lit(NULL),
        lit(Scalar::null(DataType::Datetime(TimeUnit::Nanoseconds, None))),
        lit(true),
        lit(""),
        lit("a\0b 🦀 \u{fffd}"),
        lit(Scalar::from(vec![0u8, 255, 10])),
        lit(Scalar::new_date(-1)),
        lit(Scalar::new_datetime(-62_135_596_800_000, TimeUnit::Milliseconds, None)),
        lit(Scalar::new_duration(-3, TimeUnit::Nanoseconds)),
        lit(Scalar::new_list(many.clone())),
        lit(Scalar::new_list(Series::new_empty("".into(), &DataType::List(Box::new(DataType::Date))))),
        lit(Scalar::new_list(Series::new("".into(), [quiet_nan, -0.0]))),
        col("word").is_in(lit(many).implode(false), true),
        col("key").is_in(lit(Series::new("".into(), (0..10_000i64).collect::<Vec<_>>())).implode(false), false),
    ]
}

#[test]
fn constants_of_every_type() {
    let frame = Frame::from_polars(rows(20), 3).unwrap();
    for constant in constants() {
        compute(&frame.select([col("key"), constant.clone().alias("y")]));
        if matches!(constant, Expr::Literal(_)) {
            let some = when(col("int").max().gt(lit(0))).then(constant).otherwise(lit(NULL));
            compute(&frame.group_by([col("key")]).agg([some.alias("y"), len()]));
        }
    }
}

#[test]
fn expressions_of_every_kind() {
    let frame = Frame::from_polars(rows(40), 3).unwrap();
    for expr in [
        when(col("int").gt(lit(0))).then(col("word")).when(col("odd")).then(lit("odd")).otherwise(lit(NULL)),
        col("x").fill_null(lit(0)).is_nan().not(),
        col("word").str().starts_with(lit("Z")),
        col("word").str().len_bytes(),
        col("word").cast(DataType::from_categories(Categories::global())),
        col("word").strict_cast(DataType::String).name().suffix("_again"),
        (col("day").cast(DataType::Int32) % lit(7)).alias("größe \" 'x'"),
        arras_frame::polars::lazy::dsl::max_horizontal([col("int"), col("tiny")]).unwrap(),
        arras_frame::polars::lazy::dsl::as_struct(vec![col("key"), col("odd")]),
        cols(["tiny", "small"]).as_expr() * lit(2),
        col("^(tiny|small)$").name().keep() + lit(1),
    ] {
        let frame = frame.select([col("key").alias("k"), expr]);
        assert!(frame.schema().is_ok(), "{:?}", frame.schema());
        compute(&frame);
    }
    for key in [when(col("odd")).then(lit("a")).otherwise(lit("b")), col("word").cast(DataType::from_categories(Categories::global()))] {
        compute(&frame.group_by([key.alias("y")]).agg([len(), col("x").sum()]));
    }
}

/// Names a part of a plan that this test, in another process, is to compute.
const PART: &str = "ARRAS_FRAME_TEST_PART";

#[test]
fn another_process_in_another_directory_computes_the_same() {
    if let Some(path) = std::env::var_os(PART) {
        let part = SubPlan::from_bytes(&fs::read(&path).unwrap()).unwrap().bind(Vec::new()).unwrap();
        let mut values: Vec<Value> = Vec::new();
        for id in 0..part.len() as u32 {
            let value = part.call(id, |input| &values[input as usize]).unwrap();
            values.push(value);
        }
        let mut bytes = Vec::new();
        values.pop().unwrap().to_wire(&mut bytes).unwrap();
        return fs::write(Path::new(&path).with_extension("value"), bytes).unwrap();
    }
    let folder = tempfile::tempdir_in(".").unwrap();
    let relative = Path::new(folder.path().file_name().unwrap());
    for i in 0..3usize {
        write_parquet(&relative.join(format!("{i}.parquet")), &rows(60).slice(i as i64 * 20, 20));
        write_csv(&relative.join(format!("{i}.csv")), &rows(60).slice(i as i64 * 20, 20).select(["key", "word", "x", "int"]).unwrap());
    }
    let parts = (0..6usize).map(|i| delayed(with(i, |i: &usize| *i), ())).collect::<Vec<Delayed<usize>>>();
    let schema = some_rows(&0).unwrap().schema().clone();
    let category = DataType::from_categories(Categories::new("words".into(), "ours".into(), CategoricalPhysical::U32));
    for frame in [
        Frame::scan_csv(relative.join("*.csv")).unwrap().head(30),
        Frame::scan_parquet(relative.join("*.parquet")).unwrap().group_by([col("word").cast(category)]).agg([col("x").mean(), len()]),
        Frame::from_partitions(parts, schema, some_rows).unwrap().value_counts("key"),
        Frame::from_polars(rows(60), 7).unwrap().filter(constants().swap_remove(0)).group_by([col("day")]).agg([col("single").sum()]),
    ] {
        let plan = plan(&frame);
        let tasks: Vec<u32> = (0..plan.len() as u32).collect();
        assert!(plan.outputs().eq([Source::Task(*tasks.last().unwrap())]), "one partition, made last");
        let path = folder.path().canonicalize().unwrap().join("part");
        fs::write(&path, plan.part(&tasks, &[], &tasks).to_bytes().unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "frames_travel::another_process_in_another_directory_computes_the_same"]);
        let output = command.env(PART, &path).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let value = Value::from_wire(&fs::read(path.with_extension("value")).unwrap()).unwrap();
        assert!(identical(&frame.finish(vec![value]).unwrap(), &compute(&frame)));
        fs::remove_file(path.with_extension("value")).unwrap();
    }
}

#[test]
fn the_same_file_from_another_working_directory() {
    let folder = tempfile::tempdir_in(".").unwrap();
    fs::write(folder.path().join("a.csv"), "x\n1\n").unwrap();
    let relative = Path::new(folder.path().file_name().unwrap()).join("a.csv");
    let absolute = std::path::absolute(&relative).unwrap();
    let frame = Frame::scan_csv(&relative).unwrap();
    assert!(relative.is_relative() && frame.describe().contains(absolute.to_str().unwrap()), "{}", frame.describe());
    assert_eq!(frame.keys(), Frame::scan_csv(&absolute).unwrap().keys());
    compute(&frame);
    fs::write(&relative, "x\ny\n").unwrap();
    let error = arras_core::evaluate(&frame).unwrap_err();
    assert!(matches!(error.find(), Some(arras_frame::Error::File { path, .. }) if *path == relative), "named as the user did: {error}");
}

#[test]
fn equal_work_is_written_in_equal_bytes_and_other_work_in_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "key,odd,int,x,word\n1,true,2,3.5,a\n").unwrap();
    let make = || {
        let frame = Frame::scan_csv(&path).unwrap();
        let mut frames: Vec<Frame> =
            constants().into_iter().map(|constant| frame.filter(col("odd")).with_columns([constant.alias("y")])).collect();
        frames.push(frame.group_by([col("key")]).agg([col("x").mean(), col("int").sum()]));
        frames.push(frame.head(3));
        frames
    };
    let (once, again) = (make(), make());
    for (i, frame) in once.iter().enumerate() {
        assert_eq!(wires(frame), wires(&again[i]));
        for other in &once[i + 1..] {
            assert_ne!(wires(frame), wires(other), "{} and {}", frame.describe(), other.describe());
        }
        for func in funcs(frame) {
            let there = arras_core::Func::from_wire(&func.to_wire().unwrap()).unwrap();
            assert_eq!(there.to_wire().unwrap(), func.to_wire().unwrap(), "sent on");
            assert!(there.token().is_some() && there.token() == func.token());
            assert_eq!(there.name(), func.name());
        }
    }
}

#[test]
fn how_long_queries_take_nobody_can_tell_by_the_sizes_of_values() {
    let frame = Frame::from_polars(rows(60), 20).unwrap();
    let frame = frame.filter(col("odd")).group_by([col("key")]).agg([len()]).head(3);
    let kinds: Vec<(String, bool)> = funcs(&frame).iter().map(|func| (func.short_name(), func.runs_user_code())).collect();
    let expected = [("Partial", true), ("Merge", false), ("Finish", false), ("Look", true), ("Gather", false)];
    assert_eq!(kinds, expected.map(|(name, is_users)| (name.to_owned(), is_users)));
}
