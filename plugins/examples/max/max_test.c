// Run it with plugins/sdk/c/test.sh max_test.c.
#include "max.c"

#include "kvnode_test.h"

int main(void) {
	kv_expect("pick 1", kv_conflict("k", "9", "10"));
	kv_expect("pick 0", kv_conflict("k", "-9", "-10"));
	kv_expect("pick 1", kv_conflict("k", "-0.5", "0.25", "-3"));
	kv_expect("pick 1", kv_conflict("k", "3.5", "3.51", "3.4"));
	kv_expect("pick 2", kv_conflict("k", "7", "007", "7.00"));
	kv_expect("pick 1", kv_conflict("k", "0", "-0"));
	kv_expect("pick 0", kv_conflict("k", "123456789012345678901234567890", "123456789012345678901234567889\n"));
	kv_expect("pick 1", kv_deleted(kv_conflict("k", "", "-1"), 0));
	const char *none[] = {"", "-", "1.", ".5", "1e3", "1 ", "+1", "0x1", "1\n\n"};
	for (unsigned i = 0; i < sizeof none / sizeof *none; i++) kv_expect("error a version is no decimal number", kv_conflict("k", "1", none[i]));
}
