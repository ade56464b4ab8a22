// The probe of plugins/abitest, in AssemblyScript.
import { Bytes, Conflict, Verdict, Version, handle, log } from "../../../sdk/assemblyscript/kvnode";
export { kv_abi_version, kv_alloc } from "../../../sdk/assemblyscript/kvnode";

export function handle_conflict(frame: usize): i32 {
  return handle(frame, probe);
}

function probe(c: Conflict): Verdict {
  const colon = c.key.indexOf(0x3a);
  const command = colon < 0 ? c.key.text() : c.key.slice(0, colon).text();
  const arg = c.key.slice(colon < 0 ? c.key.length : colon + 1);
  if (command == "keep") return c.keep();
  if (command == "delete") return c.delete();
  if (command == "pick") return c.pick(I32.parseInt(arg.text()));
  if (command == "set") return c.set(arg);
  if (command == "grow") return c.set(grow(I32.parseInt(arg.text())));
  if (command == "echo") return c.set(dump(c));
  if (command == "error") return c.fail(arg.text());
  if (command == "trap") throw new Error("as asked");
  if (command != "log") return c.fail("unknown command " + command);
  log(arg.text());
  return c.keep();
}

function grow(n: i32): Bytes {
  const value = Bytes.alloc(n);
  for (let i = 0; i < n; i++) value[i] = <u8>(i % 251);
  return value;
}

// Dump is bytes that grow; there is room for them.
class Dump {
  length: i32 = 0;
  constructor(readonly bytes: Bytes) {}

  text(s: string): Dump {
    return this.raw(Bytes.of(s));
  }

  raw(b: Bytes): Dump {
    memory.copy(this.bytes.at + this.length, b.at, b.length);
    this.length += b.length;
    return this;
  }

  blob(b: Bytes): Dump {
    return this.text(b.length.toString() + ":").raw(b).text("\n");
  }

  version(name: string, v: Version): Dump {
    return this.text(name + " " + v.time.toString() + " " + v.origin.toString() + (v.deleted ? " 1 " : " 0 ")).blob(v.value);
  }
}

function dump(c: Conflict): Bytes {
  let size = c.key.length + 256;
  for (let i = 0; i < c.versions.length; i++) size += c.versions[i].value.length + 128;
  const base = c.base;
  const out = new Dump(Bytes.alloc(base ? size + base.value.length : size));
  out.text("key ").blob(c.key).text("now " + c.now.toString() + "\nseed " + c.seed.toString() + "\n");
  for (let i = 0; i < c.versions.length; i++) out.version("version", c.versions[i]);
  if (base) out.version("base", base);
  else out.text("base none\n");
  return out.bytes.slice(0, out.length);
}
