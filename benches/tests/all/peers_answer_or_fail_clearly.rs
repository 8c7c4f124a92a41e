#![cfg(unix)]

use std::process::Command;

use arras_benches::compare::{Error, Peer};
use serde_json::json;

/// A peer made of one line of shell.
fn peer(script: &str) -> Peer {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Peer::start(command).unwrap()
}

#[test]
fn one_process_answers_many_requests() {
    let mut peer =
        peer(r#"i=0; while read -r line; do i=$((i+1)); [ "$line" = 'run tree {"levels":3}' ] && echo "{\"seconds\": $i}"; done"#);
    let seconds: Vec<f64> = (0..3).map(|_| peer.run("tree", &json!({ "levels": 3 })).unwrap()).collect();
    assert_eq!(seconds, [1.0, 2.0, 3.0]);
}

#[test]
fn its_own_errors_are_told_and_it_lives_on() {
    let mut peer = peer(r#"read a; echo '{"error": "ValueError: no"}'; read b; echo '{"seconds": 0.5}'"#);
    let error = peer.run("x", &json!({})).unwrap_err();
    assert!(matches!(&error, Error::PeerFailed { message } if message == "ValueError: no"), "{error}");
    assert_eq!(peer.run("x", &json!({})).unwrap(), 0.5);
}

#[test]
fn one_that_ends_or_babbles_is_lost() {
    for script in ["exit 3", "read a; echo hello", r#"read a; echo '{"seconds": 0}'"#, r#"read a; echo '{"seconds": "soon"}'"#] {
        let error = peer(script).run("x", &json!({})).unwrap_err();
        assert!(matches!(error, Error::PeerLost { .. }), "{script}: {error}");
        assert!(error.to_string().contains("run x {}"), "{script}: {error}");
    }
}

#[test]
fn one_that_is_not_there_does_not_start() {
    let error = Peer::start(Command::new("/no/such/peer")).err().unwrap();
    assert!(matches!(error, Error::PeerStart { .. }) && error.to_string().contains("/no/such/peer"), "{error}");
}
