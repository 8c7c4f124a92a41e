//! Functions of the user's inside kernels.

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
