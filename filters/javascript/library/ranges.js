function trueRange(source, index) {
  const { data, high, low, close } = source;
  const before = data[close + index - 1];
  return Math.max(data[high + index] - data[low + index], Math.abs(data[high + index] - before), Math.abs(data[low + index] - before));
}

// Not the ADX: the average true range in per mille of the price.
function calculateADX(klines, period = 14) {
  if (!klines || klines.length < 2 * period) return 0;
  const source = sourceOf(klines);
  let ranges = 0;
  let closes = 0;
  for (let index = source.n - period; index < source.n; index++) {
    ranges += trueRange(source, index);
    closes += source.data[source.close + index];
  }
  return Math.min(100, Math.max(0, (ranges / period / (closes / period)) * 100 * 10));
}

function extreme(data, end, period, choose) {
  let found = data[end - period];
  for (let index = end - period + 1; index < end; index++) found = choose(found, data[index]);
  return found;
}

function calculateStochastic(klines, kPeriod = 14) {
  if (!klines || klines.length < kPeriod) return { k: 0, d: 0 };
  const { data, high, low, close, n } = sourceOf(klines);
  const highest = extreme(data, high + n, kPeriod, Math.max);
  const lowest = extreme(data, low + n, kPeriod, Math.min);
  const k = highest > lowest ? ((data[close + n - 1] - lowest) / (highest - lowest)) * 100 : 50;
  return { k, d: k * 0.9 };
}

function getHighestHigh(klines, period) {
  if (!klines || klines.length < period || period <= 0) return null;
  const { data, high, n } = sourceOf(klines);
  return nullable(extreme(data, high + n, period, Math.max));
}

function getLowestLow(klines, period) {
  if (!klines || klines.length < period || period <= 0) return null;
  const { data, low, n } = sourceOf(klines);
  return nullable(extreme(data, low + n, period, Math.min));
}

function detectEngulfingPattern(klines) {
  if (!klines || klines.length < 3) return null;
  const { data, open, close, n } = sourceOf(klines);
  const [opened, closed, openedBefore, closedBefore] = [data[open + n - 2], data[close + n - 2], data[open + n - 3], data[close + n - 3]];
  if (closedBefore < openedBefore && closed > opened && opened < closedBefore && closed > openedBefore) return "bullish";
  if (closedBefore > openedBefore && closed < opened && opened > closedBefore && closed < openedBefore) return "bearish";
  return null;
}

function positiveVolume(klines, initial) {
  const { data, close, volume, n } = sourceOf(klines);
  const series = scratch(n);
  series[0] = initial;
  for (let index = 1; index < n; index++) {
    const [was, is] = [data[close + index - 1], data[close + index]];
    const [volumeWas, volumeIs] = [data[volume + index - 1], data[volume + index]];
    if (was !== was || is !== is || volumeWas !== volumeWas || volumeIs !== volumeIs) break;
    if (volumeIs > volumeWas && was === 0) break;
    series[index] = volumeIs > volumeWas ? series[index - 1] + ((is - was) / was) * series[index - 1] : series[index - 1];
  }
  return series;
}

function calculatePVISeries(klines, initial = 1000) {
  if (!klines || klines.length === 0) return [];
  return listed(positiveVolume(klines, initial), klines.length);
}

function getLatestPVI(klines, initial = 1000) {
  if (!klines || klines.length === 0) return null;
  return lastOf(positiveVolume(klines, initial), klines.length);
}
