// Indicators as everybody else defines them, beside the browser's of similar names: the last value, null where there is none.
// They equal TA-Lib's.

function enough(klines, candles) {
  return klines && klines.length >= candles ? sourceOf(klines) : null;
}

function trueATR(klines, period = 14) {
  const source = enough(klines, period + 1);
  if (source === null) return null;
  let average = 0;
  for (let index = 1; index <= period; index++) average += trueRange(source, index);
  average /= period;
  for (let index = period + 1; index < source.n; index++) average = (average * (period - 1) + trueRange(source, index)) / period;
  return nullable(average);
}

// Movement up and down and the true range from one candle to the next, summed the way Wilder does.
class Movement {
  constructor(source) {
    this.source = source;
    this.up = 0;
    this.down = 0;
    this.range = 0;
  }

  add(index, period) {
    const { data, high, low } = this.source;
    const up = data[high + index] - data[high + index - 1];
    const down = data[low + index - 1] - data[low + index];
    const kept = period === null ? 1 : (period - 1) / period;
    this.up = this.up * kept + (up > 0 && up > down ? up : 0);
    this.down = this.down * kept + (down > 0 && down > up ? down : 0);
    this.range = this.range * kept + trueRange(this.source, index);
  }

  // NaN while nothing moves.
  get strength() {
    const [up, down] = [(100 * this.up) / this.range, (100 * this.down) / this.range];
    return (100 * Math.abs(up - down)) / (up + down);
  }
}

function trueADX(klines, period = 14) {
  const source = enough(klines, 2 * period);
  if (source === null || sourceHasHole(source)) return null;
  const movement = new Movement(source);
  for (let index = 1; index < period; index++) movement.add(index, null);
  let adx = 0;
  for (let index = period; index < source.n; index++) {
    movement.add(index, period);
    const strength = movement.strength;
    if (index < 2 * period) adx += strength === strength ? strength / period : 0;
    else if (strength === strength) adx = (adx * (period - 1) + strength) / period;
  }
  return adx;
}

function sourceHasHole({ data, high, low, close, n }) {
  for (let index = 0; index < n; index++) {
    const sum = data[high + index] + data[low + index] + data[close + index];
    if (sum !== sum) return true;
  }
  return false;
}

function trueStochastic(klines, kPeriod = 14, smooth = 3, dPeriod = 3) {
  const source = enough(klines, kPeriod + smooth + dPeriod - 2);
  if (source === null) return { k: null, d: null };
  const { data, high, low, close, n } = source;
  const raw = scratch(n);
  for (let index = n - smooth - dPeriod + 1; index < n; index++) {
    const lowest = extreme(data, low + index + 1, kPeriod, Math.min);
    const width = extreme(data, high + index + 1, kPeriod, Math.max) - lowest;
    raw[index] = width === 0 ? 0 : ((data[close + index] - lowest) / width) * 100;
  }
  const k = trailingMeans(raw, n, smooth, n - dPeriod);
  const d = trailingMeans(k, n, dPeriod, n - 1);
  return { k: nullable(k[n - 1]), d: nullable(d[n - 1]) };
}

function trueOBV(klines) {
  const source = enough(klines, 1);
  if (source === null) return null;
  const { data, close, volume, n } = source;
  let balance = data[volume];
  for (let index = 1; index < n; index++) balance += Math.sign(data[close + index] - data[close + index - 1]) * data[volume + index];
  return nullable(balance);
}

function trueCCI(klines, period = 20) {
  const source = enough(klines, period);
  if (source === null) return null;
  const prices = [];
  for (let index = source.n - period; index < source.n; index++) prices.push(typical(source, index));
  const mean = prices.reduce((sum, price) => sum + price, 0) / period;
  const deviation = prices.reduce((sum, price) => sum + Math.abs(price - mean), 0) / period;
  const distance = prices[period - 1] - mean;
  return nullable(distance === 0 || deviation === 0 ? 0 : distance / (0.015 * deviation));
}

function trueMFI(klines, period = 14) {
  const source = enough(klines, period + 1);
  if (source === null) return null;
  let rising = 0;
  let falling = 0;
  for (let index = source.n - period; index < source.n; index++) {
    const [before, price] = [typical(source, index - 1), typical(source, index)];
    const flow = price * source.data[source.volume + index];
    if (price > before) rising += flow;
    else if (price < before) falling += flow;
    else if (before !== before || price !== price) return null;
  }
  // TA-Lib's rule for next to no trade.
  return nullable(rising + falling < 1 ? 0 : (100 * rising) / (rising + falling));
}

const DAY = 86_400_000;

function trueVWAP(klines) {
  const source = enough(klines, 1);
  if (source === null) return null;
  const last = source.openTime(source.n - 1);
  const midnight = last - (last % DAY);
  let first = source.n - 1;
  while (first > 0 && source.openTime(first - 1) >= midnight) first -= 1;
  const vwap = vwapColumn(source, first)[source.n - 1];
  return nullable(vwap);
}

function trueMACD(klines, short = 12, long = 26, signal = 9) {
  const source = enough(klines, Math.max(short, long) + signal - 1);
  if (source === null) return { macd: null, signal: null, histogram: null };
  const n = source.n;
  // Both averages begin at the same candle, as TA-Lib has it.
  const begin = Math.max(short, long);
  const fast = exponential(source.data, source.close + begin - short, n - begin + short, short);
  const slow = exponential(source.data, source.close + begin - long, n - begin + long, long);
  const line = scratch(n);
  for (let index = begin - 1; index < n; index++) line[index] = fast[index - begin + short] - slow[index - begin + long];
  const [macd, smooth] = [line[n - 1], exponential(line, 0, n, signal)[n - 1]];
  return { macd: nullable(macd), signal: nullable(smooth), histogram: nullable(macd - smooth) };
}

function trueBollingerBandWidth(klines, period = 20, stdDev = 2) {
  const source = enough(klines, period);
  if (source === null) return null;
  const mean = meanAt(source, source.n - 1, period);
  return nullable((2 * stdDev * deviationAt(source, source.n - 1, period, mean)) / mean);
}

// Klines of so many minutes each, on the grid of UTC; the first is left out where it is not whole, the last may be forming.
function trueResample(klines, minutes) {
  const width = minutes * 60_000;
  const groups = [];
  for (const kline of klines || []) {
    const openTime = kline[0] - (kline[0] % width);
    if (groups.length === 0 || groups[groups.length - 1].openTime !== openTime) groups.push({ openTime, klines: [] });
    groups[groups.length - 1].klines.push(kline);
  }
  if (groups.length > 0 && groups[0].klines[0][0] !== groups[0].openTime) groups.shift();
  return groups.map(({ openTime, klines: parts }) => joined(openTime, width, parts));
}

// A candle without trades repeats a price at which nobody traded.
function joined(openTime, width, klines) {
  const traded = klines.filter((kline) => parseFloat(kline[5]) > 0);
  const parts = traded.length > 0 ? traded : klines;
  const sum = (cell) => decimalText(klines.reduce((total, kline) => total + parseFloat(kline[cell]), 0));
  const better = (choose) => (a, b) => (choose(parseFloat(a), parseFloat(b)) === parseFloat(a) ? a : b);
  const best = (choose, cell) => parts.map((kline) => kline[cell]).reduce(better(choose));
  const trades = klines.reduce((total, kline) => total + kline[8], 0);
  return [
    openTime, parts[0][1], best(Math.max, 2), best(Math.min, 3), klines[klines.length - 1][4], sum(5),
    openTime + width - 1, sum(7), trades, sum(9), sum(10), "0",
  ];
}
