//! Tasks: what stands behind a key.

use smallvec::SmallVec;

use crate::func::Func;
use crate::key::Key;
use crate::params::TaskFn;
use crate::value::{Data, Value};

/// One input of a task: the value of another task, or a value written into the task itself.
#[derive(Debug, Clone)]
pub enum Input {
    /// The value of another task.
    Key(Key),
    /// A value of its own.
    Value(Value),
}

/// The inputs of a task, in the order of its function's parameters.
pub type InputList = SmallVec<[Input; 2]>;

/// What stands behind a key.
///
/// A chain of fused tasks is a `Call` too: its function is the chain (see [`fuse`](crate::optimise::fuse)).
#[derive(Debug, Clone)]
pub enum Task {
    /// A value that is already there.
    Value(Value),
    /// Another name for a task.
    Alias(Key),
    /// A function and its inputs.
    Call {
        /// The function.
        func: Func,
        /// Its inputs.
        inputs: InputList,
        /// The position that [`Inputs::block`](crate::Inputs::block) tells the function.
        block: u32,
    },
}

impl Task {
    /// A call of `func` with these inputs.
    pub fn call(func: Func, inputs: impl IntoIterator<Item = Input>) -> Task {
        Task::Call { func, inputs: inputs.into_iter().collect(), block: 0 }
    }

    /// The keys that the task reads.
    pub fn dependencies(&self) -> impl Iterator<Item = &Key> {
        let (alias, inputs) = match self {
            Task::Value(_) => (None, &[][..]),
            Task::Alias(key) => (Some(key), &[][..]),
            Task::Call { inputs, .. } => (None, inputs.as_slice()),
        };
        alias.into_iter().chain(inputs.iter().filter_map(|input| match input {
            Input::Key(key) => Some(key),
            Input::Value(_) => None,
        }))
    }

    /// What the task does, in a word: for drawings and errors.
    pub fn label(&self) -> String {
        match self {
            Task::Value(value) => crate::func::short_name(value.type_name()),
            Task::Alias(_) => "alias".to_owned(),
            Task::Call { func, .. } => func.short_name(),
        }
    }
}

impl From<Key> for Input {
    fn from(key: Key) -> Input {
        Input::Key(key)
    }
}

/// A task that holds a value.
///
/// ```
/// use arras_core::{Graph, get, task, value};
/// let mut graph = Graph::new();
/// graph.insert("a", value(2i64));
/// graph.insert("b", value(2i64));
/// graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
/// let four: i64 = get(&graph, "result")?;
/// assert_eq!(four, 4);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn value<T: Data>(value: T) -> Task {
    Task::Value(Value::new(value))
}

/// A task that is another name for `key`.
pub fn alias(key: impl Into<Key>) -> Task {
    Task::Alias(key.into())
}

/// A task that calls `function` with the values of `keys`, a tuple of as many keys as the function has parameters: see [`value`].
pub fn task<F, Mark, Params, Keys>(function: F, keys: Keys) -> Task
where
    F: TaskFn<Mark, Params>,
    F::Output: Data,
    Keys: KeysFor<F::Held>,
    Mark: 'static,
    Params: 'static,
{
    Task::call(Func::new(function), keys.into_inputs())
}

/// A task whose function may fail: its error ends the run.
///
/// ```
/// use arras_core::{Error, Graph, fallible_task, get, value};
/// let mut graph = Graph::new();
/// graph.insert("text", value("4 2".to_owned()));
/// graph.insert("number", fallible_task(|text: &String| text.parse::<i64>(), ("text",)));
/// let error = get::<i64>(&graph, "number").unwrap_err();
/// assert!(matches!(error, Error::Task { .. }));
/// assert!(error.to_string().contains("invalid digit"));
/// ```
pub fn fallible_task<F, Mark, Params, Keys, T, E>(function: F, keys: Keys) -> Task
where
    F: TaskFn<Mark, Params, Output = Result<T, E>>,
    T: Data,
    E: Into<crate::BoxError> + 'static,
    Keys: KeysFor<F::Held>,
    Mark: 'static,
    Params: 'static,
{
    Task::call(Func::fallible(function), keys.into_inputs())
}

/// A task that calls `function` with the values of however many keys.
///
/// ```
/// use arras_core::{Graph, get, task_of_many, value};
/// let mut graph = Graph::new();
/// for i in 0..5u32 {
///     graph.insert(("x", i), value(i64::from(i)));
/// }
/// graph.insert("sum", task_of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>(), (0..5).map(|i| ("x", i))));
/// assert_eq!(get::<i64>(&graph, "sum")?, 10);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn task_of_many<F, T, R, K>(function: F, keys: impl IntoIterator<Item = K>) -> Task
where
    F: Fn(&[&T]) -> R + Send + Sync + 'static,
    T: Send + Sync + 'static,
    R: Data,
    K: Into<Key>,
{
    Task::call(Func::of_many(function), keys.into_iter().map(|key| Input::Key(key.into())))
}

/// A tuple of keys, one for each parameter of a function.
pub trait KeysFor<Held> {
    /// The keys as inputs.
    fn into_inputs(self) -> InputList;
}

macro_rules! keys_for {
    ($($k:ident $t:ident),*) => {
        impl<$($k: Into<Key>, $t),*> KeysFor<($($t,)*)> for ($($k,)*) {
            #[allow(non_snake_case)]
            fn into_inputs(self) -> InputList {
                let ($($k,)*) = self;
                [$(Input::Key($k.into())),*].into_iter().collect()
            }
        }
    };
}
keys_for!();
keys_for!(K0 T0);
keys_for!(K0 T0, K1 T1);
keys_for!(K0 T0, K1 T1, K2 T2);
keys_for!(K0 T0, K1 T1, K2 T2, K3 T3);
keys_for!(K0 T0, K1 T1, K2 T2, K3 T3, K4 T4);
keys_for!(K0 T0, K1 T1, K2 T2, K3 T3, K4 T4, K5 T5);
keys_for!(K0 T0, K1 T1, K2 T2, K3 T3, K4 T4, K5 T5, K6 T6);
keys_for!(K0 T0, K1 T1, K2 T2, K3 T3, K4 T4, K5 T5, K6 T6, K7 T7);
