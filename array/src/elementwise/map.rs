//! Functions of the user's on elements: `map`, `zip_map`. They are steps of the program that the operations around them run in.
//!
//! ```text
//!     (2.0 * x).map(f).sum()         r0 = multiply input 0 by 2.0      a tile, about a thousand elements
//!                                    r1 = f r0                         one call of an erased function, which loops over the tile
//! ```

use std::fmt;
use std::sync::Arc;

use arras_core::portable::FuncWire;
use arras_core::{BoxError, Func, Inputs, Token, Value, with};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::dtype::{DType, Element};
use crate::engine::expr;

/// A function of tiles: takes a vector of elements for each operand, and returns one.
#[derive(Clone)]
pub(crate) struct Function {
    /// NumPy's name, or what comes nearest.
    operation: &'static str,
    func: Func,
    /// Of what the function does; a new one for a function whose captures nobody can see.
    token: Token,
    /// `map(main.closure)`
    label: Arc<str>,
    result: DType,
}

impl Function {
    pub(crate) fn new(operation: &'static str, func: Func, result: DType) -> Function {
        let name = func.short_name();
        let label = if name == "fn" || name.starts_with("map_") { operation.into() } else { format!("{operation}({name})").into() };
        Function { operation, token: func.token().unwrap_or_else(Token::unique), func, label, result }
    }

    pub(crate) fn func(&self) -> &Func {
        &self.func
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn result(&self) -> DType {
        self.result
    }

    pub(crate) fn portability(&self) -> Result<(), String> {
        self.func.portability()
    }

    /// The function of these tiles.
    pub(crate) fn call(&self, tiles: &[&Value]) -> Result<Value, BoxError> {
        self.func.call(&Inputs::new(tiles, 0))
    }
}

/// Two functions that do the same.
impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.token == other.token && self.result == other.result
    }
}

/// What stands for the function in the names of nodes.
impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.label, self.token, self.result)
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = self.func.to_wire().map_err(S::Error::custom)?;
        (wire, &*self.label, self.result).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Function, D::Error> {
        let (wire, label, result) = <(FuncWire, String, DType)>::deserialize(deserializer)?;
        let func = Func::from_wire(&wire).map_err(D::Error::custom)?;
        let token = func.token().unwrap_or_else(Token::unique);
        Ok(Function { operation: "map", func, token, label: label.into(), result })
    }
}

impl<T: Element> Array<T> {
    /// `function` of each element. The shape stays; the type is what the function returns. Lazy; work: one call an element, in the same pass as the operations around it.
    ///
    /// It runs in another process only if it captures nothing: captures can be spelled out with [`map_with`](Array::map_with). A panic ends the run with an error.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0.5, 2.5, 7.0], 2)?;
    /// let class = x.map(|v: f64| if v < 1.0 { 0 } else { v as i64 });
    /// assert_eq!((class + 1).compute()?, ndarray::array![1, 3, 8].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<R: Element, F>(&self, function: F) -> Array<R>
    where
        F: Fn(T) -> R + Send + Sync + 'static,
    {
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let xs = inputs.get::<Vec<T>>(0)?;
            Ok(Value::new(xs.iter().map(|&x| function(x)).collect::<Vec<R>>()))
        });
        Array::of(|| {
            let function = Function::new("map", func, R::DTYPE);
            expr::elementwise(Operation::Call(function), vec![Operand::Expr(self.expr()?)])
        })
    }

    /// `function` of `&environment` and each element: [`map`](Array::map) for a function whose captures are spelled out, so that it runs in other processes too.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0, 1, 2, 1], 3)?;
    /// let names = vec![10.0, 20.0, 30.0];
    /// let y = x.map_with(names, |names: &Vec<f64>, i: i64| names[i as usize]);
    /// assert_eq!(y.compute()?, ndarray::array![10.0, 20.0, 30.0, 20.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_with<E, R: Element, F>(&self, environment: E, function: F) -> Array<R>
    where
        E: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Fn(&E, T) -> R + Send + Sync + 'static,
    {
        let func = Func::new(with(environment, move |environment: &E, xs: &Vec<T>| -> Vec<R> {
            xs.iter().map(|&x| function(environment, x)).collect()
        }));
        Array::of(|| {
            let function = Function::new("map", func, R::DTYPE);
            expr::elementwise(Operation::Call(function), vec![Operand::Expr(self.expr()?)])
        })
    }

    /// `function` of each element and the one of `other` at its place. Shapes broadcast; the types may differ. Lazy and portable as [`map`](Array::map).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.5, 2.5], 1)?;
    /// let n = Array::from_ndarray(ndarray::array![[2], [3]], 1)?;
    /// let y = x.zip_map(&n, |x: f64, n: i32| x.powi(n));
    /// assert_eq!(y.compute()?, ndarray::array![[2.25, 6.25], [3.375, 15.625]].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn zip_map<U: Element, R: Element, F>(&self, other: &Array<U>, function: F) -> Array<R>
    where
        F: Fn(T, U) -> R + Send + Sync + 'static,
    {
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let (xs, ys) = (inputs.get::<Vec<T>>(0)?, inputs.get::<Vec<U>>(1)?);
            Ok(Value::new(xs.iter().zip(ys).map(|(&x, &y)| function(x, y)).collect::<Vec<R>>()))
        });
        Array::of(|| {
            let function = Function::new("zip_map", func, R::DTYPE);
            expr::elementwise(Operation::Call(function), vec![Operand::Expr(self.expr()?), Operand::Expr(other.expr()?)])
        })
    }
}
