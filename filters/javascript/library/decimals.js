// Numbers as Binance writes them: eight decimals where those mean the same number, else the shortest text that does.

const UNIT = 1e8;
const EXACT_UNITS = 2 ** 52; // below this no two texts of eight decimals mean the same number

function decimalText(value) {
  const units = Math.round(value * UNIT);
  if (value >= 0 && units < EXACT_UNITS && units / UNIT === value) {
    const whole = Math.floor(value);
    return whole + "." + String(UNIT + (units - whole * UNIT)).slice(1);
  }
  return fixedText(value, 8);
}

function fixedText(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) === value ? text : String(value);
}
