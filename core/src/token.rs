//! Tokens: 128 bits that stand for *what is computed*, so that equal work has equal names.
//!
//! A token is the xxh3 hash of a description: the operation, its parameters, the tokens of its inputs. It does not depend on
//! addresses, on time, or on the iteration order of a randomly seeded map. Data that already sits in memory is the exception: hashing it
//! would cost as much as reading it, so it gets a [`Token::unique`] one.

use std::fmt;
use std::hash::Hash;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// 128 bits that stand for a piece of work or a value. Shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u128);

static SESSION: OnceLock<u64> = OnceLock::new();
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Fixes the number that tells this process's unique tokens from another's.
///
/// Without this call the number is drawn at random on first use. Programs that run as several equal processes and must agree on names (SPMD,
/// as under MPI) set the same number in each before they build anything.
///
/// # Errors
/// The number already in force, if it was set or drawn before.
pub fn set_session(session: u64) -> Result<(), u64> {
    SESSION.set(session).map_err(|_| *SESSION.get().expect("set failed, so a session is there"))
}

fn session() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // Each RandomState is keyed by the operating system's randomness: the one place in std that offers it.
    *SESSION.get_or_init(|| RandomState::new().build_hasher().finish())
}

impl Token {
    /// The token of a value: the hash of its serialised form. Work: one pass over the value.
    ///
    /// Stable across runs and machines. A `HashMap` serialises in the order of its random seed: use a `BTreeMap` where the token matters.
    ///
    /// # Errors
    /// What the value's own `Serialize` reports.
    ///
    /// ```
    /// use arras_core::Token;
    /// assert_eq!(Token::of(&(1, "a"))?, Token::of(&(1, "a"))?);
    /// assert_ne!(Token::of(&(1, "a"))?, Token::of(&(2, "a"))?);
    /// # Ok::<(), arras_core::BoxError>(())
    /// ```
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Token, crate::BoxError> {
        let mut tokenizer = Tokenizer::new();
        tokenizer.value(value)?;
        Ok(tokenizer.finish())
    }

    /// A token that no other call returns, in this process or in one of another [session](set_session).
    pub fn unique() -> Token {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        Tokenizer::new().text("unique").number(session()).number(count).finish()
    }

    /// The bits.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// Builds a [`Token`] from parts, each kept apart from its neighbours.
///
/// ```
/// use arras_core::Tokenizer;
/// let a = Tokenizer::new().text("ab").text("c").finish();
/// let b = Tokenizer::new().text("a").text("bc").finish();
/// assert_ne!(a, b);
/// ```
#[derive(Default)]
pub struct Tokenizer(Xxh3);

impl Tokenizer {
    /// Nothing hashed yet.
    pub fn new() -> Tokenizer {
        Tokenizer(Xxh3::new())
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
        self
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds the token of a part.
    pub fn token(&mut self, token: Token) -> &mut Self {
        self.0.update(&token.0.to_le_bytes());
        self
    }

    /// Adds a value by its serialised form.
    ///
    /// # Errors
    /// What the value's own `Serialize` reports.
    pub fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<&mut Self, crate::BoxError> {
        struct Sink<'a>(&'a mut Xxh3);
        impl io::Write for Sink<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        value.serialize(&mut rmp_serde::Serializer::new(Sink(&mut self.0)).with_struct_map())?;
        Ok(self)
    }

    /// Adds anything that hashes, such as a `TypeId`: equal only within one build of one executable.
    pub fn hashed<T: Hash + ?Sized>(&mut self, value: &T) -> &mut Self {
        value.hash(&mut self.0);
        self
    }

    /// The token of all that was added.
    pub fn finish(&self) -> Token {
        Token(self.0.digest128())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_change_from_release_to_release() {
        // Caches on disk are keyed by tokens, so this value is part of the format.
        assert_eq!(Token::of(&(1u8, "a", [1.5f64])).unwrap().to_string(), "2752eaf99e85922b7bfd62df8cf0e241");
    }

    #[test]
    fn unique_tokens_differ() {
        assert_ne!(Token::unique(), Token::unique());
    }
}
