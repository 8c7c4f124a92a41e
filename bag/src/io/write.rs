//! Bags as files: one a partition, streamed, named when all are whole.
//!
//! ```text
//!     create ──┬── run of partition 0 ──► .arras-9f2c…-0.tmp ──┬── finish: all get their names, lines-0.txt, lines-1.txt, …
//!              └── run of partition 1 ──► .arras-9f2c…-1.tmp ──┘
//!                                                                  no finish: they are taken away
//! ```
//! Object stores have no names to change: there an object comes into being, whole, when its partition ends, and is deleted if the run fails.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(feature = "cloud")]
use std::sync::{Mutex, PoisonError};

use arras_core::{BoxError, Delayed, Func, Graph, GridBuilder, Inputs, Kernel, Key, Layer, Name, Token, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bag::{Bag, Place};
use crate::engine::batch::{BATCH, Batch, cell, lock};
use crate::engine::numbers::add_layer;
use crate::engine::run::Sink;
use crate::error::Error;
use crate::io::codec::{Codec, Encoder};
use crate::io::source::{as_url, io_error, local_path};

/// Where and how to write files: what [`Bag::to_textfiles`] and its siblings take, made of a path or URL.
///
/// ```
/// use arras_bag::{Bag, Error, WriteFiles};
/// use arras_core::evaluate;
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path().join("out");
/// let lines = Bag::from_sequence(["a", "b"], 1);
/// evaluate(&lines.to_textfiles(&folder))?;
/// assert!(matches!(evaluate(&lines.to_textfiles(&folder)).unwrap_err().find(), Some(Error::Exists { .. })));
/// let paths = evaluate(&lines.to_textfiles(WriteFiles::to(&folder).overwrite()))?;
/// assert_eq!(paths, [folder.join("part-00000.txt")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WriteFiles {
    target: PathBuf,
    overwrite: bool,
}

impl WriteFiles {
    /// Writes to a folder, or to files whose names have the number in place of a `*`.
    pub fn to(target: impl AsRef<Path>) -> WriteFiles {
        WriteFiles { target: target.as_ref().to_owned(), overwrite: false }
    }

    /// Replaces files that are there already, where by default they are an error. In a folder, files with a partition's name (`part-00007.txt`) are removed that this bag has no partition for, so that
    /// the folder's files are the bag.
    pub fn overwrite(mut self) -> WriteFiles {
        self.overwrite = true;
        self
    }
}

macro_rules! from_path {
    ($($type:ty),*) => { $(
        impl From<$type> for WriteFiles {
            fn from(target: $type) -> WriteFiles {
                WriteFiles::to(target)
            }
        }
    )* };
}
from_path!(&str, String, &String, &Path, PathBuf, &PathBuf);

/// A format, with its options as they travel to the task.
pub(crate) trait FileFormat: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name of the method.
    const OPERATION: &'static str;
    /// How the names of its files end.
    const ENDING: &'static str;
}

/// Writes elements of one type.
pub(crate) trait Encode<T>: FileFormat {
    /// A file that is being written.
    type State: Send + 'static;
    fn open(&self, out: FileOut) -> Result<Self::State, BoxError>;
    fn write<'a>(state: &mut Self::State, items: impl Iterator<Item = &'a T>) -> Result<(), BoxError>
    where
        T: 'a;
    fn finish(state: Self::State) -> Result<FileOut, BoxError>;
}

/// What a format writes into.
pub(crate) type FileOut = BufWriter<Encoder<Out>>;

/// A file or an object.
pub(crate) enum Out {
    File(File),
    #[cfg(feature = "cloud")]
    Object(Box<arras_store::ObjectWriter>),
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::File(file) => file.write(bytes),
            #[cfg(feature = "cloud")]
            Out::Object(object) => object.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::File(file) => file.flush(),
            #[cfg(feature = "cloud")]
            Out::Object(object) => object.flush(),
        }
    }
}

/// Bytes that are written at a time.
const BUFFER: usize = 64 * 1024;

/// What all tasks of one write know.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    operation: Cow<'static, str>,
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// How names end in a folder that is all the bag's own.
    own: Option<String>,
    overwrite: bool,
    token: u128,
}

/// A path in a folder, or a URL below one.
fn join(folder: &Path, name: &str) -> PathBuf {
    match as_url(folder) {
        Some(url) => format!("{}/{name}", url.trim_end_matches('/')).into(),
        None => folder.join(name),
    }
}

/// The last part of a path, or of a URL, where percent signs stand for other characters.
fn decoded_name(path: &Path) -> String {
    let name = path.to_string_lossy();
    let name = name.rsplit('/').next().unwrap_or_default();
    match as_url(path) {
        Some(_) => percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned(),
        None => name.to_owned(),
    }
}

impl Plan {
    fn new<F: FileFormat>(to: &WriteFiles, n: usize) -> Result<Plan, Error> {
        let target = if as_url(&to.target).is_some() { to.target.clone() } else { local_path(&to.target) };
        let wrong = |why: &str| Error::Target { path: target.clone(), why: why.to_owned() };
        let target = match as_url(&target) {
            Some(_) if cfg!(not(feature = "cloud")) => {
                let why = "to read and write by URL, turn the feature `cloud` on".to_owned();
                return Err(Error::Url { url: target.display().to_string(), why });
            }
            Some(_) => target.clone(),
            None if target.as_os_str().is_empty() => return Err(wrong("it is empty")),
            None => std::path::absolute(&target).map_err(|error| io_error(&target, error))?,
        };
        let (folder, before, width, after, own) = match target.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.contains('*') => {
                let (before, after) = name.split_once('*').expect("has one");
                if after.contains('*') {
                    return Err(wrong("one `*` stands for the number of the partition, not several"));
                }
                let folder = match as_url(&target) {
                    Some(url) => PathBuf::from(&url[..url.len() - name.len()]),
                    None => target.parent().expect("has a file name").to_owned(),
                };
                (folder, before.to_owned(), (n.max(1) - 1).to_string().len(), after.to_owned(), None)
            }
            _ => {
                let after = format!(".{}", F::ENDING);
                (target.clone(), "part-".to_owned(), 5, after.clone(), Some(after))
            }
        };
        let files: Vec<PathBuf> = (0..n).map(|i| join(&folder, &format!("{before}{i:0width$}{after}"))).collect();
        if let Some(first) = files.first() {
            Codec::of_path(first).check(first)?;
        }
        if as_url(&folder).is_none() && folder.exists() && !folder.is_dir() {
            return Err(Error::Target { path: folder, why: "it is a file, and should be a folder".to_owned() });
        }
        let plan = Plan { operation: F::OPERATION.into(), folder, files, own, overwrite: to.overwrite, token: Token::unique().bits() };
        plan.check()?;
        Ok(plan)
    }

    /// The files that the target has already: those that will be written, and others that would be taken for a partition of the bag.
    fn existing(&self) -> Result<Vec<PathBuf>, Error> {
        let names: BTreeSet<String> = match as_url(&self.folder) {
            #[cfg(feature = "cloud")]
            Some(url) => {
                use crate::io::source::remote::store_error;
                let listed = arras_store::Object::open(url).and_then(|folder| folder.list_folder());
                listed.map_err(|error| store_error(url, error))?.iter().map(|look| decoded_name(Path::new(&look.url))).collect()
            }
            _ => match fs::read_dir(&self.folder) {
                Ok(entries) => {
                    let names = entries.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
                    names.collect::<io::Result<_>>().map_err(|error| io_error(&self.folder, error))?
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
                Err(error) => return Err(io_error(&self.folder, error)),
            },
        };
        let mut existing: Vec<PathBuf> = self.files.iter().filter(|path| names.contains(&decoded_name(path))).cloned().collect();
        if let Some(ending) = &self.own {
            let is_part = |name: &&String| -> bool {
                let number = name.strip_prefix("part-").and_then(|name| name.strip_suffix(ending.as_str()));
                number.is_some_and(|number| number.len() >= 5 && number.bytes().all(|digit| digit.is_ascii_digit()))
            };
            existing.extend(names.iter().filter(is_part).map(|name| join(&self.folder, name)));
        }
        existing.sort();
        existing.dedup();
        Ok(existing)
    }

    fn check(&self) -> Result<(), Error> {
        match self.existing()?.into_iter().next() {
            Some(path) if !self.overwrite => Err(Error::Exists { path }),
            _ => Ok(()),
        }
    }

    fn is_remote(&self) -> bool {
        as_url(&self.folder).is_some()
    }

    fn temporary(&self, i: usize) -> PathBuf {
        self.folder.join(format!("{}{i}.tmp", temporaries(self.token)))
    }

    /// Makes the folder. Gives those that were not there, the outermost first.
    fn create(&self) -> Result<Vec<PathBuf>, Error> {
        self.check()?;
        if self.is_remote() {
            return Ok(Vec::new());
        }
        let mut missing: Vec<PathBuf> = self.folder.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        missing.reverse();
        fs::create_dir_all(&self.folder).map_err(|error| io_error(&self.folder, error))?;
        Ok(missing)
    }

    /// Gives all files their names.
    fn finish(&self) -> Result<(), Error> {
        let stale: Vec<PathBuf> = if self.overwrite { self.existing()? } else { Vec::new() };
        if !self.is_remote() {
            for (i, path) in self.files.iter().enumerate() {
                if let Err(error) = self.settle(&self.temporary(i), path) {
                    // All or none, where nothing was there before.
                    if !self.overwrite {
                        self.files[..i].iter().for_each(|path| drop(fs::remove_file(path)));
                    }
                    return Err(error);
                }
            }
        }
        let ours: BTreeSet<&PathBuf> = self.files.iter().collect();
        for path in stale.iter().filter(|path| !ours.contains(path)) {
            match as_url(path) {
                #[cfg(feature = "cloud")]
                Some(url) => {
                    let deleted = arras_store::Object::open(url).and_then(|object| object.delete());
                    deleted.map_err(|error| crate::io::source::remote::store_error(url, error))?;
                }
                _ => fs::remove_file(path).map_err(|error| io_error(path, error))?,
            }
        }
        Ok(())
    }

    fn settle(&self, temporary: &Path, path: &Path) -> Result<(), Error> {
        let settled = if self.overwrite {
            fs::rename(temporary, path)
        } else {
            // A link is refused if somebody has made the file meanwhile; not all file systems have links.
            match fs::hard_link(temporary, path) {
                Ok(()) => fs::remove_file(temporary),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(Error::Exists { path: path.to_owned() }),
                Err(_) if !path.exists() => fs::rename(temporary, path),
                Err(error) => Err(error),
            }
        };
        match settled {
            // A task that is run once more because its worker was lost: this is done already.
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(()),
            settled => settled.map_err(|error| io_error(path, error)),
        }
    }
}

/// A write that is not finished yet, in the process in which it began.
struct Live {
    plan: Arc<Plan>,
    /// The folders that were not there before, the outermost first.
    created: Vec<PathBuf>,
    /// The objects that have come into being.
    #[cfg(feature = "cloud")]
    written: Mutex<Vec<PathBuf>>,
    /// Partitions that are being written.
    n_active: AtomicUsize,
    has_failed: AtomicBool,
    /// Nothing is left to be taken away: all files have their names, or are gone.
    is_settled: AtomicBool,
}

impl Live {
    /// Takes away what was written. As long as the run has not heard of the failure, its threads may begin other partitions: then the last of those does it again.
    fn abort(&self) {
        self.is_settled.store(true, Ordering::Release);
        if self.plan.is_remote() {
            #[cfg(feature = "cloud")]
            if !self.plan.overwrite {
                for path in self.written.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                    let _ = arras_store::Object::open(&path.to_string_lossy()).and_then(|object| object.delete());
                }
            }
            return;
        }
        take_away(&self.plan.folder, self.plan.token);
        // Only those that are empty go.
        self.created.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

/// How the names of a write's temporary files begin.
fn temporaries(token: u128) -> String {
    format!(".arras-{token:032x}-")
}

/// Removes all temporary files of a write.
fn take_away(folder: &Path, token: u128) {
    let prefix = temporaries(token);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The file of one partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct PartFile<F: FileFormat> {
    path: PathBuf,
    temporary: PathBuf,
    token: u128,
    partition: u64,
    format: F,
}

/// The file that a run writes.
struct PartWriter<F: Encode<T>, T> {
    part: PartFile<F>,
    state: Option<F::State>,
    /// None where nobody else will take the files away if the run fails.
    live: Option<Arc<Live>>,
    is_whole: bool,
}

impl<F: Encode<T>, T> PartWriter<F, T> {
    fn open(part: &PartFile<F>, live: Option<Arc<Live>>) -> Result<PartWriter<F, T>, Error> {
        if let Some(live) = &live {
            live.n_active.fetch_add(1, Ordering::AcqRel);
        }
        let mut writer = PartWriter { part: part.clone(), state: None, live, is_whole: false };
        let out = match as_url(&part.path) {
            #[cfg(feature = "cloud")]
            Some(url) => {
                let object = arras_store::Object::open(url).map_err(|error| crate::io::source::remote::store_error(url, error))?;
                Out::Object(Box::new(object.write()))
            }
            _ => {
                let mut created = File::create(&part.temporary);
                if created.is_err() && writer.live.as_ref().is_some_and(|live| live.has_failed.load(Ordering::Acquire)) {
                    // Another partition has failed and taken the folder away: its error is the one to tell.
                    created =
                        fs::create_dir_all(part.temporary.parent().expect("in a folder")).and_then(|()| File::create(&part.temporary));
                }
                Out::File(created.map_err(|error| io_error(&part.path, error))?)
            }
        };
        let out = BufWriter::with_capacity(BUFFER, Codec::of_path(&part.path).encoder(out, &part.path)?);
        writer.state = Some(part.format.open(out).map_err(|error| writer.error(error))?);
        Ok(writer)
    }

    /// What an error of writing says: of the disk, or of elements that the format has no form for.
    fn error(&self, error: BoxError) -> Error {
        let path = self.part.path.clone();
        match error.downcast::<io::Error>() {
            Ok(error) => io_error(&path, *error),
            Err(error) => Error::NotWritable { path, partition: self.part.partition, why: error.to_string() },
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let out = F::finish(state).map_err(|error| self.error(error))?;
        let finished = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(Encoder::finish);
        match finished.map_err(|error| io_error(&self.part.path, error))? {
            // Whatever closing could have to say has been said by flushing.
            Out::File(mut file) => file.flush().map_err(|error| io_error(&self.part.path, error))?,
            #[cfg(feature = "cloud")]
            Out::Object(object) => {
                let url = self.part.path.to_string_lossy();
                object.finish().map_err(|error| crate::io::source::remote::store_error(&url, error))?;
                if let Some(live) = &self.live {
                    live.written.lock().unwrap_or_else(PoisonError::into_inner).push(self.part.path.clone());
                }
            }
        }
        self.is_whole = true;
        Ok(())
    }
}

impl<F: Encode<T>, T> Drop for PartWriter<F, T> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.state = None;
            if as_url(&self.part.path).is_none() {
                let _ = fs::remove_file(&self.part.temporary);
                if let Some(folder) = self.part.temporary.parent().filter(|_| self.live.is_none()) {
                    take_away(folder, self.part.token);
                }
            }
        }
        if let Some(live) = &self.live {
            if !self.is_whole {
                live.has_failed.store(true, Ordering::Release);
            }
            // The last to go tidies up, before anybody hears of the failure.
            if live.n_active.fetch_sub(1, Ordering::AcqRel) == 1 && live.has_failed.load(Ordering::Acquire) {
                live.abort();
            }
        }
    }
}

impl<T: Send + Sync + 'static> Bag<T> {
    /// Writes each partition into a file of its own.
    pub(crate) fn write_files<F: Encode<T>>(&self, to: WriteFiles, format: &F) -> Delayed<Vec<PathBuf>> {
        match self.written(&to, format) {
            Ok(delayed) => delayed,
            Err(error) => Delayed::failed(error),
        }
    }

    fn written<F: Encode<T>>(&self, to: &WriteFiles, format: &F) -> Result<Delayed<Vec<PathBuf>>, arras_core::Error> {
        let segments = self.segments()?;
        let plan = Arc::new(Plan::new::<F>(to, self.n_partitions())?);
        let token = Token::unique();
        let name = |stage: &str| Name::from_token(&format!("{}{stage}", F::OPERATION), token);
        let mut graph = Graph::new();
        let kernel = |step| Func::kernel(WriteKernel { step, plan: Arc::clone(&plan) });

        let create = name("-create");
        let mut builder = GridBuilder::new(create.clone(), &[1]);
        let func = builder.func(kernel(Step::Create));
        builder.call(func, []);
        graph.insert_layer(builder.build());

        let parts = name("-files");
        let files = plan.files.iter().enumerate().map(|(i, path)| {
            let temporary = plan.temporary(i);
            Value::new(PartFile { path: path.clone(), temporary, token: plan.token, partition: i as u64, format: format.clone() })
        });
        graph.insert_layer(Layer::values(parts.clone(), &[plan.files.len() as u32], files.collect()));

        let mut places: Vec<Place> = Vec::with_capacity(plan.files.len());
        for (i, segment) in segments.iter().enumerate() {
            let write = name(&format!("-write{i}"));
            let before = places.len() as u32;
            let shared = |i: u32| vec![(create.clone(), 0), (parts.clone(), before + i)];
            segment.lower_with(&mut graph, write.clone(), write_sink::<T, F>(), BATCH, 2, shared);
            places.extend((0..segment.base.n_partitions()).map(|i| (write.clone(), i)));
        }

        let finish = name("");
        let all: Vec<Place> = [(create, 0)].into_iter().chain(places).collect();
        add_layer(&mut graph, finish.clone(), kernel(Step::Finish), &[all]);
        Ok(Delayed::from_graph(graph, Key::from((finish, 0))))
    }
}

/// Writes what arrives into the file of the partition.
fn write_sink<T: Send + Sync + 'static, F: Encode<T>>() -> Sink {
    Sink {
        open: Func::erased::<(T, F), _>(|inputs: &Inputs<'_>| {
            let unfinished = inputs.get::<Unfinished>(0)?;
            Ok(cell(PartWriter::<F, T>::open(inputs.get::<PartFile<F>>(1)?, unfinished.live())?))
        }),
        push: Func::erased::<(T, F), _>(|inputs: &Inputs<'_>| {
            let batch = lock::<Batch<T>>(inputs.value(0))?;
            let mut writer = lock::<PartWriter<F, T>>(inputs.value(1))?;
            let state = writer.state.as_mut().ok_or("a file that is written is open")?;
            if let Err(error) = F::write(state, batch.items()) {
                return Err(writer.error(error).into());
            }
            Ok(Value::new(true))
        }),
        close: Func::erased::<(T, F), _>(|inputs: &Inputs<'_>| {
            lock::<PartWriter<F, T>>(inputs.value(0))?.close()?;
            Ok(Value::new(()))
        }),
        label: F::OPERATION.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Step {
    Create,
    Finish,
}

/// The first and the last step of a write.
#[derive(Serialize, Deserialize)]
struct WriteKernel {
    step: Step,
    plan: Arc<Plan>,
}

impl Kernel for WriteKernel {
    fn name(&self) -> Cow<'static, str> {
        self.plan.operation.clone()
    }
    fn runs_user_code(&self) -> bool {
        // Disks and networks take their time.
        true
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        match self.step {
            Step::Create => {
                let live = Live {
                    plan: Arc::clone(&self.plan),
                    created: self.plan.create()?,
                    #[cfg(feature = "cloud")]
                    written: Mutex::default(),
                    n_active: AtomicUsize::new(0),
                    has_failed: AtomicBool::new(false),
                    is_settled: AtomicBool::new(false),
                };
                Ok(Value::new(Unfinished { live: Some(Arc::new(live)), has_travelled: AtomicBool::new(false) }))
            }
            Step::Finish => {
                let live = inputs.get::<Unfinished>(0)?.live();
                if let Err(error) = self.plan.finish() {
                    match live {
                        Some(live) => live.abort(),
                        None => take_away(&self.plan.folder, self.plan.token),
                    }
                    return Err(error.into());
                }
                if let Some(live) = live {
                    live.is_settled.store(true, Ordering::Release);
                }
                Ok(Value::new(self.plan.files.clone()))
            }
        }
    }
}

/// What stands between the first step and the last: the value of the first, which all others read. Schedulers drop it when the last of those is done, or when the run has failed: then
/// it takes away what was written. One that has travelled to another process or to disk is no sign of the run's end any more, so neither it nor its copies do anything.
struct Unfinished {
    live: Option<Arc<Live>>,
    has_travelled: AtomicBool,
}

impl Unfinished {
    fn live(&self) -> Option<Arc<Live>> {
        self.live.clone().filter(|_| !self.has_travelled.load(Ordering::Acquire))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(live) = self.live().filter(|live| !live.is_settled.load(Ordering::Acquire)) {
            live.abort();
        }
    }
}

impl Serialize for Unfinished {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.has_travelled.store(true, Ordering::Release);
        ().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Unfinished {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unfinished, D::Error> {
        <()>::deserialize(deserializer)?;
        Ok(Unfinished { live: None, has_travelled: AtomicBool::new(true) })
    }
}
