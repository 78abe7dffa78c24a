function lastMean(klines, period, of) {
  if (!klines || klines.length < period || period <= 0) return null;
  const source = sourceOf(klines);
  const data = source.data;
  const end = source[of] + source.n;
  let sum = 0;
  for (let index = end - period; index < end; index++) sum += data[index];
  return nullable(sum / period);
}

function calculateMA(klines, period) {
  return lastMean(klines, period, "close");
}

function calculateAvgVolume(klines, period) {
  return lastMean(klines, period, "volume");
}

function meanAt(source, index, period) {
  const data = source.data;
  const at = source.close + index;
  let sum = 0;
  for (let back = 0; back < period; back++) sum += data[at - back];
  return sum / period;
}

function calculateMASeries(klines, period) {
  if (!klines) return [];
  const n = klines.length;
  if (period <= 0 || n < period) return nulls(n);
  const source = sourceOf(klines);
  const list = nulls(period - 1);
  for (let index = period - 1; index < n; index++) list.push(nullable(meanAt(source, index, period)));
  return list;
}

function calculateSMA(values, period) {
  if (!values || values.length < period || period <= 0) return 0;
  let sum = 0;
  for (let index = values.length - period; index < values.length; index++) sum += values[index];
  return sum / period;
}
