// Package abi is the byte contract between a kvnode host and the WebAssembly modules that judge its conflicts.
//
// A host writes one call frame into the guest's memory, calls one function and reads back at most two pointers. The
// package encodes and decodes that frame for both sides and knows nothing else; it needs the standard library only,
// so that a guest can link it too. All numbers are little-endian, all pointers are absolute guest addresses.
//
// The frame, by offset:
//
//	 0 u32 size       bytes of the whole frame
//	 4 u32 n          number of versions
//	 8 u32 key        pointer        12 u32 key_len
//	16 u32 arg        reserved, 0    20 u32 arg_len   reserved, 0
//	24 u64 now        time of the newest version
//	32 u64 seed       the same on every node
//	40 u32 out        value pointer  44 u32 out_len   (written by the guest)
//	48 u32 reply      text pointer   52 u32 reply_len (written by the guest)
//	56 u32 aux        index of the picked version     (written by the guest)
//	60 u32 flags      bit 0: a base follows the versions
//	64 version[n], 32 bytes each:
//	    0 u64 time  8 u64 origin  16 u32 value  20 u32 value_len  24 u32 flags (bit 0: delete)  28 u32 reserved
//
// With the base flag one more version stands right after version[n-1], at index n: the base, which is the version that all
// others overwrote. A module that does not know the flag reads n versions and never sees it.
//
// The key and the values follow, each starting at a multiple of 8.
//
// # Versions of the contract
//
// A module says with kv_abi_version which contract it was built for. What a module may ignore is added without a new
// number and announced by a bit of flags, so that a module of version 1 runs on every later host. Only what an old module
// would misread makes a version 2, which a host then speaks beside version 1.
package abi

// Version is the version of the contract, the number that a module's kv_abi_version returns.
const Version = 1

// The names of what a module exports. Every other export is ignored.
const (
	// ExportMemory is the module's only memory.
	ExportMemory = "memory"
	// ExportVersion is a function () -> i32 that returns Version.
	ExportVersion = "kv_abi_version"
	// ExportAlloc is a function (n i32) -> i32: the address of a buffer of at least n bytes that belongs to the host
	// until the next call of it, a multiple of Align; 0 refuses.
	ExportAlloc = "kv_alloc"
	// ExportConflict is a function (frame i32) -> i32: it takes the frame's address and returns a Status.
	ExportConflict = "handle_conflict"
	// ExportInitialize is an optional function () -> (), called once, before all others.
	ExportInitialize = "_initialize"
	// ExportStart is the entry point of a program; a module that has it and no ExportInitialize is not a handler.
	ExportStart = "_start"
)

// The import modules that a host answers, and the levels of ImportLog's log(level, pointer, length).
const (
	// ImportLog is the module of log(level, pointer, length i32), the only function that is kvnode's own.
	ImportLog = "kvnode"
	// ImportEnv is the module of abort(message, file, line, column i32).
	ImportEnv = "env"
	// ImportWASI is the module of those WASI functions that toolchains insist on; they are answered with fixed values.
	ImportWASI = "wasi_snapshot_preview1"

	LogDebug = 0
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)

// Sizes in bytes.
const (
	HeaderBytes  = 64
	VersionBytes = 32
	// Align divides the address of the frame and of everything in it.
	Align = 8
	// InitialFrameBytes is what a host asks of kv_alloc when it loads a module. It asks again, for the next power of
	// two, only when a frame is larger.
	InitialFrameBytes = 64 << 10
)

// Offsets in the frame and in one version of it.
const (
	OffSize     = 0
	OffVersions = 4
	OffKey      = 8
	OffKeyLen   = 12
	OffNow      = 24
	OffSeed     = 32
	OffOut      = 40
	OffOutLen   = 44
	OffReply    = 48
	OffReplyLen = 52
	OffAux      = 56
	OffFlags    = 60

	OffVersionTime     = 0
	OffVersionOrigin   = 8
	OffVersionValue    = 16
	OffVersionValueLen = 20
	OffVersionFlags    = 24
)

// FlagDelete marks a version that is a delete: it has no value.
const FlagDelete = 1

// FlagBase says, in the frame's flags, that the base follows the versions.
const FlagBase = 1

// Status is what handle_conflict returns. Every number below zero is the handler's own error; a positive one that is
// not listed here violates the contract.
type Status int32

// The statuses of handle_conflict.
const (
	// StatusError: the handler cannot decide; reply says why. All versions stay.
	StatusError Status = -1
	// StatusKeep: all versions stay.
	StatusKeep Status = 0
	// StatusSet: out is the new value.
	StatusSet Status = 1
	// StatusDelete: the key goes.
	StatusDelete Status = 2
	// StatusPick: the version number aux wins.
	StatusPick Status = 3
)
