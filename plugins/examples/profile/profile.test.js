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
