// The probe of plugins/abitest, in C.
#include "kvnode.h"

// out is where a dump grows; there is room for it.
static uint8_t *out;

static void bytes(const uint8_t *b, uint32_t n) {
	for (uint32_t i = 0; i < n; i++) *out++ = b[i];
}

static void text(const char *s) {
	while (*s) *out++ = (uint8_t)*s++;
}

static void number(uint64_t n) {
	uint8_t digits[20];
	uint32_t at = sizeof digits;
	do {
		digits[--at] = (uint8_t)('0' + n % 10);
		n /= 10;
	} while (n);
	bytes(digits + at, sizeof digits - at);
}

static void blob(const uint8_t *b, uint32_t n) {
	number(n);
	text(":");
	bytes(b, n);
	text("\n");
}

static void version(const char *name, const struct kv_version *v) {
	text(name);
	number(v->time);
	text(" ");
	number(v->origin);
	text(v->deleted ? " 1 " : " 0 ");
	blob(v->value, v->value_len);
}

static int32_t echo(struct kv_frame *f) {
	uint8_t *value = out = kv_scratch(2 * f->size + 128 * (f->n + 3));
	if (!out) return kv_fail(f, "no memory");
	text("key ");
	blob(f->key, f->key_len);
	text("now ");
	number(f->now);
	text("\nseed ");
	number(f->seed);
	text("\n");
	for (uint32_t i = 0; i < f->n; i++) version("version ", &f->version[i]);
	if (kv_base(f))
		version("base ", kv_base(f));
	else
		text("base none\n");
	return kv_set(f, value, (uint32_t)(out - value));
}

static int32_t grow(struct kv_frame *f, uint32_t n) {
	uint8_t *value = kv_scratch(n);
	if (!value) return kv_fail(f, "no memory");
	for (uint32_t i = 0; i < n; i++) value[i] = (uint8_t)(i % 251);
	return kv_set(f, value, n);
}

static uint32_t decimal(const uint8_t *s, uint32_t n) {
	uint32_t value = 0;
	for (uint32_t i = 0; i < n; i++) value = 10 * value + s[i] - '0';
	return value;
}

// is says whether the n bytes at s are the command.
static int is(const char *command, const uint8_t *s, uint32_t n) {
	uint32_t i = 0;
	while (i < n && command[i] && (uint8_t)command[i] == s[i]) i++;
	return i == n && !command[i];
}

int32_t kv_handle(struct kv_frame *f) {
	uint32_t n = 0;
	while (n < f->key_len && f->key[n] != ':') n++;
	uint8_t *arg = f->key + n + (n < f->key_len);
	uint32_t arg_len = (uint32_t)(f->key + f->key_len - arg);
	if (is("keep", f->key, n)) return kv_keep(f);
	if (is("delete", f->key, n)) return kv_delete(f);
	if (is("pick", f->key, n)) return kv_pick(f, decimal(arg, arg_len));
	if (is("set", f->key, n)) return kv_set(f, arg, arg_len);
	if (is("grow", f->key, n)) return grow(f, decimal(arg, arg_len));
	if (is("echo", f->key, n)) return echo(f);
	if (is("log", f->key, n)) return kv_log(1, (const char *)arg, arg_len), kv_keep(f);
	if (is("trap", f->key, n)) __builtin_trap();
	if (!is("error", f->key, n)) return kv_fail(f, "unknown command");
	return f->reply = arg, f->reply_len = arg_len, -1;
}
