// The SDK for handlers in JavaScript. A handler is a module whose default export takes a Conflict and returns what one of the
// conflict's methods returns; it imports nothing:
//
//     export default function newest(c) {
//       return c.pick(c.versions.length - 1);
//     }
//
// build.mjs makes a WebAssembly module of it. In node the same file is called with conflicts that testing.mjs makes.

// What the engine gives, or its likes in node. __text is undefined for bytes that are no UTF-8.
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
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }), encoder = new TextEncoder();
  const decode = (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
  return { __text: decode, __utf8: (text) => encoder.encode(text), __log: () => {} };
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

// Places in the frame, which plugins/abi describes: of 32-bit numbers (N to RECORD_FLAGS) or of 64-bit ones.
const N = 1, KEY = 2, AUX = 14, FLAGS = 15, HEADER = 16, RECORD = 8, VALUE = 4, RECORD_FLAGS = 6;
const NOW = 3, SEED = 4, ORIGIN = 1;
const ERROR = -1, KEEP = 0, SET = 1, DELETE = 2, PICK = 3;

// text reads UTF-8. It throws for bytes that are none: replacing them would change what somebody wrote.
function text(bytes) {
  const s = bytes.length === 0 ? "" : __text(bytes);
  if (s === undefined || !s.isWellFormed()) throw new TypeError("not UTF-8");
  return s;
}

// Frame is the host's buffer: bytes that lie at an address of the module's memory, as numbers of both sizes.
export class Frame {
  constructor(bytes, address) {
    this.u32 = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.u64 = new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3);
    this.start = bytes.byteOffset - address;
  }

  // bytes are those whose address and length stand at a place.
  bytes(at) {
    return new Uint8Array(this.u32.buffer, this.start + this.u32[at], this.u32[at + 1]);
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
    return this._frame.u64[this._at >> 1];
  }

  // origin stands for the node that wrote it, at that start of it; a BigInt.
  get origin() {
    return this._frame.u64[(this._at >> 1) + ORIGIN];
  }

  // deleted says that this version is a delete: its value is empty.
  get deleted() {
    return (this._frame.u32[this._at + RECORD_FLAGS] & 1) !== 0;
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
      const n = this._frame.u32[N];
      for (let i = 0; i < n; i++) this._versions.push(new Version(this._frame, HEADER + RECORD * i));
    }
    return this._versions;
  }

  // base is the version that all others overwrote, null when it is not known or there is none. Expect both.
  get base() {
    const { u32 } = this._frame;
    return u32[FLAGS] & 1 ? new Version(this._frame, HEADER + RECORD * u32[N]) : null;
  }

  // size is how many bytes the values of the versions and of the base have together. Fuel is used up by more of them: fail for what is too much.
  get size() {
    return this.versions.reduce((n, v) => n + v.value.length, this.base?.value.length ?? 0);
  }

  // now is the time of the newest version, a BigInt. There is no other clock.
  get now() {
    return this._frame.u64[NOW];
  }

  // seed is the same on every node for the same conflict, a BigInt. There is no other randomness.
  get seed() {
    return this._frame.u64[SEED];
  }

  // keep decides nothing: all versions stay; readers see the newest and that there are others.
  keep() {
    return keep;
  }

  // set makes a Uint8Array, or a string in UTF-8, what readers see.
  set(value) {
    if (typeof value === "string") {
      if (!value.isWellFormed()) throw new TypeError("text with half of a surrogate pair");
    } else if (!(value instanceof Uint8Array)) {
      throw new TypeError("set takes a string or a Uint8Array; for anything else there is setJSON");
    }
    return replaced(value);
  }

  // setJSON makes the JSON text of a value what readers see.
  setJSON(value) {
    return this.set(JSON.stringify(value) ?? invalid("a value that JSON does not have"));
  }

  // delete makes the key absent for readers.
  delete() {
    return remove;
  }

  // pick makes versions[index] what readers see. It throws when there is no such version.
  pick(index) {
    if (index >>> 0 !== index || index >= this._frame.u32[N]) throw new RangeError(`there is no version ${index}`);
    return picked(index);
  }

  // fail says that the handler cannot decide, and why: all versions stay, people see the text. Throwing does the same.
  fail(message) {
    return failed(String(message));
  }
}

// Verdict is what a handler decided: "keep", "set" with value, "delete", "pick" with index, or "error" with message.
export class Verdict {
  constructor(verdict) {
    this.verdict = verdict;
  }
}

const keep = Object.freeze(new Verdict("keep"));
const remove = Object.freeze(new Verdict("delete"));

function picked(index) {
  const v = new Verdict("pick");
  v.index = index;
  return v;
}

function failed(message) {
  const v = new Verdict("error");
  v.message = message;
  return v;
}

function replaced(value) {
  const v = new Verdict("set");
  v.value = value;
  return v;
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
  let frame, warm;
  return {
    attach(bytes, address) {
      frame = new Frame(bytes, address);
      warm ??= examples(frame);
    },
    judge() {
      return answer(frame.u32, ask(handler, new Conflict(frame)));
    },
  };
}

// examples are one object of each shape that calls make. The engine keeps what it knows of a shape as long as there is such an
// object, and every call begins with the memory of the first.
function examples(frame) {
  const c = new Conflict(frame);
  c.versions.push(new Version(frame, HEADER));
  return [c, new Conflict(frame), picked(0), replaced(""), failed("")];
}

function answer(u32, v) {
  switch (v.verdict) {
    case "pick":
      u32[AUX] = v.index;
      return PICK;
    case "set":
      u32[AUX] = SET;
      return v.value.length === 0 ? "" : v.value;
    case "keep":
      return KEEP;
    case "delete":
      return DELETE;
  }
  u32[AUX] = ERROR;
  return v.message;
}
