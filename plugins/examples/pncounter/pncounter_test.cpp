// Run it with plugins/sdk/c/test.sh pncounter_test.cpp.
#include "pncounter.cpp"

#include "kvnode_test.h"

int main() {
	// The larger number of each name counts, names ascend, and empty lines are none.
	kv_expect("set ada 3 2\nbob 0 1\neve 5 5\n", kv_conflict("k", "bob 0 1\nada 3 0", "ada 1 2\n\neve 5 5\n"));
	kv_expect("set ada 3 2\n", kv_conflict("k", "ada 3 2\n", "ada 3 2\n", "ada 3 2\n"));
	kv_expect("set ", kv_conflict("k", "", "\n"));
	kv_expect("set a 1 4\nb 2 5\nc 3 6\n", kv_conflict("k", "c 3 4\nb 2 5\na 1 0\n", "c 0 6\nb 1 1", "a 0 4"));
	kv_expect("set a 18446744073709551615 0\n", kv_conflict("k", "a 18446744073709551615 0", "a 0 0"));
	// What would take too much fuel is refused.
	static char long_name[max_bytes / 2 - 4 + 5];
	memset(long_name, 'x', max_bytes / 2 - 4);
	memcpy(long_name + max_bytes / 2 - 4, " 1 1", 5);
	kv_expect("error the versions have more than 40 KiB", kv_conflict("k", long_name, long_name, "\n"));
	kv_expect("error a line is not a name and two numbers", kv_conflict("k", long_name, long_name + 1, "x"));
	// A delete has counted nothing.
	kv_expect("set ada 3 2\n", kv_deleted(kv_conflict("k", "ada 3 2", ""), 1));
	const char *const bad[] = {"ada", "ada 1", "ada 1 ", "ada 1 2 3", " 1 2", "ada -1 2", "ada 1 18446744073709551616"};
	for (const char *line : bad) kv_expect("error a line is not a name and two numbers", kv_conflict("k", "ada 1 1", line));
}
