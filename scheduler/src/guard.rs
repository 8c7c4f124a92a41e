//! The user's own code, called where a panic must not end the one who calls: a `Serialize`, a `Deserialize`, a `Drop`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arras_core::{BoxError, Panic};

/// Calls code that may be the user's. A panic is an error.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, BoxError>) -> Result<T, BoxError> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| Err(Panic::caught(payload).into()))
}

/// Drops what may hold a value of the user's, whatever its `Drop` does. Many are discarded one by one: two panics at once would end the process.
pub(crate) fn discard<T>(held: T) {
    // There is nobody to tell, and the panic has been printed.
    let _ = guarded(|| {
        drop(held);
        Ok(())
    });
}

/// A value with manners of its own, for tests.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rude {
    Refuses,
    PanicsWhenWritten,
    PanicsWhenRead,
}

#[cfg(test)]
mod rude {
    use super::Rude;

    impl serde::Serialize for Rude {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Rude::Refuses => Err(serde::ser::Error::custom("no")),
                Rude::PanicsWhenWritten => panic!("not to be written"),
                Rude::PanicsWhenRead => serializer.serialize_bytes(&[0; 1000]),
            }
        }
    }

    impl<'de> serde::Deserialize<'de> for Rude {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Rude, D::Error> {
            panic!("not to be read")
        }
    }
}
