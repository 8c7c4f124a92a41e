//! `Frame`: the handle.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arras_core::{Collection, Graph, Key, Persist, Value};
use polars::prelude::{DataFrame, PlSmallStr, SchemaRef};

use crate::error::Result;
use crate::partition::Partition;
use crate::plan::{Base, Kind, Query};
use crate::planner::{self, Stage};
use crate::tasks;

/// A lazy dataframe in partitions, that takes polars' expressions and computes to a polars [`DataFrame`].
///
/// Cloning a frame copies pointers. Methods never fail: what is wrong with a step (an unknown column, a type that does not fit, an expression that looks at other
/// rows) is kept in the frame, and raised by [`schema`](Frame::schema) or by computing it, before anything runs.
///
/// # Examples
/// ```
/// use arras_core::evaluate;
/// use arras_frame::{Frame, col, df, len};
/// let trips = df!("town" => ["Bern", "Thun", "Bern"], "fare" => [2.0, 3.0, 4.0])?;
/// let fares = Frame::from_polars(trips, 2)?.group_by([col("town")]).agg([col("fare").mean(), len().alias("trips")]);
/// assert_eq!(evaluate(&fares)?, df!("town" => ["Bern", "Thun"], "fare" => [3.0, 3.0], "trips" => [2u32, 1])?);
///
/// let wrong = fares.filter(col("fair").gt(1));
/// assert!(wrong.schema().unwrap_err().to_string().contains("fair"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Frame {
    state: Result<Arc<State>>,
}

struct State {
    query: Query,
    stage: OnceLock<Stage>,
}

impl State {
    fn stage(&self) -> &Stage {
        self.stage.get_or_init(|| planner::stage(&self.query))
    }
}

impl Frame {
    fn from_query(query: Query) -> Frame {
        Frame { state: Ok(Arc::new(State { query, stage: OnceLock::new() })) }
    }

    pub(crate) fn from_base(base: Base) -> Frame {
        Frame::from_query(Query::new(base))
    }

    /// What a function makes of the query, or the error that is there already.
    pub(crate) fn then(&self, make: impl FnOnce(&Query) -> Result<Query>) -> Frame {
        match &self.state {
            Ok(state) => match make(&state.query) {
                Ok(query) => Frame::from_query(query),
                Err(error) => Frame { state: Err(error) },
            },
            Err(error) => Frame { state: Err(error.clone()) },
        }
    }

    fn query(&self) -> Result<&Query> {
        self.state.as_ref().map(|state| &state.query).map_err(Clone::clone)
    }

    /// The schema: names and types of the columns, in order.
    ///
    /// # Errors
    /// What was wrong when the frame was built.
    pub fn schema(&self) -> Result<SchemaRef> {
        Ok(self.query()?.schema.clone())
    }

    /// The names of the columns, in order.
    ///
    /// # Errors
    /// What was wrong when the frame was built.
    pub fn columns(&self) -> Result<Vec<PlSmallStr>> {
        Ok(self.query()?.schema.iter_names().cloned().collect())
    }

    /// The number of partitions.
    ///
    /// # Errors
    /// What was wrong when the frame was built.
    pub fn n_partitions(&self) -> Result<usize> {
        Ok(self.query()?.n_partitions() as usize)
    }
}

impl Collection for Frame {
    type Output = DataFrame;

    fn graph(&self) -> arras_core::Result<Graph> {
        match &self.state {
            Ok(state) => Ok(state.stage().graph.clone()),
            Err(error) => Err(arras_core::Error::collection(error.clone())),
        }
    }

    fn keys(&self) -> Vec<Key> {
        let Ok(state) = &self.state else { return Vec::new() };
        let name = &state.stage().name;
        (0..state.query.n_partitions()).map(|i| Key::from((name, i))).collect()
    }

    /// All rows in the order of their partitions, each column in one piece.
    fn finish(&self, values: Vec<Value>) -> arras_core::Result<DataFrame> {
        let mut rows = tasks::stacked(&values)?;
        rows.rechunk_mut();
        Ok(rows)
    }

    fn describe(&self) -> String {
        match &self.state {
            Ok(state) => planner::describe(&state.query),
            Err(error) => format!("{error}\n"),
        }
    }
}

impl Persist for Frame {
    fn persisted(&self, values: Vec<Value>) -> arras_core::Result<Frame> {
        let state = self.state.as_ref().map_err(|error| arras_core::Error::collection(error.clone()))?;
        for value in &values {
            value.check::<Partition>()?;
        }
        let name = state.stage().name.clone();
        let graph = planner::values(&name, values);
        let query = &state.query;
        let n_partitions = query.n_partitions() as usize;
        let base = Base::new(query.operation(), Kind::Layer { graph, name }, query.schema.clone(), n_partitions, query.token);
        Ok(Frame::from_base(base.map_err(arras_core::Error::collection)?))
    }
}

impl fmt::Display for Frame {
    /// Columns, types and the number of partitions; or what is wrong with the frame.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query = match self.query() {
            Ok(query) => query,
            Err(error) => return write!(f, "Frame, wrong: {error}"),
        };
        let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        let (n_columns, n_partitions) = (query.schema.len(), query.n_partitions() as usize);
        write!(f, "Frame: {} in {}", plural(n_columns, "column"), plural(n_partitions, "partition"))?;
        let width = query.schema.iter_names().map(|name| name.chars().count()).max().unwrap_or(0);
        for (name, dtype) in query.schema.iter() {
            write!(f, "\n    {name:width$}  {dtype}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.query() {
            Ok(query) => write!(f, "Frame({}, {} partitions)", query.operations(), query.n_partitions()),
            Err(error) => write!(f, "Frame({error:?})"),
        }
    }
}
