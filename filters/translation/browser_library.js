// The browser's helpers as plainly as they can be said: every number is parsed where it is wanted and nothing is remembered.
// What the engine's own library gives is compared with this.
const cells = (klines, cell) => klines.map((kline) => parseFloat(kline[cell]));
const closesOf = (klines) => cells(klines, 4).map((close) => (isNaN(close) ? null : close));
const nothing = (n) => new Array(n).fill(null);
const lastKnown = (list) => {
  for (let i = list.length - 1; i >= 0; i--) if (list[i] !== null) return list[i];
  return null;
};
const meanOfLast = (klines, period, cell) => {
  if (!klines || period <= 0 || klines.length < period) return null;
  const values = cells(klines.slice(klines.length - period), cell);
  let sum = 0;
  for (const value of values) sum += value;
  return isNaN(sum) ? null : sum / period;
};
const exponential = (values, period) => {
  const result = nothing(values.length);
  if (period <= 0 || values.length < period) return result;
  const isKnown = (value) => value !== null && !isNaN(value);
  let seed = -1;
  for (let i = period - 1; i < values.length && seed < 0; i++) if (values.slice(i - period + 1, i + 1).every(isKnown)) seed = i;
  if (seed < 0) return result;
  result[seed] = values.slice(seed - period + 1, seed + 1).reduce((sum, value) => sum + value, 0) / period;
  const weight = 2 / (period + 1);
  for (let i = seed + 1; i < values.length && result[i - 1] !== null; i++)
    if (isKnown(values[i])) result[i] = values[i] * weight + result[i - 1] * (1 - weight);
  return result;
};
const browserHelpers = {
  calculateMA: (klines, period) => meanOfLast(klines, period, 4),
  calculateMASeries: (klines, period) => {
    if (!klines) return [];
    const result = nothing(klines.length);
    if (period <= 0) return result;
    for (let i = period - 1; i < klines.length; i++) {
      let sum = 0;
      for (let j = 0; j < period; j++) sum += parseFloat(klines[i - j][4]);
      if (!isNaN(sum)) result[i] = sum / period;
    }
    return result;
  },
  calculateSMA: (values, period) => {
    if (!values || values.length < period || period <= 0) return 0;
    return values.slice(-period).reduce((sum, value) => sum + value, 0) / period;
  },
  calculateAvgVolume: (klines, period) => meanOfLast(klines, period, 5),
  calculateRSI: (klines, period = 14) => {
    if (!klines || period <= 0 || klines.length < period + 1) return null;
    const closes = cells(klines, 4);
    if (closes.some((close) => isNaN(close))) return null;
    const result = nothing(closes.length);
    let [gain, loss] = [0, 0];
    const strength = () => (loss === 0 ? (gain > 0 ? 100 : 50) : 100 - 100 / (1 + gain / loss));
    for (let i = 1; i <= period; i++) {
      const change = closes[i] - closes[i - 1];
      if (change > 0) gain += change;
      else loss -= change;
    }
    gain /= period;
    loss /= period;
    result[period] = strength();
    for (let i = period + 1; i < closes.length; i++) {
      const change = closes[i] - closes[i - 1];
      gain = (gain * (period - 1) + (change > 0 ? change : 0)) / period;
      loss = (loss * (period - 1) + (change > 0 ? 0 : -change)) / period;
      result[i] = strength();
    }
    return result;
  },
  getLatestRSI: (klines, period = 14) => {
    const strengths = browserHelpers.calculateRSI(klines, period);
    return strengths ? lastKnown(strengths) : null;
  },
  detectGenericDivergence: (first, second, lookback = 30, apart = 5) => {
    if (!first || !second || first.length !== second.length || first.length < Math.max(lookback, 2 * apart + 2)) return null;
    const [a, b] = [first.slice(-Math.min(lookback, first.length)), second.slice(-Math.min(lookback, second.length))];
    if (a.length < apart + 2) return null;
    const [valleys, peaks] = [[], []];
    for (let i = a.length - 2; i >= 1; i--) {
      if (a[i - 1] === null || a[i] === null || a[i + 1] === null || b[i] === null) continue;
      if (a[i] < a[i - 1] && a[i] < a[i + 1]) valleys.push(i);
      if (a[i] > a[i - 1] && a[i] > a[i + 1]) peaks.push(i);
    }
    for (const late of valleys) for (const early of valleys) if (late - early >= apart && a[late] < a[early] && b[late] > b[early]) return "bullish_regular";
    for (const late of peaks) for (const early of peaks) if (late - early >= apart && a[late] > a[early] && b[late] < b[early]) return "bearish_regular";
    return null;
  },
  detectRSIDivergence: (klines, period = 14, lookback = 30, apart = 5) => {
    if (!klines || klines.length < Math.max(period + 1, lookback, 2 * apart + 2)) return null;
    const [closes, strengths] = [closesOf(klines), browserHelpers.calculateRSI(klines, period)];
    if (!strengths || closes.slice(-lookback).includes(null)) return null;
    return browserHelpers.detectGenericDivergence(closes, strengths, lookback, apart);
  },
  calculateStochRSI: (klines, rsiPeriod = 14, stochPeriod = 14, kPeriod = 3, dPeriod = 3) => {
    const strengths = browserHelpers.calculateRSI(klines, rsiPeriod);
    if (!strengths || strengths.length < stochPeriod + kPeriod - 1) return null;
    const places = strengths.map((_, i) => i).filter((i) => strengths[i] !== null);
    if (places.length < stochPeriod) return null;
    const raw = nothing(strengths.length);
    for (let j = stochPeriod - 1; j < places.length; j++) {
      const window = places.slice(j - stochPeriod + 1, j + 1).map((i) => strengths[i]);
      const [low, high] = [Math.min(...window), Math.max(...window)];
      raw[places[j]] = high === low ? 50 : ((strengths[places[j]] - low) / (high - low)) * 100;
    }
    const smooth = (values, period) =>
      values.map((_, i) => {
        let sum = 0;
        for (let j = 0; j < period; j++) {
          if (i < j || values[i - j] === null) return null;
          sum += values[i - j];
        }
        return sum / period;
      });
    const k = smooth(raw, kPeriod);
    const d = smooth(k, dPeriod);
    return k.map((value, i) => (d[i] === null ? { k: 0, d: 0 } : { k: value, d: d[i] }));
  },
  getLatestStochRSI: (...given) => {
    const list = browserHelpers.calculateStochRSI(...given) || [];
    for (let i = list.length - 1; i >= 0; i--) if (list[i].k !== 0 || list[i].d !== 0) return list[i];
    return null;
  },
  calculateEMASeries: (klines, period) => (klines ? exponential(closesOf(klines), period) : []),
  getLatestEMA: (klines, period) => lastKnown(browserHelpers.calculateEMASeries(klines, period)),
  calculateEMA: (values, period) => {
    if (!values || values.length < period || period <= 0) return 0;
    const weight = 2 / (period + 1);
    let average = values[0];
    for (let i = 1; i < values.length; i++) average = values[i] * weight + average * (1 - weight);
    return average;
  },
  calculateMACDValues: (klines, short = 12, long = 26, signal = 9) => {
    const n = klines ? klines.length : 0;
    if (n < Math.max(short, long, signal)) return { macdLine: nothing(n), signalLine: nothing(n), histogram: nothing(n) };
    const [fast, slow] = [exponential(closesOf(klines), short), exponential(closesOf(klines), long)];
    const macdLine = fast.map((value, i) => (value === null || slow[i] === null ? null : value - slow[i]));
    const signalLine = exponential(macdLine, signal);
    return { macdLine, signalLine, histogram: macdLine.map((value, i) => (value === null || signalLine[i] === null ? null : value - signalLine[i])) };
  },
  getLatestMACD: (...given) => {
    const { macdLine, signalLine, histogram } = browserHelpers.calculateMACDValues(...given);
    return { macd: lastKnown(macdLine), signal: lastKnown(signalLine), histogram: lastKnown(histogram) };
  },
  calculateMACD: (closes, short = 12, long = 26, signalPeriod = 9) => {
    if (!closes || closes.length < long) return { MACD: 0, signal: 0, histogram: 0 };
    const upTo = (end) => browserHelpers.calculateEMA(closes.slice(0, end), short) - browserHelpers.calculateEMA(closes.slice(0, end), long);
    const line = [];
    for (let end = long; end <= closes.length; end++) line.push(upTo(end));
    const MACD = line[line.length - 1];
    const signal = browserHelpers.calculateEMA(line, signalPeriod);
    return { MACD, signal, histogram: line.length < signalPeriod ? MACD : MACD - signal };
  },
  calculateADX: (klines, period = 14) => {
    if (!klines || klines.length < 2 * period) return 0;
    const [highs, lows, closes] = [cells(klines, 2), cells(klines, 3), cells(klines, 4)];
    let [ranges, prices] = [0, 0];
    for (let i = klines.length - period; i < klines.length; i++) {
      ranges += Math.max(highs[i] - lows[i], Math.abs(highs[i] - closes[i - 1]), Math.abs(lows[i] - closes[i - 1]));
      prices += closes[i];
    }
    return Math.min(100, Math.max(0, (ranges / period / (prices / period)) * 100 * 10));
  },
  calculateStochastic: (klines, period = 14) => {
    if (!klines || klines.length < period) return { k: 0, d: 0 };
    const recent = klines.slice(klines.length - period);
    const [high, low] = [Math.max(...cells(recent, 2)), Math.min(...cells(recent, 3))];
    const k = high > low ? ((parseFloat(klines[klines.length - 1][4]) - low) / (high - low)) * 100 : 50;
    return { k, d: k * 0.9 };
  },
  getHighestHigh: (klines, period) => {
    if (!klines || period <= 0 || klines.length < period) return null;
    const highest = Math.max(...cells(klines.slice(klines.length - period), 2));
    return isNaN(highest) ? null : highest;
  },
  getLowestLow: (klines, period) => {
    if (!klines || period <= 0 || klines.length < period) return null;
    const lowest = Math.min(...cells(klines.slice(klines.length - period), 3));
    return isNaN(lowest) ? null : lowest;
  },
  detectEngulfingPattern: (klines) => {
    if (!klines || klines.length < 3) return null;
    const [, o, , , c] = klines[klines.length - 2].map(parseFloat);
    const [, po, , , pc] = klines[klines.length - 3].map(parseFloat);
    if (pc < po && c > o && o < pc && c > po) return "bullish";
    return pc > po && c < o && o > pc && c < po ? "bearish" : null;
  },
  calculatePVISeries: (klines, initial = 1000) => {
    if (!klines || klines.length === 0) return [];
    const [closes, volumes] = [cells(klines, 4), cells(klines, 5)];
    const result = nothing(klines.length);
    result[0] = initial;
    for (let i = 1; i < klines.length && result[i - 1] !== null; i++) {
      if ([closes[i], closes[i - 1], volumes[i], volumes[i - 1]].some((value) => isNaN(value))) break;
      if (volumes[i] <= volumes[i - 1]) result[i] = result[i - 1];
      else if (closes[i - 1] !== 0) result[i] = result[i - 1] + ((closes[i] - closes[i - 1]) / closes[i - 1]) * result[i - 1];
    }
    return result;
  },
  getLatestPVI: (klines, initial = 1000) => lastKnown(browserHelpers.calculatePVISeries(klines, initial)),
  calculateHighVolumeNodes: (klines, options = {}) => {
    const { bins = 30, threshold = 70, lookback = 250, minStrength = 50, peakTolerance = 0.05 } = options;
    if (!klines || klines.length === 0) return [];
    const recent = klines.slice(-lookback).map((kline) => kline.map(parseFloat));
    const lows = recent.map((k) => k[3]).filter((value) => !isNaN(value));
    const highs = recent.map((k) => k[2]).filter((value) => !isNaN(value));
    if (lows.length === 0 || highs.length === 0) return [];
    const [bottom, top] = [Math.min(...lows), Math.max(...highs)];
    if (bottom >= top) return [];
    const size = (top - bottom) / bins;
    const [traded, bought] = [new Array(bins).fill(0), new Array(bins).fill(0)];
    for (const [, o, h, l, c, v, , , , buy] of recent) {
      if ([o, h, l, c, v].some((value) => isNaN(value))) continue;
      const first = Math.floor((Math.min(o, c, l) - bottom) / size);
      const last = Math.floor((Math.max(o, c, h) - bottom) / size);
      const span = Math.max(1, last - first + 1);
      for (let bin = Math.max(0, first); bin <= Math.min(bins - 1, last); bin++) {
        traded[bin] += v / span;
        bought[bin] += (isNaN(buy) ? 0 : buy) / span;
      }
    }
    const least = [...traded].sort((a, b) => a - b)[Math.floor((threshold / 100) * bins)] || 0;
    const most = Math.max(...traded);
    const nodes = [];
    traded.forEach((volume, bin) => {
      const isPeak = volume > (traded[bin - 1] || 0) * (1 + peakTolerance) && volume > (traded[bin + 1] || 0) * (1 + peakTolerance);
      const strength = (volume / most) * 100;
      if (!(volume >= least && volume > 0 && isPeak && strength >= minStrength)) return;
      const low = bottom + bin * size;
      const range = [low, low + size];
      nodes.push({ price: (range[0] + range[1]) / 2, volume, buyVolume: bought[bin], sellVolume: volume - bought[bin], strength, priceRange: range });
    });
    return nodes.sort((a, b) => b.strength - a.strength);
  },
  isNearHVN: (price, nodes, tolerance = 0.5) => {
    if (!nodes || nodes.length === 0 || isNaN(price)) return false;
    return nodes.some((node) => Math.abs(price - node.price) <= (price * tolerance) / 100);
  },
  getClosestHVN: (price, nodes, direction = "both") => {
    if (!nodes || nodes.length === 0 || isNaN(price)) return null;
    const fits = (node) => direction === "both" || (direction === "above" ? node.price >= price : node.price <= price);
    const fitting = nodes.filter(fits);
    if (fitting.length === 0) return null;
    return fitting.reduce((best, node) => (Math.abs(node.price - price) < Math.abs(best.price - price) ? node : best));
  },
  countHVNInRange: (low, high, nodes) => {
    if (!nodes || nodes.length === 0 || isNaN(low) || isNaN(high)) return 0;
    return nodes.filter((node) => node.price >= low && node.price <= high).length;
  },
  clearHVNCache: () => {},
  calculateBollingerBands: (klines, period = 20, width = 2) => {
    const n = klines ? klines.length : 0;
    if (n < period || period <= 0 || n === 0) return { upper: nothing(n), middle: nothing(n), lower: nothing(n) };
    const middle = browserHelpers.calculateMASeries(klines, period);
    const closes = cells(klines, 4);
    const deviations = middle.map((mean, i) => {
      if (mean === null) return null;
      let sum = 0;
      for (let j = i - period + 1; j <= i; j++) sum += Math.pow(closes[j] - mean, 2);
      return Math.sqrt(sum / period);
    });
    const at = (sign) => middle.map((mean, i) => (mean === null ? null : mean + sign * width * deviations[i]));
    return { upper: at(1), middle, lower: at(-1) };
  },
  getLatestBollingerBands: (...given) => {
    const { upper, middle, lower } = browserHelpers.calculateBollingerBands(...given);
    for (let i = middle.length - 1; i >= 0; i--)
      if (upper[i] !== null && middle[i] !== null && lower[i] !== null) return { upper: upper[i], middle: middle[i], lower: lower[i] };
    return { upper: null, middle: null, lower: null };
  },
  calculateVWAP: (klines) => {
    let [traded, volumes] = [0, 0];
    for (const kline of klines || []) {
      const [, , h, l, c, v] = kline.map(parseFloat);
      traded += ((h + l + c) / 3) * v;
      volumes += v;
    }
    return volumes > 0 ? traded / volumes : 0;
  },
  calculateVWAPSeries: (klines, anchor) => {
    if (!klines || klines.length === 0) return [];
    const result = nothing(klines.length);
    let [traded, volumes] = [0, 0];
    for (let i = anchor && anchor < klines.length ? klines.length - anchor : 0; i < klines.length; i++) {
      const [, , h, l, c, v] = klines[i].map(parseFloat);
      if (isNaN(h + l + c + v)) continue;
      traded += ((h + l + c) / 3) * v;
      volumes += v;
      if (volumes > 0) result[i] = traded / volumes;
    }
    return result;
  },
  getLatestVWAP: (klines, anchor) => lastKnown(browserHelpers.calculateVWAPSeries(klines, anchor)),
  calculateVWAPBands: (klines, anchor, width = 1) => {
    const vwap = browserHelpers.calculateVWAPSeries(klines, anchor);
    const start = anchor && anchor < vwap.length ? vwap.length - anchor : 0;
    const deviations = vwap.map((average, i) => {
      if (average === null) return null;
      let [sum, count] = [0, 0];
      for (let j = start; j <= i; j++) {
        const [, , h, l, c] = klines[j].map(parseFloat);
        if (isNaN(h + l + c)) continue;
        sum += Math.pow((h + l + c) / 3 - average, 2);
        count += 1;
      }
      return Math.sqrt(sum / count);
    });
    const at = (sign) => vwap.map((average, i) => (average === null ? null : average + sign * width * deviations[i]));
    return { vwap, upperBand: at(1), lowerBand: at(-1) };
  },
  getLatestVWAPBands: (...given) => {
    const { vwap, upperBand, lowerBand } = browserHelpers.calculateVWAPBands(...given);
    for (let i = vwap.length - 1; i >= 0; i--)
      if (vwap[i] !== null) return { vwap: vwap[i], upperBand: upperBand[i], lowerBand: lowerBand[i] };
    return { vwap: null, upperBand: null, lowerBand: null };
  },
};
