// Profiles as JSON documents: each field is merged by its own rule, with the base where there is one. See README.md.
const rules = new Map([["tags", union], ["visits", sum], ["email", agreed]]);

// What a call has fuel for. A field costs about as much as ten versions of it; tags are counted on all sides.
const most = { versions: 32, bytes: 4 << 10, cells: 600, tags: 200 };

export default function profile(c) {
  if (c.versions.some((v) => v.deleted)) return c.keep();
  if (c.versions.length > most.versions) return c.fail(`${c.versions.length} versions, at most ${most.versions} are merged`);
  if (c.size > most.bytes) return c.fail(`${c.size} bytes of profiles, at most ${most.bytes} are merged`);
  const sides = c.versions.map(document);
  const base = c.base && !c.base.deleted ? document(c.base) : Object.create(null);
  const merged = Object.create(null);
  const names = [...new Set(sides.flatMap(Object.keys))].sort();
  if (names.length * (sides.length + 10) > most.cells) return c.fail(`${names.length} fields in ${sides.length} versions are too many`);
  for (const name of names) {
    const value = merge(sides.map((s) => s[name]), base[name], name);
    if (value !== undefined) merged[name] = value;
  }
  return c.setJSON(merged);
}

// merge decides a field. What one side alone has changed since the base holds as it is, be it a removal.
function merge(values, base, name) {
  const rule = rules.get(name);
  if (!rule) return latest(values, base);
  const changed = base === undefined ? [] : values.filter(unlike(base));
  return changed.length === 1 ? changed[0] : rule(values, base, name);
}

// document is the object in a version, without a prototype, so that a field may have any name.
function document(v) {
  const value = v.json();
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("a profile is a JSON object");
  return Object.assign(Object.create(null), value);
}

// unlike says of values whether they differ from one.
function unlike(one) {
  const text = JSON.stringify(one);
  return (v) => v !== one && JSON.stringify(v) !== text;
}

// latest is the newest value that differs from the base: a side that left the field alone has no say.
function latest(values, base) {
  const changed = values.findLastIndex(unlike(base));
  return changed < 0 ? base : values[changed];
}

// union has what some side has and no side has removed since the base.
function union(values, base = []) {
  const lists = values.map((v) => list(v ?? []));
  if (lists.reduce((n, l) => n + l.length, list(base).length) > most.tags) throw new Error(`more than ${most.tags} tags`);
  const sides = lists.map((l) => new Set(l));
  const removed = new Set(list(base).filter((tag) => sides.some((s) => !s.has(tag))));
  const all = new Set(sides.flatMap((s) => [...s]));
  return [...all].filter((tag) => !removed.has(tag)).sort();
}

// sum adds what each side has added to the base. Without one nobody knows what was counted twice: the largest.
function sum(values, base) {
  const counts = values.map((v) => number(v ?? base ?? 0));
  if (base === undefined) return Math.max(...counts);
  return counts.reduce((total, n) => total + n - base, number(base));
}

// agreed is a field that no rule can decide when sides changed it differently: people have to.
function agreed(values, base, name) {
  const changes = new Map(values.map((v) => [JSON.stringify(v), v]));
  changes.delete(JSON.stringify(base));
  if (changes.size > 1) throw new Error(`${name} was changed differently`);
  return changes.size === 1 ? [...changes.values()][0] : base;
}

function list(value) {
  if (!Array.isArray(value) || value.some((tag) => typeof tag !== "string")) throw new Error("tags are a list of strings");
  return value;
}

function number(value) {
  if (!Number.isSafeInteger(value)) throw new Error("visits is a whole number");
  return value;
}
