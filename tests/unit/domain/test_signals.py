"""A signal's id is what keeps a retry from writing it twice."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.market import Interval
from domain.signals import signal_id

TRADER = UUID("00000000-0000-0000-0000-000000000001")
OPEN = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_id_never_changes_between_releases() -> None:
    assert UUID("d2ff92bc-ddae-582e-9776-d32b4fc37c6d") == signal_id(TRADER, "BTCUSDT", Interval.M1, OPEN)


def test_every_part_of_a_match_makes_another_signal() -> None:
    ids = {
        signal_id(TRADER, "BTCUSDT", Interval.M1, OPEN),
        signal_id(UUID(int=2), "BTCUSDT", Interval.M1, OPEN),
        signal_id(TRADER, "ETHUSDT", Interval.M1, OPEN),
        signal_id(TRADER, "BTCUSDT", Interval.M5, OPEN),
        signal_id(TRADER, "BTCUSDT", Interval.M1, OPEN + timedelta(minutes=1)),
    }

    assert len(ids) == 5
