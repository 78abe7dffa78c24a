"""What comes back from a filter process is not believed further than it must be."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from domain.filters import FailureKind, FilterFailure, FilterProblem
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import (
    CANDLES,
    CONDITION_LENGTH,
    CONDITIONS,
    FAILURES,
    MESSAGE_LENGTH,
    JavaScriptFilter,
    Verdicts,
    View,
    Window,
)
from workers.filter_messages import (
    Pass,
    check_to_bytes,
    intervals_of,
    order_from_bytes,
    problems_from_bytes,
    problems_to_bytes,
    verdicts_from_bytes,
    verdicts_to_bytes,
    view_of,
    view_parts,
)

SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")
FILTER = JavaScriptFilter(code="return '\ud800é' < 1", interval=Interval.M5, others=(Interval.H1,), truthy=True)


def answer(codes: bytes, **said: Any) -> bytes:
    return codes + json.dumps({"conditions": {}, "failures": []} | said).encode()


def test_a_pass_reads_its_rows_where_they_lie() -> None:
    rows = 3
    values = np.arange(rows * len(COLUMNS) * CANDLES, dtype=np.float64).reshape(rows, len(COLUMNS), CANDLES)
    windows = {
        Interval.M5: Window(first_index=np.array([5, 6, 7]), values=values),
        Interval.H1: Window(first_index=np.array([1, 2, 3]), values=-values),
    }
    view = View(symbols=SYMBOLS, windows=windows, tickers=np.arange(rows * len(TICKER_FIELDS), dtype=np.float64).reshape(rows, -1))
    memory = memoryview(b"".join(view_parts(view, intervals_of(FILTER))))
    order = Pass(compiled=FILTER, memory=9, rows=rows, first=1, symbols=SYMBOLS[1:], allowed=timedelta(seconds=2))

    read = order_from_bytes(order.to_bytes())
    assert isinstance(read, Pass)
    part = view_of(read, memory)

    assert FILTER.key == read.compiled.key
    assert (9, timedelta(seconds=2), SYMBOLS[1:]) == (read.memory, read.allowed, part.symbols)
    assert [6, 7] == part.windows[Interval.M5].first_index.tolist()
    assert np.array_equal(values[1:], part.windows[Interval.M5].values)
    assert np.array_equal(-values[1:], part.windows[Interval.H1].values)
    assert np.array_equal(view.tickers[1:], part.tickers)


def test_a_filter_to_be_checked_arrives_as_it_was_written() -> None:
    read = order_from_bytes(check_to_bytes(FILTER))

    assert isinstance(read, JavaScriptFilter)
    assert FILTER.key == read.key


def test_verdicts_come_back_as_they_were() -> None:
    failure = FilterFailure(kind=FailureKind.RUNTIME, message="x is not defined", line=3, symbol="CUSDT", symbols=1)
    verdicts = Verdicts(
        matched=np.array([True, False, False]), failed=np.array([False, False, True]), conditions={0: ("low", "é")}, failures=(failure,)
    )

    read = verdicts_from_bytes(verdicts_to_bytes(verdicts), SYMBOLS)

    assert [True, False, False] == read.matched.tolist()
    assert [False, False, True] == read.failed.tolist()
    assert ({0: ("low", "é")}, (failure,)) == (read.conditions, read.failures)


def test_problems_come_back_as_they_were() -> None:
    problems = (FilterProblem(message="Unexpected token", line=2, column=5, suggestion="x"),)

    assert problems == problems_from_bytes(problems_to_bytes(problems))


def test_too_much_is_cut() -> None:
    said = answer(
        b"\1\0\0",
        conditions={"0": ["x" * 10_000] * 1_000},
        failures=[["runtime", "y" * 10_000, 1, "not one of them", 10**9]] * 1_000,
    )

    read = verdicts_from_bytes(said, SYMBOLS)

    assert (CONDITIONS, CONDITION_LENGTH) == (len(read.conditions[0]), len(read.conditions[0][0]))
    assert FAILURES + 1 == len(read.failures)
    assert ("y" * MESSAGE_LENGTH, "", 3) == (read.failures[0].message, read.failures[0].symbol, read.failures[0].symbols)


def test_conditions_of_what_did_not_match_are_nothing() -> None:
    assert {} == verdicts_from_bytes(answer(b"\0\0\2", conditions={"0": ["x"], "2": ["y"]}), SYMBOLS).conditions


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\0",
        b"\0\0\0",
        b"\0\0\3{}",
        b"\0\0\0{}",
        b"\0\0\0[]",
        b"\0\0\0" + b"[" * 100_000,
        b"\0\0\0\xff\xfe",
        answer(b"\1\1\1", conditions={"99": ["x"]}),
        answer(b"\1\1\1", conditions={"x": ["x"]}),
        answer(b"\1\1\1", conditions={"0": 1}),
        answer(b"\0\0\0", failures=[["strange", "m", 1, "", 1]]),
        answer(b"\0\0\0", failures=[["runtime", "m", "line", "", 1]]),
        answer(b"\0\0\0", failures=[["runtime"]]),
        answer(b"\0\0\0", failures=[["runtime", "m", float("inf"), "", 1]]),
        answer(b"\0\0\0", failures=1),
    ],
)
def test_what_makes_no_sense_is_refused(said: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for operators
        verdicts_from_bytes(said, SYMBOLS)


@pytest.mark.parametrize("said", [b"", b"{}", b"1", b"[[1]]", b'[["m", "x", 1, ""]]', b'[["m", null, 1, ""]]'])
def test_problems_that_make_no_sense_are_refused(said: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for operators
        problems_from_bytes(said)
