"""What stands in a file exported from the product is read whatever it went through, and nothing of it is lost."""

import json

import pytest

from domain.errors import RefusedError
from domain.imports import read_export

FILTER = {"code": "return true;", "refreshInterval": "5m", "requiredTimeframes": ["5m", "1h"], "description": ["always"], "indicators": []}
STRATEGY = {"instructions": "Buy the dip.", "risk": {"stop": 2.5, "levels": [1, 2, 3]}}
ROW = {"id": "1", "name": "Dip", "description": "Buys dips", "filter": FILTER, "strategy": STRATEGY, "mode": "demo", "enabled": True}


def encoded(value: object, times: int) -> object:
    for _ in range(times):
        value = json.dumps(value)
    return value


@pytest.mark.parametrize("times", range(4))
def test_columns_are_read_however_often_they_were_encoded(times: int) -> None:
    row = ROW | {"filter": encoded(FILTER, times), "strategy": encoded(STRATEGY, times)}
    (trader,) = read_export(json.dumps(row))

    assert ("Dip", "Buys dips", "return true;", "5m", ("5m", "1h")) == (
        trader.name,
        trader.description,
        trader.code,
        trader.interval,
        trader.timeframes,
    )
    assert trader.strategy == STRATEGY
    assert trader.document == ROW


@pytest.mark.parametrize(
    "wrap", [lambda row: [row, row], lambda row: {"traders": [row, row]}, lambda row: json.dumps([row, json.dumps(row)])]
)
def test_one_or_many_in_a_list_or_under_a_name(wrap) -> None:
    assert ["Dip", "Dip"] == [trader.name for trader in read_export(json.dumps(wrap(ROW)))]


def test_names_may_be_written_as_the_browser_wrote_them() -> None:
    body = {"code": "return 1;", "interval": "15m", "requiredTimeframes": '["15m"]'}
    (trader,) = read_export(json.dumps({"name": "A", "isBuiltIn": True, "createdAt": "2025-01-01", "filter": body}))
    assert ("15m", ("15m",), ()) == (trader.interval, trader.timeframes, trader.unknown)


def test_what_is_not_known_is_named_and_kept() -> None:
    row = ROW | {"colour": "red", "filter": FILTER | {"weight": 3}, "metrics": {"wins": 1}}
    (trader,) = read_export(json.dumps(row))
    assert (("colour", "filter.weight"), ("metrics",)) == (trader.unknown, trader.left_out)
    assert "red" == trader.document["colour"]


def test_a_strategy_of_plain_text_stays_text() -> None:
    (trader,) = read_export(json.dumps(ROW | {"strategy": "Buy low, sell high."}))
    assert "Buy low, sell high." == trader.strategy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "Trader 1 of the file is a number"),
        ('[{"name": "a", "filter": [1]}]', "`filter` of trader 1 is a list"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        read_export(text)
