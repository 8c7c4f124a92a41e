//! Files of records as bags: what all formats share.
//!
//! ```text
//!     parts of files ──Format::open──► records: T, or what is wrong with one
//!                                        │ read()          the first bad record ends the run
//!                                        │ skip_bad()      bad records are left out
//!                                        │ read_results()  bad records are elements
//!                                        └ read_counted()  bad records are left out, and counted as a second result of the same pass
//! ```

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::path::PathBuf;

use arras_core::{BoxError, Delayed, Func, GridBuilder, Inputs, Name, Tokenizer, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bag::{Bag, Base, Lowered, Segment};
use crate::engine::batch::{Batch, cell, lock};
use crate::engine::run::{Cursor, Sink, cursor_value};
use crate::engine::tree;
use crate::error::Error;
use crate::io::blocks::Part;
use crate::partition::{Element, Partition};

/// A record that cannot be read, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {}not {expected}: {why}", path.display(), self.place())]
#[non_exhaustive]
pub struct BadRecord {
    /// The file or URL.
    pub path: PathBuf,
    /// The partition of the bag that reads it, counted from 0.
    pub partition: u64,
    /// Its line in the file, counted from 1, where that is known: not in the later parts of a file that is read in parts.
    pub line: Option<u64>,
    /// Where it begins in the file after decompression, in bytes from 0, where that is known.
    pub offset: Option<u64>,
    /// Its number among the records of its file or part, counted from 1.
    pub record: u64,
    /// What should be there.
    pub expected: String,
    /// What is wrong.
    pub why: String,
}

impl BadRecord {
    fn place(&self) -> String {
        let mut place = String::new();
        if let Some(line) = self.line {
            place.push_str(&format!("line {line}, "));
        }
        match self.offset {
            Some(offset) => place.push_str(&format!("byte {offset}, ")),
            None => place.push_str(&format!("record {}, ", self.record)),
        }
        place.push_str(&format!("partition {}: ", self.partition));
        place
    }
}

/// How many records were left out, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BadRecords {
    /// How many.
    pub count: u64,
    /// The first ten, in the order of the bag.
    pub first: Vec<BadRecord>,
}

impl BadRecords {
    const MOST: usize = 10;

    fn add(&mut self, bad: BadRecord) {
        self.count += 1;
        if self.first.len() < Self::MOST {
            self.first.push(bad);
        }
    }

    fn combine(parts: &[&BadRecords]) -> BadRecords {
        let first = parts.iter().flat_map(|part| &part.first).take(Self::MOST).cloned().collect();
        BadRecords { count: parts.iter().map(|part| part.count).sum(), first }
    }
}

/// How the files of one format are read: the options that a user gives, as they travel to the task.
pub(crate) trait Format: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name of the method.
    const OPERATION: &'static str;
}

/// A record, or what is wrong with it; none at the end. Errors are those after which nothing can be read.
pub(crate) type Next<T> = Result<Option<Result<T, BadRecord>>, Error>;

/// Reads records of one type.
pub(crate) trait Records<T>: Format {
    /// A file that is being read.
    type Reader: Send;

    fn open(&self, part: &Part, partition: u64) -> Result<Self::Reader, Error>;

    /// The next record.
    fn next(reader: &mut Self::Reader) -> Next<T>;

    /// Whether the rest of the file can be read at all: asked before a run ends with a bad record, as damaged archives often decode to something before their checksum tells.
    fn check_rest(reader: &mut Self::Reader) -> Result<(), Error>;
}

/// What one task reads.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Files<F: Format> {
    pub(crate) parts: Vec<Part>,
    pub(crate) format: F,
    pub(crate) partition: u64,
}

/// A base with the parts of each partition.
pub(crate) fn base<F: Format>(format: &F, partitions: Vec<Vec<Part>>) -> Result<Base, Error> {
    if u32::try_from(partitions.len()).is_err() {
        return Err(Error::TooManyPartitions { operation: F::OPERATION, n_partitions: partitions.len(), limit: u32::MAX as usize });
    }
    let mut tokenizer = Tokenizer::new();
    tokenizer.value(format).expect("options are plain data");
    let mut values = Vec::with_capacity(partitions.len());
    let mut n_files = 0;
    for (i, parts) in partitions.into_iter().enumerate() {
        tokenizer.number(parts.len() as u64);
        for part in &parts {
            n_files += u64::from(part.is_start());
            part.source.tokenize(&mut tokenizer);
            let range = part.range.clone().unwrap_or(0..u64::MAX);
            tokenizer.number(range.start).number(range.end);
        }
        values.push(Value::new(Files { parts, format: format.clone(), partition: i as u64 }));
    }
    let story = format!("{}({n_files} file{})", F::OPERATION, if n_files == 1 { "" } else { "s" });
    Ok(Base::of_values(Name::from_token(F::OPERATION, tokenizer.finish()), values, story))
}

/// What happens to bad records.
trait Mode<T>: 'static {
    type Out: Send + Sync + 'static;
    const IS_STRICT: bool = false;
    fn of(record: Result<T, BadRecord>) -> Result<Option<Self::Out>, Error>;
}

struct Strict;
impl<T: Send + Sync + 'static> Mode<T> for Strict {
    type Out = T;
    const IS_STRICT: bool = true;
    fn of(record: Result<T, BadRecord>) -> Result<Option<T>, Error> {
        record.map(Some).map_err(Error::BadRecord)
    }
}

struct Skip;
impl<T: Send + Sync + 'static> Mode<T> for Skip {
    type Out = T;
    fn of(record: Result<T, BadRecord>) -> Result<Option<T>, Error> {
        Ok(record.ok())
    }
}

struct Results;
impl<T: Send + Sync + 'static> Mode<T> for Results {
    type Out = Result<T, BadRecord>;
    fn of(record: Result<T, BadRecord>) -> Result<Option<Self::Out>, Error> {
        Ok(Some(record))
    }
}

/// The records of the parts of one partition.
struct RecordsCursor<T, F: Records<T>, M> {
    files: Files<F>,
    left: VecDeque<Part>,
    now: Option<F::Reader>,
    marker: PhantomData<fn() -> M>,
}

impl<T: Send + Sync + 'static, F: Records<T>, M: Mode<T>> Cursor for RecordsCursor<T, F, M> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<M::Out>>(slot)?;
        let out = slot.owned();
        out.clear();
        while out.len() < limit {
            match &mut self.now {
                Some(reader) => match F::next(reader)? {
                    Some(record) => {
                        if M::IS_STRICT && record.is_err() {
                            F::check_rest(reader)?;
                        }
                        out.extend(M::of(record)?);
                    }
                    None => self.now = None,
                },
                None => match self.left.pop_front() {
                    Some(part) => self.now = Some(self.files.format.open(&part, self.files.partition)?),
                    None => break,
                },
            }
        }
        Ok(!out.is_empty())
    }
}

fn bag_of<T, F, M>(format: &F, partitions: Vec<Vec<Part>>) -> Result<Bag<M::Out>, Error>
where
    T: Send + Sync + 'static,
    F: Records<T>,
    M: Mode<T>,
{
    let open = Func::erased::<(T, F, M), _>(|inputs: &Inputs<'_>| {
        let files = inputs.get::<Files<F>>(0)?.clone();
        let left = files.parts.iter().cloned().collect();
        Ok(cursor_value(RecordsCursor::<T, F, M> { files, left, now: None, marker: PhantomData }))
    });
    Ok(Bag::new(vec![Segment::of_open::<M::Out>(base(format, partitions)?, open)]))
}

/// The records, the first bad one of which ends the run, or all that can be read.
pub(crate) fn read<T: Send + Sync + 'static, F: Records<T>>(format: &F, partitions: Vec<Vec<Part>>, skip: bool) -> Result<Bag<T>, Error> {
    if skip { bag_of::<T, F, Skip>(format, partitions) } else { bag_of::<T, F, Strict>(format, partitions) }
}

/// The records, and what is wrong with those that cannot be read.
pub(crate) fn read_results<T: Send + Sync + 'static, F: Records<T>>(
    format: &F,
    partitions: Vec<Vec<Part>>,
) -> Result<Bag<Result<T, BadRecord>>, Error> {
    bag_of::<T, F, Results>(format, partitions)
}

/// The good records of a partition, and what was left out.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Counted<T: Element> {
    records: Partition<T>,
    bad: BadRecords,
}

/// The records that can be read, and what was left out, of one pass.
pub(crate) fn read_counted<T: Element + Clone, F: Records<T>>(
    format: &F,
    partitions: Vec<Vec<Part>>,
) -> Result<(Bag<T>, Delayed<BadRecords>), Error> {
    let results = bag_of::<T, F, Results>(format, partitions)?;
    let sink = Sink {
        open: Func::erased::<T, _>(|_| Ok(cell(Counted::<T> { records: Partition(Vec::new()), bad: BadRecords::default() }))),
        push: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let mut state = lock::<Counted<T>>(inputs.value(1))?;
            for record in lock::<Batch<Result<T, BadRecord>>>(inputs.value(0))?.owned().drain(..) {
                match record {
                    Ok(record) => state.records.0.push(record),
                    Err(bad) => state.bad.add(bad),
                }
            }
            Ok(Value::new(true))
        }),
        close: Func::erased::<T, _>(|inputs: &Inputs<'_>| {
            let mut state = lock::<Counted<T>>(inputs.value(0))?;
            let (records, bad) = (std::mem::take(&mut state.records.0), std::mem::take(&mut state.bad));
            Ok(Value::new(Counted { records: Partition(records), bad }))
        }),
        label: "count bad records".to_owned(),
    };
    let story = format!("{} (bad records counted)", results.stories());
    let counted = results.lower("counted", &sink, &[]).expect("was built just now");
    let (name, n_partitions) = (counted.places[0].0.clone(), counted.places.len() as u32);
    let bad = Name::from_token("bad-records", Tokenizer::new().text(name.as_str()).finish());
    let mut builder = GridBuilder::new(bad.clone(), &[n_partitions]);
    let func =
        builder.func(Func::erased::<(T, BadRecords), _>(|inputs: &Inputs<'_>| Ok(Value::new(inputs.get::<Counted<T>>(0)?.bad.clone()))));
    let number = builder.depends_on(name.clone());
    (0..n_partitions).for_each(|i| builder.call(func, [(number, i)]));
    let mut graph = counted.graph.clone();
    graph.insert_layer(builder.build());
    let places = (0..n_partitions).map(|i| (bad.clone(), i)).collect();
    let (graph, key) = tree::combine(Lowered { graph, places }, "count-bad-records", Func::of_many(BadRecords::combine), None);
    let open = Func::erased::<T, _>(|inputs: &Inputs<'_>| {
        let value = inputs.value(0).clone();
        value.get::<Counted<T>>()?;
        Ok(cursor_value(CountedCursor::<T> { value, position: 0, marker: PhantomData }))
    });
    let base = Base::of_layer(counted.graph, name, n_partitions, story);
    Ok((Bag::new(vec![Segment::of_open::<T>(base, open)]), Delayed::from_graph(graph, key)))
}

struct CountedCursor<T> {
    value: Value,
    position: usize,
    marker: PhantomData<fn() -> T>,
}

impl<T: Element + Clone> Cursor for CountedCursor<T> {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let records = &self.value.get::<Counted<T>>()?.records;
        let mut slot = lock::<Batch<T>>(slot)?;
        let out = slot.owned();
        out.clear();
        let end = records.len().min(self.position + limit);
        out.extend_from_slice(&records[self.position..end]);
        self.position = end;
        Ok(!out.is_empty())
    }
}
