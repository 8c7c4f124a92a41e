//! The slow reference: runs a graph here and now, one task after another, keeping every value. For tests, debugging and examples; the
//! schedulers are checked against it.

use crate::collection::Collection;
use crate::error::Result;
use crate::graph::Graph;
use crate::key::Key;
use crate::plan::{Plan, Source};
use crate::value::Value;

/// The value of one key: on this thread, in rank order, as Dask's `get`.
///
/// # Errors
/// [`Error::MissingKey`](crate::Error::MissingKey) and [`Error::Cycle`](crate::Error::Cycle) before anything runs;
/// [`Error::Task`](crate::Error::Task) if a task's function returns an error; [`Error::WrongType`](crate::Error::WrongType) if the value is no `T`.
///
/// # Panics
/// Where a task's function panics: a debugger stops where the user wrote it.
pub fn get<T: Clone + Send + Sync + 'static>(graph: &Graph, key: impl Into<Key>) -> Result<T> {
    get_values(graph, &[key.into()])?.remove(0).into_inner()
}

/// The values of several keys, as [`get`].
///
/// # Errors
/// As for [`get`].
///
/// # Panics
/// As for [`get`].
pub fn get_values(graph: &Graph, keys: &[Key]) -> Result<Vec<Value>> {
    let plan = Plan::new(graph, keys)?;
    let mut values: Vec<Value> = Vec::with_capacity(plan.len());
    for id in 0..plan.len() as u32 {
        let value = plan.call(id, |input| &values[input as usize]).map_err(|error| {
            plan.abandoned();
            plan.failure(id, error)
        })?;
        values.push(value);
    }
    Ok(plan
        .outputs()
        .map(|output| match output {
            Source::Task(id) => values[id as usize].clone(),
            Source::Constant(index) => plan.constant(index).clone(),
        })
        .collect())
}

/// The result of a collection, as [`get`].
///
/// # Errors
/// As for [`get`].
///
/// # Panics
/// As for [`get`].
pub fn evaluate<C: Collection + ?Sized>(collection: &C) -> Result<C::Output> {
    let values = get_values(&collection.graph()?, &collection.keys())?;
    collection.finish(values)
}
