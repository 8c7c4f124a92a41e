//! Clusters for tests: real `dask scheduler` and `dask worker` processes, and who of them is left.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arras_scheduler::dask::{Client, ClientOptions, Executable, LocalCluster, LocalOptions};
use rustix::process::{Pid, Signal};

/// A release of Dask to test with.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) label: String,
    pub(crate) python: PathBuf,
}

/// The clusters that tests share that leave theirs as they found it, one a release.
static SHARED: Mutex<Vec<(String, Arc<Cluster>)>> = Mutex::new(Vec::new());

/// A cluster of two workers of one thread for tests that leave it as they found it.
pub(crate) fn shared(release: &Release) -> Arc<Cluster> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, cluster)) = shared.iter().find(|(label, _)| *label == release.label) {
        return Arc::clone(cluster);
    }
    let cluster = Arc::new(Cluster::start(release));
    shared.push((release.label.clone(), Arc::clone(&cluster)));
    cluster
}

/// Ends the clusters that tests shared.
pub(crate) fn end_shared() {
    for (_, cluster) in std::mem::take(&mut *SHARED.lock().unwrap_or_else(PoisonError::into_inner)) {
        // A test that hangs may still hold it; it ends with this process then.
        if let Some(cluster) = Arc::into_inner(cluster) {
            cluster.end();
        }
    }
}

/// A cluster that ends with this value.
pub(crate) struct Cluster {
    local: LocalCluster,
    logs: tempfile::TempDir,
    /// Set in the environment of all its processes, and of those that they start.
    mark: String,
}

const MARK: &str = "ARRAS_TEST_CLUSTER";

impl Cluster {
    /// Two workers of one thread, with nannies.
    pub(crate) fn start(release: &Release) -> Cluster {
        Cluster::with(release, LocalOptions::new(2, 1))
    }

    /// With these options.
    pub(crate) fn with(release: &Release, options: LocalOptions) -> Cluster {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mark = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let logs = tempfile::tempdir().unwrap();
        let options = options.python(&release.python).logs(logs.path()).environment(MARK, &mark);
        // Three deaths of a worker are enough to blame a task.
        let options = options.environment("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "2");
        Cluster { local: LocalCluster::start(&options).unwrap(), logs, mark }
    }

    pub(crate) fn address(&self) -> &str {
        self.local.address()
    }

    pub(crate) fn scheduler_file(&self) -> &Path {
        self.local.scheduler_file()
    }

    /// A client of it. The executable is where the workers see it too.
    pub(crate) fn client(&self) -> Client {
        Client::connect_with(self.address(), &self.options()).unwrap()
    }

    pub(crate) fn options(&self) -> ClientOptions {
        ClientOptions::new().python(self.local.python()).executable(Executable::AtPath(std::env::current_exe().unwrap()))
    }

    pub(crate) fn add_worker(&self) {
        self.local.add_worker().unwrap();
    }

    /// The scheduler's process.
    pub(crate) fn scheduler(&self) -> u32 {
        self.local.processes().unwrap().iter().find(|process| process.name == "scheduler").unwrap().pid
    }

    /// The processes of this executable that its workers have started.
    pub(crate) fn sidecars(&self) -> Vec<u32> {
        let own = std::fs::metadata("/proc/self/exe").unwrap();
        let is_own = |pid: &u32| {
            use std::os::unix::fs::MetadataExt;
            let there = std::fs::metadata(format!("/proc/{pid}/exe"));
            there.is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()))
        };
        marked(&self.mark).into_iter().filter(is_own).collect()
    }

    /// Ends it, and checks that nothing of it is left.
    pub(crate) fn end(self) {
        let Cluster { local, logs, mark } = self;
        drop(local);
        assert_eq!(marked(&mark), [0; 0], "processes that are left");
        drop(logs);
    }
}

/// The processes with this mark.
fn marked(mark: &str) -> Vec<u32> {
    let mark = format!("{MARK}={mark}");
    let is_marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) && !is_zombie(*pid)
    };
    processes().into_iter().filter(is_marked).collect()
}

fn processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn status(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn is_zombie(pid: u32) -> bool {
    status(pid).is_none_or(|(state, _)| state == 'Z')
}

/// The process that started another.
pub(crate) fn parent_of(pid: u32) -> u32 {
    status(pid).unwrap().1
}

/// Whether a process is there.
pub(crate) fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists() && !is_zombie(pid)
}

/// Ends a process as the kernel does when memory runs out.
pub(crate) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let _ = rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), signal);
}

/// Runs lines of Python with a `client` of the cluster; what they print.
pub(crate) fn python(release: &Release, address: &str, lines: &str) -> String {
    let script = format!("import sys\nfrom distributed import Client\nwith Client(sys.argv[1]) as client:\n        {}\n", lines.trim());
    let output = Command::new(&release.python).args(["-c", &script, address]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Waits for something that other processes bring about.
pub(crate) fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
