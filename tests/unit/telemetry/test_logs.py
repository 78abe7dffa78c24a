"""What a log line says."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import TracerProvider

from adapters.telemetry.logs import _SUBJECT_OF_WORKFLOW, JsonFormatter, configure_logging, log_context
from domain.errors import RefusedError
from workflows import ids

TRADER = UUID("11111111-1111-1111-1111-111111111111")


class Lines:
    """A logger of its own and what it wrote."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(JsonFormatter("worker"))
        self.logger = logging.Logger("activities.screening")  # noqa: LOG001 - apart from the process's own
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def last(self) -> dict:
        return json.loads(self.text.splitlines()[-1])


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def kept_root_logger() -> Iterator[None]:
    handlers, level = logging.root.handlers, logging.root.level
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_line_has_the_fixed_fields_and_the_extra_keys(lines: Lines) -> None:
    lines.logger.warning("late by %d ms", 80, extra={"trader_id": TRADER, "user_id": "u", "tick": 7, "symbol": "BTCUSDT"})

    assert lines.last.pop("time").endswith("+00:00")
    expected = {"level": "WARNING", "logger": "activities.screening", "message": "late by 80 ms", "service": "worker"}
    assert {**expected, "trader_id": str(TRADER), "user_id": "u", "tick": 7, "symbol": "BTCUSDT"} == {
        name: value for name, value in lines.last.items() if name != "time"
    }


def test_an_extra_key_cannot_hide_a_fixed_field(lines: Lines) -> None:
    lines.logger.info("real", extra={"service": "forged", "level": "forged"})

    assert (lines.last["service"], lines.last["level"]) == ("worker", "INFO")


def test_a_record_is_one_line_whatever_it_holds(lines: Lines) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        lines.logger.exception("two\nlines \ud800", extra={"values": {1: float("nan")}, "object": object()})

    assert len(lines.text.splitlines()) == 1
    assert "second" in lines.last["exception"]


async def test_the_log_context_follows_into_tasks_and_ends_with_its_block(lines: Lines) -> None:
    async def log() -> None:
        lines.logger.info("inside")

    with log_context(trader_id="t"), log_context(user_id="u"):
        await asyncio.create_task(log())
        assert (lines.last["trader_id"], lines.last["user_id"]) == ("t", "u")
    lines.logger.info("outside")

    assert "trader_id" not in lines.last


def test_a_line_of_a_workflow_names_its_trader(lines: Lines) -> None:
    about = {"workflow_id": ids.trader_workflow_id(TRADER), "workflow_type": "trader", "attempt": 1, "namespace": "default"}
    lines.logger.info("paused", extra={"temporal_workflow": about})

    assert (str(TRADER), "trader", 1) == (lines.last["trader_id"], lines.last["workflow_type"], lines.last["attempt"])
    assert "namespace" not in lines.last


def test_every_kind_of_workflow_id_has_a_subject() -> None:
    made = (ids.trader_workflow_id(TRADER), ids.instance_workflow_id(TRADER), ids.signal_monitor_workflow_id(TRADER))

    assert [_SUBJECT_OF_WORKFLOW[workflow_id.partition(":")[0]] for workflow_id in made] == ["trader_id", "user_id", "signal_id"]


def test_a_line_logged_within_a_span_carries_its_trace(lines: Lines) -> None:
    with TracerProvider().get_tracer("test").start_as_current_span("deploy") as span:
        lines.logger.info("deploying")

    assert f"{span.get_span_context().trace_id:032x}" == lines.last["trace_id"]


@pytest.mark.usefixtures("kept_root_logger")
def test_every_logger_of_the_process_writes_lines_of_json_from_the_level_on() -> None:
    stream = io.StringIO()
    configure_logging("feeder", "warning", stream)
    logging.getLogger("anything").info("not this")
    logging.getLogger("anything").warning("this")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["this"]


@pytest.mark.usefixtures("kept_root_logger")
def test_an_unknown_level_is_refused_with_those_there_are() -> None:
    with pytest.raises(RefusedError, match=r"'LOUD'.*DEBUG"):
        configure_logging("feeder", "LOUD")
