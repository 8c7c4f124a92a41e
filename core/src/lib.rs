//! What to compute: keys, values, functions, tasks, graphs, and the plan that schedulers drive.
//!
//! ```text
//!     Delayed, Array, Bag, Frame          a Collection says which graph, which keys, and what to make of the values
//!              │ graph(), keys()
//!              ▼
//!            Graph                        a keyed map: Key → Task; collections insert whole Layers, people single tasks
//!              │ optimise: cull, inline, fuse
//!              ▼
//!             Plan                        frozen: dense ids in the order in which to run them
//!              │
//!              ▼  a scheduler
//!            Values ── finish() ──► the result
//! ```
//!
//! This crate decides *what*; *when* and *where* is `arras-scheduler`'s. It starts no threads, opens no sockets, and knows neither ndarray nor polars. Its one
//! way to run something, [`get`], is the slow reference for tests and debugging.

mod chain;
mod collection;
mod delayed;
mod draw;
mod error;
mod explain;
mod flat;
mod func;
mod get;
mod graph;
mod interop;
mod key;
mod layer;
mod nbytes;
pub mod optimise;
mod order;
pub mod pages;
mod params;
mod plan;
pub mod portable;
mod remote;
mod task;
mod token;
mod value;
mod wire;

pub use collection::{Collection, Persist};
pub use delayed::{ArgumentFor, ArgumentList, Arguments, Delayed, delayed, try_delayed};
pub use draw::{DrawOptions, RankDirection, draw, to_dot, to_svg};
pub use error::{BoxError, Error, Panic, Result, SharedError};
pub use explain::{explain, human_nbytes};
pub use func::{Func, FuncTable, Inputs, Kernel, With, with};
pub use get::{evaluate, get, get_values};
pub use graph::Graph;
pub use key::{BlockIndex, Key, Name};
pub use layer::{GridBuilder, GridLayer, Layer, Sizes, TableLayer};
pub use params::{Borrowed, Owned, Param, Spelled, TaskFn};
pub use plan::{Plan, Source};
pub use remote::Remote;
pub use task::{Input, InputList, KeysFor, Task, alias, fallible_task, task, task_of_many, value};
pub use token::{Token, Tokenizer, set_session};
pub use value::{Data, Measure, NotEncodable, Opaque, Value, ValueTable};
pub use wire::{Part, SubPlan};
