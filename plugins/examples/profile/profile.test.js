import assert from "node:assert/strict";
import { test } from "node:test";
import { conflict, fixtures, judge } from "../../sdk/javascript/testing.mjs";
import profile from "./profile.js";

for (const c of fixtures(new URL("fixtures.json", import.meta.url))) test(c.name, () => c.check(judge(profile)));

test("the order of the sides matters for no field but the latest", () => {
  const base = { value: { json: { tags: ["a"], visits: 1 } } };
  const sides = [{ tags: ["a", "b"], visits: 5 }, { tags: [], visits: 2 }, { tags: ["a", "c"], visits: 1 }];
  const merge = (order) => {
    const versions = order.map((i) => ({ value: { json: sides[i] } }));
    return new TextDecoder().decode(judge(profile)(conflict({ key: "anna", versions, base })).value);
  };
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) assert.equal(merge(order), '{"tags":["b","c"],"visits":6}');
});

test("what a call has no fuel for is refused", () => {
  const refused = (...values) => judge(profile)(conflict({ key: "anna", versions: values.map((json) => ({ value: { json } })) })).message;
  assert.equal(refused(...Array(33).fill({})), "33 versions, at most 32 are merged");
  const long = { name: "x".repeat(9000) };
  assert.equal(refused(long, long), "18022 bytes of profiles, at most 4096 are merged");
  const wide = Object.fromEntries(Array.from({ length: 70 }, (_, i) => ["f" + i, i]));
  assert.equal(refused(wide, {}), "70 fields in 2 versions are too many");
  const tagged = { tags: Array.from({ length: 101 }, (_, i) => "t" + i) };
  assert.equal(refused(tagged, tagged), "more than 200 tags");
});
