"""What people read of a trader."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from rich.console import Console, RenderableType

from adapters.supabase.executions import RecordedEvaluation
from adapters.supabase.filter_failures import RecordedFailure
from adapters.supabase.traders import StoredTrader, TraderCondition, TraderVersion
from api.deployments import FailureInCode, TraderFailures, TraderStanding
from cli.health import Health, State
from cli.output import duration
from cli.trader_views import errors_view, list_view, settings_line, status_view, versions_view
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval, Market
from domain.tiers import Tier
from domain.traders import Mode, TraderSettings, TraderStatus
from workflows.contracts import TraderReport, TraderTotals

NOW = datetime.now(UTC)
SETTINGS = TraderSettings(filter=FilterSpec(code="match = close > 1", interval=Interval.M5), cadence=timedelta(seconds=5))
STORED = StoredTrader(
    id=UUID(int=7),
    user_id=UUID(int=8),
    tier=Tier.ELITE,
    name="Bounce [x]",
    description="",
    version=3,
    mode=Mode.DEMO,
    enabled_in_cloud=True,
    status=TraderStatus.PAUSED,
    status_reason="lunch",
    status_since=NOW - timedelta(days=1, hours=5),
    settings=SETTINGS,
)
REPORT = TraderReport(
    trader_id=STORED.id,
    name=STORED.name,
    version=2,
    tier=Tier.ELITE,
    status=TraderStatus.RUNNING,
    reason="",
    since=NOW,
    matching=("BTCUSDT", "ETHUSDT"),
    conditions={"oversold": 4},
    totals=TraderTotals(ticks=12, signals=3, stale_ticks=2),
    last_tick=NOW - timedelta(days=3, hours=2),
    last_candle=NOW,
    as_of=NOW,
    data_age=timedelta(milliseconds=300),
    market="simulated",
    symbols=400,
    not_ready=1,
    baseline_candle=None,
    recent_signals=("first", "second"),
    events=("market data was stale on 2 of 12 ticks",),
    open_monitors=3,
)
HEALTH = Health(state=State.HEALTHY, text="evaluated candle 15:41 1.0 s ago")
FAILURE = RecordedFailure(
    version=3,
    interval=Interval.M5,
    kind="runtime",
    message="[x] is undefined",
    line=2,
    symbol="BTCUSDT",
    symbols=397,
    count=12,
    first_seen=datetime(2026, 1, 5, 12, tzinfo=UTC),
    last_seen=NOW - timedelta(minutes=5),
)
LINK = "http://127.0.0.1:8233/namespaces/default/workflows/trader%3A7"


def text_of(view: RenderableType) -> str:
    console = Console(width=180, highlight=False)
    with console.capture() as captured:
        console.print(view)
    return captured.get()


def test_a_running_trader_shows_its_own_report_and_where_to_see_its_story() -> None:
    shown = text_of(status_view(TraderStanding(stored=STORED, report=REPORT), HEALTH, LINK))
    for expected in (
        "Bounce [x] · running · version 2",
        "3 d 2 h ago",
        "BTCUSDT ETHUSDT",
        "oversold: 4",
        "3 signals, 12 ticks",
        "2 stale ticks",
        "simulated, data 0.3 s old",
        "400 screened, 1 not ready",
        LINK,
    ):
        assert expected in shown
    assert shown.index("second") < shown.index("first")


def test_stale_symbols_are_named_with_since_when() -> None:
    stale = replace(REPORT, symbols_stale=9, stale_symbols=("ADAUSDT", "BTCUSDT"), stale_since=datetime(2026, 1, 5, 12, tzinfo=UTC))

    assert "9 symbols since 2026-01-05 12:00:00: ADAUSDT BTCUSDT and 7 more" in text_of(
        status_view(TraderStanding(stored=STORED, report=stale), HEALTH, LINK)
    )
    assert "since 2026-01-05" not in text_of(status_view(TraderStanding(stored=STORED, report=REPORT), HEALTH, LINK))


def test_without_workers_the_database_speaks_and_says_so() -> None:
    shown = text_of(status_view(TraderStanding(stored=STORED, report=None, why_no_report="no worker answers"), HEALTH, LINK))
    assert "from the database  no worker answers" in shown
    assert "Bounce [x] · paused · version 3" in shown
    assert "lunch" in shown


def test_a_trader_that_has_not_ticked_says_when_it_will_report() -> None:
    fresh = replace(REPORT, last_tick=None, matching=(), conditions={}, recent_signals=(), events=(), totals=TraderTotals())
    assert "none yet" in text_of(status_view(TraderStanding(stored=STORED, report=fresh), HEALTH, LINK))


def test_the_last_evaluation_stands_beside_the_report_with_what_went_wrong_since() -> None:
    last = RecordedEvaluation(
        trader_version=2,
        started_at=NOW - timedelta(days=3, hours=2),
        duration=timedelta(milliseconds=7),
        outcome="evaluated",
        market=Market.SIMULATED,
        symbols_processed=400,
        symbols_not_ready=3,
        signals_generated=0,
        candle_open_time=NOW - timedelta(minutes=2),
        candles=1,
        data_age=timedelta(milliseconds=200),
        error="",
    )
    failed = replace(last, outcome="failed", started_at=NOW, candle_open_time=None, error="line 2: [odd] value")
    standing = TraderStanding(stored=STORED, report=REPORT, last_evaluation=last, trouble=failed)
    unhealthy = Health(state=State.UNHEALTHY, text="its filter failed")

    shown = text_of(status_view(standing, unhealthy, LINK))
    assert "(3 d 2 h ago) in 7 ms: 400 symbols, 3 not ready; simulated, data 0.2 s old" in shown
    assert "line 2: [odd] value" in shown
    assert "unhealthy: its filter failed" in shown
    assert "healthy: evaluated candle 15:41 1.0 s ago" in text_of(status_view(replace(standing, trouble=None), HEALTH, LINK))


def test_many_matching_symbols_are_counted_instead_of_filling_the_screen() -> None:
    many = replace(REPORT, matching=tuple(f"S{number}" for number in range(45)))
    assert "S39 and 5 more" in text_of(status_view(TraderStanding(stored=STORED, report=many), HEALTH, LINK))


def test_a_list_shows_status_age_and_what_is_wrong_with_a_stored_filter() -> None:
    broken = replace(STORED, name="Broken", settings=None, problem="The stored filter has no code.", status=None, status_since=None)
    shown = text_of(list_view([STORED, broken]))
    assert "1 d 5 h ago" in shown
    assert "not deployed" in shown
    assert "The stored filter has no code." in shown


def test_an_empty_list_says_how_to_begin() -> None:
    assert "cloudtrader trader create" in text_of(list_view([]))


def test_versions_show_their_filter_and_whether_they_ever_ran() -> None:
    version = TraderVersion(version=2, settings=SETTINGS, created_at=NOW, deployed_at=None)
    shown = text_of(versions_view([version]))
    assert "match = close > 1" in shown
    assert "—" in shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0.0 s"), (0.26, "0.3 s"), (59, "59 s"), (65, "1 min 5 s"), (3_660, "1 h 1 min"), (93_600, "1 d 2 h")]
)
def test_durations_are_said_in_their_two_greatest_units(seconds: float, said: str) -> None:
    assert said == duration(timedelta(seconds=seconds))


def test_settings_fit_a_line() -> None:
    expected = "5m at every closed candle, every 5.0 s, the market's symbols"
    assert expected == settings_line(SETTINGS)
    forming = replace(SETTINGS, filter=replace(SETTINGS.filter, trigger=Trigger.TICK), symbols=("BTCUSDT",))
    assert "at the forming candle" in settings_line(forming)
    browser = replace(SETTINGS.filter, language=Language.JAVASCRIPT, required_intervals=(Interval.M15, Interval.H1))
    assert settings_line(replace(SETTINGS, filter=browser)).startswith("javascript, 5m and 15m, 1h at every closed candle, ")


def failures_of(*failures: RecordedFailure, code: str = "const a = 1\nreturn [x].y > 0") -> TraderFailures:
    return TraderFailures(stored=STORED, failures=tuple(FailureInCode.of(failure, {3: code}) for failure in failures))


def test_failures_are_told_with_the_line_they_name() -> None:
    shown = text_of(errors_view(failures_of(FAILURE)))
    for expected in (" min ", "[x] is undefined", "line 2: return [x].y > 0", "397, such as BTCUSDT", "12", "2026-01-05 12:00:00"):
        assert expected in shown


@pytest.mark.parametrize("changes", [{"line": None}, {"line": 9}, {"version": 2}], ids=["no line", "beyond the end", "another version"])
def test_a_failure_without_a_place_has_no_line(changes: dict[str, int | None]) -> None:
    (found,) = failures_of(replace(FAILURE, **changes)).failures
    assert "" == found.code_line


def test_a_filter_that_never_failed_is_said_to_be_so() -> None:
    assert "The filter of Bounce [x] never failed." in text_of(errors_view(failures_of()))


def test_what_holds_a_trader_back_stands_in_its_status_and_marks_it_in_the_list() -> None:
    condition = TraderCondition(
        stage="filter", symbol="", code="filter_failing", message="it fails [for] every symbol.", since=datetime(2026, 1, 5, 12, tzinfo=UTC)
    )
    held = replace(STORED, status=TraderStatus.RUNNING, status_reason="", conditions=(condition,))

    shown = text_of(status_view(TraderStanding(stored=held, report=REPORT), HEALTH, LINK))
    assert "held back" in shown
    assert "it fails [for] every symbol, since 2026-01-05 12:00:00 (filter)" in shown
    listed = text_of(list_view([held]))
    assert "running !" in listed
    assert "it fails [for] every symbol" in listed
    assert "!" not in text_of(list_view([STORED]))
