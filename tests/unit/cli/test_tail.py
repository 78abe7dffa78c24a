"""A tail shows every signal once, whatever the order in which transactions become visible."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.supabase.signals import RecordedSignal
from cli import signals
from cli.tail import OVERLAP, Tail
from domain.errors import UnavailableError
from domain.market import Interval, Market
from domain.screening import Match
from domain.signals import Signal, SignalStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
USER = UUID(int=1)
PAGE = 100


def recorded(number: int, seconds: float) -> RecordedSignal:
    match = Match(symbol=f"S{number}USDT", candle_index=1, candle_open_time=START, price=Decimal(1), change_percent=0.0, quote_volume=0.0)
    signal = Signal(
        id=uuid5(USER, str(number)),
        trader_id=USER,
        trader_version=1,
        user_id=USER,
        interval=Interval.M1,
        market=Market.SIMULATED,
        match=match,
    )
    return RecordedSignal(signal=signal, status=SignalStatus.NEW, recorded_at=START + timedelta(seconds=seconds), closed_at=None)


class Table:
    """Rows become visible when their transaction commits, later than the time they carry; queries answer as the store does."""

    def __init__(self) -> None:
        self.visible: list[RecordedSignal] = []

    async def newest(self, limit: int) -> list[RecordedSignal]:
        return sorted(self.visible, key=lambda row: row.recorded_at, reverse=True)[:limit]

    async def since(self, moment: datetime) -> AsyncIterator[list[RecordedSignal]]:
        found = sorted((row for row in self.visible if row.recorded_at >= moment), key=lambda row: row.recorded_at)
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]


def names(found: list[RecordedSignal]) -> list[str]:
    return [row.signal.match.symbol for row in found]


async def test_it_begins_with_the_last_few_and_goes_on_with_what_comes() -> None:
    table = Table()
    table.visible = [recorded(number, number) for number in range(5)]
    tail = Tail(table)
    assert ["S3USDT", "S4USDT"] == names(await tail.start(2))
    assert [] == names(await tail.next())
    table.visible.append(recorded(5, 5))
    assert ["S5USDT"] == names(await tail.next())
    assert [] == names(await tail.next())


async def test_it_begins_further_back_where_little_came_lately() -> None:
    table = Table()
    table.visible = [recorded(0, 0), recorded(1, 1_000), recorded(2, 2_000)]
    assert ["S0USDT", "S1USDT", "S2USDT"] == names(await Tail(table).start(3))


async def test_a_signal_committed_after_a_later_one_is_not_lost() -> None:
    table = Table()
    tail = Tail(table)
    assert [] == await tail.start(10)
    table.visible.append(recorded(2, 20))
    assert ["S2USDT"] == names(await tail.next())
    table.visible.append(recorded(1, 20 - OVERLAP.total_seconds() + 1))
    assert ["S1USDT"] == names(await tail.next())
    assert [] == names(await tail.next())


async def test_a_burst_greater_than_a_page_is_shown_whole_and_in_order() -> None:
    table = Table()
    table.visible = [recorded(0, 0)]
    tail = Tail(table)
    await tail.start(1)
    burst = [recorded(number, 1 + number / 1_000) for number in range(1, 2_500)]
    table.visible += burst
    assert names(burst) == names(await tail.next())


async def test_what_is_recorded_while_it_begins_is_shown_with_the_rest() -> None:
    class Growing(Table):
        async def newest(self, limit: int) -> list[RecordedSignal]:
            found = await super().newest(limit)
            self.visible.append(recorded(2, 2))
            return found

    table = Growing()
    table.visible = [recorded(0, -1_000), recorded(1, 1)]
    tail = Tail(table)
    assert ["S0USDT", "S1USDT", "S2USDT"] == names(await tail.start(10))
    assert [] == names(await tail.next())


async def test_an_outage_between_two_pages_loses_nothing() -> None:
    class Failing(Table):
        fails = False

        async def since(self, moment: datetime) -> AsyncIterator[list[RecordedSignal]]:
            async for page in super().since(moment):
                yield page
                if self.fails:
                    raise UnavailableError

    table = Failing()
    table.visible = [recorded(0, 0)]
    tail = Tail(table)
    await tail.start(1)
    burst = [recorded(number, 1 + number / 1_000) for number in range(1, 250)]
    table.visible += burst
    table.fails = True
    with pytest.raises(UnavailableError):
        await tail.next()
    table.fails = False
    assert names(burst) == names(await tail.next())


async def test_showing_nothing_at_first_still_skips_what_is_there() -> None:
    table = Table()
    table.visible = [recorded(0, 0)]
    tail = Tail(table)
    assert ([], []) == (await tail.start(0), await tail.next())


async def test_an_outage_of_the_database_is_waited_out_and_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signals, "POLL_SECONDS", 0.001)

    class Away(Table):
        failures = 3

        async def since(self, moment: datetime) -> AsyncIterator[list[RecordedSignal]]:
            if self.failures:
                self.failures -= 1
                raise UnavailableError("Supabase does not answer.")
            async for page in super().since(moment):
                yield page

    table = Away()
    tail = Tail(table)
    await tail.start(1)
    table.visible = [recorded(0, 0)]
    assert ["S0USDT"] == names(await signals.next_patiently(tail))
    assert ["waiting: Supabase does not answer."] == capsys.readouterr().err.splitlines()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, int(OVERLAP.total_seconds()) - 1)), max_size=60), st.integers(0, 20))
async def test_any_order_of_commits_shows_each_once(rows: list[tuple[int, int]], at_start: int) -> None:
    """`rows`: the second a transaction began, and how long it took to commit."""
    table, shown = Table(), list[str]()
    tail = Tail(table)
    committing = [(began + took, recorded(number, began)) for number, (began, took) in enumerate(rows)]
    for second in range(at_start, 400, 7):
        table.visible = [signal for committed, signal in committing if committed <= second]
        shown += names(await (tail.start(10_000) if second == at_start else tail.next()))
    assert sorted(names([signal for _, signal in committing])) == sorted(shown)
