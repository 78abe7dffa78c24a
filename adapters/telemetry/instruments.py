"""The instruments behind the catalogue. Recording is cheap enough for thousands of ticks a second and never raises or blocks."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from adapters.telemetry import catalogue
from adapters.telemetry.catalogue import Kind, Metric

FAILED = "failed"
EVALUATED = "evaluated"
_OUTCOMES = {outcome: {"outcome": outcome} for outcome in (EVALUATED, "skipped", "stale", FAILED)}
"""Label sets made once, because a tick is counted thousands of times a second."""

Level = float | None | Mapping[str, float] | Mapping[tuple[str, ...], float]
"""A metric's value now, or one for each of its labels' values; `None` is not shown."""
Levels = Mapping[str, Level]


class Instruments:
    """What the process counts and measures. The functions given to `observe_...` are called at each scrape, from another thread:
    they must only read and must not wait."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._duration = self._histogram(catalogue.EXECUTION_DURATION)
        self._lateness = self._histogram(catalogue.TICK_LATENESS)
        self._ticks = self._counter(catalogue.TICKS)
        self._errors = self._counter(catalogue.EVALUATION_ERRORS)
        self._failures = self._counter(catalogue.FILTER_FAILURES)
        self._signals = self._counter(catalogue.SIGNALS)
        self._replica_delay = self._histogram(catalogue.REPLICA_DELAY)

    def tick(self, lateness: timedelta, outcome: str, duration: timedelta) -> None:
        """One tick ended as `evaluated`, `skipped`, `stale` or `failed`. A lateness below zero counts as none."""
        self._ticks.add(1, _OUTCOMES[outcome])
        self._lateness.record(max(0.0, lateness.total_seconds()))
        if outcome in (EVALUATED, FAILED):
            self._duration.record(duration.total_seconds())
        if outcome == FAILED:
            self._errors.add(1)

    def filter_failures(self, kinds: Iterable[str]) -> None:
        """A filter failed in these ways at one tick."""
        for kind in kinds:
            self._failures.add(1, {"kind": kind})

    def signals(self, market: str, count: int) -> None:
        """`count` signals were recorded that were not there before."""
        self._signals.add(count, {"market": market})

    def observe_windows(self, traders: Callable[[], int], instances: Callable[[], int]) -> None:
        """Show how many traders and instances have a screening window in this process."""
        self._observe(catalogue.ACTIVE_TRADERS, traders)
        self._observe(catalogue.ACTIVE_INSTANCES, instances)

    def observe_data_age(self, age: Callable[[], timedelta | None]) -> None:
        """Show how old the market data of this process is; `None` shows nothing."""

        def seconds() -> float | None:
            now = age()
            return None if now is None else now.total_seconds()

        self._observe(catalogue.DATA_AGE, seconds)

    def replica_delay(self, kind: str, seconds: float) -> None:
        """A message of `closed` or `forming` candles reached the replica so long after the feeder received the oldest frame in it."""
        self._replica_delay.record(max(0.0, seconds), {"kind": kind})

    def observe_synchronisations(self, count: Callable[[], int]) -> None:
        """Show how many snapshots the replica has taken over."""
        self._observe(catalogue.REPLICA_SYNCHRONISATIONS, count)

    def observe_execution_rows(self, waiting: Callable[[], int]) -> None:
        """Show how many execution rows wait for their commit."""
        self._observe(catalogue.EXECUTION_ROWS_WAITING, waiting)

    def observe_sandbox(self, levels: Callable[[], Levels]) -> None:
        """Show the levels of the processes that run JavaScript filters, by their names in `catalogue.SANDBOX`."""
        for name, metric in catalogue.SANDBOX.items():
            self._observe(metric, partial(_level, levels, name))

    def observe_feeder(self, levels: Callable[[], Levels]) -> None:
        """Show the feeder's levels, by their names in `catalogue.FEEDER`."""
        for name, metric in catalogue.FEEDER.items():
            self._observe(metric, partial(_level, levels, name))

    def _counter(self, metric: Metric) -> Counter:
        return self._meter.create_counter(metric.name, metric.unit, metric.description)

    def _histogram(self, metric: Metric) -> Histogram:
        return self._meter.create_histogram(
            metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
        )

    def _observe(self, metric: Metric, value: Callable[[], Level]) -> None:
        def observe(_options: CallbackOptions) -> Iterable[Observation]:
            return _observations(metric, value())

        make = self._meter.create_observable_counter if metric.kind is Kind.COUNTER else self._meter.create_observable_gauge
        make(metric.name, [observe], metric.unit, metric.description)


def _observations(metric: Metric, level: Level) -> list[Observation]:
    if level is None:
        return []
    if not isinstance(level, Mapping):
        return [Observation(level)]
    return [Observation(value, dict(zip(metric.labels, _labels(key), strict=True))) for key, value in level.items()]


def _level(levels: Callable[[], Levels], name: str) -> Level:
    return levels().get(name)


def _labels(key: str | tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key
