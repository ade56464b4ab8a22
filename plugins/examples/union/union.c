#include "kvnode_lines.h"

int32_t kv_handle(struct kv_frame *f) {
	struct kv_lines all = kv_lines(f, '\n');
	return kv_set_lines(f, &all, '\n');
}
