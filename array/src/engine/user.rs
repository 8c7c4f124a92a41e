//! Functions of the user's inside kernels.

use std::borrow::Cow;

use arras_core::{BoxError, Func, Inputs, Kernel, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a kernel does that calls a function of the user's.
pub(crate) trait Calls: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The function.
    fn func(&self) -> &Func;

    /// The operation, and which function it calls.
    fn label(&self) -> Cow<'static, str>;

    /// Computes the task's value.
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError>;
}

/// The kernel of what [`Calls`] a function: it travels if the function does, and nobody knows how long it takes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "K: Calls")]
pub(crate) struct Caller<K>(pub(crate) K);

impl<K: Calls> Kernel for Caller<K> {
    fn name(&self) -> Cow<'static, str> {
        self.0.label()
    }

    fn portability(&self) -> Result<(), String> {
        self.0.func().portability()
    }

    fn runs_user_code(&self) -> bool {
        self.0.func().runs_user_code()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        self.0.run(inputs)
    }
}

/// How a function travels as a field of a kernel.
pub(crate) mod wire {
    use arras_core::Func;
    use arras_core::portable::FuncWire;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(func: &Func, serializer: S) -> Result<S::Ok, S::Error> {
        func.to_wire().map_err(S::Error::custom)?.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Func, D::Error> {
        Func::from_wire(&FuncWire::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
