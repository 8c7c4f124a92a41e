//! Travel: how a task's function reaches another process of the same executable.
//!
//! ```text
//!     Func ── kernel ── work        what the task needs, as data: expressions, files, a schema; and a body that runs it
//!                  └── written      checksum (16 bytes) │ MessagePack by polars' own writer        made once, when somebody first asks
//! ```
//! polars' writer and reader put what is nested deep on stacks of their own. What is written is read back before it counts as portable, so that what polars
//! can write but not read is found when a graph is submitted, not where it arrives.

use std::any::type_name;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use arras_core::{BoxError, Func, Inputs, Kernel, Panic, Tokenizer, Value};
use polars::polars_utils::pl_serialize::{deserialize_dsl, serialize_dsl};
use polars::prelude::PolarsResult;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::quiet::quiet_polars;

/// What a task does: parameters that serde can write, and a body.
pub(crate) trait Work: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Whether all of it can be written.
    ///
    /// # Errors
    /// What cannot, and why, as text.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether nobody can tell how long it takes by the sizes of its values.
    fn runs_user_code(&self) -> bool {
        false
    }

    /// Computes the task's value.
    ///
    /// # Errors
    /// Whatever goes wrong; it ends the run.
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError>;
}

/// A function that does this work, in this process or in another.
pub(crate) fn func<W: Work>(work: W) -> Func {
    Func::kernel(Travelling { work, written: OnceLock::new() })
}

/// Work, and its written form or the reason why there is none.
struct Travelling<W> {
    work: W,
    written: OnceLock<Result<Vec<u8>, String>>,
}

impl<W: Work> Travelling<W> {
    fn written(&self) -> Result<&[u8], &str> {
        self.written.get_or_init(|| write(&self.work)).as_deref().map_err(String::as_str)
    }
}

impl<W: Work> Kernel for Travelling<W> {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(type_name::<W>())
    }

    fn portability(&self) -> Result<(), String> {
        self.written().map(|_| ()).map_err(str::to_owned)
    }

    fn runs_user_code(&self) -> bool {
        self.work.runs_user_code()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        self.work.run(inputs)
    }
}

impl<W: Work> Serialize for Travelling<W> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.written().map_err(S::Error::custom)?)
    }
}

impl<'de, W: Work> Deserialize<'de> for Travelling<W> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Travelling<W>, D::Error> {
        let bytes = ByteBuf::deserialize(deserializer)?;
        let work = read(&bytes).map_err(D::Error::custom)?;
        Ok(Travelling { work, written: OnceLock::new() })
    }
}

const TOKEN: usize = size_of::<u128>();

/// The checksum tells the kind of work too: what one kind needs, another could take for its own.
fn token_of<W>(bytes: &[u8]) -> [u8; TOKEN] {
    Tokenizer::new().text(type_name::<W>()).hashed(bytes).finish().bits().to_le_bytes()
}

fn write<W: Work>(work: &W) -> Result<Vec<u8>, String> {
    work.check()?;
    let bytes = encode(work)?;
    let back: W = read(&bytes)?;
    if encode(&back)? != bytes {
        return Err("polars reads something else back than what it has written".to_owned());
    }
    Ok(bytes)
}

fn encode<W: Work>(work: &W) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; TOKEN];
    guarded("polars cannot write it", || serialize_dsl(&mut bytes, work))?;
    let token = token_of::<W>(&bytes[TOKEN..]);
    bytes[..TOKEN].copy_from_slice(&token);
    Ok(bytes)
}

fn read<W: Work>(bytes: &[u8]) -> Result<W, String> {
    let Some((token, rest)) = bytes.split_first_chunk::<TOKEN>() else { return Err("a task's function cut short".to_owned()) };
    if *token != token_of::<W>(rest) {
        return Err("a task's function damaged on the way: its checksum does not fit".to_owned());
    }
    guarded("polars cannot read it", || deserialize_dsl(rest))
}

/// What polars returns; its panics are errors too, as no bytes and no expression are a reason to go down.
fn guarded<T>(what: &str, step: impl FnOnce() -> PolarsResult<T>) -> Result<T, String> {
    let _quiet = quiet_polars();
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(payload) => Err(format!("{what}: {}", Panic::caught(payload))),
    }
}
