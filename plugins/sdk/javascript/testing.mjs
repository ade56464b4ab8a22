// Runs handlers in node, so that `node --test` tests them: handlers in JavaScript from their source, others as built modules,
// with the cases of a fixtures.json or with conflicts made here.
//
//     import { test } from "node:test";
//     import handler from "./newest.js";
//     import { fixtures, judge } from "path/to/plugins/sdk/javascript/testing.mjs";
//
//     for (const c of fixtures(new URL("fixtures.json", import.meta.url))) test(c.name, () => c.check(judge(handler)));
//
// For a module in another language, load(new URL("newest.wasm", import.meta.url)) takes the place of judge(handler). Fuel,
// memory and time are not limited here; `kvnode plugin test` runs a module as a node does.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Conflict, Frame, ask } from "./kvnode.js";

const HEADER = 64, RECORD = 32, BUFFER = 64 << 10;
const utf8 = new TextEncoder();
const align = (n) => (n + 7) & ~7;

// judge runs the source of a handler in JavaScript. The function that it returns takes a conflict and returns its verdict:
// {verdict, value, index, message}.
export function judge(handler) {
  return (conflict) => {
    const address = 4096, buf = new Uint8Array(frameSize(conflict));
    encode(buf, address, conflict);
    const v = { ...ask(handler, new Conflict(new Frame(buf, address))) };
    if (v.verdict === "set") v.value = typeof v.value === "string" ? utf8.encode(v.value) : v.value.slice();
    return v;
  };
}

// load reads a module. What it returns is what judge returns.
export function load(file) {
  const module = new WebAssembly.Module(readFileSync(file));
  return (conflict) => resolve(module, conflict);
}

// resolve makes a new instance for each call: nothing is left of earlier ones.
function resolve(module, conflict) {
  const env = { abort: (message, file, line, column) => { throw new Error(`abort at line ${line} column ${column}`); } };
  const { exports } = new WebAssembly.Instance(module, { env, kvnode: { log() {} } });
  exports._initialize?.();
  assert.equal(exports.kv_abi_version(), 1);
  const size = frameSize(conflict);
  const frame = exports.kv_alloc(Math.max(size, BUFFER));
  assert.ok(frame > 0 && frame % 8 === 0, "kv_alloc refused");
  encode(new Uint8Array(exports.memory.buffer, frame, size), frame, conflict);
  return verdict(exports.handle_conflict(frame), new DataView(exports.memory.buffer), frame, conflict);
}

const records = (c) => (c.base ? [...c.versions, c.base] : c.versions);

function frameSize(c) {
  return records(c).reduce((n, v) => n + RECORD + align(v.value.length), HEADER + align(c.key.length));
}

// encode writes the frame of the contract, which plugins/abi describes.
function encode(buf, address, c) {
  const view = new DataView(buf.buffer, buf.byteOffset, buf.length);
  let at = HEADER + RECORD * records(c).length;
  const blob = (off, b) => {
    view.setUint32(off, address + at, true);
    view.setUint32(off + 4, b.length, true);
    buf.set(b, at);
    at = align(at + b.length);
  };
  view.setUint32(0, buf.length, true);
  view.setUint32(4, c.versions.length, true);
  blob(8, c.key);
  view.setBigUint64(24, BigInt(c.versions.at(-1).time), true);
  view.setBigUint64(32, BigInt(c.seed ?? 1), true);
  view.setUint32(60, c.base ? 1 : 0, true);
  records(c).forEach((v, i) => {
    const off = HEADER + RECORD * i;
    view.setBigUint64(off, BigInt(v.time), true);
    view.setBigUint64(off + 8, BigInt(v.origin), true);
    blob(off + 16, v.value);
    view.setUint32(off + 24, v.deleted ? 1 : 0, true);
  });
}

function verdict(status, view, frame, c) {
  const bytes = (off) => new Uint8Array(view.buffer, view.getUint32(frame + off, true), view.getUint32(frame + off + 4, true)).slice();
  if (status < 0) return { verdict: "error", message: new TextDecoder().decode(bytes(48)) };
  if (status === 1) return { verdict: "set", value: bytes(40) };
  if (status === 3) {
    const index = view.getUint32(frame + 56, true);
    assert.ok(index < c.versions.length, "picked version does not exist");
    return { verdict: "pick", index };
  }
  assert.ok(status === 0 || status === 2, `unknown status ${status}`);
  return { verdict: status === 0 ? "keep" : "delete" };
}

// bytes reads a key or value: text, {base64} or {json}.
function bytes(v = "") {
  if (typeof v === "string") return utf8.encode(v);
  return "base64" in v ? new Uint8Array(Buffer.from(v.base64, "base64")) : utf8.encode(JSON.stringify(v.json));
}

const version = (v, time, origin) => ({ time, origin, deleted: false, ...v, value: bytes(v.value) });

// conflict makes one of what stands in a fixture: values are text, {base64} or {json}; missing times and origins are 1, 2, 3.
export function conflict({ key, versions, base, seed }) {
  return {
    key: bytes(key), seed,
    versions: versions.map((v, i) => version(v, i + 1, i + 1)), base: base && version(base, 0, 0),
  };
}

// fixtures reads the cases of a file; check asserts that a module answers as the case wants. Times and origins above 2^53 are strings.
export function fixtures(file) {
  const cases = [JSON.parse(readFileSync(file, "utf8"))].flat();
  return cases.map((c, i) => ({ name: c.name ?? `case ${i + 1}`, check: (module) => check(module(conflict(c)), c.want, conflict(c).versions) }));
}

// check takes a picked version for its value, or for a delete: readers see the same.
function check(got, want, versions) {
  if (got.verdict === "pick" && (want.verdict === "set" || want.verdict === "delete")) {
    const { value, deleted } = versions[got.index];
    got = deleted ? { verdict: "delete" } : { verdict: "set", value };
  }
  assert.equal(got.verdict, want.verdict, got.message);
  if (want.verdict === "pick") assert.equal(got.index, want.index);
  if (want.verdict === "error") assert.ok(got.message.includes(want.message ?? ""), got.message);
  if (want.verdict !== "set") return;
  const text = new TextDecoder().decode(got.value);
  if (want.value?.json === undefined) assert.deepEqual(got.value, bytes(want.value));
  else assert.deepEqual(JSON.parse(text), want.value.json);
}
