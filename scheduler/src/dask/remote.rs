//! Values that stay on the cluster.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arras_core::{Remote, Result, Token, Value};

use super::cell::{Held, token_of};
use super::connection::{Connection, unexpected};
use super::error::DaskError;
use super::message::{Reply, Request};

/// A value on the cluster, or one that is going to be there.
pub(crate) struct DaskValue {
    pub(crate) held: Arc<Held>,
    nbytes: AtomicU64,
}

impl DaskValue {
    pub(crate) fn new(held: Arc<Held>, nbytes: u64) -> DaskValue {
        DaskValue { held, nbytes: AtomicU64::new(nbytes) }
    }
}

impl Remote for DaskValue {
    fn fetch(&self) -> Result<Value> {
        Ok(gather(&self.held.connection, &[&self.held])?.remove(0))
    }

    fn nbytes(&self) -> usize {
        self.nbytes.load(Ordering::Relaxed) as usize
    }

    fn token(&self) -> Token {
        token_of(&self.held.key)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn describe(&self) -> String {
        let (name, index) = &self.held.key;
        format!("({name:?}, {index}) on the Dask cluster {}", self.held.connection.welcome.scheduler)
    }
}

/// Brings values here, in one exchange. Waits until they are computed.
///
/// # Errors
/// That of the first future that failed; [`DaskError::Damaged`] for bytes that do not read back.
pub(crate) fn gather(connection: &Connection, held: &[&Arc<Held>]) -> Result<Vec<Value>> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request::Gather { futures: held.iter().map(|held| held.number).collect() };
    let answer = connection.bridge.request(&request, &[]).map_err(|refusal| connection.error_of(refusal, "gathering"))?;
    decode(answer, held.len())
}

/// The values in the reply to a gather.
pub(crate) fn decode((reply, body): (Reply, Vec<u8>), n: usize) -> Result<Vec<Value>> {
    let Reply::Gathered { lengths } = reply else { return Err(unexpected(&reply).into()) };
    let damaged = |why: String| DaskError::Damaged { why };
    if lengths.len() != n {
        return Err(damaged(format!("{} values where {n} were asked for", lengths.len())).into());
    }
    let mut rest = &body[..];
    let mut values = Vec::with_capacity(n);
    for length in lengths {
        let bytes = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let (bytes, after) = bytes.ok_or_else(|| damaged("a reply that is cut short".to_owned()))?;
        values.push(Value::from_wire(bytes).map_err(|error| damaged(error.to_string()))?);
        rest = after;
    }
    Ok(values)
}

/// Asks how large values are, all in one exchange: 0 where Dask does not know.
pub(crate) fn sizes(connection: &Connection, held: &[&Arc<Held>]) -> Vec<u64> {
    let request = Request::Nbytes { futures: held.iter().map(|held| held.number).collect() };
    let sizes = connection.ask(&request, "sizes", |reply| match reply {
        Reply::Nbytes { nbytes } if nbytes.len() == held.len() => Some(nbytes),
        _ => None,
    });
    sizes.unwrap_or_else(|_| vec![0; held.len()])
}
