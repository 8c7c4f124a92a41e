//! The Python sides by themselves: what goes wrong there is hard to bring about from here.

use std::path::Path;
use std::process::Command;

use crate::cluster::Release;

pub(crate) fn the_glue_keeps_its_promises(release: &Release) {
    run(release, "glue.py");
}

pub(crate) fn the_supervisor_keeps_its_promises(release: &Release) {
    run(release, "cluster.py");
}

fn run(release: &Release, script: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/tests").join(script);
    let output = Command::new(&release.python).arg(&script).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    assert!(output.status.success(), "{}: {}\n{words}", script.display(), output.status);
}
