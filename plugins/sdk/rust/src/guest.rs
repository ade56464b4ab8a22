//! The module's side of the contract: what the macro `handler` exports, and the log.

use core::cell::UnsafeCell;
use core::mem::size_of;
use core::slice;

use crate::{Conflict, Verdict, Version};

/// The fixed part of the call frame; the versions follow it, and after them the base, when there is one.
#[repr(C)]
struct Header {
    size: u32,
    versions: u32,
    key: *const u8,
    key_len: u32,
    arg: [u32; 2],
    now: u64,
    seed: u64,
    out: *const u8,
    out_len: u32,
    reply: *const u8,
    reply_len: u32,
    aux: u32,
    flags: u32,
}

/// The flag of a frame that has a base.
const BASE: u32 = 1;

const _: [(); 64] = [(); size_of::<Header>()];
const _: [(); 32] = [(); size_of::<Version>()];

const PAGE: u32 = 65536;

/// The host's buffer for all but the largest frames.
struct Buffer(UnsafeCell<[u64; PAGE as usize / 8]>);

// A module has one thread.
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new([0; PAGE as usize / 8]));

/// Returns the address of a buffer of n bytes for the host, or 0 when the memory limit is reached. For the macro.
#[doc(hidden)]
pub fn alloc(n: u32) -> u32 {
    if n <= PAGE {
        return BUFFER.0.get() as u32;
    }
    match core::arch::wasm32::memory_grow(0, ((n - 1) / PAGE + 1) as usize) {
        usize::MAX => 0,
        page => page as u32 * PAGE,
    }
}

/// Decodes the frame at this address, asks the handler, and writes its verdict into the frame. For the macro.
///
/// # Safety
///
/// The frame is one that a host wrote into the buffer that `alloc` returned last.
#[doc(hidden)]
pub unsafe fn serve(frame: u32, handler: fn(Conflict) -> Verdict) -> i32 {
    report_panics();
    let header = &mut *(frame as *mut Header);
    let (first, n) = ((header as *const Header).add(1) as *const Version, header.versions as usize);
    let base = if header.flags & BASE != 0 { Some(&*first.add(n)) } else { None };
    let verdict = handler(Conflict {
        key: slice::from_raw_parts(header.key, header.key_len as usize),
        versions: slice::from_raw_parts(first, n),
        base,
        now: header.now,
        seed: header.seed,
    });
    match verdict {
        Verdict::Keep => 0,
        Verdict::Set(value) => {
            header.out = value.as_ptr();
            header.out_len = value.len() as u32;
            1
        }
        Verdict::Delete => 2,
        Verdict::Pick(index) => {
            header.aux = index as u32;
            3
        }
        Verdict::Error(text) => {
            header.reply = text.as_ptr();
            header.reply_len = text.len() as u32;
            -1
        }
    }
}

#[link(wasm_import_module = "kvnode")]
extern "C" {
    #[link_name = "log"]
    fn host_log(level: i32, text: *const u8, len: u32);
}

const ERROR: i32 = 3;

/// Writes a line to the node's log, at level 0 (debug) to 3 (error). A node prints some lines a second of at most 1 KiB.
pub fn log(level: i32, text: &str) {
    unsafe { host_log(level, text.as_ptr(), text.len() as u32) }
}

/// Makes panics say what they are in the reason of the trap.
#[cfg(feature = "std")]
fn report_panics() {
    std::panic::set_hook(Box::new(|info| log(ERROR, &info.to_string())));
}

#[cfg(not(feature = "std"))]
fn report_panics() {}

#[cfg(not(feature = "std"))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    log(ERROR, info.location().map_or("panic", |at| at.file()));
    core::arch::wasm32::unreachable()
}
