//! Functions: a static table and an environment.
//!
//! ```text
//!     Func = &'static FuncTable      one a type: name, call, and how the environment travels
//!          + Arc<environment>        the function itself: nothing for a fn item, the captures of a closure, a kernel's parameters
//! ```
//! One struct covers fn items, closures that capture nothing, closures whose captures are spelled out ([`with`]), kernels (plain data with a
//! method), closures that capture, and chains of other functions. All but the capturing ones are *portable*: another process of the same
//! executable can call them (see [`crate::portable`]). Which of them a function is, the compiler and [`Func::portability`] tell; nothing has
//! to be annotated.

use std::any::{Any, TypeId, type_name};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, Result};
use crate::params::TaskFn;
use crate::portable;
use crate::token::{Token, Tokenizer};
use crate::value::{Data, Value};

/// What a function is called with: the values of its inputs, and the position of its block in its layer.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    values: &'a [&'a Value],
    block: u32,
    /// Which values nobody will read after this call, if somebody knows: asked by position, the first being `first`.
    last: Option<&'a (dyn Fn(usize) -> bool + Sync)>,
    first: usize,
}

impl<'a> Inputs<'a> {
    /// The inputs of the task at flat position `block` of its layer.
    pub fn new(values: &'a [&'a Value], block: u32) -> Inputs<'a> {
        Inputs { values, block, last: None, first: 0 }
    }

    /// The same inputs, of which `is_last` says by position whether this call is the last to read them.
    pub(crate) fn with_last(self, is_last: &'a (dyn Fn(usize) -> bool + Sync)) -> Inputs<'a> {
        Inputs { last: Some(is_last), first: 0, ..self }
    }

    /// The first `n` inputs, and the others.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn split_at(&self, n: usize) -> (Inputs<'a>, Inputs<'a>) {
        let (before, after) = self.values.split_at(n);
        (Inputs { values: before, ..*self }, Inputs { values: after, first: self.first + n, ..*self })
    }

    /// Whether nobody else reads input `i`, now or later, so that a value that can be taken apart may be. False where it is not known, as for values that came from
    /// another process or were there before the run.
    ///
    /// ```
    /// use arras_core::{Inputs, Value};
    /// assert!(!Inputs::new(&[&Value::new(1)], 0).is_last(0));
    /// ```
    pub fn is_last(&self, i: usize) -> bool {
        self.last.is_some_and(|is_last| is_last(self.first + i))
    }

    /// The number of inputs.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn check_len(&self, expected: usize) -> Result<()> {
        if self.values.len() == expected { Ok(()) } else { Err(Error::WrongInputs { expected, found: self.values.len() }) }
    }

    /// The flat position of the task in its layer, in row-major order of the layer's grid; 0 for a task that was inserted by hand.
    pub fn block(&self) -> u32 {
        self.block
    }

    /// Input `i`, if it is a `T`.
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType).
    ///
    /// # Panics
    /// If there is no input `i`: the task that calls a function fixes how many there are.
    pub fn get<T: 'static>(&self, i: usize) -> Result<&'a T> {
        self.values[i].get()
    }

    /// Input `i`.
    ///
    /// # Panics
    /// As for [`get`](Inputs::get).
    pub fn value(&self, i: usize) -> &'a Value {
        self.values[i]
    }

    /// All inputs.
    pub fn values(&self) -> &'a [&'a Value] {
        self.values
    }
}

/// A built-in function of a collection: parameters that serde can write, and what to do with them. Portable unless it says otherwise.
pub trait Kernel: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The operation, as it appears in errors and drawings.
    fn name(&self) -> Cow<'static, str>;

    /// Whether it can travel. A kernel that holds functions of the user's says here which of them cannot.
    ///
    /// # Errors
    /// The reason, as text.
    fn portability(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it calls functions of the user's, so that the sizes of its values do not tell how long it takes.
    fn runs_user_code(&self) -> bool {
        false
    }

    /// Whether its value is a part of its one input, and takes no memory beside it: such a task runs as soon as it can.
    fn takes_part(&self) -> bool {
        false
    }

    /// About how many nanoseconds the task of this block takes, where that is not told by the sizes of its inputs and its value: one that draws a million numbers and returns
    /// their sum. For engines, which cut a plan into parts of some length.
    fn nanoseconds(&self, block: u32) -> Option<u64> {
        let _ = block;
        None
    }

    /// The run has failed or was cancelled, here or in whatever processes its tasks were in: takes away what they left outside of the values, files that are half written. Called in
    /// the process that started the run, of each function of the plan, whether its tasks ran or not.
    fn abandoned(&self) {}

    /// Computes the task's value. Starts no threads.
    ///
    /// # Errors
    /// Whatever goes wrong; the run ends with [`Error::Task`](crate::Error::Task) around it.
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError>;
}

type Environment = Arc<dyn Any + Send + Sync>;

/// What the compiler knows of one type of function. Its address, relative to the executable, is what travels.
#[repr(C)]
pub struct FuncTable {
    pub(crate) magic: portable::Magic,
    name: fn(&(dyn Any + Send + Sync)) -> Cow<'static, str>,
    pub(crate) type_name: fn() -> &'static str,
    type_id: fn() -> TypeId,
    call: fn(&(dyn Any + Send + Sync), &Inputs<'_>) -> Result<Value, BoxError>,
    why_local: fn(&(dyn Any + Send + Sync)) -> Option<String>,
    runs_user_code: fn(&(dyn Any + Send + Sync)) -> bool,
    takes_part: fn(&(dyn Any + Send + Sync)) -> bool,
    nanoseconds: fn(&(dyn Any + Send + Sync), u32) -> Option<u64>,
    abandoned: fn(&(dyn Any + Send + Sync)),
    encode: fn(&(dyn Any + Send + Sync)) -> Result<Vec<u8>, BoxError>,
    pub(crate) decode: fn(&[u8]) -> Result<Func, BoxError>,
}

/// The one thing all functions are made of: a body with a name, a call, and a way to travel or a reason against it.
pub(crate) trait Body: Send + Sync + Sized + 'static {
    /// The type that identifies the function, for its token.
    type Identity: ?Sized + 'static;
    fn name(&self) -> Cow<'static, str>;
    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError>;
    fn why_local(&self) -> Option<String>;
    fn runs_user_code(&self) -> bool {
        true
    }
    fn takes_part(&self) -> bool {
        false
    }
    fn nanoseconds(&self, block: u32) -> Option<u64> {
        let _ = block;
        None
    }
    fn abandoned(&self) {}
    fn encode(&self) -> Result<Vec<u8>, BoxError>;
    fn decode(bytes: &[u8]) -> Result<Self, BoxError>;
}

struct TableOf<B>(PhantomData<B>);

fn held<B: 'static>(environment: &(dyn Any + Send + Sync)) -> &B {
    environment.downcast_ref().expect("a table is only ever paired with an environment of its own type")
}

impl<B: Body> TableOf<B> {
    const TABLE: &'static FuncTable = &FuncTable {
        magic: portable::FUNC_MAGIC,
        name: |environment| held::<B>(environment).name(),
        type_name: type_name::<B>,
        type_id: TypeId::of::<B::Identity>,
        call: |environment, inputs| held::<B>(environment).call(inputs),
        why_local: |environment| held::<B>(environment).why_local(),
        runs_user_code: |environment| held::<B>(environment).runs_user_code(),
        takes_part: |environment| held::<B>(environment).takes_part(),
        nanoseconds: |environment, block| held::<B>(environment).nanoseconds(block),
        abandoned: |environment| held::<B>(environment).abandoned(),
        encode: |environment| held::<B>(environment).encode(),
        decode: |bytes| Ok(Func::from_body(B::decode(bytes)?)),
    };
}

/// A function of erased values, ready to be called by a scheduler. Cloning it copies two pointers.
///
/// ```
/// use arras_core::{Func, Inputs, Value};
/// let add = Func::new(|x: &i64, y: &i64| x + y);
/// let (two, three) = (Value::new(2i64), Value::new(3i64));
/// let five = add.call(&Inputs::new(&[&two, &three], 0)).unwrap();
/// assert_eq!(five.get::<i64>()?, &5);
/// # Ok::<(), arras_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Func {
    table: &'static FuncTable,
    environment: Environment,
}

impl Func {
    pub(crate) fn from_body<B: Body>(body: B) -> Func {
        Func { table: TableOf::<B>::TABLE, environment: Arc::new(body) }
    }

    /// A function of 0 to 8 parameters, each `&T` or an owned `T: Clone`, and a result.
    pub fn new<F, Mark, Params>(function: F) -> Func
    where
        F: TaskFn<Mark, Params>,
        F::Output: Data,
        Mark: 'static,
        Params: 'static,
    {
        Func::from_body(Plain { function, marker: PhantomData })
    }

    /// A function that may fail: its error ends the run.
    pub fn fallible<F, Mark, Params, T, E>(function: F) -> Func
    where
        F: TaskFn<Mark, Params, Output = Result<T, E>>,
        T: Data,
        E: Into<BoxError> + 'static,
        Mark: 'static,
        Params: 'static,
    {
        Func::from_body(Fallible { function, marker: PhantomData })
    }

    /// A function of however many inputs of one type.
    ///
    /// ```
    /// use arras_core::{Func, Inputs, Value};
    /// let sum = Func::of_many(|xs: &[&i64]| xs.iter().copied().sum::<i64>());
    /// let two = Value::new(2i64);
    /// assert_eq!(sum.call(&Inputs::new(&[&two, &two, &two], 0)).unwrap().get::<i64>()?, &6);
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn of_many<F, T, R>(function: F) -> Func
    where
        F: Fn(&[&T]) -> R + Send + Sync + 'static,
        T: Send + Sync + 'static,
        R: Data,
    {
        Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let values = inputs.values().iter().map(|value| value.get::<T>()).collect::<Result<Vec<&T>>>()?;
            Ok(Value::new(function(&values)))
        })
    }

    /// A function of erased inputs, shown under the name of `Named`: for collections, which wrap the user's function. It is portable when the closure
    /// captures nothing but portable functions.
    pub fn erased<Named: ?Sized + 'static, F>(function: F) -> Func
    where
        F: Fn(&Inputs<'_>) -> Result<Value, BoxError> + Send + Sync + 'static,
    {
        Func::erased_with::<Named, (), _>((), move |(): &(), inputs: &Inputs<'_>| function(inputs))
    }

    /// As [`erased`](Func::erased), for a function of an environment too: captures that are spelled out, which travel with it.
    ///
    /// ```
    /// use arras_core::{Func, Inputs, Value};
    /// let scaled = Func::erased_with::<u64, _, _>(10i64, |scale: &i64, inputs: &Inputs| Ok(Value::new(scale * inputs.get::<i64>(0)?)));
    /// assert_eq!(scaled.call(&Inputs::new(&[&Value::new(4i64)], 0)).unwrap().get::<i64>()?, &40);
    /// assert!(scaled.is_portable());
    /// # Ok::<(), arras_core::Error>(())
    /// ```
    pub fn erased_with<Named: ?Sized + 'static, E, F>(environment: E, function: F) -> Func
    where
        E: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Fn(&E, &Inputs<'_>) -> Result<Value, BoxError> + Send + Sync + 'static,
    {
        Func::from_body(Erased::<Named, E, F> { with: With { environment, function }, marker: PhantomData })
    }

    /// A built-in kernel.
    pub fn kernel<K: Kernel>(kernel: K) -> Func {
        Func::from_body(KernelBody(kernel))
    }

    /// Calls the function.
    ///
    /// # Errors
    /// What the function returns; [`Error::WrongType`] if an input is of another type than its parameter, [`Error::WrongInputs`] if a function of
    /// typed parameters gets more or fewer inputs than it has.
    pub fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        (self.table.call)(&*self.environment, inputs)
    }

    /// The function's name, for people: two closures of one function share it.
    pub fn name(&self) -> Cow<'static, str> {
        (self.table.name)(&*self.environment)
    }

    /// The last part of the name, for keys: `sqrt`, or `main.closure` for a closure in `main`.
    pub fn short_name(&self) -> String {
        short_name(&self.name())
    }

    /// Whether another process of the same executable can call it, and if not, why.
    ///
    /// ```
    /// use arras_core::Func;
    /// let k = 3;
    /// assert!(Func::new(|x: &i64| x + 1).portability().is_ok());
    /// assert!(Func::new(move |x: &i64| x + k).portability().unwrap_err().contains("captures"));
    /// assert!(Func::new(arras_core::with(k, |k: &i64, x: &i64| x + k)).portability().is_ok());
    /// ```
    ///
    /// # Errors
    /// The reason, as text.
    pub fn portability(&self) -> Result<(), String> {
        (self.table.why_local)(&*self.environment).map_or(Ok(()), Err)
    }

    /// Whether another process of the same executable can call it.
    pub fn is_portable(&self) -> bool {
        self.portability().is_ok()
    }

    /// Whether it runs code of the user's, of which nobody knows how long it takes: true for all functions but built-in kernels, and chains of them.
    ///
    /// ```
    /// assert!(arras_core::Func::new(f64::sqrt).runs_user_code());
    /// ```
    pub fn runs_user_code(&self) -> bool {
        (self.table.runs_user_code)(&*self.environment)
    }

    /// Whether its value is a part of its one input: see [`Kernel::takes_part`].
    pub fn takes_part(&self) -> bool {
        (self.table.takes_part)(&*self.environment)
    }

    /// About how long the task of this block takes, if a built-in kernel says so: see [`Kernel::nanoseconds`].
    pub fn nanoseconds(&self, block: u32) -> Option<u64> {
        (self.table.nanoseconds)(&*self.environment, block)
    }

    pub(crate) fn abandoned(&self) {
        (self.table.abandoned)(&*self.environment);
    }

    /// A token of what the function does: of its code and its environment. None for a closure that captures, whose captures nobody can see.
    pub fn token(&self) -> Option<Token> {
        if !self.is_portable() {
            return None;
        }
        let environment = self.encode_environment().ok()?;
        let mut tokenizer = Tokenizer::new();
        tokenizer.hashed(&(self.table.type_id)()).text((self.table.type_name)());
        tokenizer.number(environment.len() as u64).hashed(environment.as_slice());
        Some(tokenizer.finish())
    }

    /// Whether both are the same function with the same environment in memory.
    pub fn same(&self, other: &Func) -> bool {
        Arc::ptr_eq(&self.environment, &other.environment)
    }

    pub(crate) fn table(&self) -> &'static FuncTable {
        self.table
    }

    pub(crate) fn encode_environment(&self) -> Result<Vec<u8>, BoxError> {
        (self.table.encode)(&*self.environment)
    }

    pub(crate) fn environment<T: 'static>(&self) -> Option<&T> {
        self.environment.downcast_ref()
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Func({})", self.name())
    }
}

/// `arras::pi::hit::<f64>` → `hit`; a closure is named after the function around it: `main.closure`.
pub(crate) fn short_name(name: &str) -> String {
    let mut depth = 0usize;
    let plain: String = name
        .chars()
        .filter(|c| {
            let keep = depth == 0 && *c != '<';
            match c {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
            keep
        })
        .collect();
    let parts = plain.split("::").filter(|part| !part.is_empty());
    let function = parts.clone().filter(|part| !part.starts_with('{')).last().unwrap_or("task");
    if parts.last() == Some("{{closure}}") { format!("{function}.closure") } else { function.to_owned() }
}

// ---------------------------------------------------------------------------------------------------------------- the bodies

/// How functions that are plain types travel: those of no size are conjured, all others stay.
fn why_not_conjured<F: 'static>() -> Option<String> {
    portable::why_not_conjurable::<F>().map(str::to_owned)
}

struct Plain<F, Mark, Params> {
    function: F,
    marker: PhantomData<fn() -> (Mark, Params)>,
}

impl<F, Mark: 'static, Params: 'static> Body for Plain<F, Mark, Params>
where
    F: TaskFn<Mark, Params>,
    F::Output: Data,
{
    type Identity = F;
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(F::name())
    }
    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::new(self.function.call(inputs)?))
    }
    fn why_local(&self) -> Option<String> {
        F::why_local()
    }
    fn encode(&self) -> Result<Vec<u8>, BoxError> {
        self.function.encode()
    }
    fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
        Ok(Plain { function: F::decode(bytes)?, marker: PhantomData })
    }
}

struct Fallible<F, Mark, Params> {
    function: F,
    marker: PhantomData<fn() -> (Mark, Params)>,
}

impl<F, Mark: 'static, Params: 'static, T: Data, E: Into<BoxError> + 'static> Body for Fallible<F, Mark, Params>
where
    F: TaskFn<Mark, Params, Output = Result<T, E>>,
{
    type Identity = F;
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(F::name())
    }
    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::new(self.function.call(inputs)?.map_err(Into::into)?))
    }
    fn why_local(&self) -> Option<String> {
        F::why_local()
    }
    fn encode(&self) -> Result<Vec<u8>, BoxError> {
        self.function.encode()
    }
    fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
        Ok(Fallible { function: F::decode(bytes)?, marker: PhantomData })
    }
}

struct Erased<Named: ?Sized, E, F> {
    with: With<E, F>,
    marker: PhantomData<fn() -> Box<Named>>,
}

impl<Named: ?Sized + 'static, E, F> Body for Erased<Named, E, F>
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn(&E, &Inputs<'_>) -> Result<Value, BoxError> + Send + Sync + 'static,
{
    type Identity = F;
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(type_name::<Named>())
    }
    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        (self.with.function)(&self.with.environment, inputs)
    }
    fn why_local(&self) -> Option<String> {
        why_not_conjured::<F>()
    }
    fn encode(&self) -> Result<Vec<u8>, BoxError> {
        Ok(rmp_serde::to_vec_named(&self.with.environment)?)
    }
    fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
        let with = With { environment: rmp_serde::from_slice(bytes)?, function: portable::conjure(&[])? };
        Ok(Erased { with, marker: PhantomData })
    }
}

struct KernelBody<K>(K);

impl<K: Kernel> Body for KernelBody<K> {
    type Identity = K;
    fn name(&self) -> Cow<'static, str> {
        self.0.name()
    }
    fn call(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        self.0.run(inputs)
    }
    fn why_local(&self) -> Option<String> {
        self.0.portability().err()
    }
    fn runs_user_code(&self) -> bool {
        self.0.runs_user_code()
    }
    fn takes_part(&self) -> bool {
        self.0.takes_part()
    }
    fn nanoseconds(&self, block: u32) -> Option<u64> {
        self.0.nanoseconds(block)
    }
    fn abandoned(&self) {
        self.0.abandoned();
    }
    fn encode(&self) -> Result<Vec<u8>, BoxError> {
        Ok(rmp_serde::to_vec_named(&self.0)?)
    }
    fn decode(bytes: &[u8]) -> Result<Self, BoxError> {
        Ok(KernelBody(rmp_serde::from_slice(bytes)?))
    }
}

/// A function with its captures spelled out: see [`with`].
#[derive(Clone, Copy, Debug)]
pub struct With<E, F> {
    pub(crate) environment: E,
    pub(crate) function: F,
}

/// Spells out what a closure captures, so that it can travel to another process: `function` gets `&environment` before its own parameters.
///
/// ```
/// use arras_core::{delayed, evaluate, with};
/// let factor = 3;
/// let scaled = delayed(with(factor, |factor: &i64, x: &i64| x * factor), (14,));
/// assert_eq!(evaluate(&scaled)?, 42);
/// # Ok::<(), arras_core::Error>(())
/// ```
pub fn with<E: Serialize + DeserializeOwned + Send + Sync + 'static, F>(environment: E, function: F) -> With<E, F> {
    With { environment, function }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(x: i64) -> i64 {
        x * 2
    }

    #[test]
    fn a_func_is_three_words_and_has_a_niche() {
        assert_eq!(size_of::<Func>(), 24);
        assert_eq!(size_of::<Option<Func>>(), 24);
    }

    #[test]
    fn short_names_are_what_a_person_would_say() {
        assert_eq!(short_name("core::f64::<impl f64>::sqrt"), "sqrt");
        assert_eq!(short_name("pi::main::{{closure}}"), "main.closure");
        assert_eq!(short_name("a::hit<f64, b::C<d::E>>"), "hit");
        assert_eq!(Func::new(double).short_name(), "double");
    }

    #[test]
    fn parameters_by_value_by_reference_and_mixed() {
        let (two, text) = (Value::new(2i64), Value::new("ab".to_owned()));
        let call = |f: Func| f.call(&Inputs::new(&[&two, &text], 0)).unwrap();
        assert_eq!(call(Func::new(|n: i64, s: &String| s.repeat(n as usize))).get::<String>().unwrap(), "abab");
        assert_eq!(call(Func::new(|n: &i64, s: String| s.len() as i64 * n)).get::<i64>().unwrap(), &4);
    }

    #[test]
    fn a_wrong_type_is_an_error_that_names_both() {
        let text = Value::new("ab".to_owned());
        let error = Func::new(double).call(&Inputs::new(&[&text], 0)).unwrap_err().to_string();
        assert!(error.contains("i64") && error.contains("String"), "{error}");
    }

    #[test]
    fn tokens_tell_functions_and_environments_apart() {
        let token = |f: Func| f.token();
        assert_eq!(token(Func::new(double)), token(Func::new(double)));
        assert_ne!(token(Func::new(|x: &i64| x + 1)), token(Func::new(|x: &i64| x + 2)));
        let scale = |k: i64| token(Func::new(with(k, |k: &i64, x: &i64| x * k)));
        assert_ne!(scale(2), scale(3));
        assert_eq!(scale(2), scale(2));
        let captured = 1;
        assert_eq!(token(Func::new(move |x: &i64| x + captured)), None);
    }
}
