function deviationAt(source, index, period, mean) {
  const { data, close } = source;
  let sum = 0;
  for (let back = 0; back < period; back++) sum += (data[close + index - back] - mean) ** 2;
  return Math.sqrt(sum / period);
}

function calculateBollingerBands(klines, period = 20, stdDev = 2) {
  const n = klines ? klines.length : 0;
  if (n < period || period <= 0) return { upper: nulls(n), middle: nulls(n), lower: nulls(n) };
  const source = sourceOf(klines);
  const [upper, middle, lower] = [nulls(period - 1), nulls(period - 1), nulls(period - 1)];
  for (let index = period - 1; index < n; index++) {
    const mean = meanAt(source, index, period);
    const width = stdDev * deviationAt(source, index, period, mean);
    upper.push(nullable(mean + width));
    middle.push(nullable(mean));
    lower.push(nullable(mean - width));
  }
  return { upper, middle, lower };
}

function getLatestBollingerBands(klines, period = 20, stdDev = 2) {
  const n = klines ? klines.length : 0;
  if (n >= period && period > 0) {
    const source = sourceOf(klines);
    for (let index = n - 1; index >= period - 1; index--) {
      const mean = meanAt(source, index, period);
      const width = stdDev * deviationAt(source, index, period, mean);
      if (width === width) return { upper: mean + width, middle: mean, lower: mean - width };
    }
  }
  return { upper: null, middle: null, lower: null };
}

function typical({ data, high, low, close }, index) {
  return (data[high + index] + data[low + index] + data[close + index]) / 3;
}

function calculateVWAP(klines) {
  if (!klines || klines.length === 0) return 0;
  const source = sourceOf(klines);
  let [value, volume] = [0, 0];
  for (let index = 0; index < source.n; index++) {
    value += typical(source, index) * source.data[source.volume + index];
    volume += source.data[source.volume + index];
  }
  return volume > 0 ? value / volume : 0;
}

function anchorStart(n, anchor) {
  return anchor && anchor < n ? n - anchor : 0;
}

function vwapColumn(source, start) {
  const known = remembered(source, "vwap", start, 0, 0);
  if (known !== undefined) return known;
  const { data, volume, n } = source;
  const series = scratch(n);
  let [value, traded] = [0, 0];
  for (let index = start; index < n; index++) {
    const product = typical(source, index) * data[volume + index];
    if (product !== product) continue;
    value += product;
    traded += data[volume + index];
    if (traded > 0) series[index] = value / traded;
  }
  return remember(source, "vwap", start, 0, 0, series);
}

function calculateVWAPSeries(klines, anchor) {
  if (!klines || klines.length === 0) return [];
  const source = sourceOf(klines);
  return listed(vwapColumn(source, anchorStart(source.n, anchor)), source.n);
}

function getLatestVWAP(klines, anchor) {
  if (!klines || klines.length === 0) return null;
  const source = sourceOf(klines);
  return lastOf(vwapColumn(source, anchorStart(source.n, anchor)), source.n);
}

// Unweighted, around the average at `end`.
function vwapDeviation(source, start, end, vwap) {
  const { data, volume } = source;
  let [sum, count] = [0, 0];
  for (let index = start; index <= end; index++) {
    const price = typical(source, index);
    if (price !== price || data[volume + index] !== data[volume + index]) continue;
    sum += (price - vwap) ** 2;
    count += 1;
  }
  return Math.sqrt(sum / count);
}

function calculateVWAPBands(klines, anchor, multiplier = 1) {
  if (!klines || klines.length === 0) return { vwap: [], upperBand: [], lowerBand: [] };
  const source = sourceOf(klines);
  const start = anchorStart(source.n, anchor);
  const vwap = listed(vwapColumn(source, start), source.n);
  const [upperBand, lowerBand] = [nulls(source.n), nulls(source.n)];
  for (let index = start; index < source.n; index++) {
    if (vwap[index] === null) continue;
    const width = multiplier * vwapDeviation(source, start, index, vwap[index]);
    upperBand[index] = vwap[index] + width;
    lowerBand[index] = vwap[index] - width;
  }
  return { vwap, upperBand, lowerBand };
}

function getLatestVWAPBands(klines, anchor, multiplier = 1) {
  if (klines && klines.length > 0) {
    const source = sourceOf(klines);
    const start = anchorStart(source.n, anchor);
    const column = vwapColumn(source, start);
    for (let index = source.n - 1; index >= start; index--) {
      const vwap = column[index];
      if (vwap !== vwap) continue;
      const width = multiplier * vwapDeviation(source, start, index, vwap);
      return { vwap, upperBand: vwap + width, lowerBand: vwap - width };
    }
  }
  return { vwap: null, upperBand: null, lowerBand: null };
}
