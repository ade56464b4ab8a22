#include "union.h"

int32_t kv_handle(struct kv_frame *f) { return union_of_lines(f); }
