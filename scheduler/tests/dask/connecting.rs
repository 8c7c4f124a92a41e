//! Joining a cluster: by address, by file, with TLS; and what stands in the way, said in words that help.
#![expect(clippy::ptr_arg, reason = "a parameter of a task is of the type of its value")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use arras_core::delayed;
use arras_scheduler::dask::{Client, ClientOptions, DaskError, Executable, LocalOptions, Security};
use arras_scheduler::{Compute, Scheduler, WorkerError};
use rustix::process::Signal;

use crate::cluster::{Cluster, Release, is_alive, kill, parent_of, python, shared, signal, wait_until};

/// The argument with which this program does not call `init`.
pub(crate) const WITHOUT_INIT: &str = "--without-init";

/// Connects in a program whose `main` does not begin with `init`.
pub(crate) fn without_init() {
    let error = Client::connect("tcp://127.0.0.1:1").unwrap_err();
    assert!(matches!(error.find(), Some(WorkerError::NotInitialised)), "{error:?}");
    println!("{error}");
}

fn refusal(options: &ClientOptions, address: &str) -> DaskError {
    let error = Client::connect_with(address, options).unwrap_err();
    error.find::<DaskError>().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// A program that says its first argument and what it was called with.
fn script(folder: &Path, text: &str) -> std::path::PathBuf {
    let path = folder.join("python");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

pub(crate) fn a_program_without_init_is_told_which_line_to_add(_: &Release) {
    let output = Command::new(std::env::current_exe().unwrap()).arg(WITHOUT_INIT).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("add `arras::init();`"), "{output:?}");
}

pub(crate) fn a_missing_python_package_or_scheduler_is_named(release: &Release) {
    let options = ClientOptions::new().python("/nowhere/python").timeout(Duration::from_secs(2));
    let error = refusal(&options, "tcp://127.0.0.1:1");
    assert!(matches!(&error, DaskError::PythonMissing { python, .. } if python == Path::new("/nowhere/python")), "{error:?}");
    assert!(error.to_string().contains("ARRAS_PYTHON"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    // Without site packages there is no Dask.
    let bare = script(folder.path(), &format!("#!/bin/sh\nexec '{}' -S -E \"$@\"\n", release.python.display()));
    let error = refusal(&options.clone().python(&bare), "tcp://127.0.0.1:1");
    assert!(matches!(&error, DaskError::DistributedMissing { python } if *python == bare), "{error:?}");
    assert!(error.to_string().contains("-m pip install distributed"), "{error}");
    let no_python = script(folder.path(), "#!/bin/sh\necho 'I am no Python'\n");
    assert!(matches!(refusal(&options.clone().python(no_python), "tcp://127.0.0.1:1"), DaskError::BridgeLost { .. }));
    let options = options.python(&release.python).executable(Executable::AtPath("/nowhere".into()));
    let error = refusal(&options, "tcp://127.0.0.1:1");
    assert!(matches!(&error, DaskError::Refused { address, .. } if address == "tcp://127.0.0.1:1"), "{error:?}");
    let error = refusal(&options, "teleport://x");
    assert!(matches!(&error, DaskError::Refused { .. }), "{error:?}");
    let error = Client::scheduler_file_with(folder.path().join("none.json"), &options).unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::Refused { why, .. }) if why.contains("none.json")), "{error:?}");
}

pub(crate) fn an_executable_that_the_workers_cannot_run_is_refused(release: &Release) {
    // One of its own: the other has the executable already.
    let cluster = Cluster::with(release, LocalOptions::new(1, 1));
    for (path, words) in [("/nowhere/program", "is not on this machine"), ("/bin/true", "it does not serve"), ("/etc/passwd", "")] {
        let error = refusal(&cluster.options().executable(Executable::AtPath(path.into())), cluster.address());
        assert!(matches!(&error, DaskError::Install { why } if why.contains(words)), "{path}: {error:?}");
    }
    assert_eq!(delayed(|| 1i64, ()).compute_with(&cluster.client()).unwrap(), 1);
    // It is there now, wherever another client thinks that it is.
    Client::connect_with(cluster.address(), &cluster.options().executable(Executable::AtPath("/nowhere/program".into()))).unwrap();
    cluster.end();
}

pub(crate) fn the_executable_travels_to_workers_that_do_not_have_it(release: &Release) {
    // One of its own: the other has the executable already.
    let cluster = Cluster::with(release, LocalOptions::new(1, 2));
    let client = Client::connect_with(cluster.address(), &cluster.options().executable(Executable::Shipped)).unwrap();
    assert_eq!(delayed(|x: i64| x * 2, (4,)).compute_with(&client).unwrap(), 8);
    assert_eq!((client.n_workers(), client.stats().unwrap()[0].threads), (2, 2));
    drop(client);
    cluster.end();
}

pub(crate) fn a_scheduler_file_says_where_the_cluster_is(release: &Release) {
    let cluster = shared(release);
    let client = Client::scheduler_file_with(cluster.scheduler_file(), &cluster.options().name("by file")).unwrap();
    assert_eq!(client.address(), cluster.address());
    assert_eq!(delayed(|| 2i64, ()).compute_with(&client).unwrap(), 2);
}

pub(crate) fn tls_is_spoken_with_certificates_only(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate) = (path("key.pem"), path("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("the test makes its certificate with openssl");
    assert!(made.status.success(), "{made:?}");
    let security = Security::new(&certificate, &certificate, &key);
    let cluster = Cluster::with(release, LocalOptions::new(1, 1).security(security.clone()));
    assert!(cluster.address().starts_with("tls://"), "{}", cluster.address());
    let with = cluster.options().security(security);
    let client = Client::connect_with(cluster.address(), &with).unwrap();
    assert_eq!(delayed(|x: i64| x + 1, (1,)).compute_with(&client).unwrap(), 2);
    let without = cluster.options().timeout(Duration::from_secs(3));
    let error = refusal(&without, cluster.address());
    assert!(matches!(error, DaskError::Refused { .. }), "{error:?}");
    let missing = Security::new("/nowhere/ca.pem", &certificate, &key);
    let error = refusal(&without.security(missing), cluster.address());
    assert!(matches!(error, DaskError::Refused { .. }), "{error:?}");
    drop(client);
    cluster.end();
}

pub(crate) fn a_lost_bridge_is_an_error_for_everyone_who_waits(release: &Release) {
    let client = shared(release).client();
    let slow = client.submit(|| std::thread::sleep(Duration::from_millis(1500)), ()).unwrap();
    let waiting = std::thread::spawn({
        let slow = slow.clone();
        move || slow.result()
    });
    kill(client.bridge_pid());
    let error = waiting.join().unwrap().unwrap_err();
    assert!(matches!(error.find(), Some(DaskError::BridgeLost { .. })), "{error:?}");
    for error in [
        client.workers().unwrap_err(),
        client.submit(|| 1i64, ()).unwrap_err(),
        delayed(|| 1i64, ()).compute_with(&client).unwrap_err(),
        slow.cancel().unwrap_err(),
    ] {
        assert!(matches!(error.find(), Some(DaskError::BridgeLost { .. })), "{error:?}");
    }
    assert!(!slow.result().is_ok_and(|()| true));
}

/// Says in a file that it has begun, and takes longer than any test.
fn begin_and_sleep(path: &PathBuf) {
    std::fs::write(path, "").unwrap();
    std::thread::sleep(Duration::from_secs(1000));
}

/// Says in a file that it has begun, and waits for another.
fn begin_and_wait(folder: &PathBuf) -> i64 {
    std::fs::write(folder.join("begun"), "").unwrap();
    wait_until("the test goes on", Duration::from_secs(100), || folder.join("go").exists());
    1
}

pub(crate) fn a_connection_that_breaks_is_an_error_for_everyone_who_waits(release: &Release) {
    let cluster = shared(release);
    let folder = tempfile::tempdir().unwrap();
    let client = Client::connect_with(cluster.address(), &cluster.options().name("breaks")).unwrap();
    let there = client.submit(|x: i64| x + 1, (1,)).unwrap();
    assert_eq!(there.result().unwrap(), 2);
    let slow = client.submit(begin_and_wait, (folder.path().to_owned(),)).unwrap();
    wait_until("it runs", Duration::from_secs(20), || folder.path().join("begun").exists());
    let run = std::thread::spawn({
        let (client, path) = (client.clone(), folder.path().to_owned());
        move || delayed(begin_and_wait, (path,)).map(|x: &i64| x + 1).compute_with(&client)
    });
    let waiting = std::thread::spawn({
        let slow = slow.clone();
        move || slow.result()
    });
    // Dask would connect again, to a scheduler that has forgotten this client.
    python(
        release,
        cluster.address(),
        "def cut(dask_scheduler):
            for name, comm in list(dask_scheduler.client_comms.items()):
                if '-breaks-' in name:
                    comm.abort()
        client.run_on_scheduler(cut)",
    );
    for error in [
        waiting.join().unwrap().unwrap_err(),
        run.join().unwrap().unwrap_err(),
        there.result().unwrap_err(),
        client.submit(|| 1i64, ()).unwrap_err(),
        client.workers().unwrap_err(),
    ] {
        assert!(matches!(error.find(), Some(DaskError::BridgeLost { why }) if why.contains("scheduler broke")), "{error:?}");
    }
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(cluster.client().submit(|x: i64| x + 1, (1,)).unwrap().result().unwrap(), 2);
}

pub(crate) fn a_worker_that_hangs_does_not_hold_up_whoever_connects(release: &Release) {
    let cluster = Cluster::start(release);
    let first = cluster.client();
    let worker = parent_of(cluster.sidecars()[0]);
    signal(worker, Signal::STOP);
    let started = Instant::now();
    let error = refusal(&cluster.options().timeout(Duration::from_secs(2)), cluster.address());
    assert!(matches!(&error, DaskError::TimedOut { waited: Some(waited), .. } if waited.as_secs() == 2), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    signal(worker, Signal::CONT);
    drop(first);
    let client = cluster.client();
    assert_eq!(client.stats().unwrap().len(), 2);
    assert_eq!(delayed(|| 1i64, ()).compute_with(&client).unwrap(), 1);
    drop(client);
    cluster.end();
}

pub(crate) fn a_client_waits_until_another_has_brought_the_executable_to_every_worker(release: &Release) {
    let cluster = Cluster::start(release);
    drop(cluster.client());
    // As when another client has told the scheduler, which has yet to tell the workers.
    python(
        release,
        cluster.address(),
        "def find(dask_scheduler):
            return [item for item in dask_scheduler.worker_plugins.items() if item[0].startswith('arras_glue_')]
        (name, plugin), = client.run_on_scheduler(find)
        client.unregister_worker_plugin(name)
        def know(name, plugin, dask_scheduler):
            dask_scheduler.worker_plugins[name] = plugin
        client.run_on_scheduler(know, name, plugin)",
    );
    let told = "async def tell(dask_scheduler):
            import asyncio
            while not any('-second-' in name for name in dask_scheduler.plugins):
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            (name, plugin), = [item for item in dask_scheduler.worker_plugins.items() if item[0].startswith('arras_glue_')]
            await dask_scheduler.broadcast(msg={'op': 'plugin-add', 'plugin': plugin, 'name': name})
        client.run_on_scheduler(tell)";
    std::thread::scope(|scope| {
        scope.spawn(|| python(release, cluster.address(), told));
        let client = Client::connect_with(cluster.address(), &cluster.options().name("second")).unwrap();
        assert_eq!(cluster.sidecars().len(), 2);
        assert_eq!(delayed(|| 1i64, ()).compute_with(&client).unwrap(), 1);
    });
    cluster.end();
}

pub(crate) fn programs_of_two_versions_share_a_cluster(release: &Release) {
    let cluster = Cluster::with(release, LocalOptions::new(1, 1));
    let folder = tempfile::tempdir().unwrap();
    let line = "self.glue = load(";
    let other = format!("import sys; a, b = sys.argv[1].split('{line}'); exec(a + 'glue += chr(10); {line}' + b)");
    let text = format!("#!/bin/sh\nexec '{}' -c \"{other}\" \"$2\"\n", release.python.display());
    let other = cluster.options().python(script(folder.path(), &text));
    let clients = [cluster.client(), Client::connect_with(cluster.address(), &other).unwrap()];
    // Other work, as for Dask an equal call of the same executable is the same task.
    let futures = [0, 1].map(|i| clients[i].submit(|x: usize| vec![x; 1000], (i,)).unwrap());
    for (i, client) in clients.iter().enumerate() {
        assert_eq!(client.submit(|x: &Vec<usize>| x.iter().sum::<usize>(), (&futures[i],)).unwrap().result().unwrap(), 1000 * i);
    }
    assert_eq!(cluster.sidecars().len(), 2, "each has its own");
    drop((clients, futures));
    cluster.end();
}

pub(crate) fn a_lost_scheduler_is_an_error_for_everyone_who_waits(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let cluster = Cluster::with(release, LocalOptions::new(1, 2));
    let options = cluster.options().timeout(Duration::from_secs(3));
    let client = Client::connect_with(cluster.address(), &options).unwrap();
    let slow = client.submit(begin_and_sleep, (one.clone(),)).unwrap();
    let run = std::thread::spawn({
        let (client, other) = (client.clone(), other.clone());
        move || delayed(begin_and_sleep, (other,)).compute_with(&client)
    });
    wait_until("both run", Duration::from_secs(20), || one.exists() && other.exists());
    kill(cluster.scheduler());
    for error in [slow.result().unwrap_err(), run.join().unwrap().unwrap_err()] {
        assert!(error.find::<DaskError>().is_some(), "{error:?}");
    }
    let started = Instant::now();
    assert!(client.submit(|| 1i64, ()).and_then(|future| future.result()).is_err());
    drop((slow, client));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    cluster.end();
}

pub(crate) fn another_release_of_dask_is_refused_unless_it_is_wanted(release: &Release) {
    let cluster = shared(release);
    let folder = tempfile::tempdir().unwrap();
    let pretends = "import sys, importlib.metadata as m; v = m.version; \
        m.version = lambda name: '2021.1.0' if name == 'distributed' else v(name); \
        import distributed; distributed.__version__ = '2021.1.0'; exec(compile(sys.argv[1], '<bridge>', 'exec'))";
    let text = format!("#!/bin/sh\nexec '{}' -c \"{pretends}\" \"$2\"\n", release.python.display());
    let options = cluster.options().python(script(folder.path(), &text));
    let error = refusal(&options, cluster.address());
    assert!(matches!(&error, DaskError::Versions { why } if why.starts_with("2021.1.0 here")), "{error:?}");
    assert!(error.to_string().contains("pip install distributed=="), "{error}");
    let client = Client::connect_with(cluster.address(), &options.any_version()).unwrap();
    assert_eq!(client.release(), "2021.1.0");
    assert_eq!(delayed(|| 4i64, ()).compute_with(&client).unwrap(), 4);
}

pub(crate) fn a_cluster_of_its_own_ends_with_the_last_holder(release: &Release) {
    let options = LocalOptions::new(1, 2).python(&release.python);
    let client = Client::local_with(&options, &ClientOptions::new()).unwrap();
    assert_eq!((client.n_workers(), client.workers().unwrap().len()), (2, 1));
    let future = client.submit(|x: i64| (x * 2, std::process::id()), (4,)).unwrap();
    let (eight, beside) = future.result().unwrap();
    assert_eq!(eight, 8);
    drop(client);
    assert!(is_alive(beside));
    drop(future);
    assert!(!is_alive(beside));
}

/// The argument with which this program is one whose file is replaced while it runs.
pub(crate) const REPLACED: &str = "--replaced";

/// Goes on with workers that were started after the file of this program was replaced.
pub(crate) fn replaced(python: &str) {
    let client = Client::local_with(&LocalOptions::new(1, 1).python(python), &ClientOptions::new()).unwrap();
    let own = std::env::current_exe().unwrap();
    std::fs::remove_file(&own).unwrap();
    std::fs::write(&own, "a new build").unwrap();
    client.restart(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(delayed(|x: i64| x + 1, (1,)).compute_with(&client).unwrap(), 2);
}

pub(crate) fn a_program_that_is_built_anew_while_it_runs_keeps_its_local_cluster(release: &Release) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("program");
    std::fs::copy("/proc/self/exe", &copy).unwrap();
    let output = Command::new(&copy).arg(REPLACED).arg(&release.python).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

pub(crate) fn the_last_holder_ends_the_bridge(release: &Release) {
    let client = shared(release).client();
    let bridge = client.bridge_pid();
    let future = client.submit(|| 5i64, ()).unwrap();
    let again = client.clone();
    drop((client, again));
    assert!(is_alive(bridge), "a future holds it");
    assert_eq!(future.result().unwrap(), 5);
    drop(future);
    wait_until("it has ended and was waited for", Duration::from_secs(1), || !Path::new(&format!("/proc/{bridge}")).exists());
}

pub(crate) fn a_report_is_written_or_dask_says_what_it_lacks(release: &Release) {
    let client = shared(release).client();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let panics = std::panic::AssertUnwindSafe(|| client.performance_report(&path, || panic!("a report's own affair")));
    // Without `bokeh` it may not come to that.
    let _ = std::panic::catch_unwind(panics);
    match client.performance_report(&path, || delayed(|| 3i64, ()).compute_with(&client)) {
        Ok(value) => {
            assert_eq!(value.unwrap(), 3);
            assert!(std::fs::read_to_string(&path).unwrap().contains("<html"));
        }
        Err(error) => {
            let lacks = matches!(error.find(), Some(DaskError::Cluster { message, .. }) if message.contains("bokeh"));
            assert!(lacks, "{error:?}");
        }
    }
}
