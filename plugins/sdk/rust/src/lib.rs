//! Conflict handlers for [kvnode](https://github.com/kvnode/kvnode), in Rust. A whole handler:
//!
//! ```
//! use kvnode::{Conflict, Verdict};
//!
//! kvnode::handler!(newest);
//!
//! fn newest(c: Conflict) -> Verdict {
//!     Verdict::Pick(c.versions.len() - 1)
//! }
//! ```
//!
//! A handler is a pure function of the conflict: it reaches no file, network, environment, clock or randomness, and
//! nothing that it stores survives the call. A panic is a trap, which restarts the node that merges: a handler that
//! merely cannot decide answers [`Verdict::Error`], or returns a `Result` that is an error.
//!
//! Types and handlers compile for every target, so that `cargo test` tests a handler: call it with [`Conflict::new`].
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs)]

mod frame;
#[cfg(target_arch = "wasm32")]
mod guest;
#[cfg(all(target_arch = "wasm32", feature = "std"))]
mod heap;

#[cfg(target_arch = "wasm32")]
pub use guest::{alloc, log, serve};

/// The version of the contract between host and module.
pub const ABI_VERSION: i32 = 1;

pub use frame::Version;

/// What a handler decides about.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// The key of all versions.
    pub key: &'a [u8],
    /// Two or more versions, ascending by time and origin on every node: the last is the newest.
    pub versions: &'a [Version<'a>],
    /// The value that all versions overwrote, where the node still knows it; it may be a delete.
    pub base: Option<&'a Version<'a>>,
    /// The time of the newest version. There is no other clock.
    pub now: u64,
    /// The same number on every node for the same conflict: seed random decisions with it.
    pub seed: u64,
}

impl<'a> Conflict<'a> {
    /// Makes a conflict for a test. The versions ascend by time and origin, as those that a node hands over.
    pub fn new(key: &'a str, versions: &'a [Version<'a>]) -> Self {
        let now = versions.last().map_or(0, |v| v.time());
        Conflict { key: key.as_bytes(), versions, base: None, now, seed: 1 }
    }

    /// Returns how many bytes the values of the versions and of the base have together. Fuel is used up by more of them: answer an error for
    /// what is too much.
    pub fn size(&self) -> usize {
        self.versions.iter().chain(self.base).map(|v| v.value().len()).sum()
    }

    /// Returns the same conflict with a base, for a test.
    pub fn with_base(self, base: &'a Version<'a>) -> Self {
        Conflict { base: Some(base), ..self }
    }
}

/// A handler's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Decides nothing: all versions stay, and readers see the newest and that there are others.
    Keep,
    /// These bytes are what readers see; [`Verdict::set`] makes one of owned values, too.
    Set(&'a [u8]),
    /// The key becomes absent for readers.
    Delete,
    /// The version of this index is what readers see. An index that does not exist is a trap.
    Pick(usize),
    /// The handler cannot decide, and says why: all versions stay. It is no trap. Texts are cut at 4 KiB.
    Error(&'a [u8]),
}

impl<'a> Verdict<'a> {
    /// Makes a [`Verdict::Set`] of text or bytes, borrowed or owned.
    pub fn set(value: impl IntoBytes<'a>) -> Self {
        Verdict::Set(value.into_bytes())
    }

    /// Makes a [`Verdict::Error`] of a text, borrowed or owned.
    pub fn error(text: impl IntoBytes<'a>) -> Self {
        Verdict::Error(text.into_bytes())
    }
}

/// What a verdict can be made of. Owned values are given to the call: its end frees them.
pub trait IntoBytes<'a> {
    /// Returns the bytes, which live as long as the call.
    fn into_bytes(self) -> &'a [u8];
}

impl<'a> IntoBytes<'a> for &'a [u8] {
    fn into_bytes(self) -> &'a [u8] {
        self
    }
}

impl<'a> IntoBytes<'a> for &'a str {
    fn into_bytes(self) -> &'a [u8] {
        self.as_bytes()
    }
}

#[cfg(feature = "std")]
impl<'a> IntoBytes<'a> for Vec<u8> {
    fn into_bytes(self) -> &'a [u8] {
        self.leak()
    }
}

#[cfg(feature = "std")]
impl<'a> IntoBytes<'a> for String {
    fn into_bytes(self) -> &'a [u8] {
        String::into_bytes(self).leak()
    }
}

/// What a handler may return: a [`Verdict`], or a `Result` whose error becomes [`Verdict::Error`].
pub trait Answer<'a> {
    /// Returns the verdict.
    fn into_verdict(self) -> Verdict<'a>;
}

impl<'a> Answer<'a> for Verdict<'a> {
    fn into_verdict(self) -> Verdict<'a> {
        self
    }
}

impl<'a, E: IntoBytes<'a>> Answer<'a> for Result<Verdict<'a>, E> {
    fn into_verdict(self) -> Verdict<'a> {
        self.unwrap_or_else(Verdict::error)
    }
}

/// Makes a function from [`Conflict`] to [`Verdict`], or to a `Result` of it, the handler of this module. A crate uses
/// it once. For other targets than WebAssembly it does nothing.
#[macro_export]
macro_rules! handler {
    ($handler:path) => {
        const _: () = {
            #[allow(dead_code)]
            fn answer(c: $crate::Conflict) -> $crate::Verdict {
                $crate::Answer::into_verdict($handler(c))
            }

            #[cfg(target_arch = "wasm32")]
            #[no_mangle]
            extern "C" fn kv_abi_version() -> i32 {
                $crate::ABI_VERSION
            }

            #[cfg(target_arch = "wasm32")]
            #[no_mangle]
            extern "C" fn kv_alloc(n: u32) -> u32 {
                $crate::alloc(n)
            }

            #[cfg(target_arch = "wasm32")]
            #[no_mangle]
            unsafe extern "C" fn handle_conflict(frame: u32) -> i32 {
                $crate::serve(frame, answer)
            }
        };
    };
}
