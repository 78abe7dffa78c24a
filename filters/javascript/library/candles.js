// The candles of the row under evaluation.
//
// A filter sees an array of rows of twelve cells. In most filters the helpers read the numbers behind the rows, and the filter itself
// looks at a few cells: then the rows are proxies that live as long as the isolate and make the text of a cell when it is read. For a
// filter that reads many cells, plain rows with all their texts cost less. Either way the array is made anew for every evaluation, and
// whatever is done to it or to a row is forgotten before the next.

const CELLS = 12;
// By cell: its column in the data; the trades are a number, the others texts.
const COLUMN_OF_CELL = [-1, 0, 1, 2, 3, 4, -1, 5, 6, 7, 8, -1];
const MANY_READS = 500; // cells of a window that an evaluation reads; to make all its texts costs about as much

let turn = 0; // grows with every evaluation
let windows = []; // of the filter under evaluation, in the order of its intervals

class Row {
  constructor(window, index) {
    this.window = window;
    this.index = index;
    this.completed = 0; // the turn in which the target was made to hold every cell
    this.isTainted = false;
  }

  get(target, key, receiver) {
    if (this.completed === turn) return Reflect.get(target, key, receiver);
    switch (key) {
      case "0": return this.window.openTimeOf(this.index);
      case "1": return this.window.text(this.index, 0);
      case "2": return this.window.text(this.index, 1);
      case "3": return this.window.text(this.index, 2);
      case "4": return this.window.text(this.index, 3);
      case "5": return this.window.text(this.index, 4);
      case "6": return this.window.closeTimeOf(this.index);
      case "7": return this.window.text(this.index, 5);
      case "8": return this.window.number(this.index, 6);
      case "9": return this.window.text(this.index, 7);
      case "10": return this.window.text(this.index, 8);
      case "11": return "0";
      default: return Reflect.get(target, key, receiver);
    }
  }

  complete(target) {
    if (this.completed === turn) return;
    this.window.fill(target, this.index);
    this.completed = turn;
  }

  taint(target) {
    this.complete(target);
    if (this.isTainted) return;
    this.isTainted = true;
    this.window.tainted.push(this.index);
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

// The number a text in a row means, without the text where the row is as we gave it. A text of ours never means minus zero.
function ownNumber(row, cell) {
  const own = rowOf.get(row);
  return own === undefined || own.isTainted ? undefined : own.window.number(own.index, COLUMN_OF_CELL[cell]) + 0;
}

function parsedCell(row, cell) {
  const own = ownNumber(row, cell);
  return own === undefined ? parseFloat(row[cell]) : own;
}

function numberCell(row, cell) {
  const own = ownNumber(row, cell);
  return own === undefined ? Number(row[cell]) : own;
}

function plusCell(row, cell) {
  const own = ownNumber(row, cell);
  return own === undefined ? +row[cell] : own;
}

// The candles of one interval, at `base` in `data`: columns one after the other.
class Window {
  constructor() {
    this.data = null;
    this.base = 0;
    this.openTime = 0;
    this.width = 0;
    this.reads = 0;
    this.tainted = [];
    this.sources = [];
    this.proxies = [];
    for (let index = 0; index < CANDLES; index++) this.proxies.push(this.proxy(index));
    this.rows = this.proxies; // what the filter was given
  }

  proxy(index) {
    const row = new Row(this, index);
    const proxy = new Proxy(new Array(CELLS).fill(undefined), row);
    rowOf.set(proxy, row);
    return proxy;
  }

  // The klines of the next evaluation.
  begin(base, openTime, width, isPlain) {
    this.base = base;
    this.openTime = openTime;
    this.width = width;
    if (this.sources.length > 0) this.sources = [];
    if (this.tainted.length > 0) {
      for (const index of this.tainted) this.proxies[index] = this.proxy(index);
      this.tainted = [];
    }
    this.rows = isPlain ? this.plainRows() : this.proxies;
    return this.rows.slice();
  }

  get isPlain() {
    return this.rows !== this.proxies;
  }

  plainRows() {
    const rows = [];
    for (let index = 0; index < CANDLES; index++) rows.push(this.fill(new Array(CELLS), index));
    return rows;
  }

  openTimeOf(index) {
    return this.openTime + index * this.width;
  }

  closeTimeOf(index) {
    return this.openTime + (index + 1) * this.width - 1;
  }

  number(index, column) {
    return this.data[this.base + column * CANDLES + index];
  }

  text(index, column) {
    this.reads += 1;
    return decimalText(this.data[this.base + column * CANDLES + index]);
  }

  fill(row, index) {
    const { data } = this;
    const at = this.base + index;
    row[0] = this.openTimeOf(index);
    row[1] = decimalText(data[at]);
    row[2] = decimalText(data[at + CANDLES]);
    row[3] = decimalText(data[at + 2 * CANDLES]);
    row[4] = decimalText(data[at + 3 * CANDLES]);
    row[5] = decimalText(data[at + 4 * CANDLES]);
    row[6] = this.closeTimeOf(index);
    row[7] = decimalText(data[at + 5 * CANDLES]);
    row[8] = data[at + 6 * CANDLES];
    row[9] = decimalText(data[at + 7 * CANDLES]);
    row[10] = decimalText(data[at + 8 * CANDLES]);
    row[11] = "0";
    return row;
  }

  // The place in this window from which on it has the very rows of the list, or -1.
  placeOf(list, n) {
    const { rows } = this;
    const first = rows.indexOf(list[0]);
    if (first < 0 || first + n > CANDLES) return -1;
    for (let index = 1; index < n; index++) if (list[index] !== rows[first + index]) return -1;
    return first;
  }

  source(first, n) {
    for (const known of this.sources) if (known.first === first && known.n === n) return known;
    const source = new Source(this, first, n);
    this.sources.push(source);
    return source;
  }
}
