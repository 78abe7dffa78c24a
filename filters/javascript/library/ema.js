// The mean of the first `period` values in a row that exist, then exponential; a hole after that is for ever.
function exponential(data, at, n, period) {
  const series = scratch(n);
  if (!(period > 0)) return series;
  const seed = seedIndex(data, at, n, period);
  if (seed < 0) return series;
  let mean = 0;
  for (let index = seed - period + 1; index <= seed; index++) mean += data[at + index];
  mean /= period;
  const weight = 2 / (period + 1);
  series[seed] = mean;
  for (let index = seed + 1; index < n; index++) {
    mean = data[at + index] * weight + mean * (1 - weight);
    series[index] = mean;
  }
  return series;
}

function seedIndex(data, at, n, period) {
  let run = 0;
  for (let index = 0; index < n; index++) {
    run = data[at + index] === data[at + index] ? run + 1 : 0;
    if (run === period) return index;
  }
  return -1;
}

function emaColumn(source, period) {
  const known = remembered(source, "ema", period, 0, 0);
  return known !== undefined ? known : remember(source, "ema", period, 0, 0, exponential(source.data, source.close, source.n, period));
}

function calculateEMASeries(klines, period) {
  if (!klines) return [];
  const source = sourceOf(klines);
  return listed(emaColumn(source, period), source.n);
}

function getLatestEMA(klines, period) {
  if (!klines) return null;
  const source = sourceOf(klines);
  return lastOf(emaColumn(source, period), source.n);
}

function calculateEMA(values, period) {
  if (!values || values.length < period || period <= 0) return 0;
  const weight = 2 / (period + 1);
  let mean = values[0];
  for (let index = 1; index < values.length; index++) mean = values[index] * weight + mean * (1 - weight);
  return mean;
}

function macdColumns(klines, short, long, signal) {
  const source = sourceOf(klines);
  const known = remembered(source, "macd", short, long, signal);
  if (known !== undefined) return known;
  const n = source.n;
  const [fast, slow, macd] = [emaColumn(source, short), emaColumn(source, long), scratch(n)];
  for (let index = 0; index < n; index++) macd[index] = fast[index] - slow[index];
  const smooth = exponential(macd, 0, n, signal);
  const histogram = scratch(n);
  for (let index = 0; index < n; index++) histogram[index] = macd[index] - smooth[index];
  return remember(source, "macd", short, long, signal, { macd, signal: smooth, histogram });
}

function calculateMACDValues(klines, short = 12, long = 26, signal = 9) {
  const n = klines ? klines.length : 0;
  if (n < Math.max(short, long, signal)) return { macdLine: nulls(n), signalLine: nulls(n), histogram: nulls(n) };
  const columns = macdColumns(klines, short, long, signal);
  return { macdLine: listed(columns.macd, n), signalLine: listed(columns.signal, n), histogram: listed(columns.histogram, n) };
}

function getLatestMACD(klines, short = 12, long = 26, signal = 9) {
  const n = klines ? klines.length : 0;
  if (n < Math.max(short, long, signal)) return { macd: null, signal: null, histogram: null };
  const columns = macdColumns(klines, short, long, signal);
  return { macd: lastOf(columns.macd, n), signal: lastOf(columns.signal, n), histogram: lastOf(columns.histogram, n) };
}

// What calculateEMA gives for every beginning of `values`, one after the other.
function runningEMA(values, period) {
  const weight = 2 / (period + 1);
  const series = [];
  let mean = values[0];
  for (let index = 0; index < values.length; index++) {
    if (index > 0) mean = values[index] * weight + mean * (1 - weight);
    series.push(index + 1 < period || period <= 0 ? 0 : mean);
  }
  return series;
}

function calculateMACD(closes, short = 12, long = 26, signal = 9) {
  if (!closes || closes.length < long) return { MACD: 0, signal: 0, histogram: 0 };
  const [fast, slow] = [runningEMA(closes, short), runningEMA(closes, long)];
  const differences = [];
  for (let index = long - 1; index < closes.length; index++) differences.push(fast[index] - slow[index]);
  const MACD = differences[differences.length - 1];
  const smooth = calculateEMA(differences, signal);
  return { MACD, signal: smooth, histogram: MACD - smooth };
}
