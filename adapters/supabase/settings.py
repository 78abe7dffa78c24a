"""A trader's settings between the domain and the columns `filter` and `cloud_config`."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from adapters.supabase.requests import Row
from domain.errors import FilterRefusedError
from domain.filters import FilterProblem, FilterSpec, Language, Trigger
from domain.imports import decoded
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings

Choice = TypeVar("Choice", bound=StrEnum)


def to_settings(row: Row, tier: Tier) -> TraderSettings:
    """Settings of a row of `traders` or `trader_versions`; without a cadence, the tier's. Raises FilterRefusedError."""
    config = to_object(row["cloud_config"], "cloud_config")
    seconds = config.get("cadenceSeconds")
    try:
        cadence = LIMITS[tier].default_cadence if seconds is None else timedelta(seconds=float(seconds))
    except (TypeError, ValueError, OverflowError):
        raise _refused(f"cloud_config.cadenceSeconds must be a number of seconds, not {seconds!r}.") from None
    return TraderSettings(
        filter=_to_filter(to_object(row["filter"], "filter")),
        cadence=cadence,
        symbols=_to_symbols(config.get("symbols") or []),
        signal_initial=bool(config.get("signalInitial", False)),
    )


def from_filter(spec: FilterSpec) -> dict[str, Any]:
    """The column `filter`."""
    return {
        "language": spec.language,
        "code": spec.code,
        "interval": spec.interval,
        "trigger": spec.trigger,
        "requiredIntervals": list(spec.required_intervals),
        "truthy": spec.truthy,
    }


def from_settings(settings: TraderSettings) -> dict[str, Any]:
    """What `cloud_config` says of them."""
    seconds = settings.cadence.total_seconds()
    return {
        "cadenceSeconds": int(seconds) if seconds.is_integer() else seconds,
        "symbols": list(settings.symbols),
        "signalInitial": settings.signal_initial,
    }


def to_object(stored: Any, column: str) -> dict[str, Any]:
    """A column's object; nothing is an empty one. The product stored some as strings within JSON, which are read too."""
    value = decoded(stored)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refused(f"The column {column} must be an object, not {str(value)[:50]!r}.")
    return value


def _to_filter(stored: dict[str, Any]) -> FilterSpec:
    code = stored.get("code")
    if not isinstance(code, str) or not code.strip():
        raise _refused("The stored filter has no code.")
    return FilterSpec(
        code=code,
        interval=_choice(Interval, "interval", stored.get("interval")),
        language=_choice(Language, "language", stored.get("language", Language.EXPRESSION)),
        trigger=_choice(Trigger, "trigger", stored.get("trigger", Trigger.CLOSE)),
        required_intervals=_to_intervals(stored.get("requiredIntervals") or []),
        truthy=bool(stored.get("truthy", False)),
    )


def _choice(kind: type[Choice], field: str, value: Any) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise _refused(f"The stored filter's {field} is {value!r}; it must be one of {', '.join(kind)}.") from None


def _to_intervals(stored: object) -> tuple[Interval, ...]:
    if not isinstance(stored, list):
        raise _refused("The stored filter's requiredIntervals must be a list of intervals.")
    return tuple(_choice(Interval, "requiredIntervals", value) for value in stored)


def _to_symbols(stored: object) -> tuple[str, ...]:
    if not isinstance(stored, list) or not all(isinstance(symbol, str) for symbol in stored):
        raise _refused("cloud_config.symbols must be a list of symbols.")
    return tuple(stored)


def _refused(message: str) -> FilterRefusedError:
    return FilterRefusedError((FilterProblem(message=message, line=1, column=1),))
