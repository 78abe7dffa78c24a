"""How an evaluation can end, and what is said of it."""

from datetime import timedelta

import numpy as np
import pytest

from domain.errors import FilterRefusedError
from domain.filters import FailureKind, FilterFailure
from filters.javascript.contract import JavaScriptFilter
from filters.javascript.isolate import Isolate, PoisonedError
from tests.unit.javascript.javascript_market import M5, run, view, walk

CANDLES = walk(5)
MATCHES = ["true", "{ match: true }", "{ match: true, conditions: 'no list' }", "Object.create({ match: true })"]
NO_MATCHES = ["false", "undefined", "null", "0", "''", "NaN", "{ match: false }", "{ match: 0 }", "{ match: undefined }"]
TRUTHY = ["1", "'yes'", "[]", "{}", "() => 1", "{ match: 1 }", "{ signal: true }", "Symbol()", "10n", "new Boolean(true)"]


@pytest.mark.parametrize("result", MATCHES)
@pytest.mark.parametrize("truthy", [True, False])
def test_true_is_a_match(isolate: Isolate, result: str, truthy: bool) -> None:
    verdicts = run(isolate, f"return ({result});", view(CANDLES), truthy=truthy)

    assert ([True], [False], ()) == (verdicts.matched.tolist(), verdicts.failed.tolist(), verdicts.failures)


@pytest.mark.parametrize("result", NO_MATCHES)
@pytest.mark.parametrize("truthy", [True, False])
def test_what_is_falsy_is_no_match(isolate: Isolate, result: str, truthy: bool) -> None:
    verdicts = run(isolate, f"return ({result});", view(CANDLES), truthy=truthy)

    assert ([False], [False], ()) == (verdicts.matched.tolist(), verdicts.failed.tolist(), verdicts.failures)


@pytest.mark.parametrize("result", TRUTHY)
def test_other_truthy_results_match_only_where_the_filter_is_an_old_one(isolate: Isolate, result: str) -> None:
    old = run(isolate, f"return ({result});", view(CANDLES), truthy=True)
    new = run(isolate, f"return ({result});", view(CANDLES))

    assert ([True], ()) == (old.matched.tolist(), old.failures)
    assert ([False], [True]) == (new.matched.tolist(), new.failed.tolist())
    assert [FailureKind.CONTRACT] == [failure.kind for failure in new.failures]


@pytest.mark.parametrize("truthy", [True, False])
def test_a_promise_is_never_a_match(isolate: Isolate, truthy: bool) -> None:
    failures = run(isolate, "return (async () => true)();", view(CANDLES), truthy=truthy).failures

    assert [(FailureKind.CONTRACT, "The filter gave a promise. It must answer at once: leave out async and await.")] == [
        (failure.kind, failure.message) for failure in failures
    ]


def test_conditions_are_kept_short_and_only_texts(isolate: Isolate) -> None:
    code = "return { match: ticker.s !== 'S1USDT', conditions: ['first', 7, null, 'x'.repeat(300), ...Array(100).fill('more')] };"
    verdicts = run(isolate, code, view(CANDLES, CANDLES, CANDLES))

    assert {0: ("first", "x" * 200, *["more"] * 30), 2: ("first", "x" * 200, *["more"] * 30)} == verdicts.conditions


def test_an_error_names_the_owners_line_and_stops_no_other_symbol(isolate: Isolate) -> None:
    code = "const rsi = helpers.getLatestRSI(klines);\n\nif (ticker.s === 'S1USDT') return klines.nothing.here;\nreturn true;"
    verdicts = run(isolate, code, view(CANDLES, CANDLES, CANDLES))
    message = "TypeError: Cannot read properties of undefined (reading 'here')"

    assert ([True, False, True], [False, True, False]) == (verdicts.matched.tolist(), verdicts.failed.tolist())
    assert (FilterFailure(kind=FailureKind.RUNTIME, message=message, line=3, symbol="S1USDT"),) == verdicts.failures


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("throw new Error('mine')", "Error: mine", 1),
        ("\n\nthrow 'a text'", "threw a text", None),
        ("throw null", "threw null", None),
        ("throw { toString() { throw 1; } }", "threw something that cannot be shown", None),
        ("const deep = () =>\n deep() + 1;\nreturn deep();", "RangeError: Maximum call stack size exceeded", 2),
        (
            "const f = () => {\n  return helpers.calculateATR(klines);\n};\nreturn f() > 1;",
            "TypeError: helpers.calculateATR is not a function",
            2,
        ),
        ("\nhelpers.calculateMA(5, {\n  valueOf() { throw new Error('x'); } });", "Error: x", 3),
        ("return ticker.\n  missing.x;", "TypeError: Cannot read properties of undefined (reading 'x')", 2),
        ("throw new Error('x'.repeat(9000));", "Error: " + "x" * 493, 1),
        ("'use strict';\nundeclared = 1;", "ReferenceError: undeclared is not defined", 2),
    ],
)
def test_what_is_thrown_is_told_with_its_line(isolate: Isolate, code: str, message: str, line: int | None) -> None:
    failure = run(isolate, code, view(CANDLES)).failures[0]

    assert (FailureKind.RUNTIME, message, line) == (failure.kind, failure.message, failure.line)


def test_failures_alike_are_one_with_a_sample_and_a_number_also_across_chunks(isolate: Isolate) -> None:
    code = "if (+ticker.s.match(/\\d+/)[0] % 2) throw new Error('odd');\nreturn 1;"
    verdicts = run(isolate, code, view(*[CANDLES] * 150))

    assert [
        (FailureKind.CONTRACT, None, "S0USDT", 75),
        (FailureKind.RUNTIME, 1, "S1USDT", 75),
    ] == [(failure.kind, failure.line, failure.symbol, failure.symbols) for failure in verdicts.failures]
    assert 150 == np.count_nonzero(verdicts.failed)


def test_many_different_failures_are_counted_together_after_the_first(isolate: Isolate) -> None:
    failures = run(isolate, "throw new Error(ticker.s);", view(*[CANDLES] * 100)).failures

    assert 17 == len(failures)
    assert (100, "S16USDT", 84) == (sum(failure.symbols for failure in failures), failures[-1].symbol, failures[-1].symbols)


def test_an_endless_filter_fails_whole_in_its_time_and_its_isolate_is_done_with() -> None:
    isolate = Isolate()
    compiled = JavaScriptFilter(code="if (ticker.s === 'S1USDT') for (;;) ; return true;", interval=M5)
    isolate.load(compiled)
    verdicts = isolate.run(compiled.key, view(CANDLES, CANDLES, CANDLES), timedelta(milliseconds=200))

    assert ([False] * 3, [True] * 3) == (verdicts.matched.tolist(), verdicts.failed.tolist())
    assert (FilterFailure(kind=FailureKind.TIMEOUT, message="It took longer than 0.2 s for all symbols.", symbols=3),) == verdicts.failures
    assert isolate.is_poisoned
    with pytest.raises(PoisonedError):
        isolate.run(compiled.key, view(CANDLES))
    isolate.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # mini-racer's, when it is closed while it ends something
def test_a_filter_that_goes_on_by_itself_after_it_answered_is_ended() -> None:
    isolate = Isolate()
    compiled = JavaScriptFilter(code="const go = () => Promise.resolve().then(go); go(); return true;", interval=M5)
    isolate.load(compiled)

    assert [FailureKind.TIMEOUT] == [f.kind for f in isolate.run(compiled.key, view(CANDLES), timedelta(milliseconds=200)).failures]
    isolate.close()


def test_a_filter_that_takes_all_memory_fails_whole() -> None:
    isolate = Isolate()
    compiled = JavaScriptFilter(code="const all = []; for (;;) all.push({ a: 1, b: [1, 2, 3] });", interval=M5)
    isolate.load(compiled)
    verdicts = isolate.run(compiled.key, view(CANDLES, CANDLES), timedelta(seconds=60))

    assert (FilterFailure(kind=FailureKind.MEMORY, message="It used more than 64 MB.", symbols=2),) == verdicts.failures
    assert ([True] * 2, True) == (verdicts.failed.tolist(), isolate.is_poisoned)
    isolate.close()


@pytest.mark.parametrize(
    "code",
    [
        "Object.freeze(globalThis)",
        "Object.defineProperty(globalThis, 'kept', { value: 1 })",
        "Object.setPrototypeOf(globalThis, { kept: 1 })",
    ],
)
def test_a_filter_that_closes_the_global_object_fails_whole(code: str) -> None:
    isolate = Isolate()
    verdicts = run(isolate, f"{code}; return true;", view(CANDLES, CANDLES))

    assert ([False] * 2, [True] * 2, True) == (verdicts.matched.tolist(), verdicts.failed.tolist(), isolate.is_poisoned)
    isolate.close()


def test_a_filter_that_does_not_compile_is_refused_with_its_place(isolate: Isolate) -> None:
    with pytest.raises(FilterRefusedError, match=r"line 2, column 7: Unexpected token ';'"):
        isolate.load(JavaScriptFilter(code="const a = 1;\na === ;\nreturn true;", interval=M5))
