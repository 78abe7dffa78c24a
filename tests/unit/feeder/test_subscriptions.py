"""Subscription plans stay within what the exchange accepts, and a changed universe moves nothing that stays."""

from unittest.mock import patch

import orjson
from hypothesis import given
from hypothesis import strategies as st

from feeder import subscriptions
from feeder.subscriptions import (
    LONGEST_FRAME,
    STREAMS_PER_FRAME,
    TICKER_STREAM,
    Method,
    assign,
    control_frame,
    first_batch,
    kline_streams,
)

SYMBOLS = [f"SYMBOL{number}USDT" for number in range(400)]
STREAMS = [TICKER_STREAM, *kline_streams(SYMBOLS)]
CHINESE = kline_streams(f"币安人生{number}USDT" for number in range(50))


def test_streams_are_lower_case_and_cover_six_intervals():
    expected = [f"btcusdt@kline_{interval}" for interval in ("1m", "5m", "15m", "1h", "4h", "1d")]
    assert expected == kline_streams(["BTCUSDT"])


def test_no_connection_carries_more_than_900_streams_and_none_is_lost():
    plan = assign({}, STREAMS)
    assert {1: 900, 2: 900, 3: 601} == {number: len(shard) for number, shard in plan.items()}
    assert STREAMS == [stream for shard in plan.values() for stream in shard]


def test_new_streams_go_where_there_is_room_before_another_connection_is_opened():
    before = assign({}, STREAMS)
    after = assign(before, [*STREAMS, *CHINESE])
    assert {1: before[1], 2: before[2], 3: before[3] + CHINESE[:299], 4: CHINESE[299:]} == after


def test_a_shard_whose_streams_are_all_dropped_is_gone_and_its_number_is_not_moved_to():
    before = assign({}, STREAMS)
    after = assign(before, before[1] + before[3])
    assert {1: before[1], 3: before[3]} == after


names = st.integers(0, 60).map(lambda number: f"s{number}@kline_1m")


@given(st.lists(st.sets(names), min_size=1, max_size=8))
def test_whatever_becomes_wanted_every_stream_is_received_once_and_none_moves(universes):
    plan, room = {}, 7
    with patch.object(subscriptions, "STREAMS_PER_CONNECTION", room):
        for wanted in universes:
            old, plan = plan, assign(plan, sorted(wanted))
            assert sorted(wanted) == sorted(stream for shard in plan.values() for stream in shard)
            assert all(0 < len(shard) <= room for shard in plan.values())
            stayed = {number: [stream for stream in shard if stream in wanted] for number, shard in old.items()}
            assert all(shard == plan.get(number, [])[: len(shard)] for number, shard in stayed.items())


def test_control_frames_hold_few_streams_and_few_bytes_even_with_chinese_names():
    waiting, frames = [*STREAMS, *CHINESE], []
    while waiting:
        batch = first_batch(waiting)
        frames.append(control_frame(Method.UNSUBSCRIBE, batch, 2**31))
        assert list(batch) == orjson.loads(frames[-1])["params"] == waiting[: len(batch)]
        waiting = waiting[len(batch) :]
    assert max(len(orjson.loads(frame)["params"]) for frame in frames) <= STREAMS_PER_FRAME
    assert LONGEST_FRAME - 50 < max(len(frame) for frame in frames) <= LONGEST_FRAME


def test_a_frame_says_what_it_asks_for():
    assert {"method": "SUBSCRIBE", "params": ["a@kline_1m"], "id": 7} == orjson.loads(control_frame(Method.SUBSCRIBE, ["a@kline_1m"], 7))
    assert {"method": "LIST_SUBSCRIPTIONS", "id": 8} == orjson.loads(control_frame(Method.LIST, [], 8))
