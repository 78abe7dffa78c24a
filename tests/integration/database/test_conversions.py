"""Values on their way to and from JSON rows, and errors on their way to ours."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from postgrest.exceptions import APIError

from adapters.supabase.requests import to_domain_error
from adapters.supabase.rows import from_decimal, from_float, from_time, to_decimal, to_time
from adapters.supabase.settings import from_filter, to_settings
from domain.errors import FilterRefusedError, LimitReachedError, RefusedError, UnavailableError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval
from domain.tiers import Tier

SPEC = FilterSpec(code="return true", interval=Interval.M5, language=Language.JAVASCRIPT)
MOMENT = datetime(2026, 11, 22, 13, 31, 36, 740_000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22 13:31:36.74+00",
        "2026-11-22T13:31:36.74+00:00",
        "2026-11-22T13:31:36.740000Z",
        "2026-11-22 15:31:36.74+02",
        "2026-11-22T13:31:36.74",
    ],
)
def test_times_are_read_however_a_server_writes_them(text: str) -> None:
    assert to_time(text) == MOMENT
    assert to_time(text).tzinfo is UTC


def test_times_are_written_in_utc_and_only_with_a_zone() -> None:
    assert from_time(MOMENT.astimezone(timezone(timedelta(hours=-5)))) == "2026-11-22T13:31:36.740000+00:00"
    with pytest.raises(ValueError, match="no time zone"):
        from_time(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("text", ["0.00000001", "64250.10000000", "1E-8", "123456789012345678.123456789"])
def test_decimals_go_digit_for_digit_without_an_exponent(text: str) -> None:
    written = from_decimal(Decimal(text))

    assert written is not None
    assert "E" not in written
    assert to_decimal(written) == Decimal(text)


def test_what_is_not_a_finite_number_is_null() -> None:
    assert (from_float(float("nan")), from_float(float("-inf")), from_decimal(Decimal("NaN"))) == (None, None, None)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("PT402", "m", LimitReachedError),
        ("PT409", "m", LimitReachedError),
        ("PT403", "m", RefusedError),
        ("23505", "m", RefusedError),
        ("42501", "m", RefusedError),
        ("PGRST301", "m", RefusedError),
        ("57P01", "m", UnavailableError),
        ("40001", "m", UnavailableError),
        ("PGRST000", "m", UnavailableError),
        ("PGRST205", "m", UnavailableError),
        ("502", "m", UnavailableError),
        ("SUP", "Error: connect ECONNREFUSED", UnavailableError),
        ("SUP", 'new row violates check constraint "c"', RefusedError),
    ],
)
def test_codes_are_told_apart(code: str, message: str, expected: type[Exception]) -> None:
    assert type(to_domain_error(APIError({"code": code, "message": message}), "Doing")) is expected


@pytest.mark.parametrize(
    ("stored", "config", "said"),
    [
        ({}, {}, "no code"),
        ({"code": "  "}, {}, "no code"),
        ({"code": "x"}, {}, "interval is None"),
        ({"code": "x", "interval": "1m", "language": "basic"}, {}, "language is 'basic'"),
        ({"code": "x", "interval": "1m", "requiredIntervals": "1h"}, {}, "requiredIntervals must be a list"),
        ({"code": "x", "interval": "1m", "requiredIntervals": ["1h", "2h"]}, {}, "requiredIntervals is '2h'"),
        ("no object", {}, "The column filter must be an object, not 'no object'"),
        ("[1]", {}, "The column filter must be an object"),
        ({"code": "x", "interval": "1m"}, {"cadenceSeconds": "soon"}, "cadenceSeconds"),
        ({"code": "x", "interval": "1m"}, {"symbols": "BTCUSDT"}, "symbols"),
    ],
)
def test_a_stored_filter_that_makes_no_sense_says_what_is_wrong(stored: dict, config: dict, said: str) -> None:
    with pytest.raises(FilterRefusedError, match=said):
        to_settings({"filter": stored, "cloud_config": config}, Tier.PRO)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_a_filter_stored_as_text_within_json_is_read_as_well(times: int) -> None:
    stored: object = {"code": "return true", "interval": "5m", "language": "javascript"}
    config: object = {"cadenceSeconds": 7}
    for _ in range(times):
        stored, config = json.dumps(stored), json.dumps(config)
    settings = to_settings({"filter": stored, "cloud_config": config}, Tier.PRO)

    assert (SPEC, timedelta(seconds=7)) == (settings.filter, settings.cadence)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        replace(SPEC, required_intervals=(Interval.M15, Interval.D1), truthy=True, trigger=Trigger.TICK),
        replace(SPEC, language=Language.GO),
        FilterSpec(code="match = close > 1", interval=Interval.M1),
    ],
)
def test_a_filter_comes_back_as_it_was_stored(spec: FilterSpec) -> None:
    assert spec == to_settings({"filter": from_filter(spec), "cloud_config": None}, Tier.PRO).filter


def test_without_a_cadence_the_tiers_own_holds() -> None:
    assert to_settings({"filter": {"code": "x", "interval": "1m"}, "cloud_config": {}}, Tier.ELITE).cadence == timedelta(seconds=5)
