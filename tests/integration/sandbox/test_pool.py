"""A few jailed processes for many owners: whatever one of them does, the others get their answers."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.sandbox.pool import Pool
from adapters.sandbox.process import Request
from adapters.sandbox.sealed import SealedMemory
from adapters.sandbox.watch import Ending
from domain.errors import UnavailableError
from tests.integration.sandbox.conftest import CPU_PER_REQUEST, HOSTILE_HOST, LIMITS, python, python_pool

LOOP = "while True: pass"
NAP = "import time; time.sleep(0.2)"
CRASH = "import os; os._exit(1)"
GONE_WITHIN = 15.0


def is_running(process: int) -> bool:
    """Whether it exists and is not merely waiting to be reaped."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return False


async def until_gone(*processes: int) -> None:
    async with asyncio.timeout(GONE_WITHIN):
        while any(map(is_running, processes)):  # noqa: ASYNC110 - the kernel tells nobody but their parent
            await asyncio.sleep(0.02)


def processes_of(pool: Pool) -> list[int]:
    nursery = pool._supply._nursery._program
    assert nursery is not None
    return [nursery.pid, *(process.number for process in pool._supply._out)]


async def test_an_owner_comes_back_to_the_process_that_knows_it(jailed: Pool) -> None:
    await jailed.ask(python("kept['x'] = 7", owner="resident"))
    await asyncio.gather(*(jailed.ask(python(NAP, owner=f"passer-by {number}")) for number in range(3)))

    assert b"7" == (await jailed.ask(python("kept['x']", owner="resident"))).content


async def test_an_owner_whose_process_is_busy_moves_and_is_forgotten_there() -> None:
    async with python_pool(at_once=2) as pool:
        for owner in "abcd":
            await pool.ask(python("kept['x'] = 1", owner=owner))
        sharing = next(owner for owner in "abc" if pool._homes[owner] is pool._homes["d"])
        napping = asyncio.create_task(pool.ask(python(NAP, owner="d")))
        await asyncio.sleep(0.05)
        moved = await pool.ask(python("6 * 7", owner=sharing))
        await napping

        assert b"42" == moved.content
        assert f"['{sharing}']".encode() == (await pool.ask(python("forgotten", owner="d"))).content


async def test_one_owner_runs_one_request_at_a_time_in_order() -> None:
    async with python_pool(at_once=2) as pool:
        code = "import time\nkept.setdefault('order', []).append(%d); time.sleep(0.05)\nkept['order']"
        answers = await asyncio.gather(*(pool.ask(python(code % number, owner="a")) for number in range(4)))

        assert [b"[0]", b"[0, 1]", b"[0, 1, 2]", b"[0, 1, 2, 3]"] == [answer.content for answer in answers]


async def test_what_waits_goes_on_when_another_owner_s_process_dies() -> None:
    async with python_pool(at_once=1) as pool:
        dying = asyncio.create_task(pool.ask(python(NAP + "\n" + CRASH, owner="attacker")))
        waiting = [asyncio.create_task(pool.ask(python(f"{number} * 2", owner=f"owner {number}"))) for number in range(5)]

        assert Ending.CRASHED == (await dying).ending
        assert [b"0", b"2", b"4", b"6", b"8"] == [(await answer).content for answer in waiting]


async def test_who_used_less_lately_goes_first() -> None:
    async with python_pool(at_once=1) as pool:
        burn = "import time\nend = time.process_time() + 0.05\nwhile time.process_time() < end: pass"
        finished: list[str] = []

        async def ask(owner: str, code: str) -> None:
            await pool.ask(python(code, owner=owner))
            finished.append(owner)

        heavy = [asyncio.create_task(ask("heavy", burn)) for _ in range(6)]
        await asyncio.sleep(0.02)
        light = [asyncio.create_task(ask(f"light {number}", "1")) for number in range(3)]
        await asyncio.gather(*heavy, *light)

        assert {"light 0", "light 1", "light 2"} == set(finished[1:4])


async def test_an_owner_who_kills_processes_again_and_again_pauses_alone() -> None:
    async with python_pool() as pool:
        first, second = [await pool.ask(python(CRASH, owner="attacker")) for _ in range(2)]
        paused = await pool.ask(python("1", owner="attacker"))
        bystander = await pool.ask(python("6 * 7", owner="bystander"))
        await asyncio.sleep(1.1)
        after = await pool.ask(python("6 * 7", owner="attacker"))

        assert [Ending.CRASHED, Ending.CRASHED, Ending.SUSPENDED] == [answer.ending for answer in (first, second, paused)]
        assert timedelta() == paused.busy
        assert [b"42", b"42"] == [bystander.content, after.content]


async def test_a_pause_holds_for_what_waits_already() -> None:
    async with python_pool() as pool:
        answers = await asyncio.gather(*(pool.ask(python(CRASH, owner="attacker")) for _ in range(20)))

        assert [Ending.CRASHED] * 2 + [Ending.SUSPENDED] * 18 == [answer.ending for answer in answers]
        assert 2 == pool.statistics().replaced


async def test_who_has_offended_runs_where_nobody_else_is_and_keeps_nobody_waiting() -> None:
    async with python_pool(at_once=1) as pool:
        for owner in "ab":
            await pool.ask(python("kept['x'] = 1", owner=owner))
        await pool.ask(python(CRASH, owner="attacker"))
        known = (await pool.ask(python("kept", owner="attacker"))).content
        napping = asyncio.create_task(pool.ask(python("import time; time.sleep(1)", owner="attacker")))
        await asyncio.sleep(0.1)
        others = [(await pool.ask(python("6 * 7", owner=owner))).content for owner in "abc"]

        assert b"{}" == known
        assert [b"42"] * 3 == others
        assert not napping.done()
        assert b"None" == (await napping).content


async def test_a_process_that_dies_at_rest_is_replaced_and_nobody_blamed() -> None:
    async with python_pool() as pool:
        await pool.ask(python("1", owner="a"))
        process = pool._homes["a"].number
        os.kill(process, signal.SIGKILL)
        await until_gone(process)
        async with asyncio.timeout(GONE_WITHIN):
            while pool.statistics().replaced == 0:  # noqa: ASYNC110 - it is looked at now and then
                await asyncio.sleep(0.02)

        assert b"42" == (await pool.ask(python("6 * 7", owner="a"))).content
        assert not pool._suspensions._offences


async def test_opening_and_closing_leaves_no_descriptor_open() -> None:
    async def open_and_close() -> int:
        async with python_pool() as pool:
            await pool.ask(python("1", owner="a"))
            await pool.ask(python(CRASH, owner="b"))
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    assert await open_and_close() == await open_and_close()


async def test_a_process_that_works_after_its_answer_is_ended_and_its_owner_blamed() -> None:
    async with python_pool() as pool:
        burn = "import threading\ndef burn():\n    while True: pass\nthreading.Thread(target=burn, daemon=True).start()"
        answer = await pool.ask(python(burn, owner="attacker"))
        process = pool._homes["attacker"].number
        await until_gone(process)

        assert Ending.ANSWERED == answer.ending
        assert 1 == pool.statistics().replaced
        assert Ending.CRASHED == (await pool.ask(python(CRASH, owner="attacker"))).ending
        assert Ending.SUSPENDED == (await pool.ask(python("1", owner="attacker"))).ending


async def test_a_process_that_says_it_is_spent_answers_nobody_else() -> None:
    async with python_pool() as pool:
        last = await pool.ask(python("kept['spent'] = 1\n6 * 7", owner="a"))
        process = pool.statistics().replaced
        after = await pool.ask(python("kept", owner="b"))

        assert (b"42", 1, b"{}") == (last.content, process, after.content)


async def test_an_answer_that_makes_no_sense_ends_its_process() -> None:
    async with python_pool() as pool:
        request = replace(python("'no number'", owner="attacker"), read=int)

        assert Ending.CRASHED == (await pool.ask(request)).ending
        assert b"42" == (await pool.ask(python("6 * 7", owner="bystander"))).content


async def test_a_worn_process_is_replaced_between_two_requests() -> None:
    limits = replace(LIMITS, lifetime_cpu=timedelta(milliseconds=100))
    async with Pool(HOSTILE_HOST, limits, cpu_per_request=CPU_PER_REQUEST) as pool:
        burn = "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\nkept['x'] = 1"
        worn = await pool.ask(python(burn, owner="a"))
        fresh = await pool.ask(python("kept", owner="a"))

        assert [Ending.ANSWERED, b"{}"] == [worn.ending, fresh.content]
        assert 1 == pool.statistics().replaced


@pytest.mark.parametrize("offences", [0, 1])
async def test_whoever_waits_hears_of_what_nobody_foresaw_and_the_pool_goes_on(caplog: pytest.LogCaptureFixture, offences: int) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    async with python_pool(at_once=1) as pool:
        for _ in range(offences):
            await pool.ask(python(CRASH, owner="a"))
        watch = pool._watch
        pool._watch = type("Broken", (), {"run": fail})()
        with pytest.raises(UnavailableError, match="given up"):
            await asyncio.wait_for(pool.ask(python("1", owner="a")), GONE_WITHIN)
        pool._watch = watch
        assert [b"42", b"42"] == [(await pool.ask(python("6 * 7", owner=owner))).content for owner in "ab"]
    assert "unforeseen" in caplog.text


async def test_a_process_that_cannot_be_started_is_said_to_whoever_waits() -> None:
    async def fail() -> None:
        raise OSError(24, "Too many open files")

    async with python_pool(at_once=1) as pool:
        await pool.ask(python(CRASH, owner="a"))
        pool._supply._nursery.spawn = fail
        with pytest.raises(UnavailableError, match=r"cannot be started.*Too many open files"):
            await asyncio.wait_for(pool.ask(python("1", owner="a")), GONE_WITHIN)


async def test_who_does_not_wait_any_longer_leaves_the_line() -> None:
    async with python_pool(at_once=1) as pool:
        running = asyncio.create_task(pool.ask(python(NAP, owner="a")))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(pool.ask(python("kept['x'] = 1", owner="b")))
        await asyncio.sleep(0.01)
        waiting.cancel()
        running.cancel()
        await asyncio.wait([waiting, running])

        assert b"{}" == (await pool.ask(python("kept", owner="b"))).content
        assert 0 == pool.statistics().waiting


async def test_memory_is_given_once_and_unmapped_when_it_is_gone() -> None:
    async with python_pool(at_once=1) as pool:
        memory = SealedMemory([b"candles"])
        for _ in range(3):
            answer = await pool.ask(Request(owner="a", body=b"{n: bytes(m) for n, m in memories.items()}", memories=(memory,)))
            assert f"{{{memory.number}: b'candles'}}".encode() == answer.content
        process = pool._homes["a"]
        mapped = set(process._mapped)
        number = memory.number
        del memory, answer
        await pool.ask(python("1", owner="a"))

        assert {number} == mapped
        assert set() == process._mapped


async def test_when_the_nursery_dies_another_takes_its_place() -> None:
    async with python_pool() as pool:
        await pool.ask(python("1", owner="a"))
        before = processes_of(pool)
        os.kill(before[0], signal.SIGKILL)
        await until_gone(*before)

        async with asyncio.timeout(GONE_WITHIN):
            answers = [await _patiently(pool, owner) for owner in "abcd"]

        assert [b"42"] * 4 == answers


async def _patiently(pool: Pool, owner: str) -> bytes:
    """A request that was sent to a process which has just died ends as crashed; the next does not."""
    while True:
        try:
            answer = await pool.ask(python("6 * 7", owner=owner))
        except UnavailableError:
            await asyncio.sleep(0.1)
        else:
            if answer.ending is Ending.ANSWERED:
                return answer.content


async def test_closing_ends_what_runs_and_leaves_nothing() -> None:
    pool = python_pool()
    async with pool:
        await pool.ask(python("1", owner="a"))
        running = asyncio.create_task(pool.ask(python(LOOP, owner="a")))
        waiting = asyncio.create_task(pool.ask(python("1", owner="a")))
        await asyncio.sleep(0.05)
        processes = processes_of(pool)

    with pytest.raises(UnavailableError):
        await running
    with pytest.raises(UnavailableError):
        await waiting
    await until_gone(*processes)


async def test_nothing_is_left_when_the_worker_is_killed() -> None:
    code = (
        "import asyncio\n"
        "from tests.integration.sandbox.conftest import python, python_pool\n"
        "from tests.integration.sandbox.test_pool import processes_of\n"
        "async def main():\n"
        "    async with python_pool() as pool:\n"
        "        await pool.ask(python('1'))\n"
        "        loops = [asyncio.create_task(pool.ask(python('import time; time.sleep(60)', owner=owner))) for owner in 'ab']\n"
        "        await asyncio.sleep(0.3)\n"
        "        print(*processes_of(pool), flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[3]
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=root, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    processes = [int(number) for number in (await asyncio.wait_for(worker.stdout.readline(), 60)).split()]
    worker.kill()
    await worker.wait()

    assert len(processes) >= 3
    await until_gone(*processes)
