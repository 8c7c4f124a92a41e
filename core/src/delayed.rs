//! `Delayed<T>`: one value, computed later.
//!
//! ```text
//!     delayed(f, (a, 3)) ──► node { f, [a's node, 3] } ──► on graph(): "f-9f2c…" = f("a-…", 3)
//! ```
//! Building a `Delayed` allocates a node; names and graph are made when they are asked for. Calls of portable functions on equal arguments have equal names, so
//! they run once; [`Delayed::impure`] gives a call a name of its own.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashSet;

use crate::collection::{Collection, Persist};
use crate::error::{BoxError, Error, Result};
use crate::func::{Func, Inputs};
use crate::graph::Graph;
use crate::key::{Key, Name};
use crate::params::{Borrowed, TaskFn};
use crate::task::{Input, Task};
use crate::token::{Token, Tokenizer};
use crate::value::{Data, Value};

/// One value of type `T`, computed later: a call and its arguments.
///
/// ```
/// use arras_core::{delayed, evaluate};
/// let x = delayed(|| 20.0, ());
/// let y = delayed(f64::powi, (&x, 2));
/// let z = (x + y) / 2.0;
/// assert_eq!(evaluate(&z)?, 210.0);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub struct Delayed<T> {
    node: Arc<Node>,
    marker: PhantomData<fn() -> T>,
}

struct Node {
    kind: Kind,
    key: OnceLock<Key>,
}

enum Kind {
    Call {
        func: Func,
        arguments: Vec<Argument>,
    },
    /// A key of a graph built elsewhere.
    Of {
        graph: Graph,
    },
    /// What went wrong when the value was asked for.
    Failed(Error),
}

/// A value, or the node that computes it.
#[derive(Clone)]
enum Argument {
    Value(Value),
    Node(Arc<Node>),
}

impl<T> Delayed<T> {
    fn from_call(func: Func, arguments: Vec<Argument>) -> Delayed<T> {
        Delayed { node: Arc::new(Node { kind: Kind::Call { func, arguments }, key: OnceLock::new() }), marker: PhantomData }
    }

    /// The value of a key in a graph.
    pub fn from_graph(graph: Graph, key: impl Into<Key>) -> Delayed<T> {
        Delayed { node: Arc::new(Node { kind: Kind::Of { graph }, key: OnceLock::from(key.into()) }), marker: PhantomData }
    }

    /// A value that cannot be computed: whoever asks for its graph gets the error. For collections whose methods cannot fail where they stand.
    pub fn failed(error: Error) -> Delayed<T> {
        let key = Key::from(Name::from_token("failed", Token::unique()));
        Delayed { node: Arc::new(Node { kind: Kind::Failed(error), key: OnceLock::from(key) }), marker: PhantomData }
    }

    /// The key of the value. Work: once, the tokens of the arguments and of all they stand on.
    pub fn key(&self) -> Key {
        self.node.key().clone()
    }

    /// The same call under a name of its own: it runs even if an equal call runs too. For functions whose result is not a matter of their arguments alone.
    ///
    /// ```
    /// use arras_core::delayed;
    /// let roll = || delayed(|| 4, ());
    /// assert_eq!(roll().key(), roll().key());
    /// assert_ne!(roll().impure().key(), roll().impure().key());
    /// ```
    pub fn impure(self) -> Delayed<T> {
        let Kind::Call { func, arguments } = &self.node.kind else { return self };
        let key = Key::from(Name::from_token(&func.short_name(), Token::unique()));
        let kind = Kind::Call { func: func.clone(), arguments: arguments.clone() };
        Delayed { node: Arc::new(Node { kind, key: OnceLock::from(key) }), marker: PhantomData }
    }

    /// The call itself, if none of its arguments has to be computed first: a front end can then run it without a graph.
    pub fn as_call(&self) -> Option<(Func, Vec<Value>)> {
        let Kind::Call { func, arguments } = &self.node.kind else { return None };
        let values = arguments
            .iter()
            .map(|argument| match argument {
                Argument::Value(value) => Some(value.clone()),
                Argument::Node(_) => None,
            })
            .collect::<Option<_>>()?;
        Some((func.clone(), values))
    }
}

impl<T: Data> Delayed<T> {
    /// A value that is there already.
    pub fn value(value: T) -> Delayed<T> {
        let value = Value::new(value);
        // Values of different types can be written alike, such as 1u8 and 1i64, so the type is part of the name.
        let typed = |token| Tokenizer::new().hashed(&value.type_id()).token(token).finish();
        let token = value.token().map_or_else(Token::unique, typed);
        let key = Key::from(Name::from_token(&crate::func::short_name(value.type_name()), token));
        Delayed::from_graph(Graph::from_iter([(key.clone(), Task::Value(value))]), key)
    }

    /// `function` of the value, later.
    pub fn map<R: Data>(&self, function: impl Fn(&T) -> R + Send + Sync + 'static) -> Delayed<R> {
        Delayed::from_call(Func::new::<_, (Borrowed,), (&'static T,)>(function), vec![self.argument()])
    }

    /// `function` of both values, later.
    pub fn zip_with<U: Data, R: Data>(&self, other: &Delayed<U>, function: impl Fn(&T, &U) -> R + Send + Sync + 'static) -> Delayed<R> {
        let func = Func::new::<_, (Borrowed, Borrowed), (&'static T, &'static U)>(function);
        Delayed::from_call(func, vec![self.argument(), other.argument()])
    }

    /// A function that may fail, of the value, later: its error ends the run.
    pub fn try_map<R: Data, E: Into<BoxError> + 'static>(
        &self,
        function: impl Fn(&T) -> Result<R, E> + Send + Sync + 'static,
    ) -> Delayed<R> {
        Delayed::from_call(Func::fallible::<_, (Borrowed,), (&'static T,), R, E>(function), vec![self.argument()])
    }
}

impl<T> Delayed<T> {
    fn argument(&self) -> Argument {
        Argument::Node(Arc::clone(&self.node))
    }
}

impl Node {
    /// The key, made of the function's token and the arguments' keys. Walks with a stack of its own: a row of calls can be long.
    fn key(&self) -> &Key {
        if let Some(key) = self.key.get() {
            return key;
        }
        let mut stack: Vec<&Node> = vec![self];
        while let Some(node) = stack.last() {
            let Kind::Call { func, arguments } = &node.kind else {
                stack.pop();
                continue;
            };
            if node.key.get().is_some() {
                stack.pop();
                continue;
            }
            let before = stack.len();
            let unnamed = arguments.iter().filter_map(|argument| match argument {
                Argument::Node(node) if node.key.get().is_none() => Some(&**node),
                _ => None,
            });
            let unnamed: Vec<&Node> = unnamed.collect();
            stack.extend(unnamed);
            if stack.len() == before {
                let node = stack.pop().expect("looked at above");
                let token = call_token(func, arguments).unwrap_or_else(Token::unique);
                node.key.get_or_init(|| Key::from(Name::from_token(&func.short_name(), token)));
            }
        }
        self.key.get().expect("set by the walk")
    }
}

fn call_token(func: &Func, arguments: &[Argument]) -> Option<Token> {
    let mut tokenizer = Tokenizer::new();
    tokenizer.token(func.token()?);
    for argument in arguments {
        match argument {
            Argument::Value(value) => tokenizer.text("value").token(value.token()?),
            Argument::Node(node) => {
                let key = node.key.get().expect("arguments are named before their reader");
                tokenizer.text("key").text(key.name().as_str()).hashed(key.index())
            }
        };
    }
    Some(tokenizer.finish())
}

impl Drop for Node {
    /// Takes long rows of calls apart one by one, where the compiler's own code would recurse.
    fn drop(&mut self) {
        let mut stack = Vec::new();
        let take = |kind: &mut Kind, stack: &mut Vec<Arc<Node>>| {
            if let Kind::Call { arguments, .. } = kind {
                stack.extend(arguments.drain(..).filter_map(|argument| match argument {
                    Argument::Node(node) => Some(node),
                    Argument::Value(_) => None,
                }));
            }
        };
        take(&mut self.kind, &mut stack);
        while let Some(node) = stack.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                take(&mut node.kind, &mut stack);
            }
        }
    }
}

impl<T> Clone for Delayed<T> {
    fn clone(&self) -> Delayed<T> {
        Delayed { node: Arc::clone(&self.node), marker: PhantomData }
    }
}

impl<T> fmt::Debug for Delayed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delayed<{}>({})", crate::func::short_name(std::any::type_name::<T>()), self.node.key())
    }
}

impl<T: Data + Clone> Collection for Delayed<T> {
    type Output = T;

    fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let mut merged: FxHashSet<*const Node> = FxHashSet::default();
        // Each node is met twice: before its arguments, and after them to be inserted.
        let mut stack: Vec<(&Node, bool)> = vec![(&self.node, false)];
        while let Some((node, arguments_done)) = stack.pop() {
            let key = node.key();
            let (func, arguments) = match &node.kind {
                Kind::Call { func, arguments } => (func, arguments),
                Kind::Of { graph: other } => {
                    if merged.insert(std::ptr::from_ref(node)) {
                        graph.merge(other);
                    }
                    continue;
                }
                Kind::Failed(error) => return Err(error.clone()),
            };
            if graph.contains(key) {
                continue;
            }
            if arguments_done {
                let inputs = arguments.iter().map(|argument| match argument {
                    Argument::Value(value) => Input::Value(value.clone()),
                    Argument::Node(node) => Input::Key(node.key().clone()),
                });
                graph.insert(key.clone(), Task::call(func.clone(), inputs));
                continue;
            }
            stack.push((node, true));
            stack.extend(arguments.iter().rev().filter_map(|argument| match argument {
                Argument::Node(node) => Some((&**node, false)),
                Argument::Value(_) => None,
            }));
        }
        Ok(graph)
    }

    fn keys(&self) -> Vec<Key> {
        vec![self.key()]
    }

    fn finish(&self, mut values: Vec<Value>) -> Result<T> {
        values.pop().expect("one value for one key").into_inner()
    }
}

impl<T: Data + Clone> Persist for Delayed<T> {
    fn persisted(&self, mut values: Vec<Value>) -> Result<Self> {
        let value = values.pop().expect("one value for one key");
        Ok(Delayed::from_graph(Graph::from_iter([(self.key(), Task::Value(value))]), self.key()))
    }
}

/// `function` of `arguments`, later. The function takes 0 to 8 parameters, each `&T` or an owned `T: Clone`; an argument is a `T`, a [`Delayed<T>`], or, for a vector or a
/// tuple, a vector or a tuple of `Delayed`. Without arguments, pass `()`.
///
/// ```
/// use arras_core::{delayed, evaluate};
/// let roots: Vec<_> = (0..4).map(|i| delayed(f64::sqrt, (f64::from(i * i),))).collect();
/// let sum = delayed(|roots: &Vec<f64>, bias: f64| roots.iter().sum::<f64>() + bias, (roots, 0.5));
/// assert_eq!(evaluate(&sum)?, 6.5);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn delayed<F, Mark, Params, A>(function: F, arguments: A) -> Delayed<F::Output>
where
    F: TaskFn<Mark, Params>,
    F::Output: Data,
    A: Arguments<F::Held>,
    Mark: 'static,
    Params: 'static,
{
    Delayed::from_call(Func::new(function), arguments.into_arguments().0)
}

/// As [`delayed`], for a function that may fail: its error ends the run.
///
/// ```
/// use arras_core::{Error, evaluate, try_delayed};
/// let number = try_delayed(|text: &String| text.parse::<i64>(), ("12x".to_owned(),));
/// assert!(evaluate(&number).unwrap_err().find::<std::num::ParseIntError>().is_some());
/// ```
pub fn try_delayed<F, Mark, Params, A, T, E>(function: F, arguments: A) -> Delayed<T>
where
    F: TaskFn<Mark, Params, Output = Result<T, E>>,
    T: Data,
    E: Into<BoxError> + 'static,
    A: Arguments<F::Held>,
    Mark: 'static,
    Params: 'static,
{
    Delayed::from_call(Func::fallible(function), arguments.into_arguments().0)
}

/// Arguments on their way into a call.
pub struct ArgumentList(Vec<Argument>);

/// An argument for a parameter of type `T`: a `T`, a [`Delayed<T>`], or for a vector or tuple one of `Delayed`.
pub trait ArgumentFor<T> {
    #[doc(hidden)]
    fn push_onto(self, list: &mut ArgumentList);
}

impl<T: Data> ArgumentFor<T> for T {
    fn push_onto(self, list: &mut ArgumentList) {
        list.0.push(Argument::Value(Value::new(self)));
    }
}

impl<T> ArgumentFor<T> for Delayed<T> {
    fn push_onto(self, list: &mut ArgumentList) {
        list.0.push(self.argument());
    }
}

impl<T> ArgumentFor<T> for &Delayed<T> {
    fn push_onto(self, list: &mut ArgumentList) {
        list.0.push(self.argument());
    }
}

impl<T: Data + Clone> ArgumentFor<Vec<T>> for Vec<Delayed<T>>
where
    Vec<T>: Data,
{
    fn push_onto(self, list: &mut ArgumentList) {
        list.0.push(gather(self).argument());
    }
}

/// A vector of values, later.
fn gather<T: Data + Clone>(parts: Vec<Delayed<T>>) -> Delayed<Vec<T>>
where
    Vec<T>: Data,
{
    let func = Func::erased::<Vec<T>, _>(|inputs: &Inputs<'_>| {
        let parts = inputs.values().iter().map(|value| value.get::<T>().cloned()).collect::<Result<Vec<T>>>()?;
        Ok(Value::new(parts))
    });
    Delayed::from_call(func, parts.iter().map(Delayed::argument).collect())
}

macro_rules! tuple_argument {
    ($($t:ident $i:tt),+) => {
        impl<$($t: Data + Clone),+> ArgumentFor<($($t,)+)> for ($(Delayed<$t>,)+)
        where
            ($($t,)+): Data,
        {
            fn push_onto(self, list: &mut ArgumentList) {
                let func = Func::erased::<($($t,)+), _>(|inputs: &Inputs<'_>| Ok(Value::new(($(inputs.get::<$t>($i)?.clone(),)+))));
                list.0.push(Argument::Node(Delayed::<($($t,)+)>::from_call(func, vec![$(self.$i.argument()),+]).node.clone()));
            }
        }
    };
}
tuple_argument!(A 0, B 1);
tuple_argument!(A 0, B 1, C 2);
tuple_argument!(A 0, B 1, C 2, D 3);

/// A tuple of arguments, one for each parameter.
pub trait Arguments<Held> {
    #[doc(hidden)]
    fn into_arguments(self) -> ArgumentList;
}

macro_rules! arguments {
    ($($a:ident $t:ident),*) => {
        impl<$($t, $a: ArgumentFor<$t>),*> Arguments<($($t,)*)> for ($($a,)*) {
            #[allow(non_snake_case, unused_mut)]
            fn into_arguments(self) -> ArgumentList {
                let ($($a,)*) = self;
                let mut list = ArgumentList(Vec::new());
                $($a.push_onto(&mut list);)*
                list
            }
        }
    };
}
arguments!();
arguments!(A0 T0);
arguments!(A0 T0, A1 T1);
arguments!(A0 T0, A1 T1, A2 T2);
arguments!(A0 T0, A1 T1, A2 T2, A3 T3);
arguments!(A0 T0, A1 T1, A2 T2, A3 T3, A4 T4);
arguments!(A0 T0, A1 T1, A2 T2, A3 T3, A4 T4, A5 T5);
arguments!(A0 T0, A1 T1, A2 T2, A3 T3, A4 T4, A5 T5, A6 T6);
arguments!(A0 T0, A1 T1, A2 T2, A3 T3, A4 T4, A5 T5, A6 T6, A7 T7);

// ------------------------------------------------------------------------------------------------- operators on numbers

macro_rules! operator {
    ($trait:ident $method:ident $($number:ty)*) => {
        impl<T, U> $trait<Delayed<U>> for Delayed<T>
        where
            T: Data + Clone + $trait<U, Output: Data>,
            U: Data + Clone,
        {
            type Output = Delayed<T::Output>;
            fn $method(self, other: Delayed<U>) -> Self::Output {
                (&self).$method(&other)
            }
        }
        impl<T, U> $trait<&Delayed<U>> for &Delayed<T>
        where
            T: Data + Clone + $trait<U, Output: Data>,
            U: Data + Clone,
        {
            type Output = Delayed<T::Output>;
            fn $method(self, other: &Delayed<U>) -> Self::Output {
                self.zip_with(other, |x: &T, y: &U| x.clone().$method(y.clone()))
            }
        }
        impl<T, U> $trait<&Delayed<U>> for Delayed<T>
        where
            T: Data + Clone + $trait<U, Output: Data>,
            U: Data + Clone,
        {
            type Output = Delayed<T::Output>;
            fn $method(self, other: &Delayed<U>) -> Self::Output {
                (&self).$method(other)
            }
        }
        impl<T, U> $trait<Delayed<U>> for &Delayed<T>
        where
            T: Data + Clone + $trait<U, Output: Data>,
            U: Data + Clone,
        {
            type Output = Delayed<T::Output>;
            fn $method(self, other: Delayed<U>) -> Self::Output {
                self.$method(&other)
            }
        }
        $(
            impl $trait<$number> for Delayed<$number> {
                type Output = Delayed<$number>;
                fn $method(self, other: $number) -> Delayed<$number> {
                    (&self).$method(other)
                }
            }
            impl $trait<$number> for &Delayed<$number> {
                type Output = Delayed<$number>;
                fn $method(self, other: $number) -> Delayed<$number> {
                    delayed(|x: $number, y: $number| x.$method(y), (self, other))
                }
            }
            impl $trait<Delayed<$number>> for $number {
                type Output = Delayed<$number>;
                fn $method(self, other: Delayed<$number>) -> Delayed<$number> {
                    self.$method(&other)
                }
            }
            impl $trait<&Delayed<$number>> for $number {
                type Output = Delayed<$number>;
                fn $method(self, other: &Delayed<$number>) -> Delayed<$number> {
                    delayed(|x: $number, y: $number| x.$method(y), (self, other))
                }
            }
        )*
    };
}
operator!(Add add i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64);
operator!(Sub sub i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64);
operator!(Mul mul i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64);
operator!(Div div i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64);
operator!(Rem rem i8 i16 i32 i64 u8 u16 u32 u64 usize f32 f64);

impl<T: Data + Clone + Neg<Output: Data>> Neg for Delayed<T> {
    type Output = Delayed<T::Output>;
    fn neg(self) -> Self::Output {
        self.map(|x: &T| -x.clone())
    }
}

impl<T: Data + Clone + Neg<Output: Data>> Neg for &Delayed<T> {
    type Output = Delayed<T::Output>;
    fn neg(self) -> Self::Output {
        self.map(|x: &T| -x.clone())
    }
}
