//! Ctrl-C: a run ends in order when a handler cancels its token.

#[cfg(unix)]
#[test]
fn a_signal_handler_may_cancel() {
    use arras::prelude::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    if std::env::var_os("ARRAS_TEST_CHILD").is_some() {
        let token = arras::CancelToken::new();
        let from_handler = token.clone();
        ctrlc::set_handler(move || from_handler.cancel()).unwrap();
        static STARTED: AtomicBool = AtomicBool::new(false);
        let tasks: Vec<_> = (0..10_000u64)
            .map(|i| {
                delayed(
                    move || {
                        if !STARTED.swap(true, Ordering::SeqCst) {
                            println!("started");
                        }
                        std::thread::sleep(Duration::from_millis(10));
                        i
                    },
                    (),
                )
            })
            .collect();
        match tasks.compute_with(&Threads::new(2).cancelled_by(&token)) {
            Err(arras::Error::Cancelled { finished, total: 10_000 }) => println!("cancelled after {finished}"),
            other => println!("{other:?}"),
        }
        return;
    }

    use std::io::{BufRead, BufReader, Read};
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "all::interrupts::a_signal_handler_may_cancel", "--nocapture"])
        .env("ARRAS_TEST_CHILD", "1")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("started") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the child ended early");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(rest.contains("cancelled after"), "{rest}");
}
