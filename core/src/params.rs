//! Typed functions over erased values: any `Fn` of 0 to 8 parameters, each `&T` or an owned `T`.

use std::any::type_name;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Result};
use crate::func::{Inputs, With};
use crate::portable;
use crate::value::{Data, Value};

/// Marks a parameter taken by value, cloned from the shared input.
#[derive(Debug)]
pub struct Owned;

/// Marks a parameter taken by reference.
#[derive(Debug)]
pub struct Borrowed;

/// A parameter of a task's function: `&T`, or an owned `T: Data + Clone`. `Mode` is inferred.
pub trait Param<Mode> {
    /// The type of the value that is passed in.
    type Held: Data;
    /// The parameter as it is passed in one call.
    type Item<'a>;
    /// Takes the parameter out of an input.
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType).
    fn take(value: &Value) -> Result<Self::Item<'_>>;
}

impl<T: Data + Clone> Param<Owned> for T {
    type Held = T;
    type Item<'a> = T;
    fn take(value: &Value) -> Result<T> {
        Ok(value.get::<T>()?.clone())
    }
}

impl<T: Data> Param<Borrowed> for &T {
    type Held = T;
    type Item<'a> = &'a T;
    fn take(value: &Value) -> Result<&T> {
        value.get::<T>()
    }
}

/// A function that a task can call: any `Fn` of 0 to 8 [`Param`]s, or such a function [`with`](crate::with) an environment. `Mark` is inferred.
pub trait TaskFn<Mark, Params>: Send + Sync + Sized + 'static {
    /// What it returns.
    type Output;
    /// The tuple of the types of its parameters' values.
    type Held;
    /// The number of its parameters.
    const ARITY: usize;
    /// Its name, for people.
    fn name() -> &'static str;
    /// Calls it.
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if an input is of another type than its parameter,
    /// [`Error::WrongInputs`](crate::Error::WrongInputs) if there are more or fewer than it has parameters.
    fn call(&self, inputs: &Inputs<'_>) -> Result<Self::Output>;
    /// Why it must stay in its process, if it must.
    fn why_local() -> Option<String>;
    /// Its captures, serialised.
    ///
    /// # Errors
    /// What serde reports.
    fn encode(&self) -> Result<Vec<u8>, BoxError>;
    /// The function from its captures.
    ///
    /// # Errors
    /// What serde reports.
    fn decode(bytes: &[u8]) -> Result<Self, BoxError>;
}

/// Marks a function [`with`](crate::with) an environment.
#[derive(Debug)]
pub struct Spelled<Mark>(std::marker::PhantomData<Mark>);

macro_rules! task_fn {
    ($n:literal $($p:ident $m:ident $i:tt),*) => {
        impl<F, R, $($p, $m),*> TaskFn<($($m,)*), ($($p,)*)> for F
        where
            F: Send + Sync + 'static,
            $($p: Param<$m>,)*
            F: Fn($($p),*) -> R + for<'a> Fn($($p::Item<'a>),*) -> R,
        {
            type Output = R;
            type Held = ($($p::Held,)*);
            const ARITY: usize = $n;
            fn name() -> &'static str {
                type_name::<F>()
            }
            #[allow(non_snake_case, clippy::too_many_arguments)]
            fn call(&self, inputs: &Inputs<'_>) -> Result<R> {
                // The indirection lets inference choose the bound over items.
                fn apply<R, $($p),*>(function: impl Fn($($p),*) -> R, $($p: $p),*) -> R {
                    function($($p),*)
                }
                inputs.check_len($n)?;
                $(let $p = <$p as Param<$m>>::take(inputs.value($i))?;)*
                Ok(apply(self, $($p),*))
            }
            fn why_local() -> Option<String> {
                portable::why_not_conjurable::<F>().map(str::to_owned)
            }
            fn encode(&self) -> Result<Vec<u8>, BoxError> {
                Ok(Vec::new())
            }
            fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
                portable::conjure(bytes)
            }
        }

        impl<E, F, R, $($p, $m),*> TaskFn<Spelled<($($m,)*)>, ($($p,)*)> for With<E, F>
        where
            E: Serialize + DeserializeOwned + Send + Sync + 'static,
            F: Send + Sync + 'static,
            $($p: Param<$m>,)*
            F: Fn(&E, $($p),*) -> R + for<'a> Fn(&E, $($p::Item<'a>),*) -> R,
        {
            type Output = R;
            type Held = ($($p::Held,)*);
            const ARITY: usize = $n;
            fn name() -> &'static str {
                type_name::<F>()
            }
            #[allow(non_snake_case, clippy::too_many_arguments)]
            fn call(&self, inputs: &Inputs<'_>) -> Result<R> {
                fn apply<E, R, $($p),*>(function: impl Fn(&E, $($p),*) -> R, environment: &E, $($p: $p),*) -> R {
                    function(environment, $($p),*)
                }
                inputs.check_len($n)?;
                $(let $p = <$p as Param<$m>>::take(inputs.value($i))?;)*
                Ok(apply(&self.function, &self.environment, $($p),*))
            }
            fn why_local() -> Option<String> {
                portable::why_not_conjurable::<F>().map(str::to_owned)
            }
            fn encode(&self) -> Result<Vec<u8>, BoxError> {
                Ok(rmp_serde::to_vec_named(&self.environment)?)
            }
            fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
                Ok(With { environment: rmp_serde::from_slice(bytes)?, function: portable::conjure(&[])? })
            }
        }
    };
}

task_fn!(0);
task_fn!(1 P0 M0 0);
task_fn!(2 P0 M0 0, P1 M1 1);
task_fn!(3 P0 M0 0, P1 M1 1, P2 M2 2);
task_fn!(4 P0 M0 0, P1 M1 1, P2 M2 2, P3 M3 3);
task_fn!(5 P0 M0 0, P1 M1 1, P2 M2 2, P3 M3 3, P4 M4 4);
task_fn!(6 P0 M0 0, P1 M1 1, P2 M2 2, P3 M3 3, P4 M4 4, P5 M5 5);
task_fn!(7 P0 M0 0, P1 M1 1, P2 M2 2, P3 M3 3, P4 M4 4, P5 M5 5, P6 M6 6);
task_fn!(8 P0 M0 0, P1 M1 1, P2 M2 2, P3 M3 3, P4 M4 4, P5 M5 5, P6 M6 6, P7 M7 7);
