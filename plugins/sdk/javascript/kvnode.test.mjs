import assert from "node:assert/strict";
import { test } from "node:test";
import { conflict, judge } from "./testing.mjs";

const two = conflict({ key: "k:ä", versions: [{ value: "a", time: "18446744073709551614", origin: 7 }, { deleted: true, time: "18446744073709551615", origin: 8 }] });
const based = conflict({ key: "k", versions: [{ value: "a" }, { value: { json: [1] } }], base: { value: "o" }, seed: "9007199254740993" });
const text = (bytes) => new TextDecoder().decode(bytes);

test("a handler sees all of the conflict", () => {
  judge((c) => {
    assert.equal(c.keyText(), "k:ä");
    assert.deepEqual(c.versions.map((v) => [v.time, v.origin, v.deleted, text(v.value)]), [
      [2n ** 64n - 2n, 7n, false, "a"], [2n ** 64n - 1n, 8n, true, ""],
    ]);
    assert.deepEqual([c.now, c.base], [2n ** 64n - 1n, null]);
    return c.keep();
  })(two);
  judge((c) => {
    assert.equal(c.size, 5);
    assert.deepEqual([c.seed, c.base.text(), c.base.deleted, c.versions[1].json()], [2n ** 53n + 1n, "o", false, [1]]);
    return c.keep();
  })(based);
});

test("each method makes its verdict", () => {
  const say = (f) => judge(f)(two);
  assert.deepEqual(say((c) => c.keep()), { verdict: "keep" });
  assert.deepEqual(say((c) => c.delete()), { verdict: "delete" });
  assert.deepEqual(say((c) => c.pick(1)), { verdict: "pick", index: 1 });
  assert.deepEqual(say((c) => c.fail("no")), { verdict: "error", message: "no" });
  assert.equal(text(say((c) => c.set("ä")).value), "ä");
  assert.equal(text(say((c) => c.set(c.versions[0].value)).value), "a");
  assert.equal(text(say((c) => c.setJSON({ a: ["ä"] })).value), '{"a":["ä"]}');
});

test("what a handler does wrong is its error", () => {
  const error = (f) => judge(f)(two).message;
  assert.equal(error(() => { throw new Error("not a cart"); }), "not a cart");
  assert.equal(error(() => { throw "text"; }), "text");
  assert.match(error(() => null.x), /^TypeError: /);
  assert.match(error((c) => c.pick(2)), /^RangeError: there is no version 2/);
  assert.match(error((c) => c.pick("1")), /^RangeError/);
  assert.match(error((c) => c.set(7)), /^TypeError: set takes/);
  assert.match(error((c) => c.set("\ud800")), /^TypeError: text with half/);
  assert.match(error((c) => c.setJSON(undefined)), /^TypeError: a value that JSON does not have/);
  assert.match(error(async (c) => c.keep()), /^the handler is asynchronous/);
  assert.match(error(() => 1), /^the handler returned no verdict/);
});

test("text is never changed by reading it", () => {
  const read = (value) => judge((c) => c.set(c.versions[0].text()))(conflict({ key: "k", versions: [{ value }, { value: "b" }] }));
  for (const good of ["", "a", "\ufeffa", "\ufffd", "🧀\0"]) assert.equal(read(good).value.length, new TextEncoder().encode(good).length);
  for (const bad of ["/w==", "7aCA", "wIA=", "8J+n"]) assert.equal(read({ base64: bad }).message, "TypeError: not UTF-8");
});
