// What a conflict handler written in C++ includes. It needs C++17 and no library, no exceptions, no run-time types. A whole handler:
//
//     #include "kvnode.hpp"
//     static kvnode::Verdict newest(const kvnode::Conflict &c) { return kvnode::pick(c.size() - 1); }
//     KVNODE_HANDLER(newest)
//
// kvnode.h says what a handler may do; build it with plugins/sdk/c/build.sh handler.cpp handler.wasm.
#ifndef KVNODE_HPP
#define KVNODE_HPP

#include "kvnode.h"

namespace kvnode {

// Bytes are some bytes of the frame, of a literal or of a Buffer: valid until the call ends.
struct Bytes {
	const uint8_t *data = nullptr;
	uint32_t size = 0;

	constexpr Bytes() = default;
	constexpr Bytes(const uint8_t *bytes, uint32_t n) : data(bytes), size(n) {}
	Bytes(const char *text) : data(reinterpret_cast<const uint8_t *>(text)) {
		while (text[size]) size++;
	}

	const uint8_t *begin() const { return data; }
	const uint8_t *end() const { return data + size; }
	bool empty() const { return size == 0; }
	uint8_t operator[](uint32_t i) const { return data[i]; }

	// compare orders bytes as memcmp does, a prefix before what continues it.
	int compare(Bytes other) const { return kv_compare(data, size, other.data, other.size); }
	bool operator==(Bytes other) const { return compare(other) == 0; }
	bool operator!=(Bytes other) const { return compare(other) != 0; }
	bool operator<(Bytes other) const { return compare(other) < 0; }

	// cut returns what is before the first separator, and leaves what is after it; all, and nothing, when there is none.
	Bytes cut(uint8_t separator) {
		uint32_t n = kv_index(data, size, separator);
		Bytes before(data, n);
		*this = n < size ? Bytes(data + n + 1, size - n - 1) : Bytes();
		return before;
	}

	// number reads decimal digits and nothing else; false for what is none, or does not fit.
	bool number(uint64_t &n) const {
		n = 0;
		for (uint8_t c : *this) {
			uint64_t digit = uint64_t(c) - '0';
			if (digit > 9 || n > (UINT64_MAX - digit) / 10) return false;
			n = 10 * n + digit;
		}
		return !empty();
	}
};

// Version is one of the concurrent versions, or their base.
class Version {
public:
	Version(const kv_version *v) : v_(v) {}
	Bytes value() const { return Bytes(v_->value, v_->value_len); }
	uint64_t time() const { return v_->time; }
	uint64_t origin() const { return v_->origin; }
	bool deleted() const { return v_->deleted; }

	// explicit operator bool is false for a base that there is not.
	explicit operator bool() const { return v_ != nullptr; }

private:
	const kv_version *v_;
};

// Conflict is what a handler decides about: two or more versions, oldest first.
class Conflict {
public:
	explicit Conflict(const kv_frame *f) : f_(f) {}
	Bytes key() const { return Bytes(f_->key, f_->key_len); }
	uint64_t now() const { return f_->now; }
	uint64_t seed() const { return f_->seed; }
	uint32_t size() const { return f_->n; }
	Version operator[](uint32_t i) const { return Version(&f_->version[i]); }

	// base is the value that all versions overwrote; false in an if when the node does not know it.
	Version base() const { return Version(kv_base(f_)); }

	// frame_bytes is the size of the whole input: whatever is made of its bytes, each once, is not longer.
	uint32_t frame_bytes() const { return f_->size; }

private:
	const kv_frame *f_;
};

// Verdict is a handler's decision; make one with the functions below.
struct Verdict {
	int32_t status;
	uint32_t index;
	Bytes bytes;
};

// All versions stay; readers see the newest and that there are others.
inline Verdict keep() { return {0, 0, {}}; }
// These bytes are what readers see.
inline Verdict set(Bytes value) { return {1, 0, value}; }
// The key becomes absent for readers.
inline Verdict remove() { return {2, 0, {}}; }
// Version number i is what readers see. An index that does not exist is a trap.
inline Verdict pick(uint32_t i) { return {3, i, {}}; }
// The handler cannot decide, and says why: all versions stay.
inline Verdict error(Bytes text) { return {-1, 0, text}; }

// answer writes a verdict into the frame.
inline int32_t answer(kv_frame *f, const Verdict &v) {
	f->out = f->reply = const_cast<uint8_t *>(v.bytes.data);
	f->out_len = f->reply_len = v.bytes.size;
	f->aux = v.index;
	return v.status;
}

// List holds up to n values of a plain type, in memory of this call. It is false in an if when there was no memory for it.
template <typename T> class List {
public:
	explicit List(uint32_t n)
	    : at_(n <= UINT32_MAX / sizeof(T) ? static_cast<T *>(kv_scratch(uint32_t(n * sizeof(T)))) : nullptr), room_(at_ ? n : 0) {}
	explicit operator bool() const { return at_ != nullptr; }
	uint32_t size() const { return size_; }
	T &operator[](uint32_t i) { return at_[i]; }
	T *begin() { return at_; }
	T *end() { return at_ + size_; }

	// push appends a value; false when the list is full.
	bool push(const T &value) {
		if (size_ == room_) return false;
		at_[size_++] = value;
		return true;
	}

	// append appends n values; false, and none, when there is no room for all of them.
	bool append(const T *values, uint32_t n) {
		if (n > room_ - size_) return false;
		if (n > 0) __builtin_memcpy(at_ + size_, values, n * sizeof(T));
		size_ += n;
		return true;
	}

	// sort orders the list by less, equal values as they stood; false when there is no memory for it. What handlers have written is often sorted
	// already: ascending runs are merged, and a list of one run takes n calls of less.
	template <typename Less> bool sort(Less less) {
		List spare(size_);
		if (!spare) return false;
		spare.size_ = size_;
		for (uint32_t runs = 2; runs > 1;) {
			runs = merge_runs(spare.at_, less);
			T *t = at_;
			at_ = spare.at_, spare.at_ = t;
		}
		room_ = size_;
		return true;
	}

private:
	// run returns where the ascending run that begins at i ends.
	template <typename Less> uint32_t run(uint32_t i, Less less) const {
		while (++i < size_ && !less(at_[i], at_[i - 1])) continue;
		return i < size_ ? i : size_;
	}

	// merge_runs merges neighbouring runs into to, and returns how many runs that makes.
	template <typename Less> uint32_t merge_runs(T *to, Less less) const {
		uint32_t runs = 0;
		for (uint32_t i = 0, end; i < size_; i = end, runs++) {
			uint32_t middle = run(i, less), j = middle;
			end = middle < size_ ? run(middle, less) : size_;
			for (uint32_t at = i, k = i; at < end; at++) to[at] = j == end || (k < middle && !less(at_[j], at_[k])) ? at_[k++] : at_[j++];
		}
		return runs;
	}

	T *at_;
	uint32_t room_;
	uint32_t size_ = 0;
};

// Buffer collects a value of up to n bytes. What does not fit as a whole is left out, and full says so.
class Buffer {
public:
	explicit Buffer(uint32_t n) : bytes_(n) {}
	bool full() const { return full_; }
	Bytes bytes() { return Bytes(bytes_.begin(), bytes_.size()); }

	Buffer &operator<<(Bytes some) {
		full_ |= !bytes_.append(some.data, some.size);
		return *this;
	}

	Buffer &operator<<(const char *text) { return *this << Bytes(text); }

	Buffer &operator<<(uint64_t number) {
		uint8_t digits[20];
		uint32_t at = sizeof digits;
		do digits[--at] = uint8_t('0' + number % 10);
		while (number /= 10);
		return *this << Bytes(digits + at, uint32_t(sizeof digits) - at);
	}

private:
	List<uint8_t> bytes_;
	bool full_ = false;
};

} // namespace kvnode

// KVNODE_HANDLER makes a function from Conflict to Verdict the handler of this module. A module has it once.
#define KVNODE_HANDLER(function)                                                                                                                     \
	extern "C" int32_t kv_handle(kv_frame *f) { return kvnode::answer(f, function(kvnode::Conflict(f))); }

#endif
