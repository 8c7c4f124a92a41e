//! Portable functions and values: how they reach another process of the same executable. All of core's unsafe code is in this file.
//!
//! ```text
//!     sender:    address of a table - address of ANCHOR  = offset        (both are statics of one executable, so the difference is fixed)
//!     wire:      offset, hash of the table's type name, the environment's or the value's bytes
//!     receiver:  address of ANCHOR + offset → in the executable's read-only data? aligned? magic? name? → the table decodes the bytes
//! ```
//! The sender and the receiver must be the same build; a transport proves that at its handshake ([`executable_id`] is what to compare) and the
//! checks here are the second line: within one build they catch a corrupted offset.
//!
//! A function that holds no data (a fn item, a closure that captures nothing) has no bytes to send. The receiver makes one out of nothing,
//! which needs a type of size 0 without destructor of which the sender held a value. What remains is a closure that captures a zero-sized *proof*, such as
//! "this CPU has AVX2": the compiler does not tell it from one that captures nothing. (Asking whether the type is `Copy` would
//! catch most; stable Rust has no way to ask that of a type parameter, and demanding it would forbid captures to everyone.) So a function that is
//! to travel must not capture a proof about its process or machine, and a handshake compares CPU features.

use std::mem::{MaybeUninit, needs_drop};
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::BoxError;
use crate::func::{Func, FuncTable};
use crate::token::{Token, Tokenizer};
use crate::value::ValueTable;

/// What starts each kind of table.
pub(crate) type Magic = [u64; 2];
pub(crate) const FUNC_MAGIC: Magic = [0x6172_7261_735f_666e, 0x9d3c_51e7_0b8a_f264];
pub(crate) const VALUE_MAGIC: Magic = [0x6172_7261_735f_7661, 0x47b1_d80e_93c5_2f6d];

/// The static that offsets are relative to. Its content is not the magic of a table, so that offset 0 is refused.
static ANCHOR: [u64; 2] = [FUNC_MAGIC[1], VALUE_MAGIC[0]];

/// A static table of the executable that another process of it can be told of.
///
/// # Safety
/// The type is `repr(C)` and starts with a field of type [`Magic`] that holds `MAGIC` in every instance, and only the compiler makes instances.
pub(crate) unsafe trait Table: Sized + 'static {
    const MAGIC: Magic;
    fn type_name(&self) -> &'static str;
}

// SAFETY: `repr(C)`, its first field is `magic`, and the one place that makes instances, a constant, sets it to FUNC_MAGIC.
unsafe impl Table for FuncTable {
    const MAGIC: Magic = FUNC_MAGIC;
    fn type_name(&self) -> &'static str {
        (self.type_name)()
    }
}

// SAFETY: `repr(C)`, its first field is `magic`, and the places that make instances, constants all, set it to VALUE_MAGIC.
unsafe impl Table for ValueTable {
    const MAGIC: Magic = VALUE_MAGIC;
    fn type_name(&self) -> &'static str {
        (self.type_name)()
    }
}

/// Which table of the executable: what travels instead of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The table's address relative to an anchor in the same executable.
    pub(crate) offset: i64,
    /// The hash of the table's type name: a check, not an identity.
    pub(crate) name_hash: u64,
}

impl Place {
    pub(crate) fn of<T: Table>(table: &'static T) -> Place {
        Place { offset: (table as *const T as i64).wrapping_sub(&raw const ANCHOR as i64), name_hash: name_hash(table) }
    }

    /// The table at this place of the running executable.
    pub(crate) fn table<T: Table>(self) -> Result<&'static T, WireError> {
        let offset = self.offset;
        let address = (&raw const ANCHOR as i64).wrapping_add(offset) as usize;
        let (start, end) = constant_data()?;
        let fits = address.checked_add(size_of::<T>()).is_some_and(|last| start <= address && last <= end);
        if !fits {
            return Err(WireError::Outside { offset });
        }
        if !address.is_multiple_of(align_of::<T>()) {
            return Err(WireError::NoTable { offset });
        }
        // SAFETY: the address lies in a mapped, initialised and aligned part of this executable's image that nothing writes to after start-up,
        // and any bytes are valid u64s.
        let magic = unsafe { *(address as *const Magic) };
        if magic != T::MAGIC {
            return Err(WireError::NoTable { offset });
        }
        // SAFETY: the image is read-only since start-up, so only the compiler can have put the magic there. It appears in the image at the start of
        // tables of type T; the copies that are no tables (the constant itself) are followed by bytes that would have to be a valid function pointer, which is why
        // the name is checked before anything else is used, and why the sender must be trusted to be the same build.
        let table: &'static T = unsafe { &*(address as *const T) };
        if name_hash(table) != self.name_hash {
            return Err(WireError::NoTable { offset });
        }
        Ok(table)
    }
}

fn name_hash<T: Table>(table: &T) -> u64 {
    xxhash_rust::xxh3::xxh3_64(table.type_name().as_bytes())
}

/// Why a function of type `F` cannot be made out of nothing in another process, if it cannot.
pub(crate) fn why_not_conjurable<F: 'static>() -> Option<&'static str> {
    if size_of::<F>() != 0 {
        Some("it captures values")
    } else if needs_drop::<F>() {
        Some("it captures a value with a destructor, which stands for something that exists in this process only")
    } else {
        None
    }
}

/// Makes a function that holds no data.
pub(crate) fn conjure<F: 'static>(environment: &[u8]) -> Result<F, BoxError> {
    if let Some(why) = why_not_conjurable::<F>() {
        return Err(why.into());
    }
    if !environment.is_empty() {
        return Err(format!("{} bytes of captures for a function that captures nothing", environment.len()).into());
    }
    // SAFETY: F has no bytes, so there is nothing to initialise, and no destructor, so nothing is undone twice. It is inhabited: the only
    // callers are tables of functions, and a table's offset is only ever sent by a process of the same build that held a value of F. That F is no
    // proof about that process is the condition that the module's documentation puts on its users.
    #[allow(clippy::uninit_assumed_init)]
    let function = unsafe { MaybeUninit::<F>::uninit().assume_init() };
    Ok(function)
}

/// A function on its way to another process of the same executable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuncWire {
    /// The table's address relative to an anchor in the same executable.
    pub offset: i64,
    /// The hash of the table's type name: a check, not an identity.
    pub name_hash: u64,
    /// The environment's serialised form.
    #[serde(with = "serde_bytes")]
    pub environment: Vec<u8>,
}

/// Why a function that arrived was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Not a place where this executable keeps its tables.
    #[error("offset {offset:#x} is outside the executable's constant data")]
    Outside {
        /// The offset that arrived.
        offset: i64,
    },
    /// A place that holds something else, or a table of another function or type.
    #[error("no table of that function or type at offset {offset:#x}: the message is damaged or comes from another build")]
    NoTable {
        /// The offset that arrived.
        offset: i64,
    },
    /// The platform does not tell where an executable's constant data lies.
    #[error("functions cannot travel on this platform: {why}")]
    Unsupported {
        /// What is missing.
        why: String,
    },
    /// The captures could not be read.
    #[error("the captures of {function} could not be read: {why}")]
    Environment {
        /// The function.
        function: &'static str,
        /// What serde reports.
        why: String,
    },
    /// A value could not be read.
    #[error("a value of type {type_name} could not be read: {why}")]
    Value {
        /// The type.
        type_name: &'static str,
        /// What serde reports.
        why: String,
    },
    /// Bytes that are no sub-plan, or end too early.
    #[error("a damaged message: {why}")]
    Damaged {
        /// What is wrong.
        why: String,
    },
}

impl Func {
    /// The form in which the function travels.
    ///
    /// # Errors
    /// The reason why it cannot (see [`Func::portability`]), or what the serialisation of its captures reports.
    pub fn to_wire(&self) -> Result<FuncWire, BoxError> {
        self.portability()?;
        let Place { offset, name_hash } = Place::of(self.table());
        Ok(FuncWire { offset, name_hash, environment: self.encode_environment()? })
    }

    /// The function that travelled here from another process of the same executable.
    ///
    /// The caller must know that the sender runs the same build (see [`executable_id`]). Damage on the way is found and refused.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn from_wire(wire: &FuncWire) -> Result<Func, WireError> {
        let table: &'static FuncTable = Place { offset: wire.offset, name_hash: wire.name_hash }.table()?;
        (table.decode)(&wire.environment).map_err(|error| WireError::Environment { function: (table.type_name)(), why: error.to_string() })
    }
}

/// The addresses of the executable's constant data after relocation: the mapping that holds a table known to be one.
fn constant_data() -> Result<(usize, usize), WireError> {
    static RANGE: OnceLock<Result<(usize, usize), WireError>> = OnceLock::new();
    RANGE.get_or_init(find_constant_data).clone()
}

fn find_constant_data() -> Result<(usize, usize), WireError> {
    let unsupported = |why: String| WireError::Unsupported { why };
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|error| unsupported(format!("/proc/self/maps: {error}")))?;
    let known = Func::new(|| ()).table() as *const FuncTable as usize;
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(range), Some(permissions)) = (fields.next(), fields.next()) else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else { continue };
        if start <= known && known < end {
            if permissions.starts_with('r') && !permissions.contains('w') {
                return Ok((start, end));
            }
            return Err(unsupported(format!("the executable's constant data is writable ({permissions}): link with full RELRO")));
        }
    }
    Err(unsupported("the executable's constant data is not in /proc/self/maps".to_owned()))
}

/// A token of the running executable's contents: equal only for the same build. Reads the file once.
///
/// # Errors
/// What the operating system says of the executable's file.
pub fn executable_id() -> crate::Result<Token> {
    static ID: OnceLock<crate::Result<Token>> = OnceLock::new();
    ID.get_or_init(|| {
        // The link in /proc reaches the file even after it was replaced or removed.
        let link = PathBuf::from("/proc/self/exe");
        let path = if link.exists() { link } else { std::env::current_exe().map_err(|error| crate::Error::io("executable", error))? };
        let bytes = std::fs::read(&path).map_err(|error| crate::Error::io(&path, error))?;
        Ok(Tokenizer::new().hashed(bytes.as_slice()).finish())
    })
    .clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::func::Inputs;
    use crate::value::Value;

    #[test]
    fn only_functions_without_data_can_be_conjured() {
        struct Guard;
        impl Drop for Guard {
            fn drop(&mut self) {}
        }
        fn of<F: 'static>(_: &F) -> Option<&'static str> {
            why_not_conjurable::<F>()
        }
        let guard = Guard;
        let guarded = move || {
            let _ = &guard;
        };
        assert_eq!(size_of_val(&guarded), 0);
        assert!(of(&guarded).unwrap().contains("destructor"));
        assert!(of(&|| ()).is_none());
        assert!(of(&f64::sqrt).is_none());
        let fn_pointer: fn(f64) -> f64 = f64::sqrt;
        assert!(of(&fn_pointer).unwrap().contains("captures"));
    }

    #[test]
    fn a_function_survives_the_round_trip() {
        for (func, expected) in
            [(Func::new(|x: &i64| x + 1), 11), (Func::new(|x: &i64| x + 2), 12), (Func::new(crate::with(5, |k: &i64, x: &i64| x * k)), 50)]
        {
            let wire = func.to_wire().unwrap();
            let back = Func::from_wire(&wire).unwrap();
            let ten = Value::new(10i64);
            assert_eq!(back.call(&Inputs::new(&[&ten], 0)).unwrap().get::<i64>().unwrap(), &expected);
        }
    }

    #[test]
    fn a_damaged_offset_name_or_environment_is_refused() {
        let good = Func::new(crate::with(5i64, |k: &i64, x: &i64| x * k)).to_wire().unwrap();
        for shift in [1i64, 8, 16, -16, 24, 4096, 1 << 30, -(1 << 30), i64::MAX, i64::MIN] {
            let bad = FuncWire { offset: good.offset.wrapping_add(shift), ..good.clone() };
            assert!(Func::from_wire(&bad).is_err(), "shift {shift}");
        }
        assert!(Func::from_wire(&FuncWire { offset: 0, ..good.clone() }).is_err());
        assert!(Func::from_wire(&FuncWire { name_hash: good.name_hash ^ 1, ..good.clone() }).is_err());
        let short = FuncWire { environment: Vec::new(), ..good };
        assert!(matches!(Func::from_wire(&short), Err(WireError::Environment { .. })));
    }
}
