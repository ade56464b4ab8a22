// Run it with plugins/sdk/c/test.sh union_test.c.
#include "union.c"

#include "kvnode_test.h"

int main(void) {
	kv_expect("set apple\npear\nplum", kv_conflict("k", "pear\napple", "plum\npear\n"));
	kv_expect("set a\naa\nab\nb", kv_conflict("k", "b\nab\na", "aa\n\n\nb", "a"));
	kv_expect("set ", kv_conflict("k", "", "\n"));
	kv_expect("set apple", kv_deleted(kv_conflict("k", "apple", ""), 1));
}
