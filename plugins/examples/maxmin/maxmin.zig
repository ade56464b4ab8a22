//! The smallest and the largest number that anybody saw. A value is one number, or `MIN MAX`; the result is the widest range.
const std = @import("std");
const kvnode = @import("kvnode");

pub const panic = kvnode.panic;

comptime {
    kvnode.handler(widest);
}

/// The most that all versions together may have: two thirds of a call's default fuel are enough for that. A handler that gives up
/// says why, one that runs out of fuel is a trap.
const max_bytes = 128 << 10;

const Range = struct {
    min: i64 = std.math.maxInt(i64),
    max: i64 = std.math.minInt(i64),

    /// Widens the range to the numbers of a value.
    fn take(r: *Range, value: []const u8) !void {
        var words = std.mem.tokenizeAny(u8, value, " \n");
        while (words.next()) |word| {
            const n = std.fmt.parseInt(i64, word, 10) catch return error.NotNumbers;
            r.min = @min(r.min, n);
            r.max = @max(r.max, n);
        }
    }
};

fn widest(c: kvnode.Conflict) !kvnode.Verdict {
    var bytes: usize = 0;
    for (c.versions) |*v| bytes += v.value().len;
    if (bytes > max_bytes) return error.TooLarge;
    var range = Range{};
    for (c.versions) |*v| try range.take(v.value());
    if (range.min > range.max) return .keep;
    return .{ .set = try std.fmt.allocPrint(c.allocator, "{d} {d}", .{ range.min, range.max }) };
}

fn expect(want: anyerror!kvnode.Verdict, versions: []const kvnode.Version) !void {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    try std.testing.expectEqualDeep(want, widest(kvnode.Conflict.init(arena.allocator(), "k", versions)));
}

test "the widest range wins" {
    const version = kvnode.Version.init;
    try expect(.{ .set = "1 9" }, &.{ version("1 5", 1, 1), version("3 9", 2, 2) });
    try expect(.{ .set = "-7 4" }, &.{ version("4", 1, 1), version("-7\n", 2, 2), version("", 3, 3) });
    try expect(.{ .set = "-9223372036854775808 9223372036854775807" }, &.{
        version("9223372036854775807", 1, 1), version("-9223372036854775808", 2, 2),
    });
}

test "a delete has seen nothing" {
    try expect(.{ .set = "4 4" }, &.{ kvnode.Version.delete(1, 1), kvnode.Version.init("4", 2, 2) });
    try expect(.keep, &.{ kvnode.Version.init("", 1, 1), kvnode.Version.delete(2, 2) });
}

test "what would take too much fuel is refused" {
    const version = kvnode.Version.init;
    const long = "1 " ** (32 << 10);
    try expect(.{ .set = "1 1" }, &.{ version(long, 1, 1), version(long, 2, 2) });
    try expect(error.TooLarge, &.{ version(long, 1, 1), version(long ++ "1", 2, 2) });
}

test "what is no number is an error" {
    for ([_][]const u8{ "x", "1 x", "1.5", "9223372036854775808" }) |bad| {
        try expect(error.NotNumbers, &.{ kvnode.Version.init("1", 1, 1), kvnode.Version.init(bad, 2, 2) });
    }
}
