#!/usr/bin/env node
// Builds a handler in JavaScript: node build.mjs HANDLER.js OUT.wasm. README.md says what has to be installed.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const sdk = dirname(fileURLToPath(import.meta.url));
const packages = join(process.env.KVNODE_TOOLCHAINS ?? join(homedir(), ".cache/kvnode-toolchains"), "javascript/node_modules");
const main = 'import handler from "handler"; import { serve } from "kvnode"; globalThis.__kvnode = serve(handler);';

// Everything that the node needs of the merged module. The engine exports 450 functions more.
const exported = ["memory", "kv_abi_version", "kv_alloc", "handle_conflict", "_initialize"];

function tool(name, ...args) {
  execFileSync(process.execPath, [join(packages, ".bin", name), ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

// escaped is bytes as the text of a WAT string.
const escaped = (bytes) => Array.from(bytes, (b) => "\\" + b.toString(16).padStart(2, "0")).join("");
// terminated is text in UTF-8 with the zero byte that C wants.
const terminated = (text) => Buffer.from(text + "\0");

// names are the C strings of the adapter, in one piece, and where each begins.
function names() {
  const texts = {
    TEXT: "__text", UTF8: "__utf8", LOG: "__log", NESTING: "__nesting", DEEP: "calls nest too deep", KVNODE: "__kvnode", ATTACH: "attach", JUDGE: "judge",
    SDK: "kvnode", HANDLER: "handler", MAIN: main,
  };
  const fields = {}, parts = [];
  let at = 0;
  for (const [name, text] of Object.entries(texts)) {
    fields["AT_" + name] = at;
    parts.push(terminated(text));
    at += parts.at(-1).length;
  }
  return { ...fields, NAMES: escaped(Buffer.concat(parts)), NAMES_BYTES: at, MAIN_BYTES: main.length };
}

// source is one JavaScript module for the adapter.
function source(name, text) {
  const bytes = terminated(text);
  return { [name]: escaped(bytes), [name + "_BYTES"]: bytes.length, [name + "_LENGTH"]: bytes.length - 1 };
}

function adapter(handler) {
  const fields = { ...names(), ...source("SDK", readFileSync(join(sdk, "kvnode.js"), "utf8")), ...source("HANDLER", handler) };
  return readFileSync(join(sdk, "adapter.wat"), "utf8").replace(/@(\w+)@/g, (_, name) => {
    if (!(name in fields)) throw new Error(`adapter.wat: nobody fills @${name}@`);
    return fields[name];
  });
}

// reachable is the graph from which wasm-metadce takes what has to stay.
const reachable = JSON.stringify(exported.map((name) => ({ name: "export-" + name, root: true, export: name })));

// sections are the parts of a module: each an id and where its content begins.
function sections(module) {
  const all = [];
  for (let at = 8; at < module.length; ) {
    const id = module[at];
    const [size, start] = leb(module, at + 1);
    all.push({ id, start });
    at = start + size;
  }
  return all;
}

// leb reads an unsigned number and returns it and where the next byte is.
function leb(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    value |= (bytes[at] & 0x7f) << shift;
    if (bytes[at++] < 0x80) return [value >>> 0, at];
  }
}

// items are the pieces of a section that begins with their count; next says where the one at a place ends.
function items(module, { start }, next) {
  let [count, at] = leb(module, start);
  const all = [];
  for (; count > 0; count--) {
    const end = next(at);
    all.push({ at, end });
    at = end;
  }
  return all;
}

// guard swaps the bodies of the function that is exported as name and of the largest one; adapter.wat says why. Nothing else
// moves, because a function's index and its type stay where they are.
function guard(module, name) {
  const section = (id) => sections(module).find((s) => s.id === id);
  const skip = (at) => leb(module, at)[1];
  const text = (at) => ((([n, from]) => from + n)(leb(module, at)));
  const imports = items(module, section(2), (at) => {
    const kind = text(text(at));
    if (module[kind] !== 0) throw new Error("the merged module imports something that is no function");
    return skip(kind + 1);
  }).length;
  const entry = items(module, section(7), (at) => skip(text(at) + 1))
    .find(({ at }) => module.subarray(leb(module, at)[1], text(at)).toString() === name);
  const mine = leb(module, text(entry.at) + 1)[0] - imports;
  const types = items(module, section(3), skip).map(({ at }) => leb(module, at)[0]);
  const bodies = items(module, section(10), text);
  const largest = bodies.reduce((best, b, i) => (b.end - b.at > bodies[best].end - bodies[best].at ? i : best), 0);
  if (types[mine] !== types[largest]) throw new Error("the engine's largest function is not the one that runs JavaScript");
  const order = bodies.map((_, i) => (i === mine ? largest : i === largest ? mine : i));
  return Buffer.concat([
    module.subarray(0, bodies[0].at), ...order.map((i) => module.subarray(bodies[i].at, bodies[i].end)), module.subarray(bodies.at(-1).end),
  ]);
}

function build(handlerFile, out) {
  const work = mkdtempSync(join(tmpdir(), "kvnode-js-"));
  const at = (name) => join(work, name);
  try {
    writeFileSync(at("adapter.wat"), adapter(readFileSync(handlerFile, "utf8")));
    writeFileSync(at("graph.json"), reachable);
    const features = ["--enable-bulk-memory", "--enable-bulk-memory-opt", "--enable-sign-ext", "--enable-mutable-globals",
      "--enable-nontrapping-float-to-int", "--enable-multivalue", "--enable-reference-types"];
    tool("wasm-as", ...features, at("adapter.wat"), "-o", at("adapter.wasm"));
    tool("wasm-merge", ...features, "--rename-export-conflicts", at("adapter.wasm"), "env", join(packages, "quickjs-wasi/quickjs.wasm"), "qjs",
      "-o", at("merged.wasm"));
    writeFileSync(at("guarded.wasm"), guard(readFileSync(at("merged.wasm")), "run"));
    tool("wasm-metadce", ...features, at("guarded.wasm"), "-f", at("graph.json"), "-o", at("small.wasm"));
    tool("wasm-opt", ...features, "--duplicate-import-elimination", "--remove-unused-module-elements", "--strip-debug", "--strip-producers",
      at("small.wasm"), "-o", out);
  } finally {
    rmSync(work, { recursive: true });
  }
}

const [handlerFile, out] = process.argv.slice(2);
if (out === undefined || process.argv.length > 4) {
  console.error("usage: node build.mjs HANDLER.js OUT.wasm");
  process.exit(2);
}
// What node refuses, the engine refuses as well, and node says where.
const { default: handler } = await import(pathToFileURL(handlerFile));
if (typeof handler !== "function") {
  console.error(`build.mjs: ${basename(handlerFile)} has no function as its default export`);
  process.exit(1);
}
build(handlerFile, out);
