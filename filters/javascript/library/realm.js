// The world a filter runs in: the language itself, a clock that stands still, nothing that tells one run from another, nothing to change.

const GlobalDate = Date;
const globalPrototype = Object.getPrototypeOf(globalThis);
const isolated = { now: 0, seed: 0 }; // set for each evaluation; seed 0: not drawn from yet
const ABSENT = ["Atomics", "FinalizationRegistry", "SharedArrayBuffer", "Temporal", "WeakRef", "WebAssembly", "eval"];
const OF_THE_HOST = ["__timer_manager", "clearTimeout", "setTimeout"]; // they cannot be deleted

function PatchedDate(...parts) {
  if (new.target === undefined) return new GlobalDate(isolated.now).toString();
  return Reflect.construct(GlobalDate, parts.length === 0 ? [isolated.now] : parts, new.target);
}

function standStill() {
  Object.defineProperty(PatchedDate, "name", { value: "Date" });
  Object.defineProperty(PatchedDate, "length", { value: 7 });
  Object.defineProperty(PatchedDate, "prototype", { value: GlobalDate.prototype });
  for (const name of ["parse", "UTC"]) hide(PatchedDate, name, GlobalDate[name]);
  hide(PatchedDate, "now", () => isolated.now);
  hide(GlobalDate.prototype, "constructor", PatchedDate);
  hide(globalThis, "Date", PatchedDate);
  delete Intl.DateTimeFormat; // it formats the true time when it is given none
}

// mulberry32, begun anew for every symbol and candle.
function repeatableRandom() {
  isolated.seed = (isolated.seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(isolated.seed ^ (isolated.seed >>> 15), 1 | isolated.seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}

function hide(holder, name, value) {
  Object.defineProperty(holder, name, { value, writable: true, configurable: true, enumerable: false });
}

function silentConsole() {
  const silent = Object.create(Object.prototype);
  for (const name of Object.getOwnPropertyNames(console)) if (typeof console[name] === "function") silent[name] = function () {};
  return silent;
}

// Code made of texts would be code that nobody checked.
function forbidCodeFromTexts() {
  const kinds = [function () {}, async function () {}, function* () {}, async function* () {}];
  for (const kind of kinds) {
    const prototype = Object.getPrototypeOf(kind);
    const refused = function Function() {
      throw new EvalError("A filter cannot make code from text.");
    };
    Object.defineProperty(refused, "prototype", { value: prototype });
    Object.defineProperty(prototype, "constructor", { value: refused, writable: true, configurable: true });
    if (prototype === Function.prototype) hide(globalThis, "Function", refused);
  }
}

// What the last match of any expression was would be remembered from one evaluation to the next.
function forgetMatches() {
  for (const name of Object.getOwnPropertyNames(RegExp)) {
    const { get, configurable } = Object.getOwnPropertyDescriptor(RegExp, name);
    if (get !== undefined && configurable) delete RegExp[name];
  }
}

// A frozen prototype would keep objects that inherit from it from having a property of the same name by assignment.
function allowOverriding(prototype) {
  for (const key of Reflect.ownKeys(prototype)) {
    const descriptor = Object.getOwnPropertyDescriptor(prototype, key);
    if (!("value" in descriptor) || !descriptor.configurable) continue;
    const { value } = descriptor;
    Object.defineProperty(prototype, key, { get: () => value, set: overrider(prototype, key), configurable: false, enumerable: false });
  }
}

function overrider(prototype, key) {
  return function (value) {
    if (this === prototype || Object(this) !== this) return;
    Object.defineProperty(this, key, { value, writable: true, configurable: true, enumerable: true });
  };
}

function freezeReachable(...roots) {
  const seen = new Set();
  const waiting = [...roots];
  while (waiting.length > 0) {
    const object = waiting.pop();
    if (Object(object) !== object || seen.has(object) || object === globalThis) continue;
    seen.add(object);
    waiting.push(Object.getPrototypeOf(object));
    for (const key of Reflect.ownKeys(object)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(object, key);
      waiting.push(value, get, set);
    }
    Object.freeze(object);
  }
}

// Objects of the language that no name leads to.
function unnamed() {
  return [
    async function () {}, function* () {}, async function* () {}, (function* () {})(), (async function* () {})(),
    [][Symbol.iterator](), ""[Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), "".matchAll(/./g),
  ];
}

function closeRealm() {
  for (const name of ABSENT) delete globalThis[name];
  for (const name of OF_THE_HOST) globalThis[name] = undefined;
  standStill();
  hide(Math, "random", repeatableRandom);
  hide(globalThis, "console", silentConsole());
  forbidCodeFromTexts();
  forgetMatches();
  const values = Reflect.ownKeys(globalThis).map((name) => globalThis[name]);
  const errors = values.filter((value) => typeof value === "function" && value.prototype instanceof Error);
  for (const { prototype } of [Object, Error, ...errors]) allowOverriding(prototype);
  const names = Reflect.ownKeys(globalThis);
  freezeReachable(...names.map((name) => globalThis[name]), ...unnamed(), globalPrototype, __TimerManager);
  for (const name of names) fix(name);
  return names.length;
}

function fix(name) {
  const { value, configurable } = Object.getOwnPropertyDescriptor(globalThis, name);
  const fixed = configurable ? { value, writable: false, configurable: false, enumerable: false } : { writable: false };
  Object.defineProperty(globalThis, name, fixed);
}

// Properties that code without `use strict` made by assigning to names it never declared.
function forgetGlobals() {
  const names = Object.keys(globalThis);
  if (names.length > OF_THE_HOST.length) for (const name of names) Reflect.deleteProperty(globalThis, name);
  for (const symbol of Object.getOwnPropertySymbols(globalThis)) Reflect.deleteProperty(globalThis, symbol);
}

function isRealmWhole(names) {
  const isOpen = Object.isExtensible(globalThis) && Object.getPrototypeOf(globalThis) === globalPrototype;
  return isOpen && Reflect.ownKeys(globalThis).length === names;
}
