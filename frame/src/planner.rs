//! The planner: from a logical plan to layers of tasks.
//!
//! ```text
//!     scan ─ filter ─ group_by                       scan ─ filter ─ head(n)
//!
//!     [scan ─ filter ─ partial] × 20                 [scan ─ filter ─ head] × 1
//!            │ 8 at a time                                  │ enough rows? if not:
//!     [merge] × 3                                    [scan ─ filter ─ head] × 4
//!            │                                              │ enough? if not: × 16, × 64, …
//!     [merge ─ finish] × 1                           [gather]
//! ```
//! Row-local steps and the first half of the exchange that reads them are one task a partition and one polars query in it; only exchanges become edges. This
//! module alone knows how a plan becomes tasks: a planner that reads polars' own optimised plan takes its place without anything else changing.

use std::sync::Arc;

use arras_core::{Graph, GridBuilder, Layer, Name, Token, Tokenizer, Value};
use polars::prelude::LazyFrame;

use crate::partition_query::{PartitionQuery, Rows, explain};
use crate::plan::{Base, Kind, Query};
use crate::split::Split;
use crate::tasks;

/// Partial results that one task merges.
pub(crate) const SPLIT_EVERY: u32 = 8;

/// The first rows are looked for in one partition, then in this many times as many, and so on.
const HEAD_GROWTH: u32 = 4;

/// Planned partitions: the graph that computes them and the layer that they are.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub(crate) graph: Graph,
    pub(crate) name: Name,
}

/// The tasks of a query. Work: the number of partitions, once for each exchange.
pub(crate) fn stage(query: &Query) -> Stage {
    if query.steps.is_empty()
        && let Some(stage) = stage_of_base(&query.base)
    {
        return stage;
    }
    let mut source = Source::new(query);
    let name = Name::from_token(query.operation(), query.token);
    let mut layer = GridBuilder::new(name.clone(), &[query.n_partitions()]);
    let input = source.input(&mut layer);
    let func = layer.func(tasks::rows(source.query(query)));
    for i in 0..query.n_partitions() {
        layer.call(func, input.map(|input| (input, i)));
    }
    source.graph.insert_layer(layer.build());
    Stage { graph: source.graph, name }
}

/// The tasks of a base; none for files, which the tasks of a query read themselves.
fn stage_of_base(base: &Base) -> Option<Stage> {
    let make = || match &base.kind {
        Kind::Layer { graph, name } => Some(Stage { graph: graph.clone(), name: name.clone() }),
        Kind::Scan(_) => None,
        Kind::GroupBy { input, split } => Some(group_by(base.token, input, split)),
        Kind::Head { input, n } => Some(head(base.token, input, *n)),
    };
    if let Some(stage) = base.stage.get() {
        return Some(stage.clone());
    }
    let stage = make()?;
    Some(base.stage.get_or_init(|| stage).clone())
}

/// What the tasks of a query read: a layer of partitions, or files.
struct Source {
    graph: Graph,
    layer: Option<Name>,
    rows: Rows,
}

impl Source {
    fn new(query: &Query) -> Source {
        match (stage_of_base(&query.base), &query.base.kind) {
            (Some(stage), _) => Source { graph: stage.graph, layer: Some(stage.name), rows: Rows::Input },
            (None, Kind::Scan(scan)) => Source { graph: Graph::new(), layer: None, rows: Rows::Scan(Arc::clone(scan)) },
            (None, _) => unreachable!("files alone have no tasks of their own"),
        }
    }

    fn input(&self, layer: &mut GridBuilder) -> Option<u32> {
        self.layer.clone().map(|name| layer.depends_on(name))
    }

    fn query(&self, query: &Query) -> Arc<PartitionQuery> {
        Arc::new(PartitionQuery { rows: self.rows.clone(), steps: query.steps.clone(), schema: query.schema.clone() })
    }
}

fn group_by(token: Token, input: &Query, split: &Arc<Split>) -> Stage {
    let mut source = Source::new(input);
    let mut n_partials = input.n_partitions();
    let mut below = layer_name("partial", token, 0);
    let mut layer = GridBuilder::new(below.clone(), &[n_partials]);
    let dependency = source.input(&mut layer);
    let func = layer.func(tasks::partial(source.query(input), Arc::clone(split)));
    for i in 0..n_partials {
        layer.call(func, dependency.map(|dependency| (dependency, i)));
    }
    source.graph.insert_layer(layer.build());

    for level in 1.. {
        let n_merged = n_partials.div_ceil(SPLIT_EVERY);
        let is_last = n_merged == 1;
        let name = if is_last { Name::from_token(split.name(), token) } else { layer_name("merge", token, level) };
        let mut layer = GridBuilder::new(name.clone(), &[n_merged]);
        let dependency = layer.depends_on(below);
        let func = layer.func(if is_last { tasks::finish(Arc::clone(split)) } else { tasks::merge(Arc::clone(split)) });
        layer.reserve_inputs(n_partials as usize);
        for i in 0..n_merged {
            let first = i * SPLIT_EVERY;
            let last = first.saturating_add(SPLIT_EVERY).min(n_partials);
            layer.call(func, (first..last).map(|partial| (dependency, partial)));
        }
        source.graph.insert_layer(layer.build());
        if is_last {
            return Stage { graph: source.graph, name };
        }
        (n_partials, below) = (n_merged, name);
    }
    unreachable!("each level is smaller than the one below")
}

fn head(token: Token, input: &Query, n: usize) -> Stage {
    let mut source = Source::new(input);
    let query = source.query(input);
    let n_partitions = input.n_partitions();
    let mut gathered: Option<Name> = None;
    let (mut first, mut width) = (0, 1u32);
    for round in 0.. {
        let size = width.min(n_partitions - first);
        let is_last = first + size == n_partitions;

        let looked = layer_name("look", token, round);
        let mut layer = GridBuilder::new(looked.clone(), &[size]);
        let before = gathered.clone().map(|name| layer.depends_on(name));
        let dependency = source.input(&mut layer);
        let func = layer.func(tasks::look(Arc::clone(&query), n, first, before.is_some()));
        for i in 0..size {
            layer.call(func, before.map(|before| (before, 0)).into_iter().chain(dependency.map(|dependency| (dependency, first + i))));
        }
        source.graph.insert_layer(layer.build());

        let name = if is_last { Name::from_token("head", token) } else { layer_name("gather", token, round) };
        let mut layer = GridBuilder::new(name.clone(), &[1]);
        let before = gathered.map(|name| layer.depends_on(name));
        let dependency = layer.depends_on(looked);
        let func = layer.func(tasks::gather(n));
        layer.call(func, before.map(|before| (before, 0)).into_iter().chain((0..size).map(|i| (dependency, i))));
        source.graph.insert_layer(layer.build());
        if is_last {
            return Stage { graph: source.graph, name };
        }
        gathered = Some(name);
        first += size;
        width = width.saturating_mul(HEAD_GROWTH);
    }
    unreachable!("each round takes at least one partition")
}

fn layer_name(operation: &str, token: Token, level: u64) -> Name {
    Name::from_token(operation, Tokenizer::new().text(operation).token(token).number(level).finish())
}

/// A layer of partitions that are there already.
pub(crate) fn values(name: &Name, values: Vec<Value>) -> Graph {
    let mut graph = Graph::new();
    graph.insert_layer(Layer::values(name.clone(), &[values.len() as u32], values));
    graph
}

/// The plan for people: each partition's query as polars optimises it, and how the partitions come together.
pub(crate) fn describe(query: &Query) -> String {
    let mut text = String::new();
    describe_query(query, None, &mut text);
    text
}

/// What an exchange adds to the query of each partition.
type Tail<'t> = Option<&'t dyn Fn(LazyFrame) -> LazyFrame>;

fn describe_query(query: &Query, tail: Tail<'_>, text: &mut String) {
    let n = query.n_partitions();
    let rows = match &query.base.kind {
        Kind::GroupBy { input, split } => {
            describe_query(input, Some(&|rows| split.partial(rows)), text);
            let (n, name, keys) = (input.n_partitions(), split.name(), split.shown_keys());
            text.push_str(&format!("exchange {name} by [{keys}]: {n} partial results, merged {SPLIT_EVERY} at a time, to 1 partition\n"));
            Rows::Input
        }
        Kind::Head { input, n } => {
            let wanted = tasks::row_count(*n);
            describe_query(input, Some(&|rows| rows.limit(wanted)), text);
            text.push_str(&format!("exchange head {n}: partitions in turn until there are {n} rows, to 1 partition\n"));
            Rows::Input
        }
        Kind::Layer { .. } => Rows::Input,
        Kind::Scan(scan) => Rows::Scan(Arc::clone(scan)),
    };
    let is_source = matches!(query.base.kind, Kind::Layer { .. } | Kind::Scan(_));
    if !is_source && query.steps.is_empty() && tail.is_none() {
        return;
    }
    text.push_str(&format!("{n} × one polars query, {}:\n", query.operations()));
    for line in explain(&rows, query, tail.unwrap_or(&|rows| rows)).lines() {
        text.push_str(&format!("    {line}\n"));
    }
}
