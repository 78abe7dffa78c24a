"""Logs, tables and waits."""

import io
from datetime import UTC, datetime, timedelta

from rich.console import Console

from local.supervisor.backoff import Backoff
from local.supervisor.display import PlainDisplay, TableDisplay, brief, table
from local.supervisor.logs import ProcessLog
from local.supervisor.status import ProcessStatus, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _status(**more) -> ProcessStatus:
    return ProcessStatus(**({"name": "feeder", "state": State.READY, "pid": 42, "since": NOW - timedelta(minutes=3)} | more))


def _shown(thing) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(thing)
    return console.file.getvalue()


def test_the_table_shows_every_process_with_its_state():
    rows = [_status(url="http://127.0.0.1:9800", took=timedelta(seconds=1.26), restarts=2), _status(name="api", detail="[HTTP] 503")]
    text = _shown(table(rows, NOW)).splitlines()

    assert text[0].split() == ["process", "state", "pid", "restarts", "since", "detail", "url"]
    assert text[1].split() == ["feeder", "ready", "42", "2", "3m", "after", "1.3", "s", "http://127.0.0.1:9800"]
    assert text[2].split() == ["api", "ready", "42", "3m", "[HTTP]", "503"]


def test_the_table_on_a_terminal_is_drawn_anew_at_every_change():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    status = _status()
    with TableDisplay(console) as display:
        display.watch([status])
        status.state = State.UNHEALTHY
        display.changed(status)
        display.failed(status, "ended with status 1", ("out of memory",))

    text = console.file.getvalue()
    assert "unhealthy" in text
    assert "feeder ended with status 1. Its last lines:" in text
    assert "out of memory" in text


def test_without_a_terminal_every_change_is_one_line():
    console = Console(file=io.StringIO(), width=40)
    PlainDisplay(console).changed(_status(took=timedelta(seconds=1.5), detail="a detail that is longer than the width of the console"))

    assert console.file.getvalue().endswith("feeder ready pid 42 after 1.50 s: a detail that is longer than the width of the console\n")
    assert console.file.getvalue().count("\n") == 1


def test_times_are_brief():
    assert [brief(seconds) for seconds in (0.4, 59, 60, 3599, 7200, 3 * 86400)] == ["0s", "59s", "1m", "59m", "2h", "3d"]


def test_the_tail_is_the_last_twenty_lines_also_of_a_line_without_end(tmp_path):
    log = ProcessLog(tmp_path / "a.log")
    log.write("".join(f"line {number}\n" for number in range(50)).encode() + b"half a li")
    log.write("ne é".encode())

    assert (*(f"line {number}" for number in range(31, 50)), "half a line é") == log.tail()


def test_a_line_without_end_does_not_fill_the_memory(tmp_path):
    log = ProcessLog(tmp_path / "a.log")
    for _ in range(100):
        log.write(b"x" * 100_000)

    assert list(log.tail()) == ["x" * 2000]


def test_log_files_are_bounded_and_the_newest_lines_are_kept(tmp_path):
    log = ProcessLog(tmp_path / "a.log", max_bytes=100, kept_files=2)
    for number in range(100):
        log.write(f"line {number:04d}\n".encode())

    assert {"a.log.1", "a.log.2"} <= {file.name for file in tmp_path.iterdir()} <= {"a.log", "a.log.1", "a.log.2"}
    newest = (tmp_path / "a.log.1").read_text() + ((tmp_path / "a.log").read_text() if (tmp_path / "a.log").exists() else "")
    assert newest.endswith("line 0099\n")


def test_a_log_that_cannot_be_written_says_so_in_the_tail_and_nothing_breaks(tmp_path):
    log = ProcessLog(tmp_path / "missing" / "a.log")
    log.write(b"hello\n")

    assert log.tail() == ("hello", "[a.log cannot be written: No such file or directory]")


def test_waits_double_up_to_the_longest_and_start_over_after_a_healthy_while():
    backoff = Backoff(first=timedelta(seconds=1), longest=timedelta(seconds=5), reset_after=timedelta(seconds=60))
    waits = [backoff.next(timedelta()).total_seconds() for _ in range(5)]

    assert waits == [1, 2, 4, 5, 5]
    assert timedelta(seconds=1) == backoff.next(timedelta(seconds=61))
