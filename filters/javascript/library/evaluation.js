// Loads filters and runs them, row after row. No evaluation sees anything of another.

const CONDITIONS_LOOKED_AT = 1000;
const NO_MATCH = 0;
const PARAMETERS = ["ticker", "timeframes", "helpers", "hvnNodes"];

const compile = eval;
const CompiledFunction = Function;
const filters = new Map();
let input = null; // where the host writes the candles, tickers and symbols of some rows, and the verdicts are put
let realmNames = 0;
const pool = []; // windows, used anew for every evaluation

function load(key, code, codeToRun, intervals, widths, isTruthy) {
  new CompiledFunction(...PARAMETERS, code); // so that the code is a whole body, and what is around it stays around it
  const names = [...Object.keys(readers), ...HIDDEN].join(",");
  const bodyText = `function(${PARAMETERS}){\n${codeToRun}\n}`;
  const around = compile(`(function(${names}){let klines;return{bind(list){klines=list},body:${bodyText}}})\n//# sourceURL=filter`);
  const compiled = around(...Object.values(readers));
  freezeReachable(compiled.body);
  const readsTicker = /ticker|arguments|\\u/.test(code);
  const isPlain = intervals.map(() => false);
  filters.set(key, { bind: compiled.bind, body: compiled.body, intervals, widths, isTruthy, readsTicker, isPlain });
}

// Memory for so many windows, from now until the last rows of the pass were run.
function takeInput(windows) {
  const sizes = [COLUMNS * CANDLES * 8, 8, TICKERS * 8, SYMBOL_UNITS * 2, 1].map((size) => size * windows);
  const buffer = new ArrayBuffer(sizes.reduce((sum, size) => sum + size, 0));
  const kinds = [Float64Array, Float64Array, Float64Array, Uint16Array, Uint8Array];
  let at = 0;
  const places = kinds.map((Kind, part) => new Kind(buffer, (at += sizes[part]) - sizes[part], sizes[part] / Kind.BYTES_PER_ELEMENT));
  const [candles, openTimes, tickers, symbols, verdicts] = places;
  input = { buffer, candles, openTimes, tickers, symbols, verdicts };
  return buffer;
}

// The end of a pass, after whatever waited for promises.
function rest() {
  for (const window of pool) window.data = null;
  input.buffer.transfer(0);
  input = null;
  beginTurn();
  checkRealm();
}

function checkRealm() {
  if (!isRealmWhole(realmNames)) throw new Error("The filter closed or hid something in the global object.");
}

// Evaluates the rows that were written and gives what is to be said of them beside the verdicts, as JSON; nothing where there is nothing.
function run(key, rows) {
  const filter = filters.get(key);
  const found = { conditions: [], failures: [] };
  windows = windowsFor(filter.intervals.length);
  for (const window of windows) window.reads = 0;
  for (let row = 0; row < rows; row++) input.verdicts[row] = evaluate(filter, row, rows, found);
  windows.forEach((window, slot) => (filter.isPlain[slot] ||= window.reads > MANY_READS * rows));
  beginTurn();
  checkRealm();
  return found.conditions.length > 0 || found.failures.length > 0 ? JSON.stringify(found) : "";
}

function windowsFor(intervals) {
  while (pool.length < intervals) pool.push(new Window());
  for (const window of pool) window.data = input.candles;
  return pool.slice(0, intervals);
}

function beginTurn() {
  turn += 1;
  narrows.taken = 0;
  wides.taken = 0;
  if (nodesByKey.size > 0) nodesByKey = new Map();
  forgetGlobals();
}

function evaluate(filter, row, rows, found) {
  beginTurn();
  const timeframes = {};
  for (let slot = 0; slot < windows.length; slot++) {
    const at = slot * rows + row;
    const klines = windows[slot].begin(at * COLUMNS * CANDLES, input.openTimes[at], filter.widths[slot], filter.isPlain[slot]);
    timeframes[filter.intervals[slot]] = klines;
  }
  beginRealm(windows[0].closeTimeOf(CANDLES - 1), row);
  filter.bind(timeframes[filter.intervals[0]]);
  return judge(filter, row, found, filter.readsTicker ? tickerOf(row) : undefined, timeframes);
}

function judge(filter, row, found, ticker, timeframes) {
  const body = filter.body;
  try {
    const result = body(ticker, timeframes, helpers, []);
    const verdict = verdictOf(result, filter.isTruthy);
    if (verdict === MATCHED) noteConditions(result, row, found);
    if (verdict !== FAILED) return verdict;
    noteFailure(found, row, "contract", complaint(result), null);
  } catch (thrown) {
    noteFailure(found, row, "runtime", describe(thrown), lineOf(thrown));
  }
  return FAILED;
}

function symbolOf(row) {
  let symbol = "";
  for (let at = row * SYMBOL_UNITS; input.symbols[at] !== 0; at++) symbol += String.fromCharCode(input.symbols[at]);
  return symbol;
}

// The short names of the stream and the long ones of the requests. What is unknown is the text NaN.
function tickerOf(row) {
  const at = row * TICKERS;
  const text = (field) => decimalText(input.tickers[at + field]);
  const [s, c, o, h, l, v, q, p, w] = [symbolOf(row), text(0), text(1), text(2), text(3), text(4), text(5), text(6), text(8)];
  const [P, Q] = [fixedText(input.tickers[at + 7], 3), "NaN"];
  return {
    s, P, p, w, c, Q, o, h, l, v, q,
    symbol: s, priceChange: p, priceChangePercent: P, weightedAvgPrice: w, lastPrice: c, lastQty: Q,
    openPrice: o, highPrice: h, lowPrice: l, volume: v, quoteVolume: q,
  };
}

function beginRealm(closing, row) {
  isolated.now = closing;
  isolated.seed = closing | 0;
  for (let at = row * SYMBOL_UNITS; input.symbols[at] !== 0; at++) isolated.seed = Math.imul(isolated.seed ^ input.symbols[at], 16777619);
}

function verdictOf(result, isTruthy) {
  if (result === true) return MATCHED;
  if (!result) return NO_MATCH;
  if (isPromise(result)) return FAILED;
  if (typeof result === "object" && "match" in result) {
    if (result.match === true) return MATCHED;
    if (!result.match) return NO_MATCH;
  }
  return isTruthy ? MATCHED : FAILED;
}

function isPromise(result) {
  return typeof result === "object" && typeof result.then === "function";
}

function complaint(result) {
  if (isPromise(result)) return "The filter gave a promise. It must answer at once: leave out async and await.";
  const isObject = typeof result === "object" && !Array.isArray(result);
  const kind = isObject ? "an object without match: true or false" : Array.isArray(result) ? "an array" : `a ${typeof result}`;
  return `The filter gave ${kind}. It must give true, false or an object with match: true or false.`;
}

function noteConditions(result, row, found) {
  const given = typeof result === "object" ? result.conditions : undefined;
  if (!Array.isArray(given)) return;
  const conditions = [];
  const end = Math.min(given.length, CONDITIONS_LOOKED_AT);
  for (let index = 0; index < end && conditions.length < CONDITIONS; index++) {
    const condition = given[index];
    if (typeof condition === "string") conditions.push(condition.slice(0, CONDITION_LENGTH));
  }
  if (conditions.length > 0) found.conditions.push([row, conditions]);
}

function noteFailure(found, row, kind, message, line) {
  const same = found.failures.find((failure) => failure.kind === kind && failure.line === line && failure.message === message);
  if (same !== undefined) same.rows += 1;
  else found.failures.push({ kind, message, line, row, rows: 1 });
}

// What was thrown is the filter's: to look at it may throw again.
function describe(thrown) {
  try {
    const text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `threw ${String(thrown)}`;
    return text.slice(0, MESSAGE_LENGTH);
  } catch {
    return "threw something that cannot be shown";
  }
}

function lineOf(thrown) {
  try {
    const place = thrown instanceof Error && /\bfilter:(\d+):\d+/.exec(thrown.stack);
    return place ? Number(place[1]) - 1 : null;
  } catch {
    return null;
  }
}
