"""Filters leave nothing behind, learn nothing of other runs, and cannot change what others are given."""

import threading

import numpy as np
import pytest

from filters.javascript.isolate import Isolate
from tests.unit.javascript.javascript_market import FIRST, H1, M5, run, say, view, walk

CANDLES = walk(6)
MANY = view(*(walk(seed) for seed in range(130)))
LEAVES = [
    "counter = (typeof counter === 'undefined' ? 0 : counter) + 1; return counter;",
    "this.counter = (this.counter || 0) + 1; return this.counter;",
    "globalThis[Symbol.for('kept')] = (globalThis[Symbol.for('kept')] || 0) + 1; return globalThis[Symbol.for('kept')];",
    "const f = arguments.callee; f.kept = (f.kept || 0) + 1; return f.kept || 1;",
    "const p = arguments.callee.prototype; p.kept = (p.kept || 0) + 1; return p.kept || 1;",
    "Object.prototype.kept = (Object.prototype.kept || 0) + 1; return ({}).kept || 1;",
    "Array.prototype.kept = (Array.prototype.kept || 0) + 1; return [].kept || 1;",
    "helpers.kept = (helpers.kept || 0) + 1; return helpers.kept || 1;",
    "helpers.getLatestRSI.kept = (helpers.getLatestRSI.kept || 0) + 1; return helpers.getLatestRSI.kept || 1;",
    "Math.kept = (Math.kept || 0) + 1; return Math.kept || 1;",
    "Error.stackTraceLimit = Error.stackTraceLimit + 1; return Error.stackTraceLimit;",
    "const seen = RegExp.$1; /(.+)/.test('kept'); return seen || 1;",
    "const p = Object.getPrototypeOf(globalThis); p.kept = (p.kept || 0) + 1; return p.kept || 1;",
    "const p = Object.getPrototypeOf(function* () {}.prototype); p.kept = (p.kept || 0) + 1; return p.kept || 1;",
    "const p = Object.getPrototypeOf(async function () {}); p.kept = (p.kept || 0) + 1; return p.kept || 1;",
    "const p = Object.getPrototypeOf([][Symbol.iterator]()); p.kept = (p.kept || 0) + 1; return p.kept || 1;",
    "const f = helpers.calculateHighVolumeNodes; const n = f([], { cacheKey: 2 }).length; f(klines, { cacheKey: 2 }); return n;",
    "const tag = (t) => t; const t = tag`x`; try { t.kept = 1; } catch {} return t.kept || 1;",
    "hvnNodes.push(1); timeframes.kept = 1; ticker.kept = (ticker.kept || 0) + 1; return [hvnNodes.length, ticker.kept];",
]
TAMPERS = [
    "Array.prototype.map = () => [1]",
    "parseFloat = () => 1",
    "Math.max = () => 1",
    "helpers.calculateMA = () => 1",
    "globalThis.JSON = null",
    "Float64Array.prototype.fill = () => 1",
    "Object.defineProperty(Array.prototype, Symbol.iterator, { value: null })",
    "Array.prototype[4] = '1'",
    "delete globalThis.Array",
    "String.prototype.slice = () => 'x'",
    "WeakMap.prototype.get = () => 1",
    "Object.prototype.__proto__ = null",
    "Promise.prototype.then = null",
]


@pytest.mark.parametrize("leave", LEAVES)
def test_nothing_stays_from_one_row_to_the_next(isolate: Isolate, leave: str) -> None:
    first, *others = say(isolate, leave, view(CANDLES, CANDLES, CANDLES)) + say(isolate, leave, view(CANDLES))

    assert [first] * 3 == others


def test_what_a_filter_does_after_its_answer_changes_no_other_row(isolate: Isolate) -> None:
    code = """Promise.resolve().then(() => { left = 1; for (const k of klines) k[4] = '1'; });
      return typeof left === 'undefined' && klines[0][4] !== '1';"""

    assert [True] * 130 == run(isolate, code, MANY).matched.tolist()


@pytest.mark.parametrize("tamper", TAMPERS)
def test_what_one_filter_does_to_the_language_no_other_sees(isolate: Isolate, tamper: str) -> None:
    honest = """return [klines.map((k) => parseFloat(k[4])).slice(-3), helpers.calculateMA(klines, 5), Math.max(1, 2),
      helpers.getLatestStochRSI(klines)];"""
    before = say(isolate, honest, view(CANDLES))
    run(isolate, f"try {{ {tamper}; }} catch {{}}\nreturn true;", view(CANDLES, CANDLES))

    assert before == say(isolate, honest, view(CANDLES))


def test_own_objects_may_override_what_is_frozen(isolate: Isolate) -> None:
    body = """function Old(name) { this.name = name; this.toString = () => 'own'; this.constructor = 5; }
      Old.prototype.valueOf = function () { return 7; };
      const error = new Error('x'); error.name = 'Mine'; error.message = 'y';
      const plain = {}; plain.hasOwnProperty = 1; plain.toString = 2;
      const old = new Old('n');
      return [String(old), old.constructor, old + 1, String(error), plain.hasOwnProperty, plain.toString, Object.keys(plain)];"""

    assert [["own", 5, 8, "Mine: y", 1, 2, ["hasOwnProperty", "toString"]]] == say(isolate, body, view(CANDLES))


@pytest.mark.parametrize(
    "name",
    [
        "eval",
        "WebAssembly",
        "SharedArrayBuffer",
        "Atomics",
        "setTimeout",
        "clearTimeout",
        "WeakRef",
        "FinalizationRegistry",
        "Temporal",
        "performance",
        "fetch",
        "process",
        "require",
        "importScripts",
        "self",
        "window",
        "$load",
        "$run",
        "$takeInput",
        "$rest",
        "__TimerManager",
    ],
)
def test_there_is_no(isolate: Isolate, name: str) -> None:
    assert ["undefined"] == say(isolate, f"return typeof {name};", view(CANDLES))


@pytest.mark.parametrize(
    "make",
    [
        "Function('return 1')()",
        "new Function('return 1')()",
        "(() => {}).constructor('return 1')()",
        "(function* () {}).constructor('yield 1')()",
        "(async () => {}).constructor('return 1')()",
        "(async function* () {}).constructor('return 1')()",
        "[].map.constructor('return 1')()",
        "class F extends Function {}; new F('return 1')()",
        "Reflect.construct(Object.getPrototypeOf(Object).constructor, ['return 1'])()",
    ],
)
def test_no_code_is_made_from_texts(isolate: Isolate, make: str) -> None:
    made = f"{make.replace('; ', '; return ')}" if make.startswith("class") else f"return {make}"
    failures = run(isolate, f"{made};", view(CANDLES)).failures

    assert ["EvalError: A filter cannot make code from text."] == [failure.message for failure in failures]


def test_the_clock_stands_at_the_close_of_the_newest_candle_in_utc(isolate: Isolate) -> None:
    body = """const d = new Date(); class D extends Date {}
      return [Date.now(), +d, new D().getTime(), d.getHours() === d.getUTCHours(), d.getTimezoneOffset(), new Date(0).toISOString(),
        d instanceof Date, d.constructor === Date, typeof Date(), Date.UTC(1970, 0, 2), Math.floor((Date.now() % 86400000) / 300000)];"""
    close = (FIRST + 250) * M5.milliseconds - 1

    assert [[close, close, close, True, 0, "1970-01-01T00:00:00.000Z", True, True, "string", 86400000, (FIRST + 249) % 288]] == say(
        isolate, body, view(CANDLES)
    )


def test_chance_is_the_same_for_the_same_symbol_and_candle_and_another_for_others(isolate: Isolate) -> None:
    body = "return [Math.random(), Math.random()];"
    first = say(isolate, body, view(CANDLES, CANDLES))
    later = say(isolate, body, view(CANDLES, CANDLES, first=FIRST + 1))

    assert first == say(isolate, body, view(CANDLES, CANDLES))
    assert 8 == len({number for row in (*first, *later) for number in row if 0 <= number < 1})


def test_the_console_is_there_and_says_nothing(isolate: Isolate) -> None:
    body = "console.log(1); console.table([1]); console.count('a'); return [typeof console.log(1), typeof console.error];"

    assert [["undefined", "function"]] == say(isolate, body, view(CANDLES))


BUSY = """
const rsi = helpers.getLatestRSI(klines), bands = helpers.getLatestBollingerBands(klines), last = parseFloat(klines[249][4]);
const nodes = helpers.calculateHighVolumeNodes(timeframes['1h'], { lookback: 100, threshold: 40 });
return { match: rsi < 55 && last < bands.upper, conditions: [rsi.toFixed(12), String(nodes.length), String(Math.random())] };
"""


def test_the_answer_depends_on_neither_order_nor_company_nor_isolate() -> None:
    rows, hourly = [walk(seed, quiet=True) for seed in range(100)], walk(1000)
    answers = []

    def look(order: list[int]) -> None:
        isolate = Isolate()
        run(isolate, "x = 1; throw new Error('company');", view(*rows[:3]))
        seen = view(*rows, others={H1: hourly})
        seen = type(seen)(
            symbols=tuple(seen.symbols[k] for k in order),
            windows={i: type(w)(first_index=w.first_index, values=np.ascontiguousarray(w.values[order])) for i, w in seen.windows.items()},
            tickers=np.ascontiguousarray(seen.tickers[order]),
        )
        verdicts = run(isolate, BUSY, seen, others=[H1])
        answers.append(sorted((seen.symbols[k], bool(verdicts.matched[k]), verdicts.conditions.get(k)) for k in range(100)))
        isolate.close()

    orders = [list(range(100)), list(range(100))[::-1], sorted(range(100), key=lambda k: k * 37 % 100)]
    threads = [threading.Thread(target=look, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert 3 == len(answers)
    assert answers[0] == answers[1] == answers[2]
    assert 0 < sum(matched for _, matched, _ in answers[0]) < 100
