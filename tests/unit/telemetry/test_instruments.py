"""What is counted is what a scrape shows, under the names of the catalogue and of the documentation."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from activities.ports import Outcome
from adapters.telemetry.catalogue import FEEDER, METRICS, SANDBOX, Metric
from adapters.telemetry.instruments import Instruments, Level

DOCUMENTATION = Path(__file__).parents[3] / "docs/telemetry.md"


def numbered(metrics: dict[str, Metric]) -> dict[str, Level]:
    """A different number for each level."""
    return {
        name: {("x",) * len(metric.labels): number} if metric.labels else number for number, (name, metric) in enumerate(metrics.items())
    }


LEVELS = numbered(FEEDER)


class Scraped:
    """Instruments, and what a scrape of them shows."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(registry=self._registry, scope_info_enabled=False)
        self.instruments = Instruments(MeterProvider([reader]).get_meter("cloudtrader"))

    def value(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)

    def exposed(self) -> dict[str, str]:
        return dict(re.findall(r"^# TYPE (cloudtrader_\S+) (\w+)$", generate_latest(self._registry).decode(), re.MULTILINE))


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_a_tick_is_counted_by_its_outcome_with_its_lateness_and_duration(scraped: Scraped) -> None:
    for outcome in ("evaluated", "skipped", "skipped", "stale", "failed"):
        scraped.instruments.tick(timedelta(milliseconds=3), outcome, timedelta(milliseconds=2))

    counts = [scraped.value("cloudtrader_ticks_total", outcome=outcome) for outcome in ("evaluated", "skipped", "stale", "failed")]
    assert counts == [1, 2, 1, 1]
    assert scraped.value("cloudtrader_tick_lateness_seconds_bucket", le="0.0025") == 0
    assert scraped.value("cloudtrader_tick_lateness_seconds_bucket", le="0.005") == 5
    assert scraped.value("cloudtrader_execution_duration_seconds_count") == 2
    assert scraped.value("cloudtrader_execution_duration_seconds_sum") == pytest.approx(0.004)
    assert scraped.value("cloudtrader_evaluation_errors_total") == 1


def test_every_outcome_of_an_evaluation_can_be_counted(scraped: Scraped) -> None:
    for outcome in Outcome:
        scraped.instruments.tick(timedelta(), outcome, timedelta())

    assert [scraped.value("cloudtrader_ticks_total", outcome=outcome) for outcome in Outcome] == [1] * len(Outcome)


def test_a_tick_that_began_early_is_not_late(scraped: Scraped) -> None:
    scraped.instruments.tick(timedelta(milliseconds=-4), "skipped", timedelta())

    assert scraped.value("cloudtrader_tick_lateness_seconds_sum") == 0


def test_signals_are_counted_by_market(scraped: Scraped) -> None:
    scraped.instruments.signals("binance", 3)
    scraped.instruments.signals("simulated", 1)

    assert scraped.value("cloudtrader_signals_total", market="binance") == 3


def test_data_age_is_absent_until_data_arrived(scraped: Scraped) -> None:
    age: list[timedelta | None] = [None]
    scraped.instruments.observe_data_age(lambda: age[0])
    assert scraped.value("cloudtrader_data_age_seconds") is None

    age[0] = timedelta(seconds=2.5)
    assert scraped.value("cloudtrader_data_age_seconds") == 2.5


def test_the_lateness_buckets_reach_from_a_millisecond_to_ten_seconds(scraped: Scraped) -> None:
    scraped.instruments.tick(timedelta(seconds=9), "skipped", timedelta())

    assert scraped.value("cloudtrader_tick_lateness_seconds_bucket", le="0.001") == 0
    assert scraped.value("cloudtrader_tick_lateness_seconds_bucket", le="10.0") == 1


def test_a_scrape_shows_exactly_the_catalogue(scraped: Scraped) -> None:
    scraped.instruments.tick(timedelta(), "failed", timedelta())
    scraped.instruments.signals("binance", 1)
    scraped.instruments.observe_windows(lambda: 5, lambda: 2)
    scraped.instruments.observe_data_age(timedelta)
    scraped.instruments.replica_delay("closed", 0.004)
    scraped.instruments.observe_synchronisations(lambda: 2)
    scraped.instruments.observe_execution_rows(lambda: 4)
    scraped.instruments.observe_feeder(lambda: LEVELS)
    scraped.instruments.observe_sandbox(lambda: numbered(SANDBOX))
    scraped.instruments.filter_failures(["timeout"])

    assert {metric.exposed_name: metric.kind.value for metric in METRICS} == scraped.exposed()


def test_each_level_of_feeder_and_sandbox_is_shown_under_its_labels(scraped: Scraped) -> None:
    scraped.instruments.observe_feeder(lambda: LEVELS)
    scraped.instruments.observe_sandbox(lambda: numbered(SANDBOX))

    for metrics in (FEEDER, SANDBOX):
        shown = [scraped.value(metric.exposed_name, **dict.fromkeys(metric.labels, "x")) for metric in metrics.values()]
        assert list(range(len(metrics))) == shown


def test_failures_of_filters_are_counted_by_kind(scraped: Scraped) -> None:
    scraped.instruments.filter_failures(["runtime", "timeout"])
    scraped.instruments.filter_failures(["runtime"])

    assert [2, 1] == [scraped.value("cloudtrader_filter_failures_total", kind=kind) for kind in ("runtime", "timeout")]


def test_a_level_that_is_not_known_is_not_shown_and_one_with_labels_once_for_each_of_them(scraped: Scraped) -> None:
    scraped.instruments.observe_feeder(lambda: {"snapshot_age": None, "reconnects": {"lost": 2, "rotation": 1}})

    assert scraped.value("cloudtrader_feeder_snapshot_age_seconds") is None
    assert [2, 1] == [scraped.value("cloudtrader_feeder_reconnects_total", reason=reason) for reason in ("lost", "rotation")]


def test_the_documentation_lists_exactly_the_catalogue() -> None:
    rows = re.findall(r"^\| `(cloudtrader_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", DOCUMENTATION.read_text(), re.MULTILINE)

    expected = [(metric.exposed_name, metric.kind, ", ".join(metric.labels), metric.description) for metric in METRICS]
    assert expected == [(name, kind, labels.replace("`", "").strip(), description) for name, kind, labels, description in rows]
