//! Worker processes, spoken to frame by frame: what they answer, what they refuse, and that they end.

mod peer;

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use arras_core::{Graph, Key, Plan, Source, Value, task, with};
use arras_scheduler::worker::frame::{Limits, receive_frame, send_frame, write_frame};
use arras_scheduler::worker::message::{FromWorker, Reply, Request, Secret, Setup, VERSION};
use libtest_mimic::{Arguments, Failed, Trial};

use peer::Peer;

fn main() {
    arras_scheduler::init();
    if std::env::args().any(|argument| argument == "--print-what-stdin-holds") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).unwrap();
        println!("a program, with {text:?}");
        return;
    }
    macro_rules! trials {
        ($($name:ident),* $(,)?) => {
            vec![$(Trial::test(stringify!($name), || { $name(); Ok::<(), Failed>(()) })),*]
        };
    }
    let trials = trials![
        values_and_sub_plans_go_there_and_back,
        small_values_go_together_and_those_that_lie_are_not_kept,
        large_values_go_through_shared_memory,
        results_stay_and_are_read_by_the_next_sub_plan,
        failures_are_told_with_the_number_of_the_task_and_keep_nothing,
        a_run_is_cancelled_from_another_connection,
        a_worker_of_one_thread_runs_one_sub_plan_at_a_time_and_one_that_waits_can_be_cancelled,
        values_that_panic_when_they_are_dropped_written_or_read_end_no_connection,
        a_traced_run_says_which_task_starts,
        a_stranger_is_refused_before_anything_is_read,
        a_setup_of_another_build_version_or_cpu_is_refused,
        frames_that_lie_or_end_early_close_their_own_connection_only,
        a_damaged_sub_plan_or_value_is_an_answer_and_no_end,
        the_end_of_the_lifeline_ends_a_worker_that_is_busy,
        tasks_read_nothing_from_the_standard_input_and_start_programs_that_are_no_workers,
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A chain of three: what the argument is, plus one, doubled, less three.
fn chain() -> Plan {
    let mut graph = Graph::new();
    graph.insert("a", task(|| 10i64, ()));
    graph.insert("b", task(|x: &i64| x + 1, ("a",)));
    graph.insert("c", task(with(2i64, |k: &i64, x: &i64| x * k), ("b",)));
    graph.insert("d", task(|x: &i64| x - 3, ("c",)));
    Plan::new(&graph, &[Key::from("d")]).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.to_wire(&mut bytes).unwrap();
    bytes
}

fn execute(arguments: &[u64], results: &[u64]) -> Request {
    Request::Execute { run: 1, arguments: arguments.to_vec(), results: results.to_vec(), trace: false, observe: false }
}

fn values_and_sub_plans_go_there_and_back() {
    let worker = Peer::start();
    let talk = worker.connect();
    let Reply::Stored { nbytes: 8 } = talk.ask(&Request::Put { id: 7 }, &bytes(&Value::new(20i64))) else { panic!("not stored") };
    let part = chain().part(&[1, 2, 3], &[Source::Task(0)], &[2, 3]).to_bytes().unwrap();
    let reply = talk.ask(&execute(&[7], &[8, 9]), &part);
    let Reply::Done { nbytes, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(nbytes, [8, 8]);
    assert_eq!([8, 9].map(|id| *talk.value(id).get::<i64>().unwrap()), [42, 39]);
    let Reply::Stats(stats) = talk.ask(&Request::Stats, &[]) else { panic!("no stats") };
    assert_eq!((stats.values, stats.resident_nbytes, stats.executed, stats.threads), (3, 24, 1, 2));
    talk.send(&Request::Drop { ids: vec![7, 8, 1000] }, &[]);
    assert!(matches!(talk.ask(&Request::Get { id: 8, shared: false }, &[]), Reply::Missing { id: 8 }));
    assert_eq!(*talk.value(9).get::<i64>().unwrap(), 39);
}

fn small_values_go_together_and_those_that_lie_are_not_kept() {
    let worker = Peer::start();
    let talk = worker.connect();
    let values: Vec<Vec<u8>> = ["", "zwölf", "𝄞"].map(|text| bytes(&Value::new(text.to_owned()))).into();
    let lens: Vec<u64> = values.iter().map(|value| value.len() as u64).collect();
    let body = values.concat();
    let put_all = |ids: &[u64], lens: &[u64], body: &[u8]| talk.ask(&Request::PutAll { ids: ids.to_vec(), lens: lens.to_vec() }, body);
    assert!(matches!(put_all(&[1, 2, 3], &lens, &body), Reply::Stored { .. }));
    assert!(matches!(put_all(&[], &[], &[]), Reply::Stored { nbytes: 0 }));

    let large = vec![1u8; 4 << 20];
    let Reply::Stored { .. } = talk.ask(&Request::Put { id: 4 }, &bytes(&Value::new(large))) else { panic!("not stored") };
    let get_all = |ids: &[u64]| {
        talk.send(&Request::GetAll { ids: ids.to_vec() }, &[]);
        let frame = receive_frame(&talk.stream, Limits::TRUSTED).unwrap().expect("a reply");
        let Ok(Reply::Values { lens }) = frame.message() else { panic!("{frame:?}") };
        (lens, frame.body)
    };
    assert_eq!(get_all(&[1, 2, 3]), (lens.clone(), body.clone()));
    // As far as they are there and small.
    assert_eq!(get_all(&[3, 9, 1]), (vec![lens[2]], values[2].clone()));
    assert_eq!(get_all(&[1, 4, 3]), (vec![lens[0]], values[0].clone()));
    assert_eq!(get_all(&[]), (vec![], vec![]));

    let refused: [(&[u64], &[u64], &[u8]); 5] = [
        (&[5, 6], &[lens[0]], &values[0]),
        (&[5], &[lens[0] + 1], &values[0]),
        (&[5], &[u64::MAX], &values[0]),
        (&[5], &[lens[0]], &body),
        (&[5, 6], &[lens[0], 3], &[&values[0][..], &[255; 3]].concat()),
    ];
    for (ids, lens, body) in refused {
        let reply = put_all(ids, lens, body);
        assert!(matches!(reply, Reply::Damaged { .. }), "{lens:?}: {reply:?}");
        assert!(matches!(talk.ask(&Request::Get { id: 5, shared: false }, &[]), Reply::Missing { id: 5 }), "{lens:?}");
    }
}

fn large_values_go_through_shared_memory() {
    let worker = Peer::start();
    let talk = worker.connect();
    let large: Vec<u8> = (0..5_000_000u32).map(|i| (i % 127) as u8).collect();
    talk.ask(&Request::Put { id: 1 }, &bytes(&Value::new(large.clone())));
    send_frame(&talk.stream, &Request::Get { id: 1, shared: true }, &[], None).unwrap();
    let frame = receive_frame(&talk.stream, Limits::TRUSTED).unwrap().unwrap();
    let descriptor = frame.descriptor.expect("a descriptor");
    assert!(frame.body.is_empty());
    // Handed on unopened, by descriptor.
    send_frame(&talk.stream, &Request::Put { id: 2 }, &[], Some(descriptor.as_fd())).unwrap();
    assert!(matches!(talk.reply(), Reply::Stored { .. }));
    assert_eq!(talk.value(2).get::<Vec<u8>>().unwrap(), &large);
    // Memory that its sender could still change is refused.
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(&bytes(&Value::new(1i64))).unwrap();
    send_frame(&talk.stream, &Request::Put { id: 3 }, &[], Some(file.as_fd())).unwrap();
    let reply = talk.reply();
    assert!(matches!(&reply, Reply::Damaged { why } if why.contains("change")), "{reply:?}");
}

fn results_stay_and_are_read_by_the_next_sub_plan() {
    let worker = Peer::start();
    let (one, other) = (worker.connect(), worker.connect());
    let plan = chain();
    one.ask(&execute(&[], &[1]), &plan.part(&[0, 1], &[], &[1]).to_bytes().unwrap());
    other.ask(&execute(&[1], &[2]), &plan.part(&[2, 3], &[Source::Task(1)], &[3]).to_bytes().unwrap());
    assert_eq!(*one.value(2).get::<i64>().unwrap(), 19);
    let again = one.ask(&execute(&[], &[1]), &plan.part(&[0, 1], &[], &[1]).to_bytes().unwrap());
    assert!(matches!(&again, Reply::Failed { task: u32::MAX, message, .. } if message.contains("already")), "{again:?}");
    let missing = one.ask(&execute(&[77], &[3]), &plan.part(&[2, 3], &[Source::Task(1)], &[3]).to_bytes().unwrap());
    assert!(matches!(missing, Reply::Missing { id: 77 }));
}

fn failures_are_told_with_the_number_of_the_task_and_keep_nothing() {
    let mut graph = Graph::new();
    graph.insert("a", task(|| 1i64, ()));
    graph.insert("bad", arras_core::fallible_task(|x: &i64| u8::try_from(x - 2), ("a",)));
    graph.insert("panics", task(|x: &i64| -> i64 { panic!("with {x}") }, ("a",)));
    let worker = Peer::start();
    let talk = worker.connect();
    for (key, expected, panics) in [("bad", "out of range", false), ("panics", "with 1", true)] {
        let plan = Plan::new(&graph, &[Key::from(key)]).unwrap();
        let reply = talk.ask(&execute(&[], &[1]), &plan.part(&[0, 1], &[], &[1]).to_bytes().unwrap());
        let Reply::Failed { task: 1, message, panic } = reply else { panic!("{reply:?}") };
        assert!(message.contains(expected) && panic == panics, "{message}");
    }
    let Reply::Stats(stats) = talk.ask(&Request::Stats, &[]) else { panic!("no stats") };
    assert_eq!(stats.values, 0);
}

/// A chain of two, of which the first makes a mark and waits until it is gone.
fn marks_and_waits(mark: &std::path::Path) -> Vec<u8> {
    let mut graph = Graph::new();
    let wait = with(mark.to_owned(), |mark: &std::path::PathBuf| {
        std::fs::write(mark, "").unwrap();
        while mark.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        1i64
    });
    graph.insert("a", task(wait, ()));
    graph.insert("b", task(|x: &i64| x + 1, ("a",)));
    let plan = Plan::new(&graph, &[Key::from("b")]).unwrap();
    plan.part(&[0, 1], &[], &[1]).to_bytes().unwrap()
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited for half a minute");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn a_worker_of_one_thread_runs_one_sub_plan_at_a_time_and_one_that_waits_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let marks = [1, 2, 3].map(|i| folder.path().join(i.to_string()));
    let worker = Peer::of(1);
    let runs = [1, 2, 3].map(|_| worker.connect());
    let cancels = worker.connect();
    let start = |i: usize| {
        let request = Request::Execute { run: i as u64, arguments: vec![], results: vec![i as u64], trace: false, observe: false };
        runs[i].send(&request, &marks_and_waits(&marks[i]));
        // From here on, it can be cancelled.
        until(|| matches!(cancels.ask(&Request::Stats, &[]), Reply::Stats(stats) if stats.executed == i as u64 + 1));
    };
    start(0);
    until(|| marks[0].exists());
    start(1);
    start(2);
    assert!(matches!(cancels.ask(&Request::Cancel { run: 1 }, &[]), Reply::Ok));
    assert!(matches!(runs[1].reply(), Reply::Cancelled));
    assert!(marks[0].exists() && !marks[1].exists() && !marks[2].exists());
    std::fs::remove_file(&marks[0]).unwrap();
    assert!(matches!(runs[0].reply(), Reply::Done { .. }));
    until(|| marks[2].exists());
    std::fs::remove_file(&marks[2]).unwrap();
    assert!(matches!(runs[2].reply(), Reply::Done { .. }));
}

/// Panics when it is dropped; and, if it says so, when it is written.
#[derive(Clone, serde::Deserialize)]
struct Fragile(bool);

impl serde::Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "not to be written");
        serializer.serialize_newtype_struct("Fragile", &self.0)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("not to be dropped")
    }
}

fn values_that_panic_when_they_are_dropped_written_or_read_end_no_connection() {
    let mut graph = Graph::new();
    graph.insert("fragile", task(|| Fragile(false), ()));
    graph.insert("unwritable", task(|| Fragile(true), ()));
    let plan = Plan::new(&graph, &["fragile", "unwritable"].map(Key::from)).unwrap();
    let part = plan.part(&[0, 1], &[], &[0, 1]).to_bytes().unwrap();
    let worker = Peer::start();
    let talk = worker.connect();
    assert!(matches!(talk.ask(&execute(&[], &[1, 2]), &part), Reply::Done { .. }));
    assert!(matches!(talk.ask(&Request::Get { id: 2, shared: true }, &[]), Reply::Damaged { .. }));
    assert!(matches!(talk.ask(&Request::GetAll { ids: vec![1, 2] }, &[]), Reply::Values { lens } if lens.len() == 1));
    talk.send(&Request::Drop { ids: vec![1, 2] }, &[]);
    let Reply::Stats(stats) = talk.ask(&Request::Stats, &[]) else { panic!("no stats") };
    assert_eq!(stats.values, 0);
}

fn a_run_is_cancelled_from_another_connection() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("running");
    let part = marks_and_waits(&mark);
    let worker = Peer::start();
    let (runs, cancels) = (worker.connect(), worker.connect());
    runs.send(&execute(&[], &[1]), &part);
    until(|| mark.exists());
    assert!(matches!(cancels.ask(&Request::Cancel { run: 999 }, &[]), Reply::Ok));
    assert!(matches!(cancels.ask(&Request::Cancel { run: 1 }, &[]), Reply::Ok));
    std::fs::remove_file(&mark).unwrap();
    assert!(matches!(runs.reply(), Reply::Cancelled));
}

fn a_traced_run_says_which_task_starts() {
    let worker = Peer::start();
    let talk = worker.connect();
    let request = Request::Execute { run: 1, arguments: vec![], results: vec![5], trace: true, observe: true };
    talk.send(&request, &chain().part(&[0, 1, 2, 3], &[], &[3]).to_bytes().unwrap());
    let mut started = Vec::new();
    let events = loop {
        let frame = receive_frame(&talk.stream, Limits::TRUSTED).unwrap().expect("a reply");
        match frame.message().unwrap() {
            Reply::Started { task } => started.push(task),
            Reply::Done { .. } => break frame.body,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(started, [0, 1, 2, 3]);
    let events: Vec<arras_scheduler::worker::message::TaskEvent> = rmp_serde::from_slice(&events).unwrap();
    assert_eq!(events.len(), 4 + 3, "four tasks end and three values are dropped: {events:?}");
}

fn a_stranger_is_refused_before_anything_is_read() {
    let worker = Peer::start();
    let stranger = worker.open();
    stranger.send(&Request::Hello { secret: Secret::new([9; 16]) }, &[]);
    assert!(matches!(stranger.reply(), Reply::Refused { why } if why.contains("secret")));
    assert!(stranger.is_closed());
    // No hello at all, a long one, one with a body.
    for (request, body) in [
        (Request::Stats, &[][..]),
        (execute(&[], &[]), &[]),
        (execute(&[1; 10_000], &[]), &[]),
        (Request::Hello { secret: worker.secret }, &[1]),
    ] {
        let stranger = worker.open();
        let _ = write_frame(&mut &stranger.stream, &request, body);
        assert!(stranger.is_refused_or_closed());
    }
    assert!(matches!(worker.connect().ask(&Request::Ping, &[]), Reply::Ok));
}

fn a_setup_of_another_build_version_or_cpu_is_refused() {
    let good = Setup { version: VERSION, threads: 1, ..Setup::default() };
    for (setup, expected) in [
        (Setup { version: VERSION + 1, ..good.clone() }, "version"),
        (Setup { executable: "0123".to_owned(), ..good.clone() }, "0123"),
        (Setup { cpu: "teleport".to_owned(), ..good.clone() }, "teleport"),
    ] {
        let (answer, mut child) = Peer::answer_to(&setup);
        let FromWorker::Refused { why } = answer else { panic!("{answer:?}") };
        assert!(why.contains(expected), "{why}");
        assert!(!child.wait().unwrap().success());
    }
}

fn frames_that_lie_or_end_early_close_their_own_connection_only() {
    let worker = Peer::start();
    let healthy = worker.connect();
    for garbage in [
        &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc1",
        b"\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abc",
        b"\x05\x00",
    ] {
        let talk = worker.connect();
        (&talk.stream).write_all(garbage).unwrap();
        talk.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(talk.is_closed());
    }
    assert!(matches!(healthy.ask(&Request::Ping, &[]), Reply::Ok));
}

fn a_damaged_sub_plan_or_value_is_an_answer_and_no_end() {
    let worker = Peer::start();
    let talk = worker.connect();
    let part = chain().part(&[0, 1, 2, 3], &[], &[3]).to_bytes().unwrap();
    let value = bytes(&Value::new(vec!["text".to_owned(); 3]));
    let mut id = 0;
    for i in 0..part.len() {
        let mut bad = part.clone();
        bad[i] ^= 0x55;
        for bad in [&bad[..], &part[..i]] {
            id += 1;
            let reply = talk.ask(&execute(&[], &[id]), bad);
            assert!(matches!(reply, Reply::Failed { .. } | Reply::Done { .. }), "{reply:?}");
        }
    }
    for i in 0..value.len() {
        let mut bad = value.clone();
        bad[i] ^= 0x55;
        for bad in [&bad[..], &value[..i]] {
            id += 1;
            assert!(matches!(talk.ask(&Request::Put { id }, bad), Reply::Damaged { .. } | Reply::Stored { .. }));
        }
    }
    assert!(matches!(talk.ask(&execute(&[], &[id + 1]), &part), Reply::Done { .. }));
}

fn the_end_of_the_lifeline_ends_a_worker_that_is_busy() {
    let mut graph = Graph::new();
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("running");
    let forever = with(mark.clone(), |mark: &std::path::PathBuf| -> i64 {
        let _held = std::io::stdout().lock();
        std::fs::write(mark, "").unwrap();
        loop {
            std::thread::park();
        }
    });
    graph.insert("forever", task(forever, ()));
    let plan = Plan::new(&graph, &[Key::from("forever")]).unwrap();
    let worker = Peer::start();
    let talk = worker.connect();
    talk.send(&execute(&[], &[1]), &plan.part(&[0], &[], &[0]).to_bytes().unwrap());
    until(|| mark.exists());
    let started = Instant::now();
    worker.end();
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(talk.is_closed());
}

fn tasks_read_nothing_from_the_standard_input_and_start_programs_that_are_no_workers() {
    let mut graph = Graph::new();
    let read = || {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).unwrap();
        text
    };
    graph.insert("read", task(read, ()));
    let program = |_: &String| {
        let output = std::process::Command::new(std::env::current_exe().unwrap()).arg("--print-what-stdin-holds").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    graph.insert("program", task(program, ("read",)));
    let plan = Plan::new(&graph, &[Key::from("program")]).unwrap();
    let worker = Peer::start();
    let talk = worker.connect();
    let reply = talk.ask(&execute(&[], &[1, 2]), &plan.part(&[0, 1], &[], &[0, 1]).to_bytes().unwrap());
    assert!(matches!(reply, Reply::Done { .. }), "{reply:?}");
    assert_eq!(talk.value(1).get::<String>().unwrap(), "");
    assert_eq!(talk.value(2).get::<String>().unwrap(), "a program, with \"\"\n");
}
