// Values that are sets of lines, for handlers in C. The union of all versions:
//
//     #include "kvnode_lines.h"
//
//     int32_t kv_handle(struct kv_frame *f) {
//     	struct kv_lines all = kv_lines(f, '\n');
//     	return kv_set_lines(f, &all, '\n');
//     }
#ifndef KVNODE_LINES_H
#define KVNODE_LINES_H

#include "kvnode.h"

// The most that all versions together may have, and the most steps for sorting, of a line or 32 bytes each. Three quarters of a call's default fuel
// are enough for that: a handler that gives up says why, one that runs out of fuel is a trap.
enum { KV_LINES_BYTES = 192 << 10, KV_LINES_STEPS = 100000 };

struct kv_line {
	uint8_t *at;
	uint32_t len;
};

static inline int kv_compare_lines(struct kv_line a, struct kv_line b) { return kv_compare(a.at, a.len, b.at, b.len); }

// kv_run returns where the ascending run that begins at i ends.
static inline uint32_t kv_run(const struct kv_line *lines, uint32_t i, uint32_t n) {
	while (++i < n && kv_compare_lines(lines[i - 1], lines[i]) <= 0) continue;
	return i < n ? i : n;
}

// kv_merge merges the runs from[i..j) and from[j..k) into to.
static inline void kv_merge(const struct kv_line *from, uint32_t i, uint32_t j, uint32_t k, struct kv_line *to) {
	uint32_t middle = j;
	for (uint32_t at = i; at < k; at++) to[at] = j == k || (i < middle && kv_compare_lines(from[i], from[j]) <= 0) ? from[i++] : from[j++];
}

// kv_merge_runs merges neighbouring runs into to, and returns how many runs that makes.
static inline uint32_t kv_merge_runs(const struct kv_line *from, uint32_t n, struct kv_line *to) {
	uint32_t runs = 0;
	for (uint32_t i = 0, k; i < n; i = k, runs++) {
		uint32_t j = kv_run(from, i, n);
		k = j < n ? kv_run(from, j, n) : n;
		kv_merge(from, i, j, k, to);
	}
	return runs;
}

// kv_sort_lines returns the lines in order, in either array, or 0 when that takes too long. What handlers have written is sorted already, so that
// versions are runs, which are merged.
static inline struct kv_line *kv_sort_lines(struct kv_line *lines, uint32_t n, uint32_t bytes, struct kv_line *spare) {
	uint32_t steps = 0;
	for (uint32_t runs = 2; runs > 1;) {
		steps += n + bytes / 32;
		if (steps > KV_LINES_STEPS) return 0;
		runs = kv_merge_runs(lines, n, spare);
		struct kv_line *t = lines;
		lines = spare;
		spare = t;
	}
	return lines;
}

// kv_split_lines appends the lines of v that are not empty to lines, and returns how many.
static inline uint32_t kv_split_lines(const struct kv_version *v, uint8_t separator, struct kv_line *lines) {
	uint32_t n = 0;
	for (uint32_t from = 0, len; from < v->value_len; from += len + 1) {
		len = kv_index(v->value + from, v->value_len - from, separator);
		if (len > 0) lines[n++] = (struct kv_line){v->value + from, len};
	}
	return n;
}

// Lines that are not empty, sorted by bytes, each once. They point into the frame.
struct kv_lines {
	struct kv_line *line;
	uint32_t n;
	const char *error; // why there are none, or 0
};

// kv_lines returns the lines of all versions. A separator stands between two of them; a delete has none.
static inline struct kv_lines kv_lines(const struct kv_frame *f, uint8_t separator) {
	uint32_t bytes = 0, n = 0;
	for (uint32_t i = 0; i < f->n; i++) bytes += f->version[i].value_len;
	if (bytes > KV_LINES_BYTES) return (struct kv_lines){0, 0, "the versions have more than 192 KiB"};
	uint32_t room = (bytes / 2 + f->n) * sizeof(struct kv_line); // a line and its separator are two bytes at least
	struct kv_line *lines = (struct kv_line *)kv_scratch(room), *spare = (struct kv_line *)kv_scratch(room);
	if (!lines || !spare) return (struct kv_lines){0, 0, "the lines do not fit in memory"};
	for (uint32_t i = 0; i < f->n; i++) n += kv_split_lines(&f->version[i], separator, lines + n);
	lines = kv_sort_lines(lines, n, bytes, spare);
	if (!lines) return (struct kv_lines){0, 0, "the versions have too many lines that are not sorted"};
	struct kv_lines all = {lines, 0, 0};
	for (uint32_t i = 0; i < n; i++)
		if (!all.n || kv_compare_lines(lines[i], lines[all.n - 1])) lines[all.n++] = lines[i];
	return all;
}

// kv_set_lines makes these lines, the separator between two of them, what readers see. They are some of what kv_lines returned; when there
// are none because of an error it is kv_fail.
static inline int32_t kv_set_lines(struct kv_frame *f, const struct kv_lines *all, uint8_t separator) {
	if (all->error) return kv_fail(f, all->error);
	uint8_t *out = (uint8_t *)kv_scratch(f->size);
	if (!out) return kv_fail(f, "the lines do not fit in memory");
	uint32_t len = 0;
	for (uint32_t i = 0; i < all->n; i++) {
		if (len > 0) out[len++] = separator;
		__builtin_memcpy(out + len, all->line[i].at, all->line[i].len);
		len += all->line[i].len;
	}
	return kv_set(f, out, len);
}

#endif
