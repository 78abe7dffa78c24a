"""The supervisor with real children."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from datetime import timedelta

import psutil
import pytest

from local.supervisor import managed
from local.supervisor.status import State


@asynccontextmanager
async def started(supervisor):
    """The supervisor with everything settled; stopped in the end."""
    run = asyncio.create_task(supervisor.run())
    try:
        async with asyncio.timeout(20):
            await supervisor.settled()
        yield {status.name: status for status in supervisor.statuses}
    finally:
        supervisor.stop()
        await run


async def test_each_process_starts_when_what_it_needs_is_ready_and_stops_in_reverse(yard):
    specs = (
        yard.service("database"),
        yard.step("schema", "", depends_on=("database",)),
        yard.service("api", depends_on=("schema",)),
        yard.service("worker", depends_on=("api",)),
    )
    async with started(yard.supervisor(*specs)):
        pass

    assert yard.display.order_of(State.STARTING) == ["database", "schema", "api", "worker"]
    changes = yard.display.changes
    assert changes.index(("database", State.READY)) < changes.index(("schema", State.STARTING))
    assert changes.index(("schema", State.DONE)) < changes.index(("api", State.STARTING))
    assert yard.display.order_of(State.STOPPED) == ["worker", "api", "database"]


async def test_a_process_that_waits_for_a_later_one_is_refused(yard):
    with pytest.raises(ValueError, match="api depends on database, which must stand before it"):
        yard.supervisor(yard.service("api", depends_on=("database",)), yard.service("database"))


async def test_a_killed_service_runs_again_under_another_pid(yard, until):
    async with started(yard.supervisor(yard.service("feeder"))) as statuses:
        first = statuses["feeder"].pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: statuses["feeder"].restarts == 1 and statuses["feeder"].state is State.READY)

        assert first != statuses["feeder"].pid
        assert yard.display.failures == [("feeder", "was killed by SIGKILL", ())]


async def test_a_failing_service_shows_the_last_twenty_lines_and_is_tried_again(yard, until):
    service = yard.service("api", "print(*range(30), sep=chr(10)); raise SystemExit('no key')")
    supervisor = yard.supervisor(service)
    run = asyncio.create_task(supervisor.run())
    await until(lambda: len(yard.display.failures) == 2)
    supervisor.stop()

    assert await run is True
    assert ("api", "ended with status 1", (*(str(number) for number in range(11, 30)), "no key")) == yard.display.failures[0]


async def test_a_service_that_loses_its_health_is_restarted(yard, until, monkeypatch):
    monkeypatch.setattr(managed, "WATCHING_PERIOD", timedelta(milliseconds=20))
    supervisor = yard.supervisor(yard.service("feeder", unhealthy_for=timedelta(milliseconds=200)))
    async with started(supervisor) as statuses:
        (yard.folder / "feeder.up").unlink()
        await until(lambda: statuses["feeder"].restarts == 1 and statuses["feeder"].state is State.READY)

        assert [reason for _, reason, _ in yard.display.failures] == ["was not healthy for 0.2 s: no feeder.up"]
        assert ("feeder", State.UNHEALTHY) in yard.display.changes


async def test_a_service_that_answers_may_have_more_time_than_a_silent_one(yard, until, monkeypatch):
    monkeypatch.setattr(managed, "WATCHING_PERIOD", timedelta(milliseconds=20))
    unwell = yard.service("feeder", unhealthy_for=timedelta(seconds=60), silent_for=timedelta(0))
    async with started(yard.supervisor(unwell)) as statuses:
        (yard.folder / "feeder.up").unlink()
        await until(lambda: statuses["feeder"].state is State.UNHEALTHY)
        (yard.folder / "feeder.up").touch()
        await until(lambda: statuses["feeder"].state is State.READY)

        assert statuses["feeder"].restarts == 0


async def test_a_service_that_never_becomes_healthy_is_restarted(yard, until):
    stuck = yard.service("api", "import time\ntime.sleep(60)", starts_within=timedelta(milliseconds=200))
    supervisor = yard.supervisor(stuck)
    run = asyncio.create_task(supervisor.run())
    await until(lambda: yard.display.failures)
    supervisor.stop()
    await run

    assert yard.display.failures[0] == ("api", "was not healthy for 0.2 s: no api.up", ())


async def test_a_service_waits_for_what_it_needs_before_it_restarts(yard, until):
    async with started(yard.supervisor(yard.service("database"), yard.service("api", depends_on=("database",)))) as statuses:
        (yard.folder / "database.up").unlink()
        os.kill(statuses["database"].pid, signal.SIGKILL)
        os.kill(statuses["api"].pid, signal.SIGKILL)
        await until(lambda: all(status.restarts == 1 and status.state is State.READY for status in statuses.values()))

    ready_again = [change for change in yard.display.changes if change[1] is State.READY][2:]
    assert ready_again == [("database", State.READY), ("api", State.READY)]


async def test_a_step_that_fails_for_good_stops_everything_when_others_need_it(yard):
    specs = (yard.service("database"), yard.step("schema", "raise SystemExit(3)", attempts=2), yard.service("api", depends_on=("schema",)))
    async with asyncio.timeout(10):
        went_well = await yard.supervisor(*specs).run()

    assert went_well is False
    assert yard.display.order_of(State.FAILED) == ["schema"]
    assert "api" not in yard.display.order_of(State.STARTING)


async def test_a_service_that_was_asked_for_the_impossible_is_not_tried_again(yard):
    exchange = yard.service("exchange", "import sys; print('error: crash.parquet is not a recording'); sys.exit(2)")
    async with asyncio.timeout(10):
        went_well = await yard.supervisor(exchange, yard.service("feeder", depends_on=("exchange",))).run()

    assert went_well is False
    assert yard.display.failures == [("exchange", "ended with status 2", ("error: crash.parquet is not a recording",))]


async def test_a_step_that_nobody_needs_may_fail_for_good(yard):
    async with started(yard.supervisor(yard.service("database"), yard.step("demo", "raise SystemExit(3)", attempts=1))) as statuses:
        assert {name: status.state for name, status in statuses.items()} == {"database": State.READY, "demo": State.FAILED}


async def test_a_step_with_a_done_file_runs_at_the_first_start_only(yard):
    counted = yard.folder / "count"
    step = yard.step("seed", f"open({str(counted)!r}, 'a').write('x')", done_file=yard.folder / "seeded")
    for _ in range(2):
        async with started(yard.supervisor(step)) as statuses:
            assert State.DONE is statuses["seed"].state

    assert counted.read_text() == "x"


async def test_a_service_that_ignores_sigterm_is_killed_after_its_grace_with_its_group(yard, until):
    code = """
        import os, pathlib, signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        pathlib.Path(__file__).with_name("grandchild").write_text(str(child.pid))
    """
    async with started(yard.supervisor(yard.service("stubborn", code, grace=timedelta(milliseconds=300)))) as statuses:
        pids = {statuses["stubborn"].pid, int((yard.folder / "grandchild").read_text())}

    await until(lambda: not any(_runs(pid) for pid in pids))


async def test_a_second_stop_does_not_wait_for_the_grace(yard, until):
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)"
    supervisor = yard.supervisor(yard.service("stubborn", code, grace=timedelta(seconds=60)))
    run = asyncio.create_task(supervisor.run())
    await supervisor.settled()
    supervisor.stop()
    await until(lambda: ("stubborn", State.STOPPING) in yard.display.changes)
    supervisor.stop()

    async with asyncio.timeout(5):
        assert await run is True


async def test_output_is_kept_in_a_log_file(yard):
    async with started(yard.supervisor(yard.service("feeder", "print('connected', flush=True)"))):
        pass

    assert (yard.folder / "logs" / "feeder.log").read_text() == "connected\n"


async def test_a_program_that_is_not_there_says_so(yard, until):
    spec = yard.service("api")
    supervisor = yard.supervisor(type(spec)(name="api", argv=("/no/such/program",), health=spec.health))
    run = asyncio.create_task(supervisor.run())
    await until(lambda: yard.display.failures)
    supervisor.stop()
    await run

    assert yard.display.failures[0] == ("api", "ended with status 127", ("cannot start /no/such/program: No such file or directory",))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
