// A counter that goes up and down: one line for each counting client, `NAME PLUS MINUS`, sums of all that it added and took. Only that client changes
// its line, and both numbers only grow, so the larger number is the later one. The counter is the sum of PLUS less that of MINUS.
#include "kvnode.hpp"

using kvnode::Buffer, kvnode::Bytes, kvnode::Conflict, kvnode::List, kvnode::Verdict;

struct Line {
	Bytes name;
	uint64_t plus, minus;
};

// parse reads one line; false when it is none.
static bool parse(Bytes text, Line &line) {
	line.name = text.cut(' ');
	Bytes plus = text.cut(' ');
	return !line.name.empty() && plus.number(line.plus) && text.number(line.minus);
}

// The most that all versions together may have: three quarters of a call's default fuel are enough for that.
constexpr uint32_t max_bytes = 40 << 10;

// The shortest line, with its end.
constexpr uint32_t min_line = sizeof "a 0 0\n" - 1;

// collect appends the lines of a value; false when one is none.
static bool collect(Bytes value, List<Line> &lines) {
	while (!value.empty()) {
		Line line;
		Bytes text = value.cut('\n');
		if (!text.empty() && (!parse(text, line) || !lines.push(line))) return false;
	}
	return true;
}

// write joins the sorted lines to one for each name, with the largest numbers of it.
static void write(List<Line> &lines, Buffer &out) {
	for (uint32_t i = 0; i < lines.size();) {
		Line line = lines[i];
		for (; i < lines.size() && lines[i].name == line.name; i++) {
			if (lines[i].plus > line.plus) line.plus = lines[i].plus;
			if (lines[i].minus > line.minus) line.minus = lines[i].minus;
		}
		out << line.name << " " << line.plus << " " << line.minus << "\n";
	}
}

static Verdict merge(const Conflict &c) {
	uint32_t bytes = 0;
	for (uint32_t i = 0; i < c.size(); i++) bytes += c[i].value().size;
	if (bytes > max_bytes) return kvnode::error("the versions have more than 40 KiB");
	List<Line> lines(bytes / min_line + c.size());
	Buffer out(bytes + c.size());
	for (uint32_t i = 0; i < c.size(); i++)
		if (!collect(c[i].value(), lines)) return kvnode::error("a line is not a name and two numbers");
	if (!lines.sort([](const Line &a, const Line &b) { return a.name < b.name; })) return kvnode::error("the lines do not fit in memory");
	write(lines, out);
	return out.full() ? kvnode::error("the lines do not fit in memory") : kvnode::set(out.bytes());
}

KVNODE_HANDLER(merge)
