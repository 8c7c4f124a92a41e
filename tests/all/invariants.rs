//! What holds everywhere: nothing is serialised in one process, no task runs before it is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use arras::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that notes when it is written or read.
#[derive(Debug, Clone)]
struct Tattler(u64);

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

impl Serialize for Tattler {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        WRITTEN.fetch_add(1, Ordering::SeqCst);
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Tattler {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tattler, D::Error> {
        WRITTEN.fetch_add(1, Ordering::SeqCst);
        u64::deserialize(deserializer).map(Tattler)
    }
}

#[test]
fn synchronous_and_threads_never_serialise() {
    let chain = || delayed(|| Tattler(1), ()).map(|x: &Tattler| Tattler(x.0 + 1)).map(|x: &Tattler| Tattler(x.0 * 2));
    let bag = Bag::from_sequence((0..100).map(Tattler), 5).map(|x: &Tattler| Tattler(x.0 * 2)).filter(|x: &Tattler| x.0 > 10);
    for _ in 0..2 {
        assert_eq!(chain().compute_with(&Synchronous).unwrap().0, 4);
        assert_eq!(chain().compute_with(&Threads::new(2)).unwrap().0, 4);
        assert_eq!(bag.compute_with(&Threads::new(2)).unwrap().len(), 94);
        assert_eq!(bag.count().compute_with(&Synchronous).unwrap(), 94);
    }
    assert_eq!(WRITTEN.load(Ordering::SeqCst), 0);
}

#[test]
fn building_explaining_drawing_and_optimising_run_no_task() {
    let ran = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&ran);
    let bag = Bag::from_sequence(0..10u64, 2).map(move |x: &u64| {
        counted.fetch_add(1, Ordering::SeqCst);
        *x
    });
    let both = (bag.count(), bag.frequencies());
    both.explain().unwrap();
    let folder = tempfile::tempdir().unwrap();
    both.visualize(folder.path().join("both.dot")).unwrap();
    let graph = both.graph().unwrap();
    arras::optimise::optimise(&graph, &both.keys()).unwrap();
    graph.check().unwrap();
    arras::prepare(&both).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    both.compute().unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 20);
}

#[test]
fn the_same_program_names_the_same_work() {
    // In another process, with another random seed for hash maps: names that stand for parameters, not for data in memory, agree.
    let names = || {
        let x = Rng::seed(3).uniform(0.0, 1.0, [50, 50], 20).unwrap();
        let y = (2.0 * x.t() + x.mean_axis(0)).sum_axis(1);
        let z = delayed(f64::sqrt, (2.0,)).map(|x| x + 1.0);
        let keys: Vec<String> = (y, z).graph().unwrap().keys().map(|key| key.to_string()).collect();
        keys.join("\n")
    };
    if std::env::var_os("ARRAS_TEST_CHILD").is_some() {
        println!("<names>{}</names>", names());
        return;
    }
    for _ in 0..3 {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "all::invariants::the_same_program_names_the_same_work", "--nocapture"])
            .env("ARRAS_TEST_CHILD", "1")
            .output()
            .unwrap();
        let text = String::from_utf8(child.stdout).unwrap();
        let (_, rest) = text.split_once("<names>").unwrap();
        assert_eq!(rest.split_once("</names>").unwrap().0, names());
    }
}
