//! From bundles of a plan to a Dask graph.
//!
//! ```text
//!     plan, cut into bundles                      Dask
//!       bundle 0 ─ one result ─────────────────►  ("sum-9f2c…", 0): run(sub-plan)
//!       bundle 1 ─ two results ────────────────►  ("mul-77aa…", 0): run(sub-plan)    ("mul-item-77aa…", 0), (…, 1): item(…)
//!       a constant of 10 MB ───────────────────►  ("data-b1e5…", 0): the bytes        scattered instead if there are many
//!       a value that is on the cluster already ►  its future
//! ```
//! The names say what is computed: each bundle has a token of its sub-plan, of what it reads and of the keys of its results, and names are
//! made of those. So equal work has equal keys and runs once, while it is held; and work under a name that a user chose twice for different
//! things does not.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use arras_core::optimise::Bundles;
use arras_core::{Error, Plan, Result, Token, Tokenizer};

use super::cell::{DaskKey, Held};
use super::connection::Connection;
use super::message::{DaskTask, Dependency, Work};
use super::parts::{Parts, Payload, Place};
use super::submitted::{News, Submitted};

/// As much of a collection's goes into the graph, where Dask can send it again after a worker was lost; the scheduler holds it until the
/// run is over. More is scattered.
const IN_GRAPH: usize = 32 << 20;

/// As much of a call's: what is scattered has a name of its own each time, and then the same call is no longer the same task.
const IN_GRAPH_OF_CALL: usize = 256 << 20;

/// How the keys of Dask tasks are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// One after another: a collection's, whose tasks come together.
    Collection,
    /// By what they compute: a call's, which is the same call wherever it is made.
    Call,
}

/// A Dask graph and what it was made of.
#[derive(Default)]
pub(crate) struct DaskGraph {
    pub(crate) tasks: Vec<DaskTask>,
    /// The bytes of sub-plans and constants, in the order of the tasks.
    pub(crate) body: Vec<u8>,
    /// What has to stay on the cluster until the results are there.
    pub(crate) reads: Vec<Arc<Held>>,
    /// Whether something was scattered, which a lost worker takes with it for good.
    pub(crate) scattered: bool,
    /// The Dask tasks of the exported tasks of each plan.
    pub(crate) exports: Vec<HashMap<u32, u32>>,
    /// Which keys belong to which bundles of each plan.
    places: Vec<Vec<(DaskKey, u32)>>,
}

impl DaskGraph {
    /// Adds the tasks of a plan.
    ///
    /// # Errors
    /// What a `Serialize` reports, as [`Error::Task`] of the first task that reads the value; what scattering or fetching from another
    /// engine reports.
    pub(crate) fn add(&mut self, connection: &Arc<Connection>, plan: &Plan, bundles: &Bundles, naming: Naming) -> Result<()> {
        let limit = if naming == Naming::Call { IN_GRAPH_OF_CALL } else { IN_GRAPH };
        let parts = Parts::of(connection, plan, bundles, limit)?;
        let names = names(connection, plan, bundles, &parts.tokens, naming);
        let mut exports = HashMap::new();
        let mut places = Vec::new();
        let mut constants = HashMap::new();
        for constant in parts.apart {
            let dependency = match constant.place {
                Place::Future(held) => {
                    let number = held.number;
                    self.reads.push(held);
                    Dependency::Future(number)
                }
                Place::Bytes(bytes) => {
                    let work = Work::Data { length: bytes.len() as u64 };
                    self.body.extend_from_slice(&bytes);
                    Dependency::Task(self.push((format!("data-{}", constant.token), 0), work))
                }
            };
            constants.insert(constant.index, dependency);
        }
        self.scattered |= parts.scattered;
        for bundle in 0..bundles.len() as u32 {
            let Payload { bytes, constants: read } = &parts.payloads[bundle as usize];
            let from_tasks = bundles.inputs(bundle).iter().map(|input| Dependency::Task(exports[input]));
            let inputs = from_tasks.chain(read.iter().map(|index| constants[index])).collect();
            let wanted = bundles.exports(bundle);
            let work = Work::Run { length: bytes.len() as u64, results: wanted.len() as u32, inputs };
            self.body.extend_from_slice(bytes);
            let (name, index) = &names[bundle as usize];
            let run = self.push((name.clone(), *index), work);
            places.push(((name.clone(), *index), bundle));
            let [only] = wanted else {
                for (item, &task) in wanted.iter().enumerate() {
                    let key = item_key(name, *index, item, wanted.len());
                    places.push((key.clone(), bundle));
                    exports.insert(task, self.push(key, Work::Item { of: run, item: item as u32 }));
                }
                continue;
            };
            exports.insert(*only, run);
        }
        self.exports.push(exports);
        self.places.push(places);
        Ok(())
    }

    fn push(&mut self, (name, index): DaskKey, work: Work) -> u32 {
        self.tasks.push(DaskTask(name, index, work));
        self.tasks.len() as u32 - 1
    }

    /// The key of a Dask task.
    pub(crate) fn key(&self, task: u32) -> DaskKey {
        let DaskTask(name, index, _) = &self.tasks[task as usize];
        (name.clone(), *index)
    }

    /// What the plan of this number hears of its tasks. To be called before they are submitted.
    pub(crate) fn listen(
        &mut self,
        number: usize,
        connection: &Connection,
        plan: Arc<Plan>,
        bundles: Arc<Bundles>,
        news: Option<Sender<News>>,
    ) -> Arc<Submitted> {
        Submitted::new(&connection.events, plan, bundles, std::mem::take(&mut self.places[number]), news)
    }
}

/// The key of one of several results: items of one operation are a group of their own.
fn item_key(name: &str, index: u64, item: usize, of: usize) -> DaskKey {
    let (operation, token) = name.rsplit_once('-').unwrap_or((name, ""));
    // Within a group an index says which bundle and which of its results; the width of the widest bundle is not known, so they are hashed
    // together.
    let mixed = Tokenizer::new().number(index).number(item as u64).number(of as u64).finish();
    (format!("{operation}-item-{token}"), mixed.bits() as u64)
}

/// The keys of the bundles. Those of one operation are a group, which Dask's dashboard shows as one; where they read nothing they are
/// another, as Dask starts as many of those as there are threads and keeps the rest back.
fn names(connection: &Connection, plan: &Plan, bundles: &Bundles, tokens: &[Token], naming: Naming) -> Vec<DaskKey> {
    let operation = |bundle: u32| {
        let last = bundles.tasks(bundle).last().copied().unwrap_or_default();
        plan.layer_name(last).map_or("task", |name| name.operation())
    };
    let mut groups: HashMap<(&str, bool), (Tokenizer, u64)> = HashMap::new();
    let group_of = |bundle: u32| (operation(bundle), bundles.inputs(bundle).is_empty());
    if naming == Naming::Collection {
        for bundle in 0..bundles.len() as u32 {
            groups.entry(group_of(bundle)).or_default().0.token(tokens[bundle as usize]);
        }
    }
    let name = |operation: &str, token: Token| {
        // Dask's own separators have a meaning in names.
        let operation: String = operation.chars().map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
        format!("{operation}-{token}")
    };
    (0..bundles.len() as u32)
        .map(|bundle| match naming {
            Naming::Collection => {
                let group = group_of(bundle);
                let (tokenizer, next) = groups.get_mut(&group).expect("counted above");
                *next += 1;
                (name(group.0, tokenizer.finish()), *next - 1)
            }
            Naming::Call => {
                let operation = operation(bundle);
                let group = Tokenizer::new().text(&connection.executable).text(operation).finish();
                (name(operation, group), tokens[bundle as usize].bits() as u64)
            }
        })
        .collect()
}

/// The error of a plan whose outputs are not what its graph says.
pub(crate) fn missing_output() -> Error {
    super::error::DaskError::Damaged { why: "a wanted value is no result of any bundle".to_owned() }.into()
}
