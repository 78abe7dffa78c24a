"""Subscription plans stay within what the exchange accepts."""

import orjson

from feeder.subscriptions import LONGEST_FRAME, STREAMS_PER_FRAME, TICKER_STREAM, kline_streams, shards, subscribe_frames

SYMBOLS = [f"SYMBOL{number}USDT" for number in range(400)]


def test_streams_are_lower_case_and_cover_six_intervals():
    expected = [f"btcusdt@kline_{interval}" for interval in ("1m", "5m", "15m", "1h", "4h", "1d")]
    assert expected == kline_streams(["BTCUSDT"])


def test_no_connection_carries_more_than_900_streams_and_none_is_lost():
    streams = [TICKER_STREAM, *kline_streams(SYMBOLS)]
    plan = shards(streams)
    assert [len(shard) for shard in plan] == [900, 900, 601]
    assert streams == [stream for shard in plan for stream in shard]


def test_control_frames_hold_few_streams_and_few_bytes_even_with_chinese_names():
    streams = kline_streams([*SYMBOLS[:100], *(f"币安人生{number}USDT" for number in range(50))])
    frames = [(number, frame, orjson.loads(frame)) for number, frame in subscribe_frames(streams)]
    assert list(range(1, len(frames) + 1)) == [number for number, _, _ in frames] == [frame["id"] for _, _, frame in frames]
    assert streams == [stream for _, _, frame in frames for stream in frame["params"]]
    assert max(len(frame["params"]) for _, _, frame in frames) <= STREAMS_PER_FRAME
    assert max(len(raw) for _, raw, _ in frames) <= LONGEST_FRAME
