//! A set that only grows: every distinct line of all versions and of the base, sorted by bytes. It never loses a line: a delete
//! removes none, and the lines of the base are still in the set.
const std = @import("std");
const kvnode = @import("kvnode");

pub const panic = kvnode.panic;

comptime {
    kvnode.handler(grow);
}

/// The most that the versions and the base may have together: three quarters of a call's default fuel are enough for that. A handler that gives up
/// says why, one that runs out of fuel is a trap.
const max_bytes = 48 << 10;
const max_lines = 4096;

fn grow(c: kvnode.Conflict) !kvnode.Verdict {
    var lines = std.ArrayList([]const u8).init(c.allocator);
    var bytes: usize = if (c.base) |base| base.len else 0;
    for (c.versions) |v| bytes += v.len;
    if (bytes > max_bytes) return error.TooLarge;
    for (c.versions) |*v| try collect(&lines, v);
    if (c.base) |base| try collect(&lines, base);
    if (lines.items.len > max_lines) return error.TooManyLines;
    const sorted = sort(lines.items, try c.allocator.alloc([]const u8, lines.items.len));
    const set = try std.mem.join(c.allocator, "\n", distinct(sorted));
    for (c.versions, 0..) |*v, i| {
        if (!v.deleted() and std.mem.eql(u8, v.value(), set)) return .{ .pick = i };
    }
    return .{ .set = set };
}

/// Appends the lines of a version; a delete has none.
fn collect(lines: *std.ArrayList([]const u8), v: *const kvnode.Version) !void {
    var parts = std.mem.tokenizeScalar(u8, v.value(), '\n');
    while (parts.next()) |line| try lines.append(line);
}

const Lines = [][]const u8;

/// Returns the lines in order, in either slice. What handlers have written is sorted already, so that versions are ascending runs, which are merged.
fn sort(lines: Lines, spare: Lines) Lines {
    var from = lines;
    var to = spare;
    while (mergeRuns(from, to) > 1) std.mem.swap(Lines, &from, &to);
    return to;
}

/// Merges neighbouring runs into to, and returns how many runs that makes.
fn mergeRuns(from: Lines, to: Lines) usize {
    var runs: usize = 0;
    var i: usize = 0;
    while (i < from.len) : (runs += 1) {
        const middle = run(from, i);
        const end = run(from, middle);
        merge(from[i..middle], from[middle..end], to[i..end]);
        i = end;
    }
    return runs;
}

/// Returns where the ascending run that begins at i ends.
fn run(lines: Lines, i: usize) usize {
    var end = i + 1;
    while (end < lines.len and !std.mem.lessThan(u8, lines[end], lines[end - 1])) end += 1;
    return @min(end, lines.len);
}

fn merge(a: Lines, b: Lines, to: Lines) void {
    var i: usize = 0;
    var j: usize = 0;
    for (to) |*line| {
        const first = j == b.len or (i < a.len and !std.mem.lessThan(u8, b[j], a[i]));
        line.* = if (first) a[i] else b[j];
        if (first) i += 1 else j += 1;
    }
}

/// Moves the first of each run of equal lines to the front, and returns them.
fn distinct(sorted: Lines) []const []const u8 {
    var n: usize = 0;
    for (sorted) |line| {
        if (n > 0 and std.mem.eql(u8, line, sorted[n - 1])) continue;
        sorted[n] = line;
        n += 1;
    }
    return sorted[0..n];
}

fn expect(want: anyerror!kvnode.Verdict, versions: []const kvnode.Version, base: ?[]const u8) !void {
    var arena = std.heap.ArenaAllocator.init(std.testing.allocator);
    defer arena.deinit();
    var c = kvnode.Conflict.init(arena.allocator(), "k", versions);
    const version = kvnode.Version.init(base orelse "", 0, 0);
    if (base != null) c.base = &version;
    try std.testing.expectEqualDeep(want, grow(c));
}

test "the set is the union of the lines, sorted" {
    const version = kvnode.Version.init;
    try expect(.{ .set = "apple\npear\nplum" }, &.{ version("pear\napple", 1, 1), version("plum\n\npear\n", 2, 2) }, null);
    try expect(.{ .set = "a\nb\nc\nd" }, &.{ version("d\nc", 1, 1), version("b\na", 2, 2), version("d\na\nc", 3, 3) }, null);
    try expect(.{ .set = "a\naa\nb" }, &.{ version("b\naa", 1, 1), version("a", 2, 2), version("a\nb", 3, 3) }, null);
}

test "a version that is the union already is picked" {
    const version = kvnode.Version.init;
    try expect(.{ .pick = 1 }, &.{ version("b", 1, 1), version("a\nb", 2, 2), version("a", 3, 3) }, null);
    try expect(.{ .pick = 0 }, &.{ version("", 1, 1), version("\n", 2, 2) }, null);
}

test "what would take too much fuel is refused" {
    const version = kvnode.Version.init;
    const long = "x" ** (24 << 10);
    try expect(.{ .pick = 0 }, &.{ version(long, 1, 1), version(long, 2, 2) }, null);
    try expect(error.TooLarge, &.{ version(long, 1, 1), version(long, 2, 2) }, "x");
    try expect(.{ .set = "a" }, &.{ version("a\n" ** 4095, 1, 1), version("a\n", 2, 2) }, null);
    try expect(error.TooManyLines, &.{ version("a\n" ** 4096, 1, 1), version("b", 2, 2) }, null);
}

test "neither a delete nor a rewrite loses a line of the base" {
    const version = kvnode.Version.init;
    try expect(.{ .set = "a\nb\nc" }, &.{ kvnode.Version.delete(1, 1), version("c", 2, 2) }, "b\na");
    try expect(.{ .set = "" }, &.{ kvnode.Version.delete(1, 1), kvnode.Version.delete(2, 2) }, "");
}
