//! Processes, and a real Dask cluster of two workers of one thread each: the same cluster for both sides.
//!
//! The word count needs a corpus: a folder of text files, named in `ARRAS_CORPUS`. Without it there is nothing to say about that row.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arras_array::{Block, Rng};
use arras_bag::Bag;
use arras_core::{Delayed, delayed};
use arras_scheduler::dask::{Client, ClientOptions, LocalOptions, SubmitOptions, When, wait};
use arras_scheduler::{Compute, Processes, Threads};
use ndarray::{ArcArray, IxDyn};
use serde_json::json;

use super::{Bar, Contest, Error, Result, Rival, Row, Setting, bar};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("processes/tasks", Rival::Nobody, processes),
        Row::new("cluster/tree", Rival::Python("dask"), tree).rounds(3),
        Row::new("cluster/pi", Rival::Python("dask.array"), pi),
        Row::new("cluster/pi-threads", Rival::Native("Threads"), pi_on_threads),
        // Minutes a round.
        Row::new("cluster/word-count", Rival::Python("dask.bag"), word_count).rounds(1),
        Row::new("cluster/transfer", Rival::Python("dask, NumPy array"), transfer),
    ]
}

const WORKERS: usize = 2;

/// The cluster that all rows share, started when the first needs it. `None` without Python.
fn cluster(setting: &Setting) -> Result<Option<Client>> {
    static CLUSTER: Mutex<Option<Client>> = Mutex::new(None);
    let Some(python) = &setting.python else { return Ok(None) };
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    if cluster.is_none() {
        *cluster = Some(Client::local_with(&LocalOptions::new(WORKERS, 1), &ClientOptions::new().python(python.interpreter()))?);
    }
    Ok(cluster.clone())
}

fn seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let start = Instant::now();
    let value = work()?;
    Ok((start.elapsed().as_secs_f64(), value))
}

fn processes(setting: &Setting) -> Result<Option<Contest>> {
    let n: u64 = if setting.quick { 2_000 } else { 10_000 };
    let processes = Processes::new(WORKERS)?;
    // The workers are started here.
    delayed(|| 0u8, ()).compute_with(&processes)?;
    let ours = move || {
        let tasks: Vec<Delayed<u64>> = (0..n).map(|i| delayed(|i: u64| i + 1, (i,))).collect();
        let (time, values) = seconds(|| Ok(tasks.compute_with(&processes)?))?;
        assert_eq!(values.iter().sum::<u64>(), n * (n + 1) / 2);
        Ok(time)
    };
    let detail = move |ours_s: f64, _| Ok(bar(1e6 * ours_s / n as f64, " µs a task", ..=5.0));
    Ok(Some(Contest { ours: Box::new(ours), peer: None, detail: Box::new(detail) }))
}

/// A row against a case of `peers/cluster.py`.
fn against_dask(
    setting: &Setting,
    client: &Client,
    case: &'static str,
    mut parameters: serde_json::Value,
    asked: Bar,
    ours: impl FnMut() -> Result<f64> + 'static,
) -> Result<Option<Contest>> {
    parameters["address"] = json!(client.address());
    let peer = setting.python_peer("cluster.py", case, parameters, 1.0)?;
    let detail = move |ours_s: f64, peer_s: Option<f64>| Ok(peer_s.map_or_else(String::new, |peer_s| asked.verdict(ours_s, peer_s)));
    Ok(Some(Contest { ours: Box::new(ours), peer, detail: Box::new(detail) }))
}

fn tree(setting: &Setting) -> Result<Option<Contest>> {
    const LENGTH: i64 = 1000;
    let Some(client) = cluster(setting)? else { return Ok(None) };
    let blocks: i64 = if setting.quick { 502 } else { 5002 };
    let parameters = json!({ "blocks": blocks, "length": LENGTH });
    let on = client.clone();
    against_dask(setting, &client, "tree", parameters, Bar::TimesAsFast(100.0), move || {
        let block = |i: &i64| (i * LENGTH..(i + 1) * LENGTH).collect::<Vec<i64>>();
        let (time, sum) = seconds(|| {
            let mut sums: Vec<Delayed<i64>> =
                (0..blocks).map(|i| delayed(block, (i,)).map(|block: &Vec<i64>| block.iter().sum::<i64>())).collect();
            while sums.len() > 1 {
                sums = sums
                    .chunks(2)
                    .map(|pair| match pair {
                        [a, b] => delayed(|a: &i64, b: &i64| a + b, (a, b)),
                        rest => rest[0].clone(),
                    })
                    .collect();
            }
            Ok(sums[0].compute_with(&on)?)
        })?;
        assert_eq!(sum, blocks * LENGTH * (blocks * LENGTH - 1) / 2);
        Ok(time)
    })
}

fn pi_of(n: usize, seed: u64, compute: impl FnOnce(&arras_array::Array<f64>) -> Result<f64>) -> Result<f64> {
    let collection = arras_core::Error::collection;
    let rng = Rng::seed(seed);
    let (time, pi) = seconds(|| {
        let x = rng.uniform(-1.0, 1.0, n, 1_000_000).map_err(collection)?;
        let y = rng.uniform(-1.0, 1.0, n, 1_000_000).map_err(collection)?;
        compute(&(4.0 * (x.powi(2) + y.powi(2)).lt(1.0).sum() / n as f64))
    })?;
    assert!((pi - std::f64::consts::PI).abs() < 0.01);
    Ok(time)
}

fn points(setting: &Setting) -> usize {
    if setting.quick { 10_000_000 } else { 100_000_000 }
}

fn on_cluster(client: &Client) -> impl Fn(&arras_array::Array<f64>) -> Result<f64> + use<> {
    let client = client.clone();
    move |pi| Ok(pi.compute_with(&client)?.sum())
}

fn pi(setting: &Setting) -> Result<Option<Contest>> {
    let Some(client) = cluster(setting)? else { return Ok(None) };
    let n = points(setting);
    let compute = on_cluster(&client);
    let mut seed = 0;
    // A new seed is new work: what the cluster holds already is not run again.
    against_dask(setting, &client, "pi", json!({ "n": n, "chunk": 1_000_000 }), Bar::TimesAsFast(4.0), move || {
        seed += 1;
        pi_of(n, seed, &compute)
    })
}

fn pi_on_threads(setting: &Setting) -> Result<Option<Contest>> {
    let Some(client) = cluster(setting)? else { return Ok(None) };
    let n = points(setting);
    let compute = on_cluster(&client);
    let threads = Threads::new(WORKERS);
    let (mut seed, mut peer_seed) = (1000, 1000);
    let ours = move || {
        seed += 1;
        pi_of(n, seed, &compute)
    };
    let peer = move || {
        peer_seed += 1;
        pi_of(n, peer_seed, |pi| Ok(pi.compute_with(&threads)?.sum()))
    };
    let detail = |ours_s: f64, peer_s: Option<f64>| {
        Ok(peer_s.map_or_else(String::new, |peer_s| bar(ours_s / peer_s, " of the time on threads", ..=1.3)))
    };
    Ok(Some(Contest { ours: Box::new(ours), peer: Some(Box::new(peer)), detail: Box::new(detail) }))
}

fn word_count(setting: &Setting) -> Result<Option<Contest>> {
    let (Some(client), Some(folder)) = (cluster(setting)?, std::env::var_os("ARRAS_CORPUS")) else { return Ok(None) };
    let folder = PathBuf::from(folder);
    let read = |source| Error::File { path: folder.clone(), source };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(read)?;
    files.sort();
    if setting.quick {
        files.truncate(2);
    }
    let count = |client: &Client, files: &[PathBuf]| -> Result<(f64, u64)> {
        seconds(|| {
            let lines = Bag::read_text(files).map_err(arras_core::Error::collection)?;
            let words = lines.flat_map(|line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
            // How many there are: as many of Python's objects in one list are more than a worker of Dask's can hold.
            Ok(words.frequencies().count().compute_with(client)?)
        })
    };
    // Also tells the peer what is right.
    let (_, distinct) = count(&client, &files)?;
    let parameters = json!({ "folder": folder, "files": files.len(), "distinct": distinct });
    let on = client.clone();
    against_dask(setting, &client, "word_count", parameters, Bar::TimesAsFast(15.0), move || {
        let (time, found) = count(&on, &files)?;
        assert_eq!(found, distinct);
        Ok(time)
    })
}

fn transfer(setting: &Setting) -> Result<Option<Contest>> {
    const NBYTES: usize = 100_000_000;
    let Some(client) = cluster(setting)? else { return Ok(None) };
    let addresses: Vec<String> = client.workers()?.into_iter().map(|worker| worker.address).collect();
    let [from, to] = [0, 1].map(|i| client.with(SubmitOptions::new().workers([&addresses[i]])));
    let mut round = 0u64;
    let mut block = move || -> Result<_> {
        round += 1;
        let block =
            from.submit(|round: &u64| Block::F64(ArcArray::<f64, IxDyn>::from_elem(IxDyn(&[NBYTES / 8]), *round as f64)), (round,))?;
        wait(std::slice::from_ref(&block), When::All, None);
        Ok(block)
    };
    against_dask(setting, &client, "transfer", json!({ "nbytes": NBYTES }), Bar::AtMost(1.3), move || {
        let block = block()?;
        let (time, length) = seconds(|| Ok(to.submit(|block: &Block| block.shape()[0] as u64, (&block,))?.result()?))?;
        assert_eq!(length, NBYTES as u64 / 8);
        Ok(time)
    })
}
