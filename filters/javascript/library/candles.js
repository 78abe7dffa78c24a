// The candles of the row under evaluation.
//
// A filter sees an array of rows of twelve cells. The rows are proxies that live as long as the isolate and make a cell's text when it is
// read; an array of them is made anew for every evaluation. Whatever is done to a row is forgotten before the next evaluation.
// Helpers recognise rows and read the numbers behind them, for as long as the filter has changed none of them.

const CANDLES = 250;
const CELLS = 12;
const CELL = Object.assign(Object.create(null), Object.fromEntries(Array.from({ length: CELLS }, (_, cell) => [String(cell), cell])));
// By cell: its column in the data; trades are a number, the others texts.
const COLUMN_OF_CELL = [-1, 0, 1, 2, 3, 4, -1, 5, 6, 7, 8, -1];
const COLUMNS = 9;
const TRADES_CELL = 8;

let turn = 0; // grows with every evaluation

class Row {
  constructor(window, index) {
    this.window = window;
    this.index = index;
    this.seen = 0; // the turn in which the target was last brought up to date
    this.isWhole = false; // every cell of the target is what it should be
    this.isTainted = false;
  }

  renew(target) {
    for (let cell = 0; cell < CELLS; cell++) target[cell] = undefined;
    this.seen = turn;
    this.isWhole = false;
  }

  complete(target) {
    if (this.seen !== turn) this.renew(target);
    if (this.isWhole) return;
    for (let cell = 0; cell < CELLS; cell++) target[cell] = this.window.cell(this.index, cell);
    this.isWhole = true;
  }

  taint(target) {
    this.complete(target);
    if (this.isTainted) return;
    this.isTainted = true;
    this.window.tainted.push(this.index);
  }

  get(target, key, receiver) {
    if (this.seen !== turn) this.renew(target);
    if (this.isWhole) return Reflect.get(target, key, receiver);
    const value = target[key];
    if (value !== undefined) return value;
    const cell = CELL[key];
    return cell === undefined ? undefined : (target[cell] = this.window.cell(this.index, cell));
  }

  getOwnPropertyDescriptor(target, key) {
    this.complete(target);
    return Reflect.getOwnPropertyDescriptor(target, key);
  }

  set(target, key, value, receiver) {
    this.taint(target);
    return Reflect.set(target, key, value, receiver);
  }

  defineProperty(target, key, descriptor) {
    this.taint(target);
    return Reflect.defineProperty(target, key, descriptor);
  }

  deleteProperty(target, key) {
    this.taint(target);
    return Reflect.deleteProperty(target, key);
  }

  setPrototypeOf(target, prototype) {
    this.taint(target);
    return Reflect.setPrototypeOf(target, prototype);
  }

  preventExtensions(target) {
    this.taint(target);
    return Reflect.preventExtensions(target);
  }
}

const rowOf = new WeakMap();

class Window {
  // The candles of one interval, at `base` in `data`: columns one after the other.
  constructor(data) {
    this.data = data;
    this.base = 0;
    this.openTime = 0;
    this.width = 0;
    this.tainted = [];
    this.sources = [];
    this.rows = [];
    for (let index = 0; index < CANDLES; index++) this.rows.push(this.makeRow(index));
  }

  makeRow(index) {
    const row = new Row(this, index);
    const proxy = new Proxy(new Array(CELLS).fill(undefined), row);
    rowOf.set(proxy, row);
    return proxy;
  }

  begin(base, openTime, width) {
    this.base = base;
    this.openTime = openTime;
    this.width = width;
    if (this.sources.length > 0) this.sources = [];
    if (this.tainted.length > 0) {
      for (const index of this.tainted) this.rows[index] = this.makeRow(index);
      this.tainted = [];
    }
  }

  cell(index, cell) {
    const column = COLUMN_OF_CELL[cell];
    if (column < 0) return this.constantCell(index, cell);
    const value = this.data[this.base + column * CANDLES + index];
    return cell === TRADES_CELL ? value : decimalText(value);
  }

  constantCell(index, cell) {
    if (cell === 11) return "0";
    const openTime = this.openTime + index * this.width;
    return cell === 0 ? openTime : openTime + this.width - 1;
  }

  source(first, count) {
    for (const known of this.sources) if (known.first === first && known.n === count) return known;
    const source = new Source(this, first, count);
    this.sources.push(source);
    return source;
  }
}

// What helpers calculate with: `data` and where each column begins in it, `n` candles. `memory` holds what was calculated already.
class Source {
  constructor(window, first, count) {
    const at = window.base + first;
    this.data = window.data;
    this.first = first;
    this.n = count;
    this.memory = [];
    this.open = at;
    this.high = at + CANDLES;
    this.low = at + 2 * CANDLES;
    this.close = at + 3 * CANDLES;
    this.volume = at + 4 * CANDLES;
    this.buyVolume = at + 7 * CANDLES;
    this.window = window;
  }

  openTime(index) {
    return this.window.openTime + (this.first + index) * this.window.width;
  }
}

// The same over any array of rows: a column is read when it is first wanted.
class ReadSource {
  constructor(klines) {
    this.klines = klines;
    this.n = klines.length;
    this.memory = [];
    this.data = new Float64Array(6 * this.n);
    this.read = [false, false, false, false, false, false];
  }

  column(position, cell) {
    const at = position * this.n;
    if (!this.read[position]) {
      for (let index = 0; index < this.n; index++) this.data[at + index] = parseFloat(this.klines[index][cell]);
      this.read[position] = true;
    }
    return at;
  }

  get open() { return this.column(0, 1); }
  get high() { return this.column(1, 2); }
  get low() { return this.column(2, 3); }
  get close() { return this.column(3, 4); }
  get volume() { return this.column(4, 5); }
  get buyVolume() { return this.column(5, 9); }

  openTime(index) {
    return this.klines[index][0];
  }
}

function sourceOf(klines) {
  const n = klines.length;
  const first = n > 0 ? rowOf.get(klines[0]) : undefined;
  if (first !== undefined && isRun(klines, first, n)) return first.window.source(first.index, n);
  return new ReadSource(klines);
}

function isRun(klines, first, n) {
  const rows = first.window.rows;
  const from = first.index;
  if (first.window.tainted.length > 0 || from + n > CANDLES) return false;
  for (let index = 0; index < n; index++) if (klines[index] !== rows[from + index]) return false;
  return true;
}

function remembered(source, kind, a, b, c) {
  for (const entry of source.memory) if (entry.kind === kind && entry.a === a && entry.b === b && entry.c === c) return entry.value;
  return undefined;
}

function remember(source, kind, a, b, c, value) {
  source.memory.push({ kind, a, b, c, value });
  return value;
}

// Columns to calculate in; all are free again when the next evaluation begins. What does not exist is NaN in them.
const SCRATCHES_KEPT = 64;
const scratches = [];
let scratchesTaken = 0;

function scratch(n) {
  if (n > CANDLES || scratchesTaken === SCRATCHES_KEPT) return new Float64Array(n).fill(NaN);
  if (scratchesTaken === scratches.length) scratches.push(new Float64Array(CANDLES));
  return scratches[scratchesTaken++].fill(NaN, 0, n);
}

function nullable(value) {
  return value === value ? value : null;
}

function listed(column, n) {
  const list = [];
  for (let index = 0; index < n; index++) list.push(nullable(column[index]));
  return list;
}

function nulls(n) {
  const list = [];
  for (let index = 0; index < n; index++) list.push(null);
  return list;
}

function lastOf(column, n) {
  for (let index = n - 1; index >= 0; index--) if (column[index] === column[index]) return column[index];
  return null;
}
