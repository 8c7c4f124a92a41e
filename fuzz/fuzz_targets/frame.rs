//! Any bytes are frames, or an error; never more memory than arrives.
#![no_main]

use arras_scheduler::worker::frame::{Limits, read_frame};
use arras_scheduler::worker::message::{FromWorker, Reply, Request, ToWorker, task_events};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for limits in [Limits::STRANGER, Limits::TRUSTED] {
        let mut reader = bytes;
        while let Ok(Some(frame)) = read_frame(&mut reader, limits) {
            let _ = frame.message::<ToWorker>();
            let _ = frame.message::<FromWorker>();
            let _ = frame.message::<Request>();
            let _ = frame.message::<Reply>();
            let _ = task_events(&frame.body);
        }
    }
});
