//! What handlers allocate from. A call ends with all of its memory given back, so nothing is searched for and little is reused: memory is
//! handed out upwards, and only the latest piece can grow, shrink or go. The heap is there from the beginning, because a module
//! whose memory has grown needs a new instance for its next call.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

const PAGE: usize = 65536;

/// A free piece of memory, from at to end.
struct Room {
    at: usize,
    end: usize,
}

struct Heap {
    room: UnsafeCell<Room>,
    first: UnsafeCell<[u64; PAGE / 8]>,
}

// A module has one thread.
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap { room: UnsafeCell::new(Room { at: 0, end: 0 }), first: UnsafeCell::new([0; PAGE / 8]) };

impl Heap {
    #[allow(clippy::mut_from_ref)]
    unsafe fn room(&self) -> &mut Room {
        let room = &mut *self.room.get();
        if room.end == 0 {
            room.at = self.first.get() as usize;
            room.end = room.at + PAGE;
        }
        room
    }
}

impl Room {
    /// Takes the bytes from start on; None when they do not fit.
    fn take(&mut self, start: usize, size: usize) -> Option<*mut u8> {
        let end = start.checked_add(size).filter(|&end| end <= self.end)?;
        self.at = end;
        Some(start as *mut u8)
    }

    /// Makes room for so many bytes more by adding pages; None when the memory limit is reached.
    fn grow(&mut self, bytes: usize) -> Option<()> {
        let pages = bytes / PAGE + 1;
        let page = core::arch::wasm32::memory_grow(0, pages);
        if page == usize::MAX {
            return None;
        }
        if page * PAGE != self.end {
            self.at = page * PAGE;
        }
        self.end = (page + pages) * PAGE;
        Some(())
    }

    fn allocate(&mut self, layout: Layout) -> Option<*mut u8> {
        let (size, mask) = (layout.size(), layout.align() - 1);
        if let Some(p) = self.take((self.at + mask) & !mask, size) {
            return Some(p);
        }
        self.grow(size.checked_add(mask)?)?;
        self.take((self.at + mask) & !mask, size)
    }
}

unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.room().allocate(layout).unwrap_or(ptr::null_mut())
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        let room = self.room();
        if p as usize + layout.size() == room.at {
            room.at = p as usize;
        }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let room = self.room();
        if p as usize + layout.size() == room.at {
            if let Some(p) = room.take(p as usize, size) {
                return p;
            }
        }
        if size <= layout.size() {
            return p;
        }
        match room.allocate(Layout::from_size_align_unchecked(size, layout.align())) {
            Some(to) => {
                ptr::copy_nonoverlapping(p, to, layout.size());
                to
            }
            None => ptr::null_mut(),
        }
    }
}
