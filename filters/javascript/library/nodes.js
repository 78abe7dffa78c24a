let nodesByKey = new Map(); // within one evaluation; the browser kept them for 60 s, whatever the symbol

function clearHVNCache(key) {
  if (key) nodesByKey.delete(key);
  else nodesByKey.clear();
}

function calculateHighVolumeNodes(
  klines,
  { bins = 30, threshold = 70, lookback = 250, minStrength = 50, peakTolerance = 0.05, cacheKey } = {},
) {
  if (cacheKey && nodesByKey.has(cacheKey)) return nodesByKey.get(cacheKey);
  if (!klines || klines.length === 0) return [];
  const nodes = nodesOf(sourceOf(klines.slice(-lookback)), bins, threshold, minStrength, peakTolerance);
  if (cacheKey) nodesByKey.set(cacheKey, nodes);
  return nodes;
}

function nodesOf(source, bins, threshold, minStrength, peakTolerance) {
  const { lowest, highest } = priceRange(source);
  if (!(lowest < highest)) return [];
  const size = (highest - lowest) / bins;
  const { volumes, buyVolumes } = volumeByBin(source, bins, lowest, size);
  const sorted = volumes.slice().sort();
  const limit = sorted[Math.floor((threshold / 100) * bins)] ?? 0;
  const most = sorted[bins - 1];
  const nodes = [];
  for (let bin = 0; bin < bins; bin++) {
    const volume = volumes[bin];
    const strength = (volume / most) * 100;
    if (volume >= limit && volume > 0 && isPeak(volumes, bin, 1 + peakTolerance) && strength >= minStrength) {
      const from = lowest + bin * size;
      const to = from + size;
      const [price, buyVolume] = [(from + to) / 2, buyVolumes[bin]];
      nodes.push({ price, volume, buyVolume, sellVolume: volume - buyVolume, strength, priceRange: [from, to] });
    }
  }
  return nodes.sort((a, b) => b.strength - a.strength);
}

function priceRange({ data, high, low, n }) {
  let lowest = Infinity;
  let highest = -Infinity;
  for (let index = 0; index < n; index++) {
    if (data[low + index] < lowest) lowest = data[low + index];
    if (data[high + index] > highest) highest = data[high + index];
  }
  return { lowest, highest };
}

// The order of operations decides into which bin a candle at an edge falls. The share of a bin above the last is lost.
function volumeByBin({ data, open, high, low, close, volume, buyVolume, n }, bins, lowest, size) {
  const volumes = new Float64Array(bins);
  const buyVolumes = new Float64Array(bins);
  for (let index = 0; index < n; index++) {
    const bottom = Math.min(data[open + index], data[close + index], data[low + index]);
    const top = Math.max(data[open + index], data[close + index], data[high + index]);
    const traded = data[volume + index];
    if (bottom !== bottom || top !== top || traded !== traded) continue;
    const from = Math.floor((bottom - lowest) / size);
    const to = Math.floor((top - lowest) / size);
    const span = Math.max(1, to - from + 1);
    const share = traded / span;
    const bought = data[buyVolume + index] / span;
    const last = Math.min(bins - 1, to);
    for (let bin = Math.max(0, from); bin <= last; bin++) {
      volumes[bin] += share;
      if (bought === bought) buyVolumes[bin] += bought;
    }
  }
  return { volumes, buyVolumes };
}

function isPeak(volumes, bin, factor) {
  const left = bin > 0 ? volumes[bin - 1] : 0;
  const right = bin < volumes.length - 1 ? volumes[bin + 1] : 0;
  return volumes[bin] > left * factor && volumes[bin] > right * factor;
}

function isNearHVN(price, nodes, tolerance = 0.5) {
  if (!nodes || nodes.length === 0 || isNaN(price)) return false;
  return nodes.some((node) => Math.abs(price - node.price) <= (price * tolerance) / 100);
}

function getClosestHVN(price, nodes, direction = "both") {
  if (!nodes || nodes.length === 0 || isNaN(price)) return null;
  let closest = null;
  for (const node of nodes) {
    if ((direction === "above" && !(node.price >= price)) || (direction === "below" && !(node.price <= price))) continue;
    if (closest === null || Math.abs(node.price - price) < Math.abs(closest.price - price)) closest = node;
  }
  return closest;
}

function countHVNInRange(low, high, nodes) {
  if (!nodes || nodes.length === 0 || isNaN(low) || isNaN(high)) return 0;
  return nodes.filter((node) => node.price >= low && node.price <= high).length;
}
