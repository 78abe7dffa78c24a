// What the helpers calculate with: `data` and where each column begins in it, `n` candles.

// The rows of a window, which the filter has not changed. `memory` holds what was calculated of them in this evaluation.
class Source {
  constructor(window, first, n) {
    const at = window.base + first;
    this.window = window;
    this.first = first;
    this.n = n;
    this.memory = [];
    this.data = window.data;
    this.open = at;
    this.high = at + CANDLES;
    this.low = at + 2 * CANDLES;
    this.close = at + 3 * CANDLES;
    this.volume = at + 4 * CANDLES;
    this.buyVolume = at + 7 * CANDLES;
  }

  openTime(index) {
    return this.window.openTimeOf(this.first + index);
  }
}

// Any array of rows: a column is read when it is first wanted.
class ReadSource {
  constructor(klines) {
    this.klines = klines;
    this.n = klines.length;
    this.memory = [];
    this.data = this.n > CANDLES ? new Float64Array(6 * this.n) : wides.take();
    this.isRead = [false, false, false, false, false, false];
  }

  column(position, cell) {
    const at = position * this.n;
    if (!this.isRead[position]) {
      const { klines, data, n } = this;
      for (let index = 0; index < n; index++) data[at + index] = parseFloat(klines[index][cell]);
      this.isRead[position] = true;
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
  if (n > 0 && n <= CANDLES) {
    for (const window of windows) {
      if (window.isPlain || window.tainted.length > 0) continue;
      const first = window.placeOf(klines, n);
      if (first >= 0) return window.source(first, n);
    }
  }
  return new ReadSource(klines);
}

function remembered(source, kind, a, b, c) {
  for (const entry of source.memory) if (entry.kind === kind && entry.a === a && entry.b === b && entry.c === c) return entry.value;
  return undefined;
}

function remember(source, kind, a, b, c, value) {
  source.memory.push({ kind, a, b, c, value });
  return value;
}

// Memory to calculate in, all of it free again when the next evaluation begins.
class Scratches {
  constructor(size, kept) {
    this.size = size;
    this.kept = kept;
    this.columns = [];
    this.taken = 0;
  }

  take() {
    if (this.taken === this.kept) return new Float64Array(this.size);
    if (this.taken === this.columns.length) this.columns.push(new Float64Array(this.size));
    return this.columns[this.taken++];
  }
}

const narrows = new Scratches(CANDLES, 64);
const wides = new Scratches(6 * CANDLES, 8);

// A column of which nothing is known yet: what does not exist is NaN.
function scratch(n) {
  return (n > CANDLES ? new Float64Array(n) : narrows.take()).fill(NaN, 0, n);
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
