#include "kvnode_lines.h"

// is_poison compares the key with "poison".
static int is_poison(const struct kv_frame *f) {
	static const char poison[] = "poison";
	if (f->key_len != sizeof poison - 1) return 0;
	for (uint32_t i = 0; i < f->key_len; i++)
		if (f->key[i] != poison[i]) return 0;
	return 1;
}

int32_t kv_handle(struct kv_frame *f) {
	if (is_poison(f)) __builtin_trap();
	struct kv_lines all = kv_lines(f, '\n');
	return kv_set_lines(f, &all, '\n');
}
