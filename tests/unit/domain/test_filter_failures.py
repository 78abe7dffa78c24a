"""Failures that are alike are one, whatever symbol and number they name; there are never many of them."""

from dataclasses import replace

from domain.filter_failures import FAILURES_TOLD, LONGEST_MESSAGE, OTHERS, cleaned, fingerprint, grouped, is_suspended
from domain.filters import FailureKind, FilterFailure

FAILURE = FilterFailure(kind=FailureKind.RUNTIME, message="BTCUSDT has no price at 64000.5", line=2, symbol="BTCUSDT")
OTHER_SYMBOL = replace(FAILURE, message="ETHUSDT has no price at 3,100", symbol="ETHUSDT", symbols=4)


def test_failures_that_differ_by_symbol_and_number_are_one_of_all_their_symbols() -> None:
    assert (replace(FAILURE, symbols=5),) == grouped([FAILURE, OTHER_SYMBOL])


def test_failures_of_another_line_kind_or_text_are_others_and_the_most_frequent_comes_first() -> None:
    different = [replace(FAILURE, line=3), replace(FAILURE, kind=FailureKind.TIMEOUT), replace(FAILURE, message="no volume", symbols=9)]
    found = grouped([FAILURE, *different])

    assert (4, 9) == (len(found), found[0].symbols)


def test_what_is_beyond_the_number_told_apart_is_counted_in_one() -> None:
    many = [replace(FAILURE, message=chr(ord("a") + number) * 3, symbols=26 - number) for number in range(26)]
    found = grouped(many)

    assert FAILURES_TOLD + 1 == len(found)
    assert (OTHERS, sum(range(1, 27 - FAILURES_TOLD)), None) == (found[-1].message, found[-1].symbols, found[-1].line)
    assert sum(one.symbols for one in many) == sum(one.symbols for one in found)


def test_grouping_what_is_grouped_changes_nothing() -> None:
    once = grouped([FAILURE, OTHER_SYMBOL, replace(FAILURE, line=3), *(replace(FAILURE, line=number) for number in range(10, 30))])

    assert once == grouped(once)
    assert () == grouped([])


def test_text_becomes_one_printable_line_of_bounded_length() -> None:
    assert "a b c" == cleaned("\x00 a\n\tb \ud800c\x7f")
    assert "a b" == cleaned("\x9b31m\u202ea\u2066\ufeff b\u200b").removeprefix("31m ")
    assert LONGEST_MESSAGE == len(cleaned("x" * 10_000_000))


def test_a_fingerprint_tells_versions_apart_and_not_symbols() -> None:
    assert fingerprint(1, FAILURE) == fingerprint(1, OTHER_SYMBOL)
    assert 4 == len(
        {fingerprint(1, FAILURE), fingerprint(2, FAILURE), fingerprint(1, replace(FAILURE, line=None)), fingerprint(12, FAILURE)}
    )


def test_a_filter_is_suspended_only_when_nothing_else_went_wrong() -> None:
    suspended = replace(FAILURE, kind=FailureKind.SUSPENDED)

    assert [True, False, False] == [is_suspended(those) for those in ((suspended,), (suspended, FAILURE), ())]
