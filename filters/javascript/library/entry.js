// What filters are given, and what the host calls. The names of the latter mean nothing inside a filter.

const helpers = {
  calculateMA, calculateMASeries, calculateSMA, calculateAvgVolume, calculateRSI, getLatestRSI,
  detectGenericDivergence, detectRSIDivergence,
  calculateStochRSI, getLatestStochRSI, calculateEMASeries, getLatestEMA, calculateEMA, calculateMACDValues, getLatestMACD, calculateMACD,
  calculateADX, calculateStochastic, getHighestHigh, getLowestLow, detectEngulfingPattern, calculatePVISeries, getLatestPVI,
  calculateHighVolumeNodes, isNearHVN, getClosestHVN, countHVNInRange, clearHVNCache, calculateBollingerBands, getLatestBollingerBands,
  calculateVWAP, calculateVWAPSeries, getLatestVWAP, calculateVWAPBands, getLatestVWAPBands,
  trueADX, trueATR, trueBollingerBandWidth, trueCCI, trueMACD, trueMFI, trueOBV, trueResample, trueStochastic, trueVWAP,
};
// What the host turns the reading of a cell into.
const readers = { $parsed: parsedCell, $number: numberCell, $plus: plusCell };
const HIDDEN = ["$load", "$takeInput", "$run", "$rest", "__TimerManager"];
realmNames = closeRealm();
freezeReachable(helpers, readers);
return { load, takeInput, run, rest };
