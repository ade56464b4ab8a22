// Builds the handlers that README.md shows, and asks them. It needs wat2wasm.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { conflict, load } from "../javascript/testing.mjs";

const page = readFileSync(new URL("README.md", import.meta.url), "utf8");
const [newest, base] = [...page.matchAll(/```wat\n(.*?)```/gs)].map((m) => m[1]);
const frame = newest.slice(0, newest.indexOf("  ;; Takes the frame's address"));

function build(source) {
  const work = mkdtempSync(join(tmpdir(), "kvnode-wat-"));
  try {
    writeFileSync(join(work, "h.wat"), source);
    execFileSync("wat2wasm", [join(work, "h.wat"), "-o", join(work, "h.wasm")]);
    return load(join(work, "h.wasm"));
  } finally {
    rmSync(work, { recursive: true });
  }
}

test("the smallest handler picks the newest version", () => {
  const versions = [{ value: "a" }, { value: "b" }, { value: "c" }];
  assert.deepEqual(build(newest)(conflict({ key: "k", versions })), { verdict: "pick", index: 2 });
});

test("the handler that reads the base picks the first version of another length", () => {
  const handler = build(frame + base + ")");
  const versions = [{ value: "aa" }, { value: "bbb" }, { value: "c" }];
  assert.deepEqual(handler(conflict({ key: "k", versions })), { verdict: "keep" });
  assert.deepEqual(handler(conflict({ key: "k", versions, base: { value: "oo" } })), { verdict: "pick", index: 1 });
  assert.deepEqual(handler(conflict({ key: "k", versions: versions.slice(0, 2), base: { value: "" } })), { verdict: "pick", index: 0 });
  assert.deepEqual(handler(conflict({ key: "k", versions: [{ value: "a" }, { value: "b" }], base: { value: "c" } })), { verdict: "keep" });
});
