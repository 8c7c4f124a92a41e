//! Object stores by URL, called without async: S3 and what speaks its protocol, Google Cloud Storage, Azure, HTTP.
//!
//! ```text
//!     "s3://bucket/run/x.zarr" ──► Objects ── get, get_range, size, put, delete, list ──► object_store, on one small runtime a process
//! ```
//! Credentials, regions and endpoints come from the environment, by the names that the clouds' own tools use: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT`,
//! `AZURE_STORAGE_ACCOUNT_NAME` and so on (see `object_store`'s `AmazonS3ConfigKey` and its siblings). Requests that fail in a way that may pass are tried again by object_store.
#![forbid(unsafe_code)]

mod object;

use std::fmt;
use std::ops::Range;
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use url::Url;

pub use object::{Look, Object, ObjectReader, ObjectWriter};

/// What went wrong, and with which object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that is no URL of an object store.
    #[error("{url}: {why}")]
    Url {
        /// The text.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// What the store said.
    #[error("{object}: {source}")]
    Store {
        /// The object's URL.
        object: String,
        /// What was said.
        source: object_store::Error,
    },
    /// The runtime of this process could not be started.
    #[error("the runtime of object stores: {0}")]
    Runtime(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The objects below a URL. Cloning copies a pointer.
#[derive(Clone)]
pub struct Objects {
    url: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.url).finish()
    }
}

/// The path that a URL of a local file names: `file:///data/x.zarr`. Files need no store.
///
/// ```
/// assert_eq!(arras_store::local_path("file:///data/run%20one"), Some("/data/run one".into()));
/// assert_eq!(arras_store::local_path("s3://bucket/data"), None);
/// ```
pub fn local_path(url: &str) -> Option<std::path::PathBuf> {
    Url::parse(url).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

/// The variables of the environment that say how to reach a store, but not those of other programs that happen to have a name like an option's.
fn options() -> impl Iterator<Item = (String, String)> {
    let known = ["AWS_", "GOOGLE_", "AZURE_"];
    std::env::vars().filter(move |(name, _)| known.iter().any(|prefix| name.starts_with(prefix)))
}

impl Objects {
    /// The objects below a URL: `s3://bucket/folder`, `gs://…`, `az://…`, `abfss://…`, `https://…`. Does not ask the store anything.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn open(url: &str) -> Result<Objects> {
        Objects::open_with(url, options())
    }

    /// As [`open`](Objects::open), with options by name instead of those of the environment.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn open_with(url: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Objects> {
        let wrong = |why: String| Error::Url { url: url.to_owned(), why };
        let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
        let (store, prefix) = open_store(&parsed, options)?;
        Ok(Objects { url: url.trim_end_matches('/').to_owned(), store, prefix })
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn path(&self, key: &str) -> Path {
        let parts = key.split('/').filter(|part| !part.is_empty());
        parts.fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn error(&self, key: &str) -> impl Fn(object_store::Error) -> Error {
        let object = if key.is_empty() { self.url.clone() } else { format!("{}/{key}", self.url) };
        move |source| Error::Store { object: object.clone(), source }
    }

    /// Runs a request on the runtime, and waits for it. Works on any thread, one of another runtime included, which waits too.
    fn wait<T: Send + 'static>(
        &self,
        key: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<object_store::Result<T>> {
        let (sender, receiver) = channel();
        runtime()?.spawn(async move {
            // Nobody waits any more only if the thread that asked has panicked.
            let _ = sender.send(request.await);
        });
        receiver.recv().map_err(|_| Error::Runtime(format!("a request for {key:?} has panicked")))
    }

    /// What is asked for, if there is such an object.
    fn if_there<T>(&self, key: &str, found: object_store::Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(key)(error)),
        }
    }

    /// The content of an object, if there is one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        let found = self.wait(key, async move { store.get(&path).await?.bytes().await })?;
        self.if_there(key, found)
    }

    /// Parts of an object, if there is one. Those that lie close to each other are one request.
    ///
    /// # Errors
    /// [`Error::Store`], also for a range that goes beyond the object.
    pub fn get_ranges(&self, key: &str, ranges: Vec<Range<u64>>) -> Result<Option<Vec<Bytes>>> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        let found = self.wait(key, async move { store.get_ranges(&path, &ranges).await })?;
        self.if_there(key, found)
    }

    /// The size of an object in bytes, if there is one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn size(&self, key: &str) -> Result<Option<u64>> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        let found = self.wait(key, async move { store.head(&path).await })?;
        Ok(self.if_there(key, found)?.map(|found| found.size))
    }

    /// Writes an object: whole or not at all, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let (store, path, bytes) = (Arc::clone(&self.store), self.path(key), bytes.into());
        let put = self.wait(key, async move { store.put(&path, bytes.into()).await })?;
        put.map(|_| ()).map_err(self.error(key))
    }

    /// Deletes an object, if there is one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn delete(&self, key: &str) -> Result<()> {
        let (store, path) = (Arc::clone(&self.store), self.path(key));
        let deleted = self.wait(key, async move { store.delete(&path).await })?;
        self.if_there(key, deleted).map(|_| ())
    }

    /// The keys of all objects below a key, sorted. All of them are held: for folders of some 100,000 objects.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn list(&self, key: &str) -> Result<Vec<String>> {
        let (store, path, prefix) = (Arc::clone(&self.store), self.path(key), self.prefix.clone());
        let below = (!path.as_ref().is_empty()).then_some(path);
        let listed = self.wait(key, async move { store.list(below.as_ref()).try_collect::<Vec<_>>().await })?;
        let inside = |path: &Path| -> Option<String> {
            let parts: Vec<_> = path.prefix_match(&prefix)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let mut keys: Vec<String> = listed.map_err(self.error(key))?.iter().filter_map(|found| inside(&found.location)).collect();
        keys.sort();
        Ok(keys)
    }

    /// Deletes all objects below a key.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn delete_all(&self, key: &str) -> Result<()> {
        self.list(key)?.iter().try_for_each(|key| self.delete(key))
    }
}

/// The store that a URL names, and the path in it.
fn open_store(url: &Url, options: impl IntoIterator<Item = (String, String)>) -> Result<(Arc<dyn ObjectStore>, Path)> {
    // Whoever writes `http://` has decided already.
    let plain = (url.scheme() == "http").then(|| ("allow_http".to_owned(), "true".to_owned()));
    // The store is made where its timers and connections will live.
    let _entered = runtime()?.enter();
    let opened = object_store::parse_url_opts(url, options.into_iter().chain(plain));
    let (store, prefix) = opened.map_err(|error| Error::Url { url: url.to_string(), why: error.to_string() })?;
    Ok((store.into(), prefix))
}

/// The runtime of this process: two threads, which wait for the network.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::result::Result<Runtime, String>> = OnceLock::new();
    let start = || {
        let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("arras-store").enable_all().build();
        built.map_err(|error| error.to_string())
    };
    RUNTIME.get_or_init(start).as_ref().map_err(|why| Error::Runtime(why.clone()))
}
