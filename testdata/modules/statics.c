// Keeps state in static variables: how often it was called, and a table of the keys that it has seen. Key "trap" traps
// after it has changed them. The value is the state, so that state that survived a call would show.
#include "kvnode.h"

static uint32_t calls;
static uint8_t seen[256];

int32_t kv_handle(struct kv_frame *f) {
	calls++;
	for (uint32_t i = 0; i < f->key_len; i++) seen[f->key[i]]++;
	if (f->key_len == 4 && f->key[0] == 't') __builtin_trap();
	uint8_t *out = kv_scratch(sizeof calls + sizeof seen);
	for (uint32_t i = 0; i < sizeof calls; i++) out[i] = calls >> 8 * i;
	for (uint32_t i = 0; i < sizeof seen; i++) out[sizeof calls + i] = seen[i];
	return kv_set(f, out, sizeof calls + sizeof seen);
}
