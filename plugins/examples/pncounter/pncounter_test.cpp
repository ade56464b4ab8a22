// Run it with plugins/sdk/c/test.sh pncounter_test.cpp.
#include "pncounter.cpp"

#include "kvnode_test.h"

int main() {
	// The larger number of each name counts, names ascend, and empty lines are none.
	kv_expect("set ada 3 2\nbob 0 1\neve 5 5\n", kv_conflict("k", "bob 0 1\nada 3 0", "ada 1 2\n\neve 5 5\n"));
	kv_expect("set ada 3 2\n", kv_conflict("k", "ada 3 2\n", "ada 3 2\n", "ada 3 2\n"));
	kv_expect("set ", kv_conflict("k", "", "\n"));
	kv_expect("set a 18446744073709551615 0\n", kv_conflict("k", "a 18446744073709551615 0", "a 0 0"));
	// A delete has counted nothing.
	kv_expect("set ada 3 2\n", kv_deleted(kv_conflict("k", "ada 3 2", ""), 1));
	const char *const bad[] = {"ada", "ada 1", "ada 1 ", "ada 1 2 3", " 1 2", "ada -1 2", "ada 1 18446744073709551616"};
	for (const char *line : bad) kv_expect("error a line is not a name and two numbers", kv_conflict("k", "ada 1 1", line));
}
