// The probe of plugins/abitest, in C++.
#include "kvnode.hpp"

using kvnode::Buffer, kvnode::Bytes, kvnode::Conflict, kvnode::Verdict, kvnode::Version;

static void blob(Buffer &out, Bytes bytes) { out << uint64_t(bytes.size) << ":" << bytes << "\n"; }

static void version(Buffer &out, const char *name, Version v) {
	out << name << " " << v.time() << " " << v.origin() << (v.deleted() ? " 1 " : " 0 ");
	blob(out, v.value());
}

static Verdict echo(const Conflict &c) {
	Buffer out(2 * c.frame_bytes() + 128 * (c.size() + 3));
	out << "key ";
	blob(out, c.key());
	out << "now " << c.now() << "\nseed " << c.seed() << "\n";
	for (uint32_t i = 0; i < c.size(); i++) version(out, "version", c[i]);
	if (Version base = c.base())
		version(out, "base", base);
	else
		out << "base none\n";
	return out.full() ? kvnode::error("no memory") : kvnode::set(out.bytes());
}

static Verdict grow(uint64_t n) {
	kvnode::List<uint8_t> value(static_cast<uint32_t>(n));
	if (!value) return kvnode::error("no memory");
	for (uint32_t i = 0; i < n; i++) value.push(uint8_t(i % 251));
	return kvnode::set(Bytes(value.begin(), value.size()));
}

static Verdict probe(const Conflict &c) {
	Bytes arg = c.key(), command = arg.cut(':');
	uint64_t n;
	if (command == "keep") return kvnode::keep();
	if (command == "delete") return kvnode::remove();
	if (command == "pick" && arg.number(n)) return kvnode::pick(static_cast<uint32_t>(n));
	if (command == "set") return kvnode::set(arg);
	if (command == "grow" && arg.number(n)) return grow(n);
	if (command == "echo") return echo(c);
	if (command == "error") return kvnode::error(arg);
	if (command == "log") return kv_log(1, reinterpret_cast<const char *>(arg.data), arg.size), kvnode::keep();
	if (command == "trap") __builtin_trap();
	return kvnode::error("unknown command");
}

KVNODE_HANDLER(probe)
