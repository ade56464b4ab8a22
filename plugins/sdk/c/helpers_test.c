// What the helpers of kvnode.h return, compared with the plain way to get it: test.sh helpers_test.c
#include "kvnode_test.h"

int32_t kv_handle(struct kv_frame *f) { return kv_keep(f); }

static void check(int holds, const char *what) {
	if (holds) return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static int sign(int n) { return (n > 0) - (n < 0); }

// random_byte is one of few values, so that equal beginnings are long, and one of them has the highest bit.
static uint8_t random_byte(uint64_t *state) {
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t[]){'a', 'a', 'a', 'a', 'b', 0x80, 0xff, 0}[*state >> 61];
}

static uint8_t *random_bytes(uint64_t *state, uint32_t n) {
	uint8_t *s = kv_scratch(n);
	for (uint32_t i = 0; i < n; i++) s[i] = random_byte(state);
	return s;
}

static void compare_as_memcmp(uint8_t *a, uint32_t a_len, uint8_t *b, uint32_t b_len) {
	int want = memcmp(a, b, a_len < b_len ? a_len : b_len);
	if (want == 0) want = (a_len > b_len) - (a_len < b_len);
	check(kv_compare(a, a_len, b, b_len) == sign(want), "kv_compare differs from memcmp");
}

static void index_as_memchr(uint8_t *s, uint32_t n) {
	for (uint32_t c = 0; c < 256; c++) {
		uint8_t *at = memchr(s, (int)c, n);
		check(kv_index(s, n, (uint8_t)c) == (at ? (uint32_t)(at - s) : n), "kv_index differs from memchr");
	}
}

int main(void) {
	uint64_t state = 1;
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t n = i % 37, m = i % 41;
		uint8_t *a = random_bytes(&state, n), *b = random_bytes(&state, m);
		memcpy(b, a, (n < m ? n : m) * (i % 3) / 2);
		compare_as_memcmp(a, n, b, m);
		index_as_memchr(a, n);
		free(a);
		free(b);
	}
	kv_expect("keep", kv_with_base(kv_conflict("k", "a", "b"), "o"));
}
