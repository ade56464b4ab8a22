//! What a conflict handler written in Zig imports. A whole handler:
//!
//!     const kvnode = @import("kvnode");
//!     pub const panic = kvnode.panic;
//!
//!     comptime {
//!         kvnode.handler(newest);
//!     }
//!
//!     fn newest(c: kvnode.Conflict) kvnode.Verdict {
//!         return .{ .pick = c.versions.len - 1 };
//!     }
//!
//! built with plugins/sdk/zig/build.sh handler.zig handler.wasm; README.md has the compiler's own command.
//!
//! A handler is a pure function of the conflict: it reaches nothing outside, and nothing that it stores survives the
//! call. A panic is a trap, which restarts the node that merges: a handler that merely cannot decide answers .fail, or
//! returns an error, whose name people read.
const std = @import("std");
const builtin = @import("builtin");

const guest = builtin.target.isWasm();

/// One of the concurrent versions of a key, or their base. In a module it is the host's own record.
pub const Version = extern struct {
    /// The hybrid time of the write: a number to compare, not a calendar.
    time: u64,
    /// Which incarnation of a node wrote it.
    origin: u64,
    ptr: [*]const u8,
    len: u32,
    flags: u32 = 0,
    reserved: u32 = 0,

    /// Returns the value; empty for a delete.
    pub fn value(v: *const Version) []const u8 {
        return v.ptr[0..v.len];
    }

    /// Returns whether this version is a delete. Only tables with deletes = visible show them.
    pub fn deleted(v: *const Version) bool {
        return v.flags & 1 != 0;
    }

    /// Makes a version for a test.
    pub fn init(text: []const u8, time: u64, origin: u64) Version {
        return .{ .time = time, .origin = origin, .ptr = text.ptr, .len = @intCast(text.len) };
    }

    /// Makes a version that is a delete, for a test.
    pub fn delete(time: u64, origin: u64) Version {
        return .{ .time = time, .origin = origin, .ptr = "", .len = 0, .flags = 1 };
    }
};

/// What a handler decides about.
pub const Conflict = struct {
    key: []const u8,
    /// Two or more versions, ascending by time and origin on every node: the last is the newest.
    versions: []const Version,
    /// The value that all versions overwrote, where the node still knows it; it may be a delete.
    base: ?*const Version = null,
    /// The time of the newest version. There is no other clock.
    now: u64,
    /// The same number on every node for the same conflict: seed random decisions with it.
    seed: u64 = 1,
    /// Memory of this call: its end frees all of it. The first 60 KiB are cheap.
    allocator: std.mem.Allocator,

    /// Returns how many bytes the values of the versions and of the base have together. Fuel is used up by more of them: answer .fail for what
    /// is too much.
    pub fn size(c: Conflict) usize {
        var n: usize = if (c.base) |base| base.len else 0;
        for (c.versions) |v| n += v.len;
        return n;
    }

    /// Makes a conflict for a test.
    pub fn init(allocator: std.mem.Allocator, key: []const u8, versions: []const Version) Conflict {
        return .{ .key = key, .versions = versions, .now = versions[versions.len - 1].time, .allocator = allocator };
    }
};

/// A handler's decision. All bytes are the handler's, and live until the call ends.
pub const Verdict = union(enum) {
    /// Decides nothing: all versions stay, and readers see the newest and that there are others.
    keep,
    /// These bytes are what readers see.
    set: []const u8,
    /// The key becomes absent for readers.
    delete,
    /// The version of this index is what readers see. An index that does not exist is a trap.
    pick: usize,
    /// The handler cannot decide, and says why: all versions stay. It is no trap.
    fail: []const u8,
};

/// Makes a function from Conflict to Verdict, or to an error union of it, the handler of this module. A module calls it
/// once, in a comptime block. For other targets than WebAssembly it does nothing.
pub fn handler(comptime decide: anytype) void {
    const exports = struct {
        fn version() callconv(.C) i32 {
            return 1;
        }

        fn handleConflict(frame: *Frame) callconv(.C) i32 {
            return frame.answer(decide(frame.conflict()));
        }
    };
    if (guest) {
        @export(exports.version, .{ .name = "kv_abi_version" });
        @export(alloc, .{ .name = "kv_alloc" });
        @export(exports.handleConflict, .{ .name = "handle_conflict" });
    }
}

/// The host's bytes: the versions follow the fixed part, and after them the base, when there is one.
const Frame = extern struct {
    size: u32,
    n: u32,
    key: [*]const u8,
    key_len: u32,
    arg: [*]const u8,
    arg_len: u32,
    now: u64,
    seed: u64,
    out: [*]const u8,
    out_len: u32,
    reply: [*]const u8,
    reply_len: u32,
    aux: u32,
    flags: u32,

    comptime {
        if (guest) {
            std.debug.assert(@sizeOf(Frame) == 64);
            std.debug.assert(@sizeOf(Version) == 32);
        }
    }

    fn conflict(f: *const Frame) Conflict {
        const first: [*]const Version = @ptrFromInt(@intFromPtr(f) + @sizeOf(Frame));
        heap.fallback_allocator = std.heap.page_allocator;
        return .{
            .key = f.key[0..f.key_len],
            .versions = first[0..f.n],
            .base = if (f.flags & 1 != 0) &first[f.n] else null,
            .now = f.now,
            .seed = f.seed,
            .allocator = heap.get(),
        };
    }

    fn answer(f: *Frame, outcome: anytype) i32 {
        const verdict: Verdict = switch (@typeInfo(@TypeOf(outcome))) {
            .ErrorUnion => outcome catch |e| .{ .fail = @errorName(e) },
            else => outcome,
        };
        switch (verdict) {
            .keep => return 0,
            .set => |value| {
                f.out = value.ptr;
                f.out_len = @intCast(value.len);
                return 1;
            },
            .delete => return 2,
            .pick => |index| {
                f.aux = @intCast(index);
                return 3;
            },
            .fail => |text| {
                f.reply = text.ptr;
                f.reply_len = @intCast(text.len);
                return -1;
            },
        }
    }
};

const page = 64 << 10;

/// What handlers allocate from, and beyond it pages. It has no value until a call begins, so that a module has no room for it.
var heap: std.heap.StackFallbackAllocator(60 << 10) = undefined;

/// The host's buffer for all but the largest frames.
var buffer: [page / 8]u64 = undefined;

fn alloc(n: u32) callconv(.C) usize {
    if (n <= page) return @intFromPtr(&buffer);
    const first = @wasmMemoryGrow(0, (n - 1) / page + 1);
    return if (first < 0) 0 else @as(usize, @intCast(first)) * page;
}

extern "kvnode" fn log(level: i32, text: [*]const u8, len: u32) void;

/// A line in the node's log, of at most 1 KiB; level is 0 (debug) to 3 (error). On other targets it does nothing.
pub fn say(level: i32, text: []const u8) void {
    if (guest) log(level, text.ptr, @intCast(text.len));
}

/// Says why in the reason of the trap. A module makes it its own with pub const panic = kvnode.panic.
pub fn panic(message: []const u8, trace: ?*std.builtin.StackTrace, at: ?usize) noreturn {
    if (!guest) std.builtin.default_panic(message, trace, at);
    say(3, message);
    @trap();
}

test "a conflict shows what it was made of" {
    const versions = [_]Version{ Version.init("a", 1, 7), Version.delete(2, 8) };
    const c = Conflict.init(std.testing.allocator, "k", &versions);
    try std.testing.expectEqualStrings("a", c.versions[0].value());
    try std.testing.expectEqualStrings("", c.versions[1].value());
    try std.testing.expect(!c.versions[0].deleted() and c.versions[1].deleted());
    try std.testing.expect(c.now == 2 and c.base == null);
}

test "verdicts and errors are written into the frame" {
    const c = Conflict.init(std.testing.allocator, "k", &.{ Version.init("", 1, 1), Version.init("", 2, 2) });
    var f = std.mem.zeroInit(Frame, .{ .key = c.key.ptr, .arg = c.key.ptr, .out = c.key.ptr, .reply = c.key.ptr });
    try std.testing.expectEqual(@as(i32, 0), f.answer(@as(Verdict, .keep)));
    try std.testing.expectEqual(@as(i32, 1), f.answer(Verdict{ .set = "plum" }));
    try std.testing.expectEqualStrings("plum", f.out[0..f.out_len]);
    try std.testing.expectEqual(@as(i32, 2), f.answer(@as(Verdict, .delete)));
    try std.testing.expectEqual(@as(i32, 3), f.answer(Verdict{ .pick = 1 }));
    try std.testing.expectEqual(@as(u32, 1), f.aux);
    const failed: error{NotANumber}!Verdict = error.NotANumber;
    try std.testing.expectEqual(@as(i32, -1), f.answer(failed));
    try std.testing.expectEqualStrings("NotANumber", f.reply[0..f.reply_len]);
}
