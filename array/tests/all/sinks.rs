//! `store`: what a sink is told, in which order, and what becomes of a run that fails.

use std::sync::Mutex;

use arras_array::{Array, Block, BlockLocation, ChunkSink, Chunks, Error, SinkArray};
use arras_core::BoxError;
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::{ArrayD, IxDyn};

/// What the sinks of all tests were told: the test, and the step.
static TOLD: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn told(test: &str) -> Vec<String> {
    let told = TOLD.lock().unwrap();
    told.iter().filter(|(of, _)| of == test).map(|(_, step)| step.clone()).collect()
}

/// Notes what it is told.
#[derive(serde::Serialize, serde::Deserialize)]
struct Notes {
    test: String,
    fails: Option<String>,
    chunks: Option<usize>,
}

impl Notes {
    fn of(test: &str) -> Notes {
        Notes { test: test.to_owned(), fails: None, chunks: None }
    }
    fn note(&self, step: impl Into<String>) -> Result<(), BoxError> {
        let step = step.into();
        TOLD.lock().unwrap().push((self.test.clone(), step.clone()));
        if self.fails.as_ref() == Some(&step) { Err(format!("no more of {step}").into()) } else { Ok(()) }
    }
}

impl ChunkSink for Notes {
    fn name(&self) -> &'static str {
        "to_notes"
    }
    fn chunks(&self, array: &SinkArray) -> Result<Option<Chunks>, Error> {
        match self.chunks {
            Some(0) => Err(Error::Argument { operation: "to_notes", why: format!("not {:?}", array.chunks()) }),
            size => Ok(size.map(Chunks::from)),
        }
    }
    fn create(&self, array: &SinkArray) -> Result<(), BoxError> {
        self.note(format!("create {} {:?} {:?}", array.dtype(), array.shape(), array.chunks()))
    }
    fn write(&self, _: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError> {
        assert_eq!(block.shape(), at.shape);
        self.note(format!("write {:?} at {:?}: {}", at.index, at.start, block.get::<i64>().unwrap()))
    }
    fn finish(&self, _: &SinkArray) -> Result<(), BoxError> {
        self.note("finish")
    }
    fn abort(&self, _: &SinkArray) {
        let _ = self.note("abort");
    }
}

fn five() -> Array<i64> {
    Array::arange(0i64, 5, 1, 2).unwrap()
}

#[test]
fn a_sink_is_told_each_block_between_create_and_finish() {
    five().store(Notes::of("each")).compute_with(&Synchronous).unwrap();
    let mut steps = told("each");
    steps[1..4].sort();
    assert_eq!(
        steps,
        ["create i64 [5] [[2, 2, 1]]", "write [0] at [0]: [0, 1]", "write [1] at [2]: [2, 3]", "write [2] at [4]: [4]", "finish"]
    );
}

#[test]
fn a_sink_may_ask_for_other_chunks_or_refuse() {
    five().store(Notes { chunks: Some(4), ..Notes::of("chunks") }).compute_with(&Threads::new(2)).unwrap();
    assert_eq!(told("chunks")[0], "create i64 [5] [[4, 1]]");
    let error = five().store(Notes { chunks: Some(0), ..Notes::of("refusal") }).compute().unwrap_err();
    assert!(error.to_string().contains("to_notes: not [[2, 2, 1]]"), "{error}");
    assert_eq!(told("refusal"), [""; 0]);
    assert!(five().reshape([7]).store(Notes::of("never")).compute().is_err());
    assert_eq!(told("never"), [""; 0]);
}

#[test]
fn whatever_fails_ends_in_one_abort_and_no_finish() {
    let create = "create i64 [5] [[2, 2, 1]]";
    for (i, fails) in [create, "write [1] at [2]: [2, 3]", "finish"].into_iter().enumerate() {
        for threads in [0, 2] {
            let test = format!("fails {i} {threads}");
            let sink = five().store(Notes { fails: Some(fails.to_owned()), ..Notes::of(&test) });
            let error = if threads == 0 { sink.compute_with(&Synchronous) } else { sink.compute_with(&Threads::new(threads)) };
            let error = error.unwrap_err().to_string();
            assert!(error.contains(&format!("no more of {fails}")) && error.contains("to_notes"), "{error}");
            let steps = told(&test);
            assert_eq!(steps.iter().filter(|step| *step == "abort").count(), 1, "{steps:?}");
            assert_eq!(steps.last().unwrap(), "abort");
            assert_eq!(steps.contains(&"finish".to_owned()), fails == "finish");
        }
    }
    // What fails need not be the sink.
    for threads in 0..3 {
        let test = format!("elsewhere {threads}");
        let bad = Array::<i64>::from_fn_blocks([4], 2, |block| {
            assert!(block.index[0] == 0, "the second block fails");
            ArrayD::zeros(IxDyn(&[2]))
        });
        let sink = bad.unwrap().store(Notes::of(&test));
        assert!(if threads == 0 { sink.compute_with(&Synchronous) } else { sink.compute_with(&Threads::new(threads)) }.is_err());
        let steps = told(&test);
        assert!(steps.is_empty() || steps.last().unwrap() == "abort", "{steps:?}");
        assert!(!steps.contains(&"finish".to_owned()));
    }
}

#[test]
fn an_array_without_elements_is_stored_too() {
    Array::<i64>::zeros([0, 3], 2).unwrap().store(Notes::of("empty")).compute().unwrap();
    assert_eq!(told("empty").last().unwrap(), "finish");
    Array::<i64>::zeros([0; 0], 2).unwrap().store(Notes::of("no axes")).compute().unwrap();
    assert_eq!(told("no axes"), ["create i64 [] []", "write [] at []: 0", "finish"]);
}

/// A disk that takes no more, as far as one can be had without being somebody special: no file of this test's second run may have more than four kilobytes.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_that_names_the_file_and_nothing_is_left() {
    let folder = super::npy::Folder::new("sinks", "full");
    let executable = std::env::current_exe().unwrap();
    let script =
        format!("trap '' XFSZ; ulimit -f 8; exec '{}' --exact all::sinks::with_a_full_disk --ignored --nocapture", executable.display());
    let output = std::process::Command::new("sh").args(["-c", &script]).env("ARRAS_TEST_FULL", &folder.0).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(folder.names(), ["x.npy"]);
}

#[cfg(unix)]
#[test]
#[ignore = "run by the test above, with a limit"]
fn with_a_full_disk() {
    let folder = std::path::PathBuf::from(std::env::var_os("ARRAS_TEST_FULL").expect("run by the test above"));
    let random = arras_array::Rng::seed(1).uniform(0.0, 1.0, [4_000], 1_000).unwrap();
    Array::<f64>::ones([100], 10).unwrap().to_npy(folder.join("x.npy")).compute().unwrap();
    let before = std::fs::read(folder.join("x.npy")).unwrap();
    let mut runs = vec![("x.npy", random.to_npy(folder.join("x.npy"))), ("stack", random.to_npy_stack(folder.join("stack"), 0))];
    #[cfg(feature = "zarr")]
    runs.push(("x.zarr", random.to_zarr(folder.join("x.zarr"))));
    for (name, run) in runs.drain(..) {
        let error = run.compute_with(&Threads::new(2)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("File too large"), "{error}");
    }
    assert_eq!(std::fs::read(folder.join("x.npy")).unwrap(), before);
}
