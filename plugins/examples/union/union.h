// The union of sets of lines: every distinct line of all versions, sorted by bytes, joined by newlines.
#ifndef UNION_H
#define UNION_H

#include "kvnode.h"

struct line {
	uint8_t *at;
	uint32_t len;
};

static int compare(struct line a, struct line b) {
	for (uint32_t i = 0; i < a.len && i < b.len; i++)
		if (a.at[i] != b.at[i]) return a.at[i] < b.at[i] ? -1 : 1;
	return a.len < b.len ? -1 : a.len > b.len;
}

// sift moves lines[i] down the heap of the first n.
static void sift(struct line *lines, uint32_t i, uint32_t n) {
	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && compare(lines[child], lines[child + 1]) < 0) child++;
		if (compare(lines[i], lines[child]) >= 0) return;
		struct line t = lines[i];
		lines[i] = lines[child];
		lines[child] = t;
	}
}

static void sort(struct line *lines, uint32_t n) {
	for (uint32_t i = n / 2; i-- > 0;) sift(lines, i, n);
	for (uint32_t end = n; end-- > 1;) {
		struct line t = lines[0];
		lines[0] = lines[end];
		lines[end] = t;
		sift(lines, 0, end);
	}
}

// split appends the lines of v that are not empty to lines, when there are any to append to, and counts them.
static uint32_t split(const struct kv_version *v, struct line *lines) {
	uint32_t n = 0, from = 0;
	for (uint32_t i = 0; i <= v->value_len; i++) {
		if (i < v->value_len && v->value[i] != '\n') continue;
		if (i > from) {
			if (lines) lines[n] = (struct line){v->value + from, i - from};
			n++;
		}
		from = i + 1;
	}
	return n;
}

// join writes each distinct line of the sorted lines to out, and returns the length.
static uint32_t join(const struct line *lines, uint32_t n, uint8_t *out) {
	uint32_t len = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0 && compare(lines[i], lines[i - 1]) == 0) continue;
		if (len > 0) out[len++] = '\n';
		for (uint32_t j = 0; j < lines[i].len; j++) out[len++] = lines[i].at[j];
	}
	return len;
}

static int32_t union_of_lines(struct kv_frame *f) {
	uint32_t n = 0, at = 0;
	for (uint32_t i = 0; i < f->n; i++) n += split(&f->version[i], 0);
	struct line *lines = kv_scratch(n * sizeof(struct line));
	uint8_t *out = kv_scratch(f->size);
	if (!lines || !out) return kv_fail(f, "the lines do not fit in memory");
	for (uint32_t i = 0; i < f->n; i++) at += split(&f->version[i], lines + at);
	sort(lines, n);
	return kv_set(f, out, join(lines, n, out));
}

#endif
