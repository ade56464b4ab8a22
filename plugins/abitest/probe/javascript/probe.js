// The probe of plugins/abitest, in JavaScript.
export default function probe(c) {
  const colon = c.key.indexOf(0x3a);
  const command = String.fromCharCode(...(colon < 0 ? c.key : c.key.subarray(0, colon)));
  const arg = c.key.subarray(colon < 0 ? c.key.length : colon + 1);
  switch (command) {
    case "keep":
      return c.keep();
    case "delete":
      return c.delete();
    case "pick":
      return c.pick(Number(latin1(arg)));
    case "set":
      return c.set(arg);
    case "grow":
      return c.set(grow(Number(latin1(arg))));
    case "echo":
      return c.set(dump(c));
    case "error":
      throw new Error(c.keyText().slice("error:".length));
    case "log":
      console.log(latin1(arg));
      return c.keep();
    case "trap":
      for (;;);
    case "js":
      return own[latin1(arg)](c);
  }
  return c.fail("unknown command " + command);
}

// own are commands that the kit does not know: what is particular to JavaScript.
const own = {
  type: () => null.length,
  thrown: () => {
    throw "no error";
  },
  recursion: (c) => own.recursion(c).length,
  memory: () => {
    for (const all = []; ; ) all.push(new Uint8Array(1 << 20));
  },
  promise: async (c) => c.keep(),
  nothing: () => {},
  number: (c) => c.set(7),
  half: (c) => c.set("\ud800"),
  undefined: (c) => c.setJSON(undefined),
  text: (c) => c.set(c.versions[0].text()),
  json: (c) => c.setJSON(c.versions[0].json()),
  surroundings: (c) => c.set([Date.now(), Math.random(), typeof WeakRef, typeof performance, typeof globalThis.__log].join(" ")),
  state: (c) => c.set(String((globalThis.calls = (globalThis.calls ?? 0) + 1))),
};

const latin1 = (bytes) => String.fromCharCode(...bytes);

// grow writes the pattern once, and copies it.
function grow(n) {
  const value = new Uint8Array(n);
  for (let i = 0; i < Math.min(n, 251); i++) value[i] = i;
  for (let i = 251; i < n; i *= 2) value.copyWithin(i, 0, Math.min(i, n - i));
  return value;
}

// dump joins blobs with the text that stands before each.
function dump(c) {
  const encoder = new TextEncoder(), pieces = [];
  let length = 0;
  const add = (before, blob) => {
    const text = encoder.encode(before);
    pieces.push(text, blob);
    length += text.length + blob.length;
  };
  const version = (before, v) => {
    const value = v.value;
    add(`${before} ${v.time} ${v.origin} ${Number(v.deleted)} ${value.length}:`, value);
  };
  add(`key ${c.key.length}:`, c.key);
  let before = `\nnow ${c.now}\nseed ${c.seed}`;
  for (const v of c.versions) {
    version(before + "\nversion", v);
    before = "";
  }
  if (c.base) version("\nbase", c.base);
  add(c.base ? "\n" : "\nbase none\n", new Uint8Array());
  const out = new Uint8Array(length);
  for (let i = 0, at = 0; i < pieces.length; at += pieces[i++].length) out.set(pieces[i], at);
  return out;
}
