//! Sources: rows in memory, and partitions that other collections compute.

use std::collections::HashMap;
use std::sync::Arc;

use arras_core::{Collection, Data, Delayed, Func, Graph, GridBuilder, Key, Layer, Name, TaskFn, Token, Tokenizer, alias};
use polars::prelude::{DataFrame, PolarsResult, SchemaRef};

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::partition::Partition;
use crate::plan::{self, Base, Kind};
use crate::{planner, tasks};

impl Frame {
    /// A frame of rows that are in memory, cut into partitions of equal length (the first ones hold one row more if it does not come out even). Nothing is
    /// copied: partitions share the columns' buffers.
    ///
    /// More partitions than rows leave some of them empty.
    ///
    /// # Errors
    /// [`Error::ZeroPartitions`], [`Error::TooManyPartitions`].
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, df};
    /// let rows = df!("x" => [1, 2, 3])?;
    /// assert_eq!(evaluate(&Frame::from_polars(rows.clone(), 2)?)?, rows);
    /// assert!(Frame::from_polars(rows, 0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_polars(rows: DataFrame, n_partitions: usize) -> Result<Frame> {
        const OPERATION: &str = "from_polars";
        plan::partitions(OPERATION, n_partitions)?;
        let (each, more) = (rows.height() / n_partitions, rows.height() % n_partitions);
        let mut start = 0;
        let values = (0..n_partitions).map(|i| {
            let length = each + usize::from(i < more);
            let part = rows.slice(start as i64, length);
            start += length;
            Partition::new(part).into_value()
        });
        let token = Token::unique();
        let name = Name::from_token(OPERATION, token);
        let graph = planner::values(&name, values.collect());
        let base = Base::new(OPERATION, Kind::Layer { graph, name }, rows.schema().clone(), n_partitions, token)?;
        Ok(Frame::from_base(base))
    }

    /// A frame of partitions that something else computes: `function` makes the rows of each, of this schema, in a task of its own.
    ///
    /// A function that captures values stays in this process, unless they are spelled out with [`with`](arras_core::with).
    ///
    /// # Errors
    /// At build [`Error::ZeroPartitions`], and [`Error::Parts`] for what was wrong when the parts were built. At run [`Error::SchemaMismatch`] for rows of
    /// another schema, [`Error::Partition`] for what `function` returns.
    ///
    /// # Examples
    /// ```
    /// use std::sync::Arc;
    /// use arras_core::{delayed, evaluate};
    /// use arras_frame::{Frame, df, polars::prelude::{DataType, Schema}};
    /// let parts = vec![delayed(|| vec![1i64, 2], ()), delayed(|| vec![3i64], ())];
    /// let schema = Schema::from_iter([("x".into(), DataType::Int64)]);
    /// let frame = Frame::from_partitions(parts, Arc::new(schema), |part: &Vec<i64>| df!("x" => part))?;
    /// assert_eq!(evaluate(&frame)?, df!("x" => [1i64, 2, 3])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_partitions<T, F, Mark>(parts: Vec<Delayed<T>>, schema: SchemaRef, function: F) -> Result<Frame>
    where
        T: Data + Clone,
        F: TaskFn<Mark, (&'static T,), Output = PolarsResult<DataFrame>>,
        Mark: 'static,
    {
        const OPERATION: &str = "from_partitions";
        let n_partitions = plan::partitions(OPERATION, parts.len())?;
        let function = Func::fallible(function);
        let keys: Vec<Key> = parts.iter().map(Delayed::key).collect();
        let token = function.token().map_or_else(Token::unique, |function| token_of(OPERATION, function, &schema, &keys));
        let name = Name::from_token(OPERATION, token);
        let mut graph = parts.graph().map_err(|source| Error::Parts { source })?;
        let mut layer = GridBuilder::new(name.clone(), &[n_partitions]);
        let func = layer.func(tasks::convert(function, Arc::clone(&schema)));
        let mut known = HashMap::new();
        for key in &keys {
            let (name, flat) = reference(&mut graph, key);
            let dependency = *known.entry(name.clone()).or_insert_with(|| layer.depends_on(name));
            layer.call(func, [(dependency, flat)]);
        }
        graph.insert_layer(layer.build());
        let base = Base::new(OPERATION, Kind::Layer { graph, name }, schema, n_partitions as usize, token)?;
        Ok(Frame::from_base(base))
    }
}

fn token_of(operation: &str, function: Token, schema: &SchemaRef, keys: &[Key]) -> Token {
    let mut tokenizer = Tokenizer::new();
    tokenizer.text(operation).token(function).text(&format!("{schema:?}")).number(keys.len() as u64);
    for key in keys {
        tokenizer.text(key.name().as_str()).hashed(key.index());
    }
    tokenizer.finish()
}

/// How a grid layer refers to a task: by its layer and its flat position there.
fn reference(graph: &mut Graph, key: &Key) -> (Name, u32) {
    match graph.layer(key.name()) {
        Some(Layer::Grid(layer)) if layer.grid().len() == key.index().len() => {
            let flat = layer.grid().iter().zip(key.index()).fold(0, |flat, (&n, &i)| flat * n + i);
            (key.name().clone(), flat)
        }
        Some(layer @ Layer::Table(_)) if layer.len() == 1 => (key.name().clone(), 0),
        // Tasks of a layer with any block indices have no position that stays when others of them are left out, so they get a name of their own.
        _ => {
            let token = Tokenizer::new().text("part").text(key.name().as_str()).hashed(key.index()).finish();
            let name = Name::from_token("part", token);
            graph.insert(name.clone(), alias(key));
            (name, 0)
        }
    }
}
