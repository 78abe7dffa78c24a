"""To a filter its klines are arrays of arrays, and what it does to them is seen by it and its helpers, in that evaluation."""

import json

import pytest

from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import FIRST, H1, M5, klines_of, run, say, view, walk

CANDLES = walk(3)
LOOKS = [
    "K.length",
    "K[0]",
    "K[249]",
    "K[250] === undefined && K[-1] === undefined",
    "K[K.length - 1][4]",
    "K.at(-1)[4]",
    "K[5].at(-2)",
    "K.slice(-3)",
    "K.slice(1, 3).map((k) => k[1])",
    "K.map((k) => parseFloat(k[4])).reduce((a, b) => a + b, 0)",
    "K.filter((k) => +k[5] > 1500).length",
    "K.find((k) => k[8] > 400)",
    "K.findIndex((k) => k[8] > 400)",
    "K.some((k) => k[8] > 400) && !K.every((k) => k[8] > 400)",
    "[...K].length",
    "[...K[7]]",
    "(([t, o, h, l, c, v]) => ({ t, o, h, l, c, v }))(K[9])",
    "(([first, ...rest]) => [first[0], rest.length])(K)",
    "K.slice(0, 2).concat(K.slice(248)).map((k) => k[6])",
    "[].concat(K[3], K[4]).length",
    "[K.slice(0, 2)].flat(2).length",
    "JSON.stringify(K.slice(0, 2))",
    "JSON.stringify(K[0])",
    "Array.isArray(K) && Array.isArray(K[0])",
    "[K instanceof Array, K[0] instanceof Array, typeof K, typeof K[0]]",
    "Object.prototype.toString.call(K[0])",
    "Object.keys(K[0])",
    "Object.keys(K).length",
    "Object.entries(K[2])",
    "Object.getOwnPropertyNames(K[2])",
    "Object.getOwnPropertyDescriptor(K[2], 4)",
    "Object.getOwnPropertyDescriptor(K[2], 'length')",
    "Object.assign([], K[2])",
    "[4 in K[0], 12 in K[0], 'x' in K[0], 249 in K, 250 in K]",
    "K[0].hasOwnProperty(4) && !K[0].hasOwnProperty(12)",
    "K[0] === K[0] && K[0] !== K[1] && K.indexOf(K[17]) === 17 && K.includes(K[3])",
    "[typeof K[0][0], typeof K[0][1], typeof K[0][6], typeof K[0][8], typeof K[0][11]]",
    "(() => { let n = 0; for (const k of K) n += k.length; return n; })()",
    "(() => { let n = 0; for (const i in K[0]) n += +i; return n; })()",
    "(() => { let s = ''; K.forEach((k, i, all) => { if (all === K && i % 100 === 0) s += k[4] + ','; }); return s; })()",
    "K.slice(0, 5).reverse().map((k) => k[0])",
    "[...K].sort((a, b) => a[4] - b[4])[0]",
    "Math.max(...K.slice(-20).map((k) => k[2]))",
    "Array.from(K, (k) => k[8]).length + Array.from(K[0]).length",
    "K[0].join('|') + String(K[1])",
    "K[0].map(Number)",
    "K[0].length === 12 && K[0].slice(1, 6).length === 5",
    "Object.getPrototypeOf(K[0]) === Array.prototype && K[0].constructor === Array",
    "[...K.entries()].length + [...K[0].keys()].length",
    "Reflect.ownKeys(K[1]).length",
    "Object.isFrozen(K[0]) || Object.isSealed(K)",
    "K.toString().length",
    "parseFloat(K[8]['4']) + Number(K[8][5])",
]
CHANGES = [
    "K[249][4] = '7'; return [K[249][4], helpers.calculateMA(K, 1), helpers.getLatestEMA(K, 3)];",
    "K[200][4] = '7'; return [K[200], helpers.calculateMA(K.slice(0, 201), 1)];",
    "K.push(K[0].slice()); return [K.length, helpers.calculateMA(K, 1) === parseFloat(K[0][4])];",
    "K.reverse(); return [K[0][0], helpers.calculateMA(K, 1) === parseFloat(K[249][4])];",
    "K.pop(); K.shift(); return [K.length, helpers.calculateMA(K, 2)];",
    "K[249] = [...K[249]]; K[249][4] = 3; return helpers.calculateMA(K, 1);",
    "K[249].length = 3; return [K[249], helpers.calculateMA(K, 1)];",
    "delete K[249][4]; return [4 in K[249], helpers.calculateMA(K, 1)];",
    "K[249].push('x'); K[249].extra = 1; return [K[249][12], K[249].extra, K[249].length, helpers.calculateMA(K, 1)];",
    "Object.defineProperty(K[249], 4, { get: () => '11' }); return [K[249][4], helpers.calculateMA(K, 1)];",
    "Object.freeze(K[249]); K[249][4] = '1'; return [Object.isFrozen(K[249]), helpers.calculateMA(K, 1) > 1];",
    "Object.setPrototypeOf(K[249], null); return [typeof K[249].map, K[249][4], helpers.calculateMA(K, 1)];",
    "K[249].fill('2', 1, 6); return [K[249], helpers.calculateVWAP(K.slice(-1)), helpers.getHighestHigh(K, 1)];",
    "const before = helpers.getLatestRSI(K); K[240][4] = '1'; return [before, helpers.getLatestRSI(K)];",
    "K.length = 20; return [helpers.getLatestRSI(K), helpers.getLatestMACD(K)];",
    "K[249].splice(1, 1); return [K[249].length, helpers.calculateMA(K, 1)];",
    "[K[0], K[249]] = [K[249], K[0]]; return [helpers.calculateMA(K, 1), helpers.getLatestRSI(K)];",
]
READ_ALL = "for (const k of klines) for (const cell of k) cell;\n"


def _body(look: str, rows: str) -> str:
    return f"const K = {rows};\n{look if look.endswith(';') else f'return {look};'}"


@pytest.mark.parametrize("look", LOOKS + CHANGES)
def test_klines_behave_like_plain_arrays(isolate: Isolate, look: str) -> None:
    seen = view(CANDLES)
    plain = say(isolate, _body(look, json.dumps(klines_of(CANDLES))), seen)

    assert plain == say(isolate, _body(look, "klines"), seen)
    assert plain == [say(isolate, READ_ALL + _body(look, "klines"), seen) for _ in range(2)][1]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_forgotten_before_the_next_row(isolate: Isolate, change: str) -> None:
    untouched = say(isolate, "return [klines.slice(-1), helpers.getLatestRSI(klines), klines.length];", view(CANDLES))[0]
    look = "JSON.parse(JSON.stringify([klines.slice(-1), helpers.getLatestRSI(klines), klines.length]))"
    body = f"const kept = {look}; (() => {{ const K = klines; {change} }})(); return kept;"

    assert [untouched] * 3 == say(isolate, body, view(CANDLES, CANDLES, CANDLES))


def test_numbers_are_written_as_binance_writes_them(isolate: Isolate) -> None:
    candles = CANDLES.copy()
    numbers = [0.0, 1.0, 0.00000001, 0.1, 123456.789, 99999.99999999, 44_000_000.5, 3e15, 1e-9, 0.1 + 0.2, 1e21, 67_108_863.99999999]
    written = [
        "0.00000000", "1.00000000", "0.00000001", "0.10000000", "123456.78900000", "99999.99999999", "44000000.50000000",
        "3000000000000000.00000000", "1e-9", "0.30000000000000004", "1e+21", "67108863.99999999",
    ]  # fmt: skip
    candles[3, -len(numbers) :] = numbers

    assert [written] == say(isolate, f"return klines.slice(-{len(numbers)}).map((k) => k[4]);", view(candles))


def test_times_are_those_of_the_candles(isolate: Isolate) -> None:
    width = M5.milliseconds

    assert [[FIRST * width, (FIRST + 1) * width - 1, (FIRST + 249) * width]] == say(
        isolate, "return [klines[0][0], klines[0][6], klines[249][0]];", view(CANDLES)
    )


def test_a_filter_sees_the_intervals_it_asked_for(isolate: Isolate) -> None:
    hourly = walk(4)
    body = """return [Object.keys(timeframes), timeframes['5m'] === klines, timeframes['1h'].length, timeframes['1h'][249][4],
      timeframes['1h'][1][0] - timeframes['1h'][0][0], helpers.calculateMA(timeframes['1h'], 1), helpers.calculateMA(klines, 1)];"""
    said = say(isolate, body, view(CANDLES, others={H1: hourly}), others=[H1])[0]

    assert [["5m", "1h"], True, 250, f"{hourly[3, -1]:.8f}", H1.milliseconds, hourly[3, -1], CANDLES[3, -1]] == said


@pytest.mark.parametrize(
    "declared", ["const klines = timeframes['5m'];", "let klines = timeframes['5m'];", "var klines = timeframes['5m'];", ""]
)
def test_a_filter_may_declare_klines_itself(isolate: Isolate, declared: str) -> None:
    assert [True] == run(isolate, f"{declared} return klines.length === 250;", view(CANDLES)).matched.tolist()


def test_the_ticker_has_short_and_long_names_and_says_what_it_does_not_know(isolate: Isolate) -> None:
    said = say(isolate, "return ticker;", view(CANDLES, CANDLES))[1]
    short = {
        "s": "S1USDT",
        "c": "1.50000000",
        "o": "2.50000000",
        "h": "3.50000000",
        "l": "4.50000000",
        "v": "5.50000000",
        "q": "6.50000000",
        "p": "7.50000000",
    }
    long = ("symbol", "lastPrice", "openPrice", "highPrice", "lowPrice", "volume", "quoteVolume", "priceChange")
    rest = {"P": "8.500", "priceChangePercent": "8.500", "w": "9.50000000", "weightedAvgPrice": "9.50000000", "Q": "NaN", "lastQty": "NaN"}

    assert short | dict(zip(long, short.values(), strict=True)) | rest == said


def test_a_filter_gets_four_arguments_and_no_nodes(isolate: Isolate) -> None:
    body = "return [arguments.length, arguments[0].s, arguments[1] === timeframes, arguments[2] === helpers, hvnNodes];"

    assert [[4, "S0USDT", True, True, []]] == say(isolate, body, view(CANDLES))
