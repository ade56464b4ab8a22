// The union of sets of lines: every distinct line of all versions, sorted by bytes, joined by newlines.
#ifndef UNION_H
#define UNION_H

#include "kvnode.h"

// The most that all versions together may have, and the most steps for sorting, of a line or 32 bytes each. Three quarters of a call's default fuel
// are enough for that: a handler that gives up says why, one that runs out of fuel is a trap.
enum { MAX_BYTES = 192 << 10, MAX_STEPS = 100000 };

struct line {
	uint8_t *at;
	uint32_t len;
};

static int compare(struct line a, struct line b) { return kv_compare(a.at, a.len, b.at, b.len); }

// run returns where the ascending run that begins at i ends.
static uint32_t run(const struct line *lines, uint32_t i, uint32_t n) {
	while (++i < n && compare(lines[i - 1], lines[i]) <= 0) continue;
	return i < n ? i : n;
}

// merge merges the runs from[i..j) and from[j..k) into to.
static void merge(const struct line *from, uint32_t i, uint32_t j, uint32_t k, struct line *to) {
	uint32_t middle = j;
	for (uint32_t at = i; at < k; at++) to[at] = j == k || (i < middle && compare(from[i], from[j]) <= 0) ? from[i++] : from[j++];
}

// merge_runs merges neighbouring runs into to, and returns how many runs that makes.
static uint32_t merge_runs(const struct line *from, uint32_t n, struct line *to) {
	uint32_t runs = 0;
	for (uint32_t i = 0, k; i < n; i = k, runs++) {
		uint32_t j = run(from, i, n);
		k = j < n ? run(from, j, n) : n;
		merge(from, i, j, k, to);
	}
	return runs;
}

// sort returns the lines in order, in either array, or 0 when that takes too long. What handlers have written is sorted already, so that versions are
// runs, which are merged.
static struct line *sort(struct line *lines, uint32_t n, uint32_t bytes, struct line *spare) {
	uint32_t steps = 0;
	for (uint32_t runs = 2; runs > 1;) {
		steps += n + bytes / 32;
		if (steps > MAX_STEPS) return 0;
		runs = merge_runs(lines, n, spare);
		struct line *t = lines;
		lines = spare;
		spare = t;
	}
	return lines;
}

// split appends the lines of v that are not empty to lines, and returns how many.
static uint32_t split(const struct kv_version *v, struct line *lines) {
	uint32_t n = 0;
	for (uint32_t from = 0, len; from < v->value_len; from += len + 1) {
		len = kv_index(v->value + from, v->value_len - from, '\n');
		if (len > 0) lines[n++] = (struct line){v->value + from, len};
	}
	return n;
}

// join writes each distinct line of the sorted lines to out, and returns the length.
static uint32_t join(const struct line *lines, uint32_t n, uint8_t *out) {
	uint32_t len = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && compare(lines[i], lines[i - 1]) == 0) continue;
		if (len > 0) out[len++] = '\n';
		__builtin_memcpy(out + len, lines[i].at, lines[i].len);
		len += lines[i].len;
	}
	return len;
}

static int32_t union_of_lines(struct kv_frame *f) {
	uint32_t bytes = 0, n = 0;
	for (uint32_t i = 0; i < f->n; i++) bytes += f->version[i].value_len;
	if (bytes > MAX_BYTES) return kv_fail(f, "the versions have more than 192 KiB");
	uint32_t room = (bytes / 2 + f->n) * sizeof(struct line); // a line and its newline are two bytes at least
	struct line *lines = kv_scratch(room), *spare = kv_scratch(room);
	uint8_t *out = kv_scratch(bytes + f->n);
	if (!lines || !spare || !out) return kv_fail(f, "the lines do not fit in memory");
	for (uint32_t i = 0; i < f->n; i++) n += split(&f->version[i], lines + n);
	lines = sort(lines, n, bytes, spare);
	if (!lines) return kv_fail(f, "the versions have too many lines that are not sorted");
	return kv_set(f, out, join(lines, n, out));
}

#endif
