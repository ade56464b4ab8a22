// The SDK for handlers in JavaScript. A handler is a module whose default export takes a Conflict and returns what one of the
// conflict's methods returns; it imports nothing:
//
//     export default function newest(c) {
//       return c.pick(c.versions.length - 1);
//     }
//
// build.mjs makes a WebAssembly module of it. In node the same file is called with conflicts that testing.mjs makes.

// What the engine gives, or its likes in node.
const { __text, __utf8, __log, __nesting } = globalThis.__text ? globalThis : forNode();
for (const name of ["__text", "__utf8", "__log", "__nesting"]) delete globalThis[name];
if (__nesting) JSON.parse = shallow(JSON.parse);
globalThis.TextEncoder ??= class TextEncoder {
  encode(text = "") {
    return __utf8(String(text).toWellFormed());
  }
};
globalThis.console ??= Object.freeze({ log: print, info: print, debug: print, warn: print, error: print });

function forNode() {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }), encoder = new TextEncoder();
  return { __text: (bytes) => decoder.decode(bytes), __utf8: (text) => encoder.encode(text), __log: () => {} };
}

function print(...args) {
  __log(args.map(String).join(" "));
}

// shallow refuses JSON for which there may be no stack: a value must not be able to trap a handler.
function shallow(parse) {
  return (text, reviver) => {
    const s = String(text);
    if (__nesting(s) > 128) throw new RangeError("JSON nests deeper than 128");
    return parse(s, reviver);
  };
}

// Offsets in the frame, which plugins/abi describes.
const N = 4, KEY = 8, NOW = 24, SEED = 32, AUX = 56, FLAGS = 60, HEADER = 64;
const RECORD = 32, TIME = 0, ORIGIN = 8, VALUE = 16, RECORD_FLAGS = 24;
const ERROR = -1, KEEP = 0, SET = 1, DELETE = 2, PICK = 3;

// text reads UTF-8. It throws for bytes that are none: replacing them would change what somebody wrote.
function text(bytes) {
  const s = bytes.length === 0 ? "" : __text(bytes);
  if (!s.isWellFormed() || (s.includes("\ufffd") && !same(__utf8(s), bytes))) throw new TypeError("not UTF-8");
  return s;
}

function same(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// Frame is the host's buffer: bytes that lie at an address of the module's memory.
export class Frame {
  constructor(bytes, address) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.start = bytes.byteOffset - address;
  }

  u32(off) {
    return this.view.getUint32(off, true);
  }

  u64(off) {
    return this.view.getBigUint64(off, true);
  }

  bytes(off) {
    return new Uint8Array(this.view.buffer, this.start + this.u32(off), this.u32(off + 4));
  }
}

// Version is one of the concurrent versions of a key, or their base.
export class Version {
  constructor(frame, at) {
    this._frame = frame;
    this._at = at;
  }

  // time is hybrid time, a BigInt.
  get time() {
    return this._frame.u64(this._at + TIME);
  }

  // origin stands for the node that wrote it, at that start of it; a BigInt.
  get origin() {
    return this._frame.u64(this._at + ORIGIN);
  }

  // deleted says that this version is a delete: its value is empty.
  get deleted() {
    return (this._frame.u32(this._at + RECORD_FLAGS) & 1) !== 0;
  }

  // value is a Uint8Array, valid during the call.
  get value() {
    return this._frame.bytes(this._at + VALUE);
  }

  // text is the value as a string. It throws for a value that is not UTF-8.
  text() {
    return text(this.value);
  }

  // json is the parsed value. It throws for a value that is no JSON. Whole numbers above 2^53 lose digits.
  json() {
    return JSON.parse(this.text());
  }
}

// Conflict is what a handler decides about. Its methods keep, set, setJSON, delete, pick and fail make verdicts.
export class Conflict {
  constructor(frame) {
    this._frame = frame;
  }

  // key is a Uint8Array, valid during the call.
  get key() {
    return this._frame.bytes(KEY);
  }

  // keyText is the key as a string. It throws for a key that is not UTF-8.
  keyText() {
    return text(this.key);
  }

  // versions are two or more, ascending by (time, origin) on every node: the last is the newest.
  get versions() {
    if (this._versions === undefined) {
      this._versions = [];
      const n = this._frame.u32(N);
      for (let i = 0; i < n; i++) this._versions.push(new Version(this._frame, HEADER + RECORD * i));
    }
    return this._versions;
  }

  // base is the version that all others overwrote, null when it is not known or there is none. Expect both.
  get base() {
    return this._frame.u32(FLAGS) & 1 ? new Version(this._frame, HEADER + RECORD * this._frame.u32(N)) : null;
  }

  // now is the time of the newest version, a BigInt. There is no other clock.
  get now() {
    return this._frame.u64(NOW);
  }

  // seed is the same on every node for the same conflict, a BigInt. There is no other randomness.
  get seed() {
    return this._frame.u64(SEED);
  }

  // keep decides nothing: all versions stay; readers see the newest and that there are others.
  keep() {
    return new Verdict("keep");
  }

  // set makes a Uint8Array, or a string in UTF-8, what readers see.
  set(value) {
    if (typeof value === "string") {
      if (!value.isWellFormed()) throw new TypeError("text with half of a surrogate pair");
    } else if (!(value instanceof Uint8Array)) {
      throw new TypeError("set takes a string or a Uint8Array; for anything else there is setJSON");
    }
    return new Verdict("set", "value", value);
  }

  // setJSON makes the JSON text of a value what readers see.
  setJSON(value) {
    return this.set(JSON.stringify(value) ?? invalid("a value that JSON does not have"));
  }

  // delete makes the key absent for readers.
  delete() {
    return new Verdict("delete");
  }

  // pick makes versions[index] what readers see. It throws when there is no such version.
  pick(index) {
    if (!Number.isInteger(index) || index < 0 || index >= this._frame.u32(N)) throw new RangeError(`there is no version ${index}`);
    return new Verdict("pick", "index", index);
  }

  // fail says that the handler cannot decide, and why: all versions stay, people see the text. Throwing does the same.
  fail(message) {
    return new Verdict("error", "message", String(message));
  }
}

// Verdict is what a handler decided: "keep", "set" with value, "delete", "pick" with index, or "error" with message.
export class Verdict {
  constructor(verdict, name, content) {
    this.verdict = verdict;
    if (name !== undefined) this[name] = content;
  }
}

function invalid(what) {
  throw new TypeError(what);
}

// ask returns the handler's verdict. What the handler throws is its own error, but for the engine's: out of memory.
export function ask(handler, conflict) {
  try {
    const v = handler(conflict);
    if (v instanceof Verdict) return v;
    if (v instanceof Promise) return conflict.fail("the handler is asynchronous: a verdict has to be there when it returns");
    return conflict.fail("the handler returned no verdict: return what a method of the conflict returns");
  } catch (e) {
    if (typeof InternalError === "function" && e instanceof InternalError) throw e;
    return conflict.fail(reason(e));
  }
}

// reason is the message of what was thrown; the name of the error stands before it, when it says more than "Error".
function reason(e) {
  if (!(e instanceof Error)) return String(e);
  return e.name === "Error" ? e.message : `${e.name}: ${e.message}`;
}

// serve is the module's side of the adapter. judge returns an integer, the status, or a value or error text whose status it
// has written to the frame.
export function serve(handler) {
  if (typeof handler !== "function") throw new TypeError("the handler's default export is no function");
  let frame;
  return {
    attach(bytes, address) {
      frame = new Frame(bytes, address);
    },
    judge() {
      return answer(frame, ask(handler, new Conflict(frame)));
    },
  };
}

function answer(frame, v) {
  switch (v.verdict) {
    case "keep":
      return KEEP;
    case "delete":
      return DELETE;
    case "pick":
      frame.view.setUint32(AUX, v.index, true);
      return PICK;
    case "set":
      frame.view.setInt32(AUX, SET, true);
      return v.value.length === 0 ? "" : v.value;
  }
  frame.view.setInt32(AUX, ERROR, true);
  return v.message;
}
