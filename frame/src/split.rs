//! Split: a group-by's aggregates, taken apart into what partitions compute and what becomes of it.
//!
//! ```text
//!     (col("x").mean() + len()).alias("y")
//!         partial, a partition    sum of x as f64 · count of x · len
//!         merge, along a tree     sum             · sum        · sum
//!         finish                  leaf 0 = sum / count, leaf 1 = len    then    y = leaf 0 + leaf 1
//! ```
//! polars expands and types the expressions first (wildcards, names, casts), on an empty frame; what is taken apart is its lowered plan. Groups are kept in
//! the order of their first row at every level, so the result is that of polars' `group_by_stable` on the whole frame.

use std::collections::BTreeMap;

use arras_core::{Token, Tokenizer};
use polars::polars_utils::arena::{Arena, Node};
use polars::polars_utils::idx_vec::UnitVec;
use polars::prelude::{DataType, Expr, LazyFrame, PlSmallStr, SchemaRef, SortMultipleOptions, lit, when};
use polars_plan::plans::expr_ir::ExprIR;
use polars_plan::plans::{AExpr, IR, IRAggExpr, IRPlan, ToFieldContext, is_length_preserving_ae, node_to_expr};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::row_local::{check_column, empty, result_schema, shown, why_not_column, why_not_elementwise};
use crate::tokens::expr_token;

/// The methods that group.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Grouping {
    GroupBy,
    ValueCounts,
}

impl Grouping {
    fn name(self) -> &'static str {
        match self {
            Grouping::GroupBy => "group_by",
            Grouping::ValueCounts => "value_counts",
        }
    }
}

/// A group-by in three parts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Split {
    grouping: Grouping,
    /// The expressions to group by, as the user gave them.
    keys: Vec<Expr>,
    key_names: Vec<PlSmallStr>,
    partial: Vec<Expr>,
    merge: Vec<Expr>,
    leaves: Vec<Expr>,
    finish: Vec<Expr>,
    /// The column to sort by, the largest first.
    sort: Option<PlSmallStr>,
    /// The schema of the result, for the plan: tasks do without it.
    #[serde(skip)]
    pub(crate) schema: SchemaRef,
    /// The token of keys, aggregates and order, for the plan; none if they hold what nobody can see into.
    #[serde(skip)]
    pub(crate) token: Option<Token>,
}

impl Split {
    /// Takes a group-by on a frame of this schema apart.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::Step`], [`Error::NotRowLocal`] for a key, [`Error::UnsupportedAggregate`].
    pub(crate) fn new(grouping: Grouping, schema: &SchemaRef, keys: &[Expr], aggregates: &[Expr]) -> Result<Split> {
        let name = grouping.name();
        if keys.is_empty() {
            return Err(Error::NoKeys);
        }
        let plan = empty(schema).group_by_stable(keys).agg(aggregates).to_alp().map_err(Error::step(name, schema))?;
        let (lowered_keys, lowered_aggregates, expected) = match plan.root() {
            IR::GroupBy { keys, aggs, schema, .. } => (keys.clone(), aggs.clone(), schema.clone()),
            // polars turns a group-by whose keys are all constants into a selection.
            IR::Select { expr, .. } if !expr.is_empty() => {
                check_column(name, expr[0].node(), &plan.expr_arena)?;
                return Err(Error::NoKeys);
            }
            other => {
                let why = format!("polars carries it out as `{}`", other.name());
                return Err(Error::NotRowLocal { step: name, expression: format!("{keys:?}"), why });
            }
        };
        for key in &lowered_keys {
            check_column(name, key.node(), &plan.expr_arena)?;
        }
        let key_names: Vec<PlSmallStr> = lowered_keys.iter().map(|key| key.output_name().clone()).collect();
        let mut parts = Parts::new(plan, schema, &key_names);
        let finish = lowered_aggregates.iter().map(|aggregate| parts.take_apart(aggregate)).collect::<Result<Vec<_>>>()?;

        let key_columns = || key_names.iter().cloned().map(Expr::Column);
        let mut split = Split {
            grouping,
            keys: lowered_keys.iter().map(|key| node_to_expr(key.node(), &parts.arena).alias(key.output_name().clone())).collect(),
            partial: parts.partial,
            merge: parts.merge,
            leaves: key_columns().chain(parts.leaves).collect(),
            finish: key_columns().chain(finish).collect(),
            key_names,
            sort: None,
            schema: expected.clone(),
            token: token_of(keys, aggregates),
        };
        // Partial columns can be wider than what polars makes of the whole, so the result is held to polars' own types.
        let actual = result_schema(split.finish(split.merge(split.partial(empty(schema))))).map_err(Error::step(name, schema))?;
        for (expr, ((_, actual), (_, expected))) in split.finish.iter_mut().zip(actual.iter().zip(expected.iter())) {
            if actual != expected {
                *expr = expr.clone().cast(expected.clone());
            }
        }
        Ok(split)
    }

    /// The same groups, those of the largest value in this column first, equal ones in the order of their first row.
    pub(crate) fn sorted_by(mut self, column: PlSmallStr) -> Split {
        self.token = self.token.map(|token| Tokenizer::new().text("sorted").text(&column).token(token).finish());
        self.sort = Some(column);
        self
    }

    /// The partial aggregates of a partition.
    pub(crate) fn partial(&self, rows: LazyFrame) -> LazyFrame {
        rows.group_by_stable(self.keys.as_slice()).agg(self.partial.as_slice())
    }

    /// One set of partial aggregates of several, stacked in the order of their partitions.
    pub(crate) fn merge(&self, partials: LazyFrame) -> LazyFrame {
        let keys: Vec<Expr> = self.key_names.iter().cloned().map(Expr::Column).collect();
        partials.group_by_stable(keys).agg(self.merge.as_slice())
    }

    /// The result, of the one set of partial aggregates that is left.
    pub(crate) fn finish(&self, merged: LazyFrame) -> LazyFrame {
        let result = merged.select(self.leaves.as_slice()).select(self.finish.as_slice());
        match &self.sort {
            None => result,
            Some(column) => {
                let options = SortMultipleOptions::default().with_order_descending(true).with_maintain_order(true);
                result.sort_by_exprs([Expr::Column(column.clone())], options)
            }
        }
    }

    /// The method that made it.
    pub(crate) fn name(&self) -> &'static str {
        self.grouping.name()
    }

    /// All expressions in it.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = &Expr> {
        [&self.keys, &self.partial, &self.merge, &self.leaves, &self.finish].into_iter().flatten()
    }

    /// The keys, for people.
    pub(crate) fn shown_keys(&self) -> String {
        self.key_names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn token_of(keys: &[Expr], aggregates: &[Expr]) -> Option<Token> {
    let mut tokenizer = Tokenizer::new();
    for exprs in [keys, aggregates] {
        tokenizer.number(exprs.len() as u64);
        for expr in exprs {
            tokenizer.token(expr_token(expr)?);
        }
    }
    Some(tokenizer.finish())
}

/// The parts found so far.
struct Parts<'s> {
    arena: Arena<AExpr>,
    schema: &'s SchemaRef,
    /// Before the names of our own columns, so that none is the name of a key.
    prefix: String,
    partial: Vec<Expr>,
    merge: Vec<Expr>,
    leaves: Vec<Expr>,
    /// The aggregates that were replaced by a leaf's column, by their place in the arena.
    replaced: BTreeMap<usize, PlSmallStr>,
}

impl<'s> Parts<'s> {
    fn new(plan: IRPlan, schema: &'s SchemaRef, key_names: &[PlSmallStr]) -> Parts<'s> {
        let mut prefix = "part ".to_owned();
        while key_names.iter().any(|name| name.starts_with(&prefix)) {
            prefix.insert(0, '_');
        }
        Parts {
            arena: plan.expr_arena,
            schema,
            prefix,
            partial: Vec::new(),
            merge: Vec::new(),
            leaves: Vec::new(),
            replaced: BTreeMap::new(),
        }
    }

    /// The expression over leaves that gives one aggregate's result.
    fn take_apart(&mut self, aggregate: &ExprIR) -> Result<Expr> {
        let root = aggregate.node();
        let text = shown(root, &self.arena);
        let unsupported = |why: String| Error::UnsupportedAggregate { expression: text.clone(), why };
        let mut stack = UnitVec::new();
        stack.push(root);
        while let Some(node) = stack.pop() {
            if self.replaced.contains_key(&node.0) {
                continue;
            }
            match self.arena.get(node) {
                AExpr::Agg(_) | AExpr::Len => {
                    let leaf = self.leaf(node).map_err(unsupported)?;
                    self.arena.replace(node, AExpr::Column(leaf.clone()));
                    self.replaced.insert(node.0, leaf);
                }
                AExpr::Column(name) => return Err(unsupported(format!("column {name:?} is read outside an aggregate"))),
                part => part.inputs_rev(&mut stack),
            }
        }
        if let Some(why) = why_not_elementwise(root, &self.arena) {
            return Err(unsupported(why));
        }
        if !is_length_preserving_ae(root, &self.arena) {
            return Err(unsupported("it aggregates nothing".to_owned()));
        }
        Ok(node_to_expr(root, &self.arena).alias(aggregate.output_name().clone()))
    }

    /// The column of a leaf: one aggregate, computed from partial ones.
    fn leaf(&mut self, node: Node) -> Result<PlSmallStr, String> {
        let dtype = self.dtype(node)?;
        let aggregate = match self.arena.get(node) {
            AExpr::Len => None,
            AExpr::Agg(aggregate) => Some(aggregate.clone()),
            _ => unreachable!("only aggregates are leaves"),
        };
        let finished = match aggregate {
            None => self.part(Expr::Len, Expr::sum),
            Some(IRAggExpr::Count { input, include_nulls: false }) => self.part(self.input(input)?.count(), Expr::sum),
            Some(IRAggExpr::Count { input, include_nulls: true }) => self.part(self.input(input)?.len(), Expr::sum),
            Some(IRAggExpr::Min { input, propagate_nans: false }) => self.part(self.input(input)?.min(), Expr::min),
            Some(IRAggExpr::Max { input, propagate_nans: false }) => self.part(self.input(input)?.max(), Expr::max),
            Some(IRAggExpr::Min { .. } | IRAggExpr::Max { .. }) => {
                return Err("nan_min and nan_max need a feature of polars that is not built in".to_owned());
            }
            Some(IRAggExpr::Sum(input)) => {
                let found = self.dtype(input)?;
                if !(found.is_primitive_numeric() || matches!(found, DataType::Boolean | DataType::Duration(_))) {
                    return Err(format!("there is no sum of type {found}"));
                }
                self.part(self.input(input)?.sum(), Expr::sum)
            }
            Some(IRAggExpr::Mean(input)) => self.mean(input, &dtype)?,
            Some(IRAggExpr::Implode { .. }) => return Err("the list of a group's values is nothing that is aggregated".to_owned()),
            Some(other) => return Err(format!("`{}` of a whole cannot be put together from those of its partitions", name_of(&other))),
        };
        let leaf = PlSmallStr::from_string(format!("{}leaf {}", self.prefix, self.leaves.len()));
        self.leaves.push(finished.cast(dtype).alias(leaf.clone()));
        Ok(leaf)
    }

    fn mean(&mut self, input: Node, dtype: &DataType) -> Result<Expr, String> {
        let found = self.dtype(input)?;
        let values = self.input(input)?;
        let is_time = matches!(found, DataType::Date | DataType::Datetime(..) | DataType::Duration(_) | DataType::Time);
        if !(is_time || found.is_primitive_numeric() || found == DataType::Boolean) {
            return Err(format!("there is no mean of type {found}"));
        }
        let numbers = if is_time { values.clone().cast(dtype.clone()).to_physical() } else { values.clone() };
        let sum = self.part(numbers.cast(DataType::Float64).sum(), Expr::sum);
        let count = self.part(values.count(), Expr::sum);
        let mean = when(count.clone().gt(lit(0))).then(sum / count).otherwise(lit(polars::prelude::NULL));
        // Times count whole units, as polars has it.
        Ok(if is_time { mean.cast(DataType::Int64) } else { mean })
    }

    /// A partial column, and how it is merged; one that is there already is taken again.
    fn part(&mut self, partial: Expr, merge: impl FnOnce(Expr) -> Expr) -> Expr {
        let known = self.partial.iter().position(|known| matches!(known, Expr::Alias(known, _) if **known == partial));
        let i = known.unwrap_or(self.partial.len());
        let name = PlSmallStr::from_string(format!("{}{i}", self.prefix));
        let column = Expr::Column(name.clone());
        if known.is_none() {
            self.partial.push(partial.alias(name.clone()));
            self.merge.push(merge(column.clone()).alias(name));
        }
        column
    }

    /// What is aggregated: a row-local expression, or one filtered by another.
    fn input(&self, node: Node) -> Result<Expr, String> {
        let columns = match self.arena.get(node) {
            AExpr::Filter { input, by } => vec![*input, *by],
            _ => vec![node],
        };
        match columns.into_iter().find_map(|column| why_not_column(column, &self.arena)) {
            Some(why) => Err(why),
            None => Ok(node_to_expr(node, &self.arena)),
        }
    }

    fn dtype(&self, node: Node) -> Result<DataType, String> {
        let context = ToFieldContext::new(&self.arena, self.schema);
        self.arena.get(node).to_dtype(&context).map_err(|error| error.to_string())
    }
}

fn name_of(aggregate: &IRAggExpr) -> &'static str {
    match aggregate {
        IRAggExpr::Median(_) => "median",
        IRAggExpr::NUnique(_) => "n_unique",
        IRAggExpr::Item { .. } => "item",
        IRAggExpr::First(_) => "first",
        IRAggExpr::FirstNonNull(_) => "first_non_null",
        IRAggExpr::Last(_) => "last",
        IRAggExpr::LastNonNull(_) => "last_non_null",
        IRAggExpr::Std(..) => "std",
        IRAggExpr::Var(..) => "var",
        IRAggExpr::AggGroups(_) => "agg_groups",
        other => other.into(),
    }
}
