"""Request weight, refusals and bans."""

import orjson

from local.exchange.limits import RequestLimits

NOON = 1_760_000_040.0 // 60 * 60
PEER = "192.0.2.1"


def statuses(limits, times, weight=100, limit=1_000):
    replies = [limits.charge(PEER, weight, limit, now)[1] for now in times]
    return [200 if reply is None else int(reply.status) for reply in replies], replies


def test_weight_is_counted_per_address_and_minute():
    limits = RequestLimits()
    used = [
        limits.charge(peer, 40, 6_000, now)[0] for peer, now in ((PEER, NOON), (PEER, NOON + 59), ("192.0.2.2", NOON), (PEER, NOON + 60))
    ]

    assert [40, 80, 40, 40] == used
    assert 80 == limits.most


def test_beyond_the_limit_one_is_told_to_wait_for_the_next_minute():
    found, replies = statuses(RequestLimits(), [NOON + 15] * 11)

    assert [200] * 10 + [429] == found
    assert "45" == replies[-1].headers["Retry-After"]


def test_who_does_not_wait_is_banned_for_ever_longer_times():
    limits = RequestLimits()
    first, replies = statuses(limits, [NOON] * 31)
    until = NOON + 120
    during, _ = statuses(limits, [NOON + 60, until - 1])
    again, later = statuses(limits, [until] * 31)

    assert [200] * 10 + [429] * 20 + [418] == first
    assert "120" == replies[-1].headers["Retry-After"]
    assert f"IP banned until {until * 1000:.0f}." in told(replies[-1])
    assert [418, 418] == during
    assert [200] * 10 + [429] * 20 + [418] == again
    assert "240" == later[-1].headers["Retry-After"]


def test_who_waits_is_not_banned():
    limits = RequestLimits()
    found = [statuses(limits, [NOON + 60 * minute] * 20)[0][-1] for minute in range(50)]

    assert {429} == set(found)


def told(reply):
    return orjson.loads(reply.body)["msg"]
