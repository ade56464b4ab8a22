import assert from "node:assert/strict";
import { test } from "node:test";
import { conflict, fixtures, load } from "../../sdk/javascript/testing.mjs";

const origin = load(new URL("origin.wasm", import.meta.url));

for (const c of fixtures(new URL("fixtures.json", import.meta.url))) test(c.name, () => c.check(origin));

test("among many versions the newest of the preferred region is found", () => {
  const versions = Array.from({ length: 256 }, (_, i) => ({ value: i % 3 === 0 ? "eu\n" + i : "us\n" + i }));
  assert.deepEqual(origin(conflict({ key: "ap,eu,us/k", versions })), { verdict: "pick", index: 255 });
  assert.deepEqual(origin(conflict({ key: "ap,us,eu/k", versions })), { verdict: "pick", index: 254 });
});

test("a value larger than the first buffer is seen", () => {
  const versions = [{ value: "eu\n" + "x".repeat(100_000) }, { value: "us\n" + "y".repeat(100_000) }];
  assert.deepEqual(origin(conflict({ key: "eu/k", versions })), { verdict: "pick", index: 0 });
});
