// What a conflict handler written in AssemblyScript imports. A whole handler:
//
//     import { handle } from "path/to/plugins/sdk/assemblyscript/kvnode";
//     export { kv_abi_version, kv_alloc } from "path/to/plugins/sdk/assemblyscript/kvnode";
//
//     export function handle_conflict(frame: usize): i32 {
//       return handle(frame, (c) => c.pick(c.versions.length - 1));
//     }
//
// A handler is a pure function of its conflict: it reaches nothing outside, and nothing that it stores survives the call.
// Memory is never freed: the end of the call does that.

@external("kvnode", "log")
declare function hostLog(level: i32, text: usize, length: i32): void;

// The statuses of the contract. Every verdict is one of them; what else it says stands in the frame.
export type Verdict = i32;
const ERROR: Verdict = -1;
const KEEP: Verdict = 0;
const SET: Verdict = 1;
const DELETE: Verdict = 2;
const PICK: Verdict = 3;

// Offsets in the frame, and in each version of it.
const VERSIONS: usize = 4;
const KEY: usize = 8;
const NOW: usize = 24;
const SEED: usize = 32;
const OUT: usize = 40;
const REPLY: usize = 48;
const AUX: usize = 56;
const FLAGS: usize = 60;
const HEADER_BYTES: usize = 64;
const VERSION_BYTES: usize = 32;
const VALUE: usize = 16;
const VERSION_FLAGS: usize = 24;

// Bytes is a piece of memory: a key, a value, or an output in the making.
export class Bytes {
  constructor(
    readonly at: usize,
    readonly length: i32,
  ) {}

  // alloc makes n zero bytes.
  static alloc(n: i32): Bytes {
    const at = heap.alloc(n);
    memory.fill(at, 0, n);
    return new Bytes(at, n);
  }

  // of is the text in UTF-8.
  static of(text: string): Bytes {
    const encoded = String.UTF8.encode(text);
    return new Bytes(changetype<usize>(encoded), encoded.byteLength);
  }

  // from is what an array holds.
  static from(array: Uint8Array): Bytes {
    return new Bytes(array.dataStart, array.length);
  }

  @operator("[]")
  get(i: i32): u8 {
    if (<u32>i >= <u32>this.length) throw new RangeError("index out of range");
    return load<u8>(this.at + i);
  }

  @operator("[]=")
  set(i: i32, b: u8): void {
    if (<u32>i >= <u32>this.length) throw new RangeError("index out of range");
    store<u8>(this.at + i, b);
  }

  @operator("==")
  equals(other: Bytes): bool {
    return this.length == other.length && memory.compare(this.at, other.at, this.length) == 0;
  }

  @operator("!=")
  differs(other: Bytes): bool {
    return !this.equals(other);
  }

  // slice is the piece from start to end, which is not a copy. Both are moved to what there is.
  slice(start: i32, end: i32 = i32.MAX_VALUE): Bytes {
    const from = max(0, min(start, this.length));
    return new Bytes(this.at + from, max(0, min(end, this.length) - from));
  }

  // indexOf is where b is found first at or behind start, or -1.
  indexOf(b: u8, start: i32 = 0): i32 {
    for (let i = max(0, start); i < this.length; i++) {
      if (load<u8>(this.at + i) == b) return i;
    }
    return -1;
  }

  // text reads UTF-8; what is none becomes U+FFFD.
  text(): string {
    return String.UTF8.decodeUnsafe(this.at, this.length);
  }
}

// Version is one of the concurrent versions of a key, or their base.
export class Version {
  constructor(private readonly record: usize) {}

  // time is hybrid time: what people call the version's age is its order.
  get time(): u64 {
    return load<u64>(this.record);
  }

  // origin stands for the node that wrote it, at that start of it.
  get origin(): u64 {
    return load<u64>(this.record, 8);
  }

  // deleted says that this version is a delete: it has no value.
  get deleted(): bool {
    return (load<u32>(this.record, VERSION_FLAGS) & 1) != 0;
  }

  get value(): Bytes {
    return bytesAt(this.record + VALUE);
  }
}

// Conflict is what a handler decides about. One of keep, set, setText, delete, pick and fail makes its verdict.
export class Conflict {
  // versions are two or more, ascending by (time, origin) on every node: the last is the newest.
  readonly versions: StaticArray<Version>;
  // base is the version that all others overwrote, null when it is not known or there is none. Expect both.
  readonly base: Version | null;

  constructor(private readonly frame: usize) {
    const n = load<u32>(frame, VERSIONS);
    this.versions = new StaticArray<Version>(n);
    for (let i: u32 = 0; i < n; i++) {
      this.versions[i] = new Version(frame + HEADER_BYTES + VERSION_BYTES * i);
    }
    this.base = load<u32>(frame, FLAGS) & 1 ? new Version(frame + HEADER_BYTES + VERSION_BYTES * n) : null;
  }

  get key(): Bytes {
    return bytesAt(this.frame + KEY);
  }

  // size is how many bytes the values of the versions and of the base have together. Fuel is used up by more of them: fail for what is too much.
  get size(): i32 {
    const base = this.base;
    let n = base ? base.value.length : 0;
    for (let i = 0; i < this.versions.length; i++) n += this.versions[i].value.length;
    return n;
  }

  // now is the time of the newest version; there is no other clock.
  get now(): u64 {
    return load<u64>(this.frame, NOW);
  }

  // seed is the same on every node for the same conflict: seed random decisions with it.
  get seed(): u64 {
    return load<u64>(this.frame, SEED);
  }

  // keep decides nothing: all versions stay; readers see the newest and that there are others.
  keep(): Verdict {
    return KEEP;
  }

  // set makes value what readers see.
  set(value: Bytes): Verdict {
    store<usize>(this.frame, value.at, OUT);
    store<i32>(this.frame, value.length, OUT + 4);
    return SET;
  }

  // setText makes text, in UTF-8, what readers see.
  setText(text: string): Verdict {
    return this.set(Bytes.of(text));
  }

  // delete makes the key absent for readers.
  delete(): Verdict {
    return DELETE;
  }

  // pick makes versions[index] what readers see. An index that does not exist is a trap.
  pick(index: i32): Verdict {
    store<i32>(this.frame, index, AUX);
    return PICK;
  }

  // fail says that the handler cannot decide, and why: all versions stay, people see the text. It is no trap.
  fail(reason: string): Verdict {
    const text = Bytes.of(reason);
    store<usize>(this.frame, text.at, REPLY);
    store<i32>(this.frame, text.length, REPLY + 4);
    return ERROR;
  }
}

// bytesAt reads a pointer and a length.
function bytesAt(at: usize): Bytes {
  return new Bytes(load<usize>(at), load<i32>(at, 4));
}

// log writes a line to the node's log.
export function log(text: string): void {
  const line = Bytes.of(text);
  hostLog(1, line.at, line.length);
}

// handle asks the handler about the conflict in a frame.
export function handle(frame: usize, handler: (c: Conflict) => Verdict): Verdict {
  return handler(new Conflict(frame));
}

export function kv_abi_version(): i32 {
  return 1;
}

export function kv_alloc(n: usize): usize {
  return heap.alloc(n);
}
