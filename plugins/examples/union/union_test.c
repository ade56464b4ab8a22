// Run it with plugins/sdk/c/test.sh union_test.c.
#include "union.c"

#include "kvnode_test.h"

// lines makes a text of n lines; with a step that has no divisor in common with n they are all different.
static char *lines(uint32_t n, uint32_t step) {
	char *text = malloc(8 * n + 8);
	for (uint32_t i = 0; i < n; i++) snprintf(text + 8 * i, 16, "%07u\n", (i * step) % n);
	text[8 * n - 1] = 0;
	return text;
}

static char *set_to(const char *text) {
	char *want = malloc(strlen(text) + 5);
	return strcat(strcpy(want, "set "), text);
}

int main(void) {
	kv_expect(set_to(lines(2000, 1)), kv_conflict("k", lines(2000, 977), lines(1000, 1)));
	kv_expect("set b\nc\nd", kv_conflict("k", "d", "c", "b", "c", "d"));
	// Sorted lines are few steps, others are refused before they take too much fuel.
	kv_expect(set_to(lines(12000, 1)), kv_conflict("k", lines(12000, 1), lines(12000, 1)));
	kv_expect("error the versions have too many lines that are not sorted", kv_conflict("k", lines(12000, 7001), lines(12000, 5003)));
	kv_expect("error the versions have more than 192 KiB", kv_conflict("k", lines(12500, 1), lines(12500, 1)));
	kv_expect("set apple\npear\nplum", kv_conflict("k", "pear\napple", "plum\npear\n"));
	kv_expect("set a\naa\nab\nb", kv_conflict("k", "b\nab\na", "aa\n\n\nb", "a"));
	kv_expect("set ", kv_conflict("k", "", "\n"));
	kv_expect("set apple", kv_deleted(kv_conflict("k", "apple", ""), 1));
}
