function strength(gain, loss) {
  if (loss === 0) return gain > 0 ? 100 : 50;
  return 100 - 100 / (1 + gain / loss);
}

// The last RSI, NaN where any close is none; all of them from index `period` go into `series` where one is given.
function wilder(source, period, series) {
  const { data, close, n } = source;
  let gain = 0;
  let loss = 0;
  for (let index = 1; index <= period; index++) {
    const change = data[close + index] - data[close + index - 1];
    if (change > 0) gain += change;
    else loss -= change;
  }
  gain /= period;
  loss /= period;
  if (series !== null) series[period] = strength(gain, loss);
  for (let index = period + 1; index < n; index++) {
    const change = data[close + index] - data[close + index - 1];
    gain = (gain * (period - 1) + (change > 0 ? change : 0)) / period;
    loss = (loss * (period - 1) + (change > 0 ? 0 : -change)) / period;
    if (series !== null) series[index] = strength(gain, loss);
  }
  return loss === loss ? strength(gain, loss) : NaN;
}

function rsiColumn(source, period) {
  const known = remembered(source, "rsi", period, 0, 0);
  if (known !== undefined) return known;
  const series = scratch(source.n);
  const last = wilder(source, period, series);
  return remember(source, "rsi", period, 0, 0, last === last ? series : null);
}

function hasRSI(klines, period) {
  return klines && period > 0 && klines.length >= period + 1;
}

function calculateRSI(klines, period = 14) {
  if (!hasRSI(klines, period)) return null;
  const source = sourceOf(klines);
  const series = rsiColumn(source, period);
  return series === null ? null : listed(series, source.n);
}

function getLatestRSI(klines, period = 14) {
  if (!hasRSI(klines, period)) return null;
  const source = sourceOf(klines);
  const known = remembered(source, "rsi", period, 0, 0);
  if (known !== undefined) return known === null ? null : nullable(known[source.n - 1]);
  const latest = remembered(source, "latest rsi", period, 0, 0);
  if (latest !== undefined) return nullable(latest);
  return nullable(remember(source, "latest rsi", period, 0, 0, wilder(source, period, null)));
}

// K and D of the stochastic RSI at every index from `from` on; NaN where there is none.
function stochasticRSI(source, rsi, rsiPeriod, stochPeriod, kPeriod, dPeriod, from) {
  const n = source.n;
  const raw = scratch(n);
  for (let index = Math.max(rsiPeriod + stochPeriod - 1, from - kPeriod - dPeriod + 2); index < n; index++) {
    let lowest = Infinity;
    let highest = -Infinity;
    for (let back = 0; back < stochPeriod; back++) {
      const value = rsi[index - back];
      if (value < lowest) lowest = value;
      if (value > highest) highest = value;
    }
    raw[index] = highest === lowest ? 50 : ((rsi[index] - lowest) / (highest - lowest)) * 100;
  }
  const k = trailingMeans(raw, n, kPeriod, from - dPeriod + 1);
  return { k, d: trailingMeans(k, n, dPeriod, from) };
}

function trailingMeans(values, n, period, from) {
  const means = scratch(n);
  for (let index = Math.max(period - 1, from); index < n; index++) {
    let sum = 0;
    for (let back = 0; back < period; back++) sum += values[index - back];
    means[index] = sum / period;
  }
  return means;
}

function rsiForStochastic(klines, rsiPeriod, stochPeriod, kPeriod) {
  if (!hasRSI(klines, rsiPeriod)) return null;
  const source = sourceOf(klines);
  const rsi = rsiColumn(source, rsiPeriod);
  const isLongEnough = source.n >= stochPeriod + kPeriod - 1 && source.n - rsiPeriod >= stochPeriod;
  return rsi !== null && isLongEnough ? { source, rsi } : null;
}

function stochasticItem(columns, index) {
  const d = columns.d[index];
  return d === d ? { k: columns.k[index], d } : { k: 0, d: 0 };
}

function calculateStochRSI(klines, rsiPeriod = 14, stochPeriod = 14, kPeriod = 3, dPeriod = 3) {
  const found = rsiForStochastic(klines, rsiPeriod, stochPeriod, kPeriod);
  if (found === null) return null;
  const columns = stochasticRSI(found.source, found.rsi, rsiPeriod, stochPeriod, kPeriod, dPeriod, 0);
  const list = [];
  for (let index = 0; index < found.source.n; index++) list.push(stochasticItem(columns, index));
  return list;
}

function getLatestStochRSI(klines, rsiPeriod = 14, stochPeriod = 14, kPeriod = 3, dPeriod = 3) {
  const found = rsiForStochastic(klines, rsiPeriod, stochPeriod, kPeriod);
  if (found === null) return null;
  const last = found.source.n - 1;
  for (const from of [last, 0]) {
    const columns = stochasticRSI(found.source, found.rsi, rsiPeriod, stochPeriod, kPeriod, dPeriod, from);
    for (let index = last; index >= from; index--) {
      const item = stochasticItem(columns, index);
      if (item.k !== 0 || item.d !== 0) return item;
    }
  }
  return null;
}

function isHole(value) {
  return value === null || value === undefined;
}

// Newest first: the indices at which `values` is lower (sign 1) or higher (sign -1) than both neighbours.
function extremes(values, others, first, count, sign) {
  const found = [];
  for (let index = first + count - 2; index > first; index--) {
    const [before, value, after] = [values[index - 1], values[index], values[index + 1]];
    if (isHole(before) || isHole(value) || isHole(after) || isHole(others[index])) continue;
    if (sign > 0 ? value < before && value < after : value > before && value > after) found.push(index);
  }
  return found;
}

function hasDivergence(values, others, found, separation, sign) {
  for (let newer = 0; newer < found.length; newer++) {
    for (let older = newer + 1; older < found.length; older++) {
      const [a, b] = [found[newer], found[older]];
      if (a - b < separation) continue;
      if (sign > 0 ? values[a] < values[b] && others[a] > others[b] : values[a] > values[b] && others[a] < others[b]) return true;
    }
  }
  return false;
}

function detectGenericDivergence(values, others, lookback = 30, separation = 5) {
  if (!values || !others || values.length !== others.length) return null;
  const n = values.length;
  if (n < Math.max(lookback, 2 * separation + 2)) return null;
  const count = Math.min(lookback, n);
  if (count < separation + 2) return null;
  const first = n - count;
  for (const [sign, name] of [[1, "bullish_regular"], [-1, "bearish_regular"]]) {
    if (hasDivergence(values, others, extremes(values, others, first, count, sign), separation, sign)) return name;
  }
  return null;
}

function detectRSIDivergence(klines, rsiPeriod = 14, lookback = 30, separation = 5) {
  if (!klines || klines.length < Math.max(rsiPeriod + 1, lookback, 2 * separation + 2)) return null;
  const rsi = calculateRSI(klines, rsiPeriod);
  if (rsi === null) return null;
  const { data, close, n } = sourceOf(klines);
  const closes = [];
  for (let index = 0; index < n; index++) closes.push(data[close + index]);
  return detectGenericDivergence(closes, rsi, lookback, separation);
}
