//! A connection to a cluster: the bridge, and what has been learnt from it.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use arras_core::optimise::Costs;
use arras_core::{Error, Result, portable};

use super::bridge::{Bridge, Refusal};
use super::error::DaskError;
use super::events::Events;
use super::message::{Connect, Reply, Request, in_seconds};
use super::options::{ClientOptions, Executable};

const GLUE: &str = include_str!("../../python/arras_glue.py");
const WATCH: &str = include_str!("../../python/arras_watch.py");

/// Where the scheduler is to be found.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Tcp(String),
    File(PathBuf),
}

impl Address {
    fn describe(&self) -> String {
        match self {
            Address::Tcp(address) => address.clone(),
            Address::File(path) => format!("the place that {} names", path.display()),
        }
    }
}

/// What the scheduler said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Welcome {
    /// What the scheduler calls this client, and no other.
    pub(crate) client: String,
    pub(crate) scheduler: String,
    pub(crate) dashboard: String,
    pub(crate) release: String,
}

type Callback = Box<dyn FnOnce() + Send>;

/// A thread that calls functions of users', once there is a first one. It ends with this value; a function that drops the last holder of
/// the connection may run on it, so nobody waits for it.
struct Caller {
    name: &'static str,
    callbacks: Mutex<Option<Sender<Callback>>>,
}

impl Caller {
    fn new(name: &'static str) -> Caller {
        Caller { name, callbacks: Mutex::default() }
    }

    fn call(&self, callback: Callback) {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        let callbacks = callbacks.get_or_insert_with(|| {
            let (sender, receiver) = channel::<Callback>();
            let _ = std::thread::Builder::new().name(self.name.to_owned()).spawn(move || {
                for callback in receiver {
                    // A panic is the user's; the callbacks of others go on.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(callback));
                }
            });
            sender
        });
        let _ = callbacks.send(callback);
    }
}

/// A connection to a cluster, shared by clients, futures and remote values. The last to drop it leaves the cluster.
pub(crate) struct Connection {
    pub(crate) bridge: Bridge,
    pub(crate) events: Arc<Events>,
    /// The token of this executable, in hexadecimal.
    pub(crate) executable: String,
    pub(crate) welcome: Welcome,
    /// What tasks took before.
    pub(crate) costs: Mutex<Costs>,
    callbacks: Caller,
    /// Apart from the callbacks, which may wait for what is being awaited.
    wakers: Caller,
    /// A cluster that ends with the connection; after it, as fields are dropped in this order.
    _cluster: Option<Arc<dyn Send + Sync>>,
}

impl Connection {
    pub(crate) fn open(
        address: &Address,
        options: &ClientOptions,
        python: PathBuf,
        cluster: Option<Arc<dyn Send + Sync>>,
    ) -> Result<Arc<Connection>> {
        crate::worker::require_init()?;
        let executable = portable::executable_id()?.to_string();
        let events = Arc::new(Events::default());
        let bridge = Bridge::start(python, {
            let events = Arc::clone(&events);
            move |event| events.take(event)
        })?;
        let (path, body) = match &options.executable {
            Executable::Shipped => (String::new(), own_bytes()?),
            Executable::AtPath(path) => (path.to_string_lossy().into_owned(), Vec::new()),
        };
        let (tcp, file) = match address {
            Address::Tcp(address) => (address.clone(), String::new()),
            Address::File(path) => (String::new(), path.to_string_lossy().into_owned()),
        };
        let request = Request::Connect(Box::new(Connect {
            address: tcp,
            scheduler_file: file,
            security: options.security.as_ref().map(super::options::Security::to_wire),
            timeout: in_seconds(options.timeout),
            name: options.name.clone(),
            heartbeat: options.heartbeat.map(in_seconds),
            direct: options.direct,
            glue: GLUE,
            watch: WATCH,
            executable: executable.clone(),
            path,
            cpu: crate::cpu::features(),
            same_versions: !options.any_version,
        }));
        let welcome = match bridge.request(&request, &body) {
            Ok((Reply::Connected { client, scheduler, dashboard, threads, release }, _)) => {
                // The cluster may have told of more workers meanwhile.
                if events.threads() == 0 {
                    events.set_threads(threads);
                }
                Welcome { client, scheduler, dashboard, release }
            }
            Ok((other, _)) => return Err(unexpected(&other).into()),
            Err(refusal) => {
                return Err(match refusal.into_error(&address.describe()) {
                    DaskError::TimedOut { what, .. } => {
                        let what = format!("starting this executable beside the workers of {what}");
                        DaskError::TimedOut { what, waited: Some(options.timeout) }
                    }
                    error => error,
                }
                .into());
            }
        };
        Ok(Arc::new(Connection {
            bridge,
            events,
            executable,
            welcome,
            costs: Mutex::default(),
            callbacks: Caller::new("arras-dask-callbacks"),
            wakers: Caller::new("arras-dask-wakers"),
            _cluster: cluster,
        }))
    }

    /// Asks for something, and takes the reply that it expects.
    pub(crate) fn ask<T>(&self, request: &Request, what: &str, take: impl FnOnce(Reply) -> Option<T>) -> Result<T, DaskError> {
        let answer = self.bridge.request(request, &[]);
        let (reply, _) = answer.map_err(|refusal| refusal.into_error(what))?;
        let wrong = unexpected(&reply);
        take(reply).ok_or(wrong)
    }

    /// Asks for something whose reply says no more than that it was done.
    pub(crate) fn order(&self, request: &Request, what: &str) -> Result<(), DaskError> {
        self.ask(request, what, |reply| matches!(reply, Reply::Ok).then_some(()))
    }

    /// The error of a request that stands on futures: the task that failed, where it is one.
    pub(crate) fn error_of(&self, refusal: Refusal, what: &str) -> Error {
        match refusal {
            Refusal::Said(failure) if failure.key.is_some() => self.events.error_of(&failure),
            refusal => refusal.into_error(what).into(),
        }
    }

    /// Calls a user's function, on a thread that may wait for what it likes.
    pub(crate) fn call_back(&self, callback: Callback) {
        self.callbacks.call(callback);
    }

    /// Wakes a task that awaits. Not on the thread of whoever says that it can go on: an executor may poll it at once, and the reader's
    /// thread must neither wait nor write.
    pub(crate) fn wake(&self, waker: Waker) {
        self.wakers.call(Box::new(|| waker.wake()));
    }
}

pub(crate) fn unexpected(reply: &Reply) -> DaskError {
    let text: String = format!("{reply:?}").chars().take(60).collect();
    DaskError::BridgeLost { why: format!("it answered with something else: {text}") }
}

/// The bytes of the running executable.
fn own_bytes() -> Result<Vec<u8>> {
    // The link in /proc reaches the file even after it was replaced or removed.
    let link = PathBuf::from("/proc/self/exe");
    std::fs::read(&link).map_err(|error| Error::io(link, error))
}
