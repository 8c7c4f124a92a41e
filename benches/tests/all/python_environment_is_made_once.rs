#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use arras_benches::compare::{Error, Python};
use serde_json::json;
use tempfile::TempDir;

/// A stand-in for Python: it writes down what it is told, `-m venv` copies it, `-m pip` fails on a requirement named `missing`, a script answers as a peer.
const STAND_IN: &str = r#"#!/bin/sh
log=$(cat "$(dirname "$0")/log-is" 2>/dev/null || echo "$(dirname "$0")/log")
case "$*" in
    --version) echo "Python 3.99" ;;
    "-m venv"*)
        for folder; do :; done
        echo venv >> "$log"
        mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" && echo "$log" > "$folder/bin/log-is" ;;
    "-m pip"*)
        for requirements; do :; done
        echo pip >> "$log"
        if grep -q missing "$requirements"; then echo "no matching distribution" >&2; exit 1; fi ;;
    *) read -r line; echo "{\"seconds\": $ARRAS_PEER_THREADS}" ;;
esac
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        // Written by another process: a program that one of our threads has open for writing cannot start, and another thread's child may hold it open for a moment.
        let write = r#"printf %s "$TEXT" > "$FILE" && chmod +x "$FILE""#;
        let mut shell = Command::new("sh");
        shell.args(["-c", write]).env("TEXT", STAND_IN).env("FILE", place.path("python"));
        assert!(shell.status().unwrap().success());
        place.require("numpy==1");
        place
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn require(&self, text: &str) {
        fs::write(self.path("requirements.txt"), text).unwrap();
    }
    fn prepare(&self) -> Result<Python, Error> {
        Python::prepare(self.path("python").to_str().unwrap(), &self.path("target"), self.folder.path())
    }
    /// What the stand-in was told since the last time.
    fn told(&self) -> String {
        let told = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn it_is_made_when_first_needed_and_when_the_requirements_change() {
    let place = Place::new();
    place.prepare().unwrap();
    assert_eq!(place.told(), "venv pip");
    place.prepare().unwrap();
    assert_eq!(place.told(), "");
    place.require("numpy==2");
    place.prepare().unwrap();
    assert_eq!(place.told(), "venv pip");
}

#[test]
fn it_is_made_anew_when_its_interpreter_is_gone() {
    let place = Place::new();
    place.prepare().unwrap();
    place.told();
    fs::remove_file(place.path("target/peers-venv/bin/python")).unwrap();
    place.prepare().unwrap();
    assert_eq!(place.told(), "venv pip");
}

#[test]
fn a_failed_installation_is_told_and_tried_again() {
    let place = Place::new();
    place.require("missing==1");
    for _ in 0..2 {
        let error = place.prepare().err().unwrap();
        assert!(matches!(&error, Error::Environment { output, .. } if output == "no matching distribution"), "{error}");
        assert_eq!(place.told(), "venv pip");
    }
}

#[test]
fn scripts_run_in_it_and_are_told_their_threads() {
    let place = Place::new();
    let mut peer = place.prepare().unwrap().start("pi.py", 3).unwrap();
    assert_eq!(peer.run("numpy", &json!({})).unwrap(), 3.0);
}

#[test]
fn without_python_or_requirements_nothing_is_made() {
    let place = Place::new();
    let target = place.path("target");
    let error = Python::prepare("/no/such/python", &target, place.folder.path()).err().unwrap();
    assert!(matches!(&error, Error::NoPython { program, .. } if program == "/no/such/python"), "{error}");
    let error = Python::prepare(place.path("python").to_str().unwrap(), &target, Path::new("/no/such/folder")).err().unwrap();
    assert!(matches!(&error, Error::File { path, .. } if path.ends_with("requirements.txt")), "{error}");
    assert!(!target.exists());
}
