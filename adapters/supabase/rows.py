"""Values between our types and JSON rows. Money is a string on the wire; what is not a finite number is null."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any


def from_time(moment: datetime) -> str:
    """ISO 8601 in UTC. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone.")
    return moment.astimezone(UTC).isoformat()


def from_optional_time(moment: datetime | None) -> str | None:
    """The same, or null."""
    return None if moment is None else from_time(moment)


def to_time(text: str) -> datetime:
    """Reads ISO 8601 as well as PostgreSQL's own form (`2026-11-22 13:31:36.74+00`); without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_optional_time(text: str | None) -> datetime | None:
    """The same; null is None."""
    return None if text is None else to_time(text)


def from_decimal(amount: Decimal) -> str | None:
    """Plain digits, never an exponent."""
    return format(amount, "f") if amount.is_finite() else None


def to_decimal(value: str | float) -> Decimal:
    """From a string or a JSON number, digit for digit as written."""
    return Decimal(str(value))


def from_float(number: float) -> float | None:
    """A finite number, or null."""
    return number if math.isfinite(number) else None


def from_floats(numbers: dict[str, float]) -> dict[str, float | None]:
    """The same for every value."""
    return {name: from_float(number) for name, number in numbers.items()}


def from_duration(duration: timedelta) -> int:
    """Whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def to_duration(milliseconds: Any) -> timedelta:
    """From milliseconds; null is zero."""
    return timedelta(milliseconds=milliseconds or 0)
