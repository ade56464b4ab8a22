//! The probe of plugins/abitest, in Zig.
const std = @import("std");
const kvnode = @import("kvnode");

pub const panic = kvnode.panic;

comptime {
    kvnode.handler(probe);
}

const Command = enum { keep, delete, pick, set, grow, echo, @"error", log, trap };

fn probe(c: kvnode.Conflict) !kvnode.Verdict {
    const colon = std.mem.indexOfScalar(u8, c.key, ':') orelse c.key.len;
    const arg = c.key[@min(colon + 1, c.key.len)..];
    const command = std.meta.stringToEnum(Command, c.key[0..colon]) orelse return .{ .fail = "unknown command" };
    switch (command) {
        .keep => return .keep,
        .delete => return .delete,
        .pick => return .{ .pick = try std.fmt.parseInt(usize, arg, 10) },
        .set => return .{ .set = arg },
        .grow => return grow(c.allocator, try std.fmt.parseInt(usize, arg, 10)),
        .echo => return echo(c),
        .@"error" => return .{ .fail = arg },
        .log => {
            kvnode.say(1, arg);
            return .keep;
        },
        .trap => @panic("the key is trap"),
    }
}

fn grow(allocator: std.mem.Allocator, n: usize) !kvnode.Verdict {
    const value = try allocator.alloc(u8, n);
    for (value, 0..) |*byte, i| byte.* = @intCast(i % 251);
    return .{ .set = value };
}

fn echo(c: kvnode.Conflict) !kvnode.Verdict {
    var text = std.ArrayList(u8).init(c.allocator);
    const out = text.writer();
    try out.print("key {d}:{s}\nnow {d}\nseed {d}\n", .{ c.key.len, c.key, c.now, c.seed });
    for (c.versions) |*v| try version(out, "version", v);
    if (c.base) |v| try version(out, "base", v) else try out.writeAll("base none\n");
    return .{ .set = text.items };
}

fn version(out: anytype, name: []const u8, v: *const kvnode.Version) !void {
    try out.print("{s} {d} {d} {d} {d}:", .{ name, v.time, v.origin, @intFromBool(v.deleted()), v.value().len });
    try out.writeAll(v.value());
    try out.writeByte('\n');
}
