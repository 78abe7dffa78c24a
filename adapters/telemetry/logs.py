"""Logs as JSON: one line per record on standard error, with whom it concerns and the trace it belongs to."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
from opentelemetry import trace

from domain.errors import RefusedError

_STANDARD_ATTRIBUTES = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_TEMPORAL_ATTRIBUTES = ("temporal_workflow", "temporal_activity")
_TEMPORAL_KEYS = ("workflow_id", "workflow_type", "run_id", "workflow_run_id", "activity_id", "activity_type", "attempt")
_SUBJECT_OF_WORKFLOW = {"trader": "trader_id", "instance": "user_id", "monitor": "signal_id", "trade": "signal_id"}
"""What the part of a workflow ID after the colon is the id of."""
_TALKATIVE = ("httpx", "httpcore", "websockets", "hpack")
"""Libraries that log every request and frame at INFO and below."""

_context: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039 - never changed in place


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add these fields to every line logged inside the block and by the tasks that it starts."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure_logging(service: str, level: str, stream: TextIO | None = None) -> None:
    """Send every logger of the process to `stream` (standard error) as JSON lines. Raises RefusedError for an unknown level."""
    levels = logging.getLevelNamesMapping()
    if level.upper() not in levels:
        raise RefusedError(f"CLOUDTRADER_LOG_LEVEL is {level!r}; it must be one of {', '.join(levels)}.")
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.root.handlers = [handler]
    logging.root.setLevel(levels[level.upper()])
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: the fixed fields first, then the log context, Temporal's ids and the `extra` keys.

    Never raises and never breaks a line in two; a value that JSON does not know becomes text.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, without its end."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
        }
        for more in (_extra(record), _context.get(), _temporal(record), _trace()):
            fields |= {name: value for name, value in more.items() if name not in fields}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        return _line(fields)


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    hidden = (*_TEMPORAL_ATTRIBUTES, "temporal_log")
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD_ATTRIBUTES and name not in hidden}


def _temporal(record: logging.LogRecord) -> dict[str, Any]:
    """Temporal's ids of a line logged in a workflow or activity; the details of one that its native core logged."""
    fields: dict[str, Any] = {}
    for attribute in _TEMPORAL_ATTRIBUTES:
        about: Mapping[str, Any] = getattr(record, attribute, {})
        fields |= {name: about[name] for name in _TEMPORAL_KEYS if name in about}
    kind, _, subject = str(fields.get("workflow_id", "")).partition(":")
    if subject and kind in _SUBJECT_OF_WORKFLOW:
        fields[_SUBJECT_OF_WORKFLOW[kind]] = subject
    if (core := getattr(record, "temporal_log", None)) is not None:
        fields |= {"target": core.target, **core.fields}
    return fields


def _trace() -> dict[str, str]:
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}", "span_id": f"{span.span_id:016x}"} if span.is_valid else {}


def _line(fields: dict[str, Any]) -> str:
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # not UTF-8, or nested without end
        return orjson.dumps({str(name): ascii(value) for name, value in fields.items()}).decode()
