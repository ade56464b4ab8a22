//! The parts of the call frame that handlers see. In a module they are the host's own bytes, not a copy.

use core::fmt;
use core::marker::PhantomData;
use core::slice;

/// The flag of a version that is a delete.
const DELETE: u32 = 1;

/// One of the concurrent versions of a key, or their base.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Version<'a> {
    time: u64,
    origin: u64,
    value: *const u8,
    value_len: u32,
    flags: u32,
    reserved: u32,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Version<'a> {
    /// Makes a version for a test.
    pub fn new(value: &'a str, time: u64, origin: u64) -> Self {
        let bytes = value.as_bytes();
        let (value, value_len) = (bytes.as_ptr(), bytes.len() as u32);
        Version { time, origin, value, value_len, flags: 0, reserved: 0, bytes: PhantomData }
    }

    /// Makes a version that is a delete, for a test.
    pub fn delete(time: u64, origin: u64) -> Self {
        Version { flags: DELETE, ..Version::new("", time, origin) }
    }

    /// The value; empty for a delete.
    pub fn value(&self) -> &'a [u8] {
        if self.value_len == 0 {
            return &[];
        }
        // The host writes pointers into the frame, which lives as long as the call; new takes them from a slice.
        unsafe { slice::from_raw_parts(self.value, self.value_len as usize) }
    }

    /// The hybrid time of the write: a number to compare, not a calendar.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Which incarnation of a node wrote it.
    pub fn origin(&self) -> u64 {
        self.origin
    }

    /// Whether this version is a delete. Only tables with `deletes = visible` show them.
    pub fn deleted(&self) -> bool {
        self.flags & DELETE != 0
    }
}

impl fmt::Debug for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("value", &self.value())
            .field("time", &self.time)
            .field("origin", &self.origin)
            .field("deleted", &self.deleted())
            .finish()
    }
}
