//! Arrays on disk that are larger than memory.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use arras_array::{Array, Chunks, Compressor, Zarr, ZarrSink, s};
use arras_scheduler::{Compute, Threads};

use super::{Contest, Error, Result, Rival, Row, Setting, bar};
use crate::memory;

pub(super) fn rows() -> Vec<Row> {
    vec![Row::new("zarr/standardise-40gb", Rival::Nobody, |setting| standardise(setting).map(Some)).rounds(1)]
}

/// What a run may hold.
const LIMIT: u64 = 2 << 30;

/// What the process may, all that is not the run's values included.
const MOST_GIB: f64 = 2.3;

fn array_error(error: arras_array::Error) -> arras_core::Error {
    arras_core::Error::collection(error)
}

/// 100,000 rows of 50,000 numbers that compress well, in chunks of 20 MB: written to Zarr by ourselves, then each column made to have mean 0 and deviation 1, to Zarr again, under a
/// limit of 2 GiB. The peak is what the operating system has seen of this process.
fn standardise(setting: &Setting) -> Result<Contest> {
    let (rows, columns, chunk) = (if setting.quick { 10_000 } else { 100_000 }, 50_000, [1_000, 2_500]);
    let threads = Threads::new(setting.threads).memory_limit(LIMIT);
    let folder = tempfile::tempdir().map_err(Error::file(Path::new("temporary folder")))?;
    let (source, target) = (folder.path().join("x.zarr"), folder.path().join("standardised.zarr"));
    let index = |n: i64, shape: [isize; 2], chunk| {
        Ok::<_, arras_core::Error>(Array::arange(0i64, n, 1, chunk).map_err(array_error)?.reshape(shape))
    };
    let (i, j) = (index(rows, [-1, 1], chunk[0])?, index(columns, [1, -1], chunk[1])?);
    let x = ((i * 7_919 + j * 104_729) % 1_009).cast::<f64>();
    let sink = |path: &Path| {
        Ok::<_, arras_core::Error>(ZarrSink::at(path).map_err(array_error)?.compressor(Compressor::Zstd { level: 1 }).overwrite(true))
    };
    let start = Instant::now();
    x.store(sink(&source)?).compute_with(&threads)?;
    let (generated_s, gigabytes) = (start.elapsed().as_secs_f64(), x.nbytes() as f64 / 1e9);

    let peak_gib: Rc<Cell<f64>> = Rc::default();
    let seen = Rc::clone(&peak_gib);
    let on_disk = nbytes_below(&source);
    Ok(Contest {
        ours: Box::new(move || {
            let _keep = &folder;
            memory::forget_peak_resident();
            let start = Instant::now();
            // Each is read on its own: what is read for the means is not kept until they are known.
            let stored = Zarr::open(&source).map_err(array_error)?;
            let (x, again) = (stored.read::<f64>(chunk).map_err(array_error)?, stored.read::<f64>(chunk).map_err(array_error)?);
            let standardised = (again - x.mean_axis(0)) / x.std_axis(0, 0);
            standardised.store(sink(&target)?).compute_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            seen.set(memory::peak_resident_nbytes().map_or(f64::NAN, |nbytes| nbytes as f64 / (1u64 << 30) as f64));
            let some = Array::<f64>::from_zarr(&target, Chunks::bytes(32 << 20)).map_err(array_error)?.slice(s![.., 0..2_500]);
            let (means, deviations) = (some.mean_axis(0).compute_with(&threads)?, some.std_axis(0, 0).compute_with(&threads)?);
            let right = means.iter().all(|mean| mean.abs() < 1e-9) && deviations.iter().all(|deviation| (deviation - 1.0).abs() < 1e-9);
            assert!(right, "the columns have mean 0 and deviation 1");
            Ok(seconds)
        }),
        peer: None,
        detail: Box::new(move |ours_s, _| {
            let held = bar(peak_gib.get(), " GiB resident at most", ..=MOST_GIB);
            Ok(format!(
                "{held}: {gigabytes:.0} GB ({:.0} MB on disk) read twice and written at {:.0} MB/s, after being generated at {:.0} MB/s",
                on_disk as f64 / 1e6,
                gigabytes * 1e3 / ours_s,
                gigabytes * 1e3 / generated_s,
            ))
        }),
    })
}

fn nbytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => nbytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
