// The greatest number wins: decimal numbers of any length, such as 12, -7 or 3.50. Of equal numbers the newest version wins; a delete counts for
// nothing.
#include "kvnode.h"

// A number is its sign, the digits before the point without leading zeros, and those behind it without trailing ones.
struct number {
	int negative;
	const uint8_t *whole, *part;
	uint32_t whole_len, part_len;
};

static uint32_t digits(const uint8_t *text, uint32_t n) {
	uint32_t i = 0;
	while (i < n && text[i] >= '0' && text[i] <= '9') i++;
	return i;
}

// parse reads a number with one newline behind it at most; 0 when the text is none.
static int parse(const uint8_t *text, uint32_t n, struct number *x) {
	if (n && text[n - 1] == '\n') n--;
	x->negative = n && *text == '-';
	if (x->negative) text++, n--;
	x->whole = text;
	x->whole_len = digits(text, n);
	if (!x->whole_len) return 0;
	text += x->whole_len, n -= x->whole_len;
	x->part_len = 0;
	if (n && *text == '.') {
		x->part = text + 1;
		x->part_len = digits(x->part, n - 1);
		if (!x->part_len) return 0;
		n -= 1 + x->part_len;
	}
	while (x->whole_len && *x->whole == '0') x->whole++, x->whole_len--;
	while (x->part_len && x->part[x->part_len - 1] == '0') x->part_len--;
	if (!x->whole_len && !x->part_len) x->negative = 0;
	return n == 0;
}

static int order(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len) {
	for (uint32_t i = 0; i < a_len && i < b_len; i++)
		if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
	return (a_len > b_len) - (a_len < b_len);
}

// size compares two numbers as if both were positive.
static int size(const struct number *a, const struct number *b) {
	if (a->whole_len != b->whole_len) return a->whole_len < b->whole_len ? -1 : 1;
	int by_whole = order(a->whole, a->whole_len, b->whole, b->whole_len);
	return by_whole ? by_whole : order(a->part, a->part_len, b->part, b->part_len);
}

static int less(const struct number *a, const struct number *b) {
	if (a->negative != b->negative) return a->negative;
	return a->negative ? size(b, a) < 0 : size(a, b) < 0;
}

int32_t kv_handle(struct kv_frame *f) {
	struct number best, next;
	uint32_t picked = f->n;
	for (uint32_t i = 0; i < f->n; i++) {
		if (f->version[i].deleted) continue;
		if (!parse(f->version[i].value, f->version[i].value_len, &next)) return kv_fail(f, "a version is no decimal number");
		if (picked == f->n || !less(&next, &best)) best = next, picked = i;
	}
	return picked == f->n ? kv_delete(f) : kv_pick(f, picked);
}
