// What a conflict handler written in C includes. It needs no library. A whole handler:
//
//     #include "kvnode.h"
//     int32_t kv_handle(struct kv_frame *f) { return kv_pick(f, f->n - 1); }
//
// built with plugins/sdk/c/build.sh handler.c handler.wasm; README.md has the compiler's own command.
//
// A handler is a pure function of its frame: it reaches nothing outside, and nothing that it stores survives the call.
// __builtin_trap(), an access outside memory and an endless loop are traps: they restart the node that merges. A
// handler that merely cannot decide returns kv_fail.
//
// Compiled for another target than WebAssembly, it is an ordinary function: kvnode_test.h makes frames for its test.
#ifndef KVNODE_H
#define KVNODE_H

#include <stddef.h>
#include <stdint.h>
#ifndef __wasm__
#include <stdlib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// One of the concurrent versions, or their base. Versions ascend by (time, origin), so the last is the newest.
struct kv_version {
	uint64_t time, origin;
	uint8_t *value;
	uint32_t value_len;
	uint32_t deleted : 1; // this version is a delete and has no value; tables with deletes = visible show them
	uint32_t reserved_flags : 31;
	uint32_t reserved;
};

// The input of a call, and where the answer goes. It and all it points to are the handler's to read and overwrite.
struct kv_frame {
	uint32_t size; // bytes of all of it, keys and values included
	uint32_t n;    // number of versions, at least 2
	uint8_t *key;
	uint32_t key_len;
	uint8_t *arg; // reserved
	uint32_t arg_len;
	uint64_t now;  // time of the newest version; there is no other clock
	uint64_t seed; // the same on every node for the same conflict
	uint8_t *out;
	uint32_t out_len;
	uint8_t *reply;
	uint32_t reply_len;
	uint32_t aux;
	uint32_t has_base : 1; // see kv_base
	uint32_t reserved_flags : 31;
	struct kv_version version[];
};

#ifdef __wasm__
_Static_assert(sizeof(struct kv_version) == 32, "kv_version");
_Static_assert(sizeof(struct kv_frame) == 64, "kv_frame");
#endif

// The handler that the module's author writes. It returns what one of the functions below returns.
int32_t kv_handle(struct kv_frame *f);

// kv_base returns the value that all versions overwrote, which may be a delete, or 0 when the node does not know it.
static inline const struct kv_version *kv_base(const struct kv_frame *f) { return f->has_base ? &f->version[f->n] : 0; }

// All versions stay; readers see the newest and that there are others.
static inline int32_t kv_keep(struct kv_frame *f) { return (void)f, 0; }

// The n bytes at value are what readers see.
static inline int32_t kv_set(struct kv_frame *f, uint8_t *value, uint32_t n) { return f->out = value, f->out_len = n, 1; }

// The key becomes absent for readers.
static inline int32_t kv_delete(struct kv_frame *f) { return (void)f, 2; }

// Version number i is what readers see. An index that does not exist is a trap.
static inline int32_t kv_pick(struct kv_frame *f, uint32_t i) { return f->aux = i, 3; }

// The handler cannot decide, and says why: all versions stay.
static inline int32_t kv_fail(struct kv_frame *f, const char *text) {
	f->reply = (uint8_t *)text;
	f->reply_len = 0;
	while (text[f->reply_len]) f->reply_len++;
	return -1;
}

// kv_word returns the 8 bytes at s, the first one as the lowest.
static inline uint64_t kv_word(const uint8_t *s) {
	uint64_t w;
	return __builtin_memcpy(&w, s, sizeof w), w;
}

// kv_compare orders bytes as memcmp does, a prefix before what continues it: below, equal to or above 0. It looks at 8 bytes at a time, since
// every byte that is looked at costs fuel.
static inline int kv_compare(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len) {
	uint32_t i = 0, n = a_len < b_len ? a_len : b_len;
	for (; n - i >= 8; i += 8) {
		uint64_t x = kv_word(a + i), y = kv_word(b + i);
		if (x != y) return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
	}
	for (; i < n; i++)
		if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
	return a_len < b_len ? -1 : a_len > b_len;
}

// kv_index returns where the byte c is first among the n bytes at s; n when it is not there.
static inline uint32_t kv_index(const uint8_t *s, uint32_t n, uint8_t c) {
	const uint64_t ones = 0x0101010101010101u;
	uint32_t i = 0;
	for (; n - i >= 8; i += 8) {
		uint64_t w = kv_word(s + i) ^ ones * c; // a byte of w is 0 where s has a c; the lowest bit of found is in the first one
		uint64_t found = (w - ones) & ~w & ones << 7;
		if (found) return i + (uint32_t)__builtin_ctzll(found) / 8;
	}
	while (i < n && s[i] != c) i++;
	return i;
}

#ifdef __wasm__

// The node's log, for lines of at most 1 KiB; level is 0 (debug) to 3 (error). Only modules have it.
__attribute__((import_module("kvnode"), import_name("log"))) void kv_log(int32_t level, const char *text, uint32_t n);

// kv_pages adds pages of 64 KiB to the memory and returns the first new byte, or 0 when the limit is reached.
static inline uint8_t *kv_pages(uint32_t pages) {
	size_t old = __builtin_wasm_memory_grow(0, pages);
	return old == (size_t)-1 ? 0 : (uint8_t *)(old << 16);
}

// kv_scratch returns n bytes for the rest of this call, 8-aligned, or 0 when the limit is reached. Nothing is freed:
// the call's end does that. The first 64 KiB are cheap.
static inline void *kv_scratch(uint32_t n) {
	static uint64_t heap[8192];
	static uint8_t *at = (uint8_t *)heap;
	static uint32_t room = sizeof heap;
	uint32_t need = (n + 7) & ~7u, pages = (need >> 16) + 1;
	if (need < n) return 0;
	if (need > room) {
		uint8_t *fresh = kv_pages(pages);
		if (!fresh) return 0;
		at = fresh, room = pages << 16;
	}
	at += need, room -= need;
	return at - need;
}

__attribute__((export_name("kv_abi_version"))) int32_t kv_abi_version(void) { return 1; }

__attribute__((export_name("kv_alloc"))) void *kv_alloc(uint32_t n) {
	static uint64_t frame[8192];
	return n <= sizeof frame ? (void *)frame : (void *)kv_pages(((n - 1) >> 16) + 1);
}

__attribute__((export_name("handle_conflict"))) int32_t handle_conflict(struct kv_frame *f) { return kv_handle(f); }

#else

static inline void *kv_scratch(uint32_t n) { return malloc(n ? n : 1); }

#endif

#ifdef __cplusplus
}
#endif

#endif
