//! Sub-plans, and what travels apart from them.
//!
//! ```text
//!     bundle ──► sub-plan: its tasks, its small constants        a token of all that, of what it reads and of what it is wanted for
//!     constants: large ones, those that many read                in the graph, or scattered
//!                those on the cluster already                    their futures
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use arras_core::optimise::Bundles;
use arras_core::{Plan, Result, Source, Token, Tokenizer, Value};

use super::cell::{Held, token_of};
use super::connection::{Connection, unexpected};
use super::message::{Reply, Request};
use super::remote::DaskValue;

/// Constants of this size travel apart from the sub-plans, and so do smaller ones that many sub-plans would carry.
const APART: usize = 64 << 10;

/// A constant that is not inside the sub-plans.
pub(crate) struct Apart {
    pub(crate) index: u32,
    pub(crate) token: Token,
    pub(crate) place: Place,
}

/// Where it goes.
pub(crate) enum Place {
    /// On the cluster.
    Future(Arc<Held>),
    /// In the graph.
    Bytes(Vec<u8>),
}

/// A sub-plan, and which constants it takes as arguments, after the values of other bundles.
pub(crate) struct Payload {
    pub(crate) bytes: Vec<u8>,
    pub(crate) constants: Vec<u32>,
}

/// A plan in parts.
pub(crate) struct Parts {
    /// One for each bundle.
    pub(crate) payloads: Vec<Payload>,
    /// What each bundle computes.
    pub(crate) tokens: Vec<Token>,
    pub(crate) apart: Vec<Apart>,
    /// Whether something was scattered.
    pub(crate) scattered: bool,
}

impl Parts {
    /// Takes a plan apart. Constants that travel apart go into the graph if they are `limit` bytes or less in all, and are scattered now if
    /// they are more.
    ///
    /// # Errors
    /// What a `Serialize` reports, as [`Error::Task`](arras_core::Error::Task) of the first task that reads the value; what scattering or
    /// fetching from another engine reports.
    pub(crate) fn of(connection: &Arc<Connection>, plan: &Plan, bundles: &Bundles, limit: usize) -> Result<Parts> {
        let constants = Constants::new(plan, bundles);
        let mut apart = Vec::new();
        let mut tokens_of_constants = HashMap::new();
        let in_graph = constants.apart.iter().map(|constant| constant.nbytes).sum::<usize>() <= limit;
        let mut scattered = false;
        for constant in &constants.apart {
            let value = plan.constant(constant.index);
            let (token, place) = if let Some(held) = own(connection, value) {
                (token_of(&held.key), Place::Future(held))
            } else {
                let bytes = encode(plan, constant.reader, value)?;
                if in_graph {
                    (Tokenizer::new().hashed(&bytes).finish(), Place::Bytes(bytes))
                } else {
                    scattered = true;
                    let held = scatter(connection, &bytes, false)?;
                    // What was computed from data that is lost waits for that data, so what is computed from these has names of its own.
                    (token_of(&held.key), Place::Future(held))
                }
            };
            tokens_of_constants.insert(constant.index, token);
            apart.push(Apart { index: constant.index, token, place });
        }
        let mut payloads = Vec::with_capacity(bundles.len());
        let mut tokens: Vec<Token> = Vec::with_capacity(bundles.len());
        let mut arguments = Vec::new();
        for bundle in 0..bundles.len() as u32 {
            let read = &constants.of_bundle[bundle as usize];
            arguments.clear();
            arguments.extend(bundles.inputs(bundle).iter().map(|&task| Source::Task(task)));
            arguments.extend(read.iter().map(|&index| Source::Constant(index)));
            let tasks = bundles.tasks(bundle);
            let part = plan.part(tasks, &arguments, bundles.exports(bundle));
            let bytes = part.to_bytes().map_err(|error| plan.failure(tasks[0], error))?;
            let mut tokenizer = Tokenizer::new();
            tokenizer.text(&connection.executable).hashed(&bytes);
            for &input in bundles.inputs(bundle) {
                let from = bundles.bundle_of(input);
                let item = bundles.exports(from).binary_search(&input).unwrap_or_default();
                // Bundles come after those that they read.
                tokenizer.token(tokens[from as usize]).number(item as u64);
            }
            for index in read {
                tokenizer.token(tokens_of_constants[index]);
            }
            for &export in bundles.exports(bundle) {
                // Work that is to run again in spite of being equal has a key of its own.
                let key = plan.key(export);
                tokenizer.text(key.name().as_str()).hashed(key.index());
            }
            tokens.push(tokenizer.finish());
            payloads.push(Payload { bytes, constants: read.clone() });
        }
        Ok(Parts { payloads, tokens, apart, scattered })
    }
}

/// The hold on a value of this connection's own.
pub(crate) fn own(connection: &Arc<Connection>, value: &Value) -> Option<Arc<Held>> {
    let held = &value.as_remote()?.as_any().downcast_ref::<DaskValue>()?.held;
    Arc::ptr_eq(&held.connection, connection).then(|| Arc::clone(held))
}

/// The bytes of a constant; one that lives in another engine is fetched.
fn encode(plan: &Plan, reader: u32, value: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let fetched;
    let value = match value.as_remote() {
        Some(remote) => {
            fetched = remote.fetch()?;
            &fetched
        }
        None => value,
    };
    value.to_wire(&mut bytes).map_err(|error| plan.failure(reader, error))?;
    Ok(bytes)
}

/// Puts bytes of a value on the cluster, under a name of their own: Dask may still be about to free what had that name before.
pub(crate) fn scatter(connection: &Arc<Connection>, bytes: &[u8], broadcast: bool) -> Result<Arc<Held>> {
    let number = connection.bridge.next_number();
    let name = Tokenizer::new().text(&connection.welcome.client).number(number).finish();
    let held = Held::new(connection, number, (format!("data-{name}"), 0), None);
    let request = Request::Scatter { future: number, name: held.key.0.clone(), broadcast };
    match connection.bridge.request(&request, bytes) {
        Ok((Reply::Ok, _)) => Ok(held),
        Ok((other, _)) => Err(unexpected(&other).into()),
        Err(refusal) => Err(connection.error_of(refusal, "scattering")),
    }
}

/// Which constants travel apart, and which bundles read them.
struct Constants {
    apart: Vec<ConstantApart>,
    of_bundle: Vec<Vec<u32>>,
}

struct ConstantApart {
    index: u32,
    /// A task that reads it.
    reader: u32,
    /// What it would add to the graph.
    nbytes: usize,
}

impl Constants {
    fn new(plan: &Plan, bundles: &Bundles) -> Constants {
        // Which bundles read each constant, the last of them once.
        let mut readers: HashMap<u32, (u32, Vec<u32>)> = HashMap::new();
        for bundle in 0..bundles.len() as u32 {
            for &task in bundles.tasks(bundle) {
                for input in plan.inputs(task) {
                    let Source::Constant(index) = input else { continue };
                    let (_, bundles) = readers.entry(index).or_insert_with(|| (task, Vec::new()));
                    if bundles.last() != Some(&bundle) {
                        bundles.push(bundle);
                    }
                }
            }
        }
        let mut indices: Vec<u32> = readers.keys().copied().collect();
        indices.sort_unstable();
        let mut constants = Constants { apart: Vec::new(), of_bundle: vec![Vec::new(); bundles.len()] };
        for index in indices {
            let (reader, bundles) = &readers[&index];
            let value = plan.constant(index);
            let remote = value.as_remote().is_some();
            let nbytes = if remote { 0 } else { value.nbytes() };
            if !remote && nbytes.saturating_mul(bundles.len()) < APART {
                continue;
            }
            constants.apart.push(ConstantApart { index, reader: *reader, nbytes });
            for &bundle in bundles {
                constants.of_bundle[bundle as usize].push(index);
            }
        }
        constants
    }
}
