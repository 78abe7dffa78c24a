"""Frames of the exchange become candles and tickers; nothing the exchange sends stops the feeder."""

import gzip
from pathlib import Path

import numpy as np
import orjson
import pytest

from adapters.binance.market_frames import Acknowledgement, Shutdown
from adapters.candle_store import CANDLE, CLOSED, CORRECTED, FROM_REST, INTERVAL_CODES, CandleStore, is_closed
from domain.market import HISTORY_BLOCK, Interval
from feeder.intake import Intake
from feeder.statistics import FeederStatistics
from tests.unit.feeder.clock import Clock

MINUTE = 60_000
FIRST = 100 * HISTORY_BLOCK
RECORDED = Path(__file__).parents[4] / "shared/data/ws/cryptofeed_BINANCE_US.ws.1.0.gz"


def kline(symbol="BTCUSDT", index=FIRST, *, closed=False, event_time=None, trades=3, interval="1m", offset=0):
    opened = index * MINUTE + offset
    body = {"t": opened, "T": opened + MINUTE - 1, "s": symbol, "i": interval, "f": 1, "L": 3, "o": "1.0", "c": "2.0", "h": "3.0"}
    body |= {"l": "0.5", "v": "10", "n": trades, "x": closed, "q": "20", "V": "4", "Q": "8", "B": "0"}
    event = {"e": "kline", "E": event_time or opened + (MINUTE if closed else 1), "s": symbol, "k": body}
    return orjson.dumps({"stream": f"{symbol.lower()}@kline_{interval}", "data": event})


@pytest.fixture
def store():
    store = CandleStore()
    store.append(("BTCUSDT", "ETHUSDT"))
    return store


@pytest.fixture
def intake(store):
    return Intake(store, FeederStatistics())


def test_a_closed_candle_waits_to_be_told_at_once(intake, store):
    intake.receive(kline(closed=True))
    assert intake.has_closed
    records, _ = intake.take_closed()
    assert records.tolist() == [(0, 0, CLOSED, FIRST, (FIRST + 1) * MINUTE, 1.0, 3.0, 0.5, 2.0, 10.0, 20.0, 3.0, 4.0, 8.0)]
    assert is_closed(store.frame(Interval.M1).flags[0]).any()
    assert not intake.has_closed


def test_only_the_newest_state_of_a_forming_candle_is_told(intake):
    for trades in (3, 4, 5):
        intake.receive(kline(trades=trades, event_time=FIRST * MINUTE + trades))
    assert intake.take_forming()[0]["trades"].tolist() == [5.0]
    assert intake.take_forming()[0].tolist() == []


def test_a_candle_that_closed_is_no_longer_told_as_forming(intake):
    intake.receive(kline())
    intake.receive(kline(closed=True))
    assert intake.take_forming()[0].tolist() == []


def test_as_of_is_the_newest_event_time_and_never_goes_back(intake):
    intake.receive(kline(event_time=FIRST * MINUTE + 500))
    intake.receive(kline(event_time=FIRST * MINUTE + 200))
    assert intake.as_of == FIRST * MINUTE + 500


def test_tickers_of_known_symbols_are_taken_the_newest_of_each(intake, store):
    tickers = [
        {"e": "24hrMiniTicker", "E": time, "s": symbol, "c": last, "o": "1", "h": "3", "l": "1", "v": "4", "q": "8"}
        for time, symbol, last in ((1, "BTCUSDT", "2"), (2, "XXXUSDT", "2"), (3, "BTCUSDT", "3"))
    ]
    intake.receive(orjson.dumps({"stream": "!miniTicker@arr", "data": tickers}))
    assert intake.take_tickers().tolist() == [(0, 3, 3.0, 1.0, 3.0, 1.0, 4.0, 8.0)]
    columns = store.tickers.columns
    assert (columns["change"][0], columns["change_percent"][0], columns["weighted_average"][0]) == (2.0, 200.0, 2.0)
    assert np.isnan(columns["last"][1])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"result":null,"id":3}', Acknowledgement(3, "")),
        (b'{"error":{"code":2,"msg":"no"},"id":4}', Acknowledgement(4, "{'code': 2, 'msg': 'no'}")),
        (b'{"code":2,"msg":"no","id":5}', Acknowledgement(5, "{'code': 2, 'msg': 'no'}")),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}', Shutdown()),
        (b'{"e":"serverShutdown","E":1}', Shutdown()),
    ],
)
def test_control_frames_are_handed_to_the_connection(intake, raw, expected):
    assert expected == intake.receive(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"data":',
        b"null",
        b"7",
        b'"x"',
        b"[1]",
        b'{"data":{"e":"kline","k":{}}}',
        kline(offset=1),
        kline(event_time=5),
        b"\xff",
    ],
)
def test_nonsense_is_counted_and_changes_nothing(intake, raw):
    assert intake.receive(raw) is None
    assert (intake._statistics.malformed_frames, intake.as_of, len(intake.take_forming()[0])) == (1, 0, 0)


@pytest.mark.parametrize("raw", [b'{"e":"somethingNew"}', kline(interval="3m"), kline(symbol="XXXUSDT")])
def test_what_is_not_followed_is_ignored_and_counted(intake, raw):
    assert intake.receive(raw) is None
    assert (intake._statistics.malformed_frames, intake._statistics.ignored_frames) == (0, 1)


def rest(*indices, interval=Interval.M1):
    records = np.zeros(len(indices), CANDLE)
    records["interval"], records["flags"], records["index"] = INTERVAL_CODES[interval], CLOSED, indices
    records["event_time"] = (records["index"] + 1) * interval.milliseconds
    return records


def test_the_candle_that_is_open_at_the_exchange_is_left_out_of_a_backfill(intake, store):
    final, moved = intake.fill(0, Interval.M1, rest(*range(FIRST, FIRST + 10)), (FIRST + 9) * MINUTE + 30_000)
    assert {CLOSED | FROM_REST} == set(final["flags"].tolist())
    assert (list(range(FIRST, FIRST + 9)), True) == (final["index"].tolist(), moved)
    assert (store.frame(Interval.M1).closed_from[0], store.frame(Interval.M1).closed_through[0]) == (FIRST, FIRST + 8)


def test_a_candle_that_closed_a_moment_ago_is_left_to_the_stream(intake):
    final, _ = intake.fill(0, Interval.M1, rest(FIRST, FIRST + 1), (FIRST + 2) * MINUTE + 1_999)
    assert final["index"].tolist() == [FIRST]


def test_a_backfill_with_a_hole_begins_the_history_after_it(intake, store):
    intake.fill(0, Interval.M1, rest(FIRST, FIRST + 2, FIRST + 3), (FIRST + 5) * MINUTE)
    assert (store.frame(Interval.M1).closed_from[0], store.frame(Interval.M1).closed_through[0]) == (FIRST + 2, FIRST + 3)


def test_what_the_stream_said_at_the_close_stands_against_rest(intake, store):
    intake.receive(kline(closed=True, event_time=(FIRST + 1) * MINUTE + 5))
    intake.take_closed()
    intake.fill(0, Interval.M1, rest(FIRST), (FIRST + 2) * MINUTE)
    assert np.nanmax(store.frame(Interval.M1).columns["close"][0]) == 2.0


def known(intake, *indices):
    intake.fill(0, Interval.M1, rest(*indices), (indices[-1] + 2) * MINUTE)


def other(*indices):
    records = rest(*indices)
    records["close"] = 7.0
    return records


def test_a_history_that_the_exchange_contradicts_is_dropped_and_waits_for_the_whole(intake, store, caplog):
    frame = store.frame(Interval.M1)
    known(intake, *range(FIRST, FIRST + 10))
    told, moved = intake.fill(0, Interval.M1, other(*range(FIRST + 8, FIRST + 12)), (FIRST + 13) * MINUTE)
    assert ([], True) == (told.tolist(), moved)
    assert (-1, -1, 0, 0) == (frame.begin[0], frame.closed_through[0], frame.as_of[0], frame.flags[0].max())
    assert "another past of BTCUSDT" in caplog.text
    intake.fill(0, Interval.M1, other(*range(FIRST - 5, FIRST + 12)), (FIRST + 13) * MINUTE)
    assert (FIRST - 5, FIRST + 11) == (frame.closed_from[0], frame.closed_through[0])
    assert {7.0} == set(frame.columns["close"][0][is_closed(frame.flags[0])])


def test_one_candle_that_differs_is_a_correction_and_drops_nothing(intake, store):
    frame = store.frame(Interval.M1)
    known(intake, *range(FIRST, FIRST + 10))
    told = rest(*range(FIRST + 8, FIRST + 12))
    told["close"][1] = 7.0
    intake.fill(0, Interval.M1, told, (FIRST + 13) * MINUTE)
    assert (FIRST, FIRST + 11, 1) == (frame.closed_from[0], frame.closed_through[0], frame.corrections)
    assert CLOSED | FROM_REST | CORRECTED == frame.flags[0, FIRST + 9 - frame.first_index]


def test_candles_that_only_the_stream_told_are_no_history_to_contradict(intake, store):
    for index in range(FIRST, FIRST + 3):
        intake.receive(kline(index=index, closed=True))
    intake.take_closed()
    _, moved = intake.fill(0, Interval.M1, other(*range(FIRST - 5, FIRST + 3)), (FIRST + 4) * MINUTE)
    assert moved
    assert (FIRST - 5, FIRST + 2) == (store.frame(Interval.M1).closed_from[0], store.frame(Interval.M1).closed_through[0])


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded frames are not on this machine")
def test_thirty_recorded_seconds_of_the_real_exchange_are_understood(intake, store):
    store.append(("OMGBUSD",))
    with gzip.open(RECORDED, "rt") as lines:
        for line in lines:
            _, separator, frame = line.partition(": ")
            if separator and frame.startswith("{"):
                intake.receive(frame.encode())
    assert intake._statistics.malformed_frames == 0
    (closed,), _ = intake.take_closed()
    assert (closed["index"] + 1) * MINUTE + 1_755 == closed["event_time"], "the frame that closes a candle comes late"
    (forming,), _ = intake.take_forming()
    assert closed["index"] + 1 == forming["index"]


@pytest.mark.parametrize("raw", [b'{"result":null,"id":3}', b"nonsense", b'{"e":"something new"}', b'{"e":"serverShutdown","E":1}'])
def test_what_is_neither_candle_nor_ticker_does_not_make_the_data_look_fresh(store, raw):
    clock = Clock(100.0)
    intake = Intake(store, FeederStatistics(), clock)
    clock.now += 60
    intake.receive(raw)
    assert (False, 60.0) == (intake.has_heard, intake.age())
    intake.receive(kline())
    assert (True, 0.0) == (intake.has_heard, intake.age())


def test_a_correction_of_a_closed_candle_is_told_with_the_symbols_name(intake, caplog):
    for trades in (3, 5):
        intake.receive(kline("ETHUSDT", closed=True, trades=trades))
        intake.take_closed()
    assert [f"The exchange corrected the closed 1m candle {FIRST} of ETHUSDT"] == [record.getMessage() for record in caplog.records]
