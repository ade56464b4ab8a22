import assert from "node:assert/strict";
import { test } from "node:test";
import { conflict, fixtures, load } from "../../sdk/javascript/testing.mjs";

const people = load(new URL("people.wasm", import.meta.url));

for (const c of fixtures(new URL("fixtures.json", import.meta.url))) test(c.name, () => c.check(people));

test("values of every length are compared to the end", () => {
  for (let n = 1; n <= 40; n++) {
    const value = "x".repeat(n);
    const two = (other) => people(conflict({ key: "k", versions: [{ value }, { value: other }] })).verdict;
    assert.equal(two(value), "pick");
    for (let i = 0; i < n; i++) assert.equal(two(value.slice(0, i) + "y" + value.slice(i + 1)), "keep");
  }
});

test("a frame larger than the first buffer gets pages of its own", () => {
  const value = "x".repeat(200_000);
  assert.equal(people(conflict({ key: "k", versions: [{ value }, { value }] })).verdict, "pick");
  assert.equal(people(conflict({ key: "k", versions: [{ value }, { value: value + "y" }] })).verdict, "keep");
});
