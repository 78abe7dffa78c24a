"""Browser filters in the cloud: they signal as expressions do; one that throws or never ends is told to its owner and disturbs nobody."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from domain.filters import FailureKind, Language
from domain.market import Interval
from domain.tiers import Tier
from domain.traders import TraderStatus
from tests.acceptance.backend import Backend, eventually, times_of
from tests.acceptance.recording import SYMBOLS

EXPRESSION = 'fives = candles("5m")\nmatch = close > highest(high, 5)[1] and close > sma(fives.close, 20)'
JAVASCRIPT = """
const last = klines[klines.length - 1];
const before = klines.slice(-6, -1).map(kline => parseFloat(kline[2]));
const fives = timeframes['5m'];
return parseFloat(last[4]) > Math.max(...before) && parseFloat(last[4]) > helpers.calculateMA(fives, 20);
"""
THROWS_FOR_TWO = """
const last = klines[klines.length - 1];
if (ticker.s === 'BTCUSDT' || ticker.s === 'ETHUSDT') {
  return last.price.high > 1;
}
return { match: parseFloat(last[4]) > parseFloat(last[1]), conditions: ['green'] };
"""
ENDLESS = "while (true) {}"
CANDLES = 15
MINUTE = Interval.M1.milliseconds
WITHIN = 120.0

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Traders:
    """Four traders of three users on one worker, at the same time."""

    expression: UUID
    javascript: UUID
    throwing: UUID
    endless: UUID
    careless: UUID
    """Whose filter throws."""
    hostile: UUID
    """Whose filter never ends."""


@pytest.fixture(scope="module")
async def traders(backend: Backend) -> AsyncIterator[Traders]:
    careless, _ = await backend.new_user(Tier.ELITE)
    hostile, _ = await backend.new_user(Tier.ELITE)
    browser = {"language": Language.JAVASCRIPT}
    made = Traders(
        expression=await backend.deploy("in the language", EXPRESSION, "1m"),
        javascript=await backend.deploy("from the browser", JAVASCRIPT, "1m", also=(Interval.M5,), **browser),
        throwing=await backend.deploy("throws", THROWS_FOR_TWO, "1m", user=careless, **browser),
        endless=await backend.deploy("endless", ENDLESS, "1m", user=hostile, **browser),
        careless=careless,
        hostile=hostile,
    )
    yield made
    for trader in (made.expression, made.javascript):
        await backend.stop(trader)
    await backend.stop(made.throwing, user=careless)
    await backend.stop(made.endless, user=hostile)


async def test_a_browser_filter_and_an_expression_with_the_same_rule_give_the_same_signals(backend: Backend, traders: Traders) -> None:
    both = (traders.expression, traders.javascript)
    first = max(await asyncio.gather(*(backend.baseline_of(trader) for trader in both)))
    last = first + CANDLES * MINUTE
    for trader in both:
        await backend.evaluated_through(trader, last, WITHIN)

    async def signals(trader: UUID) -> set[tuple[str, int]]:
        return {one for one in times_of(await backend.signals_of(trader)) if first < one[1] <= last}

    expected = await signals(traders.expression)

    async def all_are_recorded() -> bool:
        return expected <= await signals(traders.javascript)

    await eventually(all_are_recorded, 30, "the browser filter's signals are recorded")
    assert expected == await signals(traders.javascript)
    assert len(expected) > 5


async def test_a_filter_that_throws_for_some_symbols_is_told_once_and_goes_on_for_the_others(backend: Backend, traders: Traders) -> None:
    async def signals() -> set[str]:
        return {row["symbol"] for row in await backend.signals_of(traders.throwing)}

    async def most_have_signalled() -> bool:
        return len(await signals()) > 4

    async def has_failed_often() -> bool:
        return any(failure.count > 4 for failure in await backend.failures_of(traders.throwing, traders.careless))

    await eventually(most_have_signalled, WITHIN, "other symbols signal")
    await eventually(has_failed_often, WITHIN, "failures are counted")

    (failure,) = await backend.failures_of(traders.throwing, traders.careless)
    assert (FailureKind.RUNTIME, 4, 2) == (failure.kind, failure.line, failure.symbols)
    assert failure.symbol in {"BTCUSDT", "ETHUSDT"}
    assert await signals() <= set(SYMBOLS) - {"BTCUSDT", "ETHUSDT"}
    assert TraderStatus.RUNNING is (await backend.status_of(traders.throwing)).status


async def test_a_filter_that_never_ends_puts_its_trader_in_error_while_others_go_on(backend: Backend, traders: Traders) -> None:
    async def is_in_error() -> bool:
        return (await backend.status_of(traders.endless)).status is TraderStatus.ERROR

    await eventually(is_in_error, WITHIN, "the endless filter's trader is in error")
    since = await backend.last_evaluated(traders.javascript)
    await backend.evaluated_through(traders.javascript, since + 3 * MINUTE, WITHIN)

    report = await backend.status_of(traders.endless)
    assert "the filter keeps failing: timeout: " in report.reason
    kinds = {failure.kind for failure in await backend.failures_of(traders.endless, traders.hostile)}
    assert FailureKind.TIMEOUT in kinds <= {FailureKind.TIMEOUT, FailureKind.SUSPENDED}, "its owner's filters pause between the attempts"
    assert [] == await backend.signals_of(traders.endless)
    others = [await backend.status_of(trader) for trader in (traders.expression, traders.javascript, traders.throwing)]
    assert [TraderStatus.RUNNING] * 3 == [other.status for other in others]
