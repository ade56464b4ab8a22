// Profiles as JSON documents: each field is merged by its own rule, with the base where there is one. See README.md.
const rules = new Map([["tags", union], ["visits", sum], ["email", agreed]]);

export default function profile(c) {
  if (c.versions.some((v) => v.deleted)) return c.keep();
  const sides = c.versions.map(document);
  const base = c.base && !c.base.deleted ? document(c.base) : Object.create(null);
  const merged = Object.create(null);
  for (const name of [...new Set(sides.flatMap(Object.keys))].sort()) {
    const value = (rules.get(name) ?? latest)(sides.map((s) => s[name]), base[name], name);
    if (value !== undefined) merged[name] = value;
  }
  return c.setJSON(merged);
}

// document is the object in a version, without a prototype, so that a field may have any name.
function document(v) {
  const value = v.json();
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("a profile is a JSON object");
  return Object.assign(Object.create(null), value);
}

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// latest is the newest value that differs from the base: a side that left the field alone has no say.
function latest(values, base) {
  const changed = values.filter((v) => !same(v, base));
  return changed.length > 0 ? changed.at(-1) : base;
}

// union has what some side has and no side has removed since the base.
function union(values, base = []) {
  const lists = values.map((v) => list(v ?? []));
  const removed = list(base).filter((tag) => lists.some((l) => !l.includes(tag)));
  return [...new Set(lists.flat())].filter((tag) => !removed.includes(tag)).sort();
}

// sum adds what each side has added to the base.
function sum(values, base = 0) {
  return values.reduce((total, v) => total + number(v ?? base) - number(base), number(base));
}

// agreed is a field that no rule can decide when sides changed it differently: people have to.
function agreed(values, base, name) {
  const value = latest(values, base);
  if (values.some((v) => !same(v, base) && !same(v, value))) throw new Error(`${name} was changed differently`);
  return value;
}

function list(value) {
  if (!Array.isArray(value) || value.some((tag) => typeof tag !== "string")) throw new Error("tags are a list of strings");
  return value;
}

function number(value) {
  if (!Number.isSafeInteger(value)) throw new Error("visits is a whole number");
  return value;
}
