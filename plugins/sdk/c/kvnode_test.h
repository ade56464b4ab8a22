// What the test of a handler in C or C++ includes, on the machine that builds it:
//
//     #include "newest.c"
//     #include "kvnode_test.h"
//     int main(void) { kv_expect("pick 1", kv_conflict("key", "a", "b")); }
//
// What it allocates stays until the test ends.
#ifndef KVNODE_TEST_H
#define KVNODE_TEST_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kvnode.h"

// kv_conflict makes a frame of a key and two or more values, oldest first, all of them texts.
#define kv_conflict(...) kv_test_conflict(__VA_ARGS__, (const char *)0)

// kv_expect ends the test unless the handler's verdict on a frame is want: "keep", "set TEXT", "delete", "pick INDEX", "error TEXT".
#define kv_expect(want, frame) kv_test_expect(__FILE__, __LINE__, want, frame)

// kv_test_copy copies bytes to where an access outside them is noticed by a sanitizer.
static inline uint8_t *kv_test_copy(const char *text) {
	size_t n = strlen(text);
	return (uint8_t *)memcpy(malloc(n ? n : 1), text, n);
}

static inline struct kv_version kv_test_version(const char *value, uint64_t time) {
	struct kv_version v;
	memset(&v, 0, sizeof v);
	v.value = kv_test_copy(value);
	v.value_len = (uint32_t)strlen(value);
	v.time = v.origin = time;
	return v;
}

static inline struct kv_frame *kv_test_conflict(const char *key, ...) {
	struct kv_frame *f = (struct kv_frame *)calloc(1, sizeof(struct kv_frame) + 257 * sizeof(struct kv_version));
	f->size = 64 + (uint32_t)strlen(key);
	f->key = kv_test_copy(key);
	f->key_len = (uint32_t)strlen(key);
	f->seed = 1;
	va_list values;
	va_start(values, key);
	for (const char *value; (value = va_arg(values, const char *));) {
		f->version[f->n] = kv_test_version(value, f->n + 1);
		f->size += 32 + f->version[f->n].value_len + 7;
		f->now = ++f->n;
	}
	va_end(values);
	return f;
}

// kv_deleted makes version i of a frame a delete, and returns the frame.
static inline struct kv_frame *kv_deleted(struct kv_frame *f, uint32_t i) {
	f->version[i].value_len = 0;
	f->version[i].deleted = 1;
	return f;
}

// kv_with_base gives a frame a base, and returns the frame.
static inline struct kv_frame *kv_with_base(struct kv_frame *f, const char *value) {
	f->has_base = 1;
	f->version[f->n] = kv_test_version(value, 0);
	f->size += 32 + f->version[f->n].value_len + 7;
	return f;
}

// kv_test_say writes a verdict as text.
static inline char *kv_test_say(const struct kv_frame *f, int32_t status) {
	int set = status == 1;
	const uint8_t *text = set ? f->out : f->reply;
	size_t n = set ? f->out_len : f->reply_len;
	char *said = (char *)calloc(1, n + 32);
	if (set || status < 0) {
		strcpy(said, set ? "set " : "error ");
		if (n) memcpy(said + strlen(said), text, n);
	} else if (status == 3) {
		snprintf(said, 32, "pick %u", f->aux);
	} else {
		strcpy(said, status == 0 ? "keep" : status == 2 ? "delete" : "an unknown status");
	}
	return said;
}

static inline void kv_test_expect(const char *file, int line, const char *want, struct kv_frame *f) {
	const char *got = kv_test_say(f, kv_handle(f));
	if (strcmp(got, want) == 0) return;
	fprintf(stderr, "%s:%d: the verdict is\n%s\nnot\n%s\n", file, line, got, want);
	exit(1);
}

#endif
