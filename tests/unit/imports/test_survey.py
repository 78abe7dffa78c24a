"""What an import says of browser filters: as they were written, with what is wrong in them."""

import pytest

from domain.filters import Language, Trigger
from domain.imports import BrowserTrader, Import, Runs
from domain.market import Interval
from filters.translation.survey import survey


def trader(code: str, interval: str = "5m", timeframes: tuple[str, ...] = (), language: str = "", **more) -> BrowserTrader:
    kept = {"strategy": {}, "is_live": False, "left_out": (), "unknown": (), "document": {}} | more
    return BrowserTrader(name="T", description="", code=code, language=language, interval=interval, timeframes=timeframes, **kept)


def surveyed(code: str, **given) -> Import:
    return survey(trader(code, **given))


def said(code: str, **given) -> str:
    return "\n".join(map(str, surveyed(code, **given).findings))


GOOD = [
    "return helpers.getLatestRSI(klines, 14) < 30;",
    "const { upper, lower } = helpers.getLatestBollingerBands(klines, 20, 2); const [a, , b] = [1, 2, 3]; return a + b < upper - lower;",
    "const f = (x, y = 2, ...z) => x * y + z.length; try { return f(1) > 0; } catch (error) { return false; }",
    "total = 0; for (const k of klines) total += parseFloat(k[5]); return typeof total === 'number' && total > 0;",
    "const closes = klines.map(k => parseFloat(k[4])); return helpers.calculateSMA(closes, 20) > closes[0] && parseFloat(ticker.P) > 1;",
    "if (klines.length < 50) return false; function mine(list) { return list.reduce((a, b) => a + b, 0); } return mine([1]) > 0;",
]


@pytest.mark.parametrize("code", GOOD)
def test_a_good_filter_runs_as_is(code: str) -> None:
    assert (Runs.AS_IS, "") == (surveyed(code).runs, said(code))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return helpers.calculateBollingerBandWidth(klines) < 1;", "trueBollingerBandWidth"),
        ("return helpers.getLatestMA(klines, 20) > 1;", "helpers.calculateMA(klines, period)"),
        ("return helpers.calculateATR(klines, 14) > 1;", "trueATR"),
        ("return helpers.getLatestRSl(klines) < 30;", "helpers.getLatestRSI"),
        ("const r = await indicators.rsi(klines, 14);\nreturn r < 30;", "getLatestRSI"),
        ("const last = klines[klines.length - 1];\nreturn last.close > last.open;", "Write [4]"),
        ("return klines.map(k => k.volume).length > 3;", "Write [5]"),
        ("return klines.at(-1).high > 3;", "Write [2]"),
        ("fetch('x'); return true;", "fetch is not there"),
        ("setTimeout(() => 1, 5); return true;", "Timers are not there"),
        ("Array.prototype.last = function () { return 1; }; return true;", "cannot be changed"),
        ("return calculateRSI(klines)[0] > 3;", "helpers.calculateRSI"),
        ("return ticker.price > 3;", "ticker.lastPrice"),
        ("const x: number = 3; return x > 2;", "TypeScript"),
        ("return helpers.getLatestRSI(timeframes['3m']) < 30;", "1m or 5m"),
        ("return (", "cannot be read"),
    ],
)
def test_what_cannot_run_needs_conversion_and_is_told_what_to_write(code: str, words: str) -> None:
    found = surveyed(code)
    assert Runs.NEEDS_CONVERSION is found.runs
    assert words in said(code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return parseFloat(ticker.c) > helpers.getHighestHigh(klines, 20);", "never holds"),
        ("const low = helpers.getLowestLow(klines, 9); return parseFloat(klines[249][4]) < low;", "never holds"),
        ("return helpers.calculateADX(klines) > 25;", "per mille"),
        ("const c = klines.map(k => parseFloat(k[4])); return helpers.calculateRSI(c, 14) < 30;", "wants klines"),
        ("if (klines.length < 300) return false; return true;", "always 250 candles"),
        ("return helpers.getLatestEMA(klines, 200) > 1;", "61% of this average"),
        ("return helpers.getLatestEMA(klines, 300) > 1;", "always null"),
        ("return helpers.getLatestVWAP(klines) > 1;", "not over the day"),
        ("return hvnNodes.length > 0;", "always an empty list"),
        ("return Math.random() > 0.5;", "the same numbers"),
        ("console.log(1); return true;", "writes to nobody"),
        ("return new Date().getUTCHours() > 3;", "the close of the candle"),
        ("return parseFloat(klines[klines.length - 2][4]) > 1;", "one further back"),
    ],
)
def test_what_is_odd_is_noted(code: str, words: str) -> None:
    assert Runs.WITH_NOTE is surveyed(code).runs
    assert words in said(code)


def test_findings_name_their_line() -> None:
    code = "const a = 1;\n\nreturn helpers.getLatestMA(klines, 9) > a;"
    assert [3] == [finding.line for finding in surveyed(code).findings]


@pytest.mark.parametrize(
    ("code", "language"),
    [("func f(d *types.MarketData) bool { x := 1; return x > 0 }", ""), ("anything", "go"), ("anything", "golang")],
)
def test_go_is_kept_and_needs_conversion(code: str, language: str) -> None:
    found = surveyed(code, language=language)
    assert (Runs.NEEDS_CONVERSION, Language.GO) == (found.runs, found.filter.language)
    assert not found.filter.truthy


def test_javascript_keeps_what_was_a_match_in_the_browser() -> None:
    found = surveyed("return timeframes['1h'].length;", timeframes=("5m", "1h", "15m"))
    assert (True, (Interval.M15, Interval.H1), Trigger.CLOSE) == (
        found.filter.truthy,
        found.filter.required_intervals,
        found.filter.trigger,
    )
    assert "return timeframes['1h'].length;" == found.filter.code


def test_an_interval_that_is_read_and_not_declared_is_given_and_noted() -> None:
    found = surveyed("return timeframes['1h'].length > 0;", timeframes=("5m",))
    assert (Runs.WITH_NOTE, (Interval.H1,)) == (found.runs, found.filter.required_intervals)


@pytest.mark.parametrize(
    ("interval", "words"), [("30m", "15m or 1h"), ("3m", "1m or 5m"), ("", "Add `interval`"), ("weird", "one of them")]
)
def test_an_interval_we_do_not_have_leaves_no_filter(interval: str, words: str) -> None:
    found = surveyed("return true;", interval=interval)
    assert (Runs.NEEDS_CONVERSION, None) == (found.runs, found.filter)
    assert words in "\n".join(map(str, found.findings))


def test_the_only_interval_a_filter_reads_is_taken_where_it_names_none() -> None:
    found = surveyed("return timeframes['15m'].length > 0;", interval="")
    assert (Runs.WITH_NOTE, Interval.M15) == (found.runs, found.filter.interval)


def test_the_forming_candle_needs_no_note_on_the_one_before() -> None:
    found = survey(trader("return parseFloat(klines[klines.length - 2][4]) > 1;"), Trigger.TICK)
    assert (Runs.AS_IS, Trigger.TICK) == (found.runs, found.filter.trigger)


def test_live_mode_and_unknown_fields_are_noted() -> None:
    words = said("return true;", is_live=True, unknown=("colour",))
    assert "demo mode" in words
    assert "colour" in words


def test_a_hostile_text_is_surveyed_and_not_run() -> None:
    assert Runs.NEEDS_CONVERSION is surveyed("(" * 20_000 + "1" + ")" * 20_000 + "; while (true) {}; process.exit()").runs
    assert surveyed("while (true) {}").filter is not None
