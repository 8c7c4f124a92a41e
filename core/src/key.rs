//! Keys: the names of tasks, at the edges of the engine. Inside a frozen plan a task is a `u32`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::token::Token;

/// The name of a layer: shared text, its hash computed once. `"sum-9f2c…"`, operation and token, or a word the user chose.
#[derive(Clone)]
pub struct Name(Arc<NameText>);

struct NameText {
    hash: u64,
    text: Box<str>,
}

impl Name {
    /// A name from its text.
    pub fn new(text: impl Into<Box<str>>) -> Name {
        let text = text.into();
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        Name(Arc::new(NameText { hash, text }))
    }

    /// `operation-token`: the name that equal work shares.
    pub fn from_token(operation: &str, token: Token) -> Name {
        Name::new(format!("{operation}-{token}"))
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The text without its token: `"sum"` of `"sum-9f2c…"`. Dashboards and drawings group by it.
    pub fn operation(&self) -> &str {
        match self.0.text.rsplit_once('-') {
            Some((operation, token)) if token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()) => operation,
            _ => &self.0.text,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.hash == other.0.hash && self.0.text == other.0.text)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> std::cmp::Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// The position of a block in its layer: one number for each axis, none for a layer of one task.
pub type BlockIndex = SmallVec<[u32; 4]>;

/// The name of one task: a layer's name and the index of a block in it. 32 bytes.
///
/// ```
/// use arras_core::Key;
/// assert_eq!(Key::from("result").to_string(), "\"result\"");
/// assert_eq!(Key::from(("x", 3)).to_string(), "(\"x\", 3)");
/// assert_eq!(Key::from(("x", [0, 3])).to_string(), "(\"x\", 0, 3)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    name: Name,
    index: BlockIndex,
}

impl Key {
    /// A key from a layer's name and a block's index.
    pub fn new(name: Name, index: BlockIndex) -> Key {
        Key { name, index }
    }

    /// The layer's name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The block's index, empty for a plain name.
    pub fn index(&self) -> &[u32] {
        &self.index
    }
}

impl fmt::Display for Key {
    /// As Dask shows it: `"result"`, `("x", 0, 3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.index.is_empty() {
            return write!(f, "{:?}", self.name.as_str());
        }
        write!(f, "({:?}", self.name.as_str())?;
        for i in &self.index {
            write!(f, ", {i}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Key {
    fn from(name: &str) -> Key {
        Key::new(Name::new(name), SmallVec::new())
    }
}

impl From<String> for Key {
    fn from(name: String) -> Key {
        Key::new(Name::new(name), SmallVec::new())
    }
}

impl From<Name> for Key {
    fn from(name: Name) -> Key {
        Key::new(name, SmallVec::new())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Key {
        key.clone()
    }
}

impl From<(&str, u32)> for Key {
    fn from((name, i): (&str, u32)) -> Key {
        Key::new(Name::new(name), smallvec![i])
    }
}

impl From<(Name, u32)> for Key {
    fn from((name, i): (Name, u32)) -> Key {
        Key::new(name, smallvec![i])
    }
}

impl From<(&Name, u32)> for Key {
    fn from((name, i): (&Name, u32)) -> Key {
        Key::new(name.clone(), smallvec![i])
    }
}

impl<const N: usize> From<(&str, [u32; N])> for Key {
    fn from((name, index): (&str, [u32; N])) -> Key {
        Key::new(Name::new(name), SmallVec::from_slice(&index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_and_an_input_can_hold_it_without_a_tag() {
        assert_eq!(size_of::<Key>(), 32);
        assert_eq!(size_of::<Option<Key>>(), 32);
    }

    #[test]
    fn the_operation_is_the_name_without_its_token() {
        assert_eq!(Name::from_token("sum-partial", Token::unique()).operation(), "sum-partial");
        assert_eq!(Name::new("load-1").operation(), "load-1");
    }

    #[test]
    fn names_are_equal_by_text() {
        assert_eq!(Name::new("x"), Name::new(String::from("x")));
        assert_ne!(Name::new("x"), Name::new("y"));
        assert_ne!(Key::from(("x", 1)), Key::from(("x", 2)));
        assert_ne!(Key::from("x"), Key::from(("x", 0)));
    }
}
