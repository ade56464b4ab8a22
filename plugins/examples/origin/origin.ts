// Prefer the versions that were written in the regions which the key lists, the newest of them. See README.md.
import { Bytes, Conflict, Verdict, handle } from "../../sdk/assemblyscript/kvnode";
export { kv_abi_version, kv_alloc } from "../../sdk/assemblyscript/kvnode";

const SLASH: u8 = 0x2f;
const COMMA: u8 = 0x2c;
const NEWLINE: u8 = 0x0a;

export function handle_conflict(frame: usize): i32 {
  return handle(frame, prefer);
}

// prefer goes through the regions, the most preferred first.
function prefer(c: Conflict): Verdict {
  const regions = c.key.slice(0, c.key.indexOf(SLASH));
  for (let from = 0; from < regions.length; ) {
    const comma = regions.indexOf(COMMA, from);
    const to = comma < 0 ? regions.length : comma;
    const index = to > from ? newestOf(c, regions.slice(from, to)) : -1;
    if (index >= 0) return c.pick(index);
    from = to + 1;
  }
  return c.pick(c.versions.length - 1);
}

// newestOf is the newest version that was written in the region, or -1.
function newestOf(c: Conflict, region: Bytes): i32 {
  for (let i = c.versions.length - 1; i >= 0; i--) {
    const v = c.versions[i];
    if (!v.deleted && regionOf(v.value) == region) return i;
  }
  return -1;
}

// regionOf is the first line of a value.
function regionOf(value: Bytes): Bytes {
  const end = value.indexOf(NEWLINE);
  return end < 0 ? value : value.slice(0, end);
}
