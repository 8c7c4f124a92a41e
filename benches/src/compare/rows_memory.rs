//! How much is held at once: depth-first order lets blocks die young.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use arras_scheduler::{Compute, Recorder, Scheduler, Threads};

use super::{Contest, Result, Rival, Row, Setting, bar};
use crate::graphs;

const N_BLOCKS: u32 = 1000;
const BLOCK_NBYTES: usize = 100_000;

pub(super) fn rows() -> Vec<Row> {
    vec![Row::new("memory/map-map-sum", Rival::Nobody, |setting| map_map_sum(setting).map(Some))]
}

/// 1,000 blocks, each made, mapped and summed: the blocks held at once by the run's report, at most two for each thread.
fn map_map_sum(setting: &Setting) -> Result<Contest> {
    let total = graphs::map_map_sum(N_BLOCKS, BLOCK_NBYTES);
    let expected: u64 = (0..N_BLOCKS).map(|i| u64::from((i as u8).wrapping_add(1)) * BLOCK_NBYTES as u64).sum();
    let n = setting.threads;
    let threads = Threads::new(n);
    let most: Rc<Cell<usize>> = Rc::default();
    let worst = Rc::clone(&most);
    Ok(Contest {
        ours: Box::new(move || {
            let recorder = Recorder::new();
            let start = Instant::now();
            let sum = total.compute_with(&threads.observed_by(recorder.clone()))?;
            let seconds = start.elapsed().as_secs_f64();
            assert_eq!(sum, expected, "the sum is right");
            // The sums are too small to make up a block, so rounding down leaves the blocks.
            worst.set(worst.get().max(recorder.report().peak_live_nbytes / BLOCK_NBYTES));
            Ok(seconds)
        }),
        peer: None,
        detail: Box::new(move |_, _| {
            let held = bar(most.get() as f64, " blocks at once at worst", ..=2.0 * n as f64);
            Ok(format!("{held}: {N_BLOCKS} blocks of {BLOCK_NBYTES} bytes on {n} threads"))
        }),
    })
}
