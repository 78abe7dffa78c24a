"""What goes wrong is said in one clear line that tells what to do, and nothing is left half done."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from domain.tiers import Tier
from local.supervisor.market import binance_problem
from tests.acceptance.backend import Backend
from tests.acceptance.commands import PROGRAMS, Ended, cloudtrader, run
from tests.acceptance.running_stack import RunningStack

NEVER = "match = close < 0\n"
"""Other tests use the stack too."""
REFUSED, USAGE, DOWN = 1, 2, 3

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def never(tmp_path: Path) -> Path:
    file = tmp_path / "never.filter"
    file.write_text(NEVER)
    return file


class User:
    """Types `cloudtrader` commands."""

    def __init__(self, stack: RunningStack, email: str) -> None:
        self._stack = stack
        self.email = email

    async def __call__(self, *arguments: object, **environment: str) -> Ended:
        return await cloudtrader(self._stack, *arguments, CLOUDTRADER_USER=self.email, **environment)

    async def create(self, name: str, file: Path, *options: object, interval: str = "1m") -> Ended:
        return await self("trader", "create", "--name", name, "--filter", file, "--interval", interval, *options)

    async def traders(self) -> list[tuple[str, bool, str | None]]:
        """Name, whether it takes a place in the cloud, status."""
        listed = json.loads((await self("trader", "list", "--json")).out)
        return [(trader["name"], trader["enabled_in_cloud"], trader["status"]) for trader in listed]


async def _user(stack: RunningStack, backend: Backend, tier: Tier) -> User:
    _, email = await backend.new_user(tier)
    return User(stack, email)


@pytest.fixture
async def elite(stack: RunningStack, backend: Backend) -> User:
    return await _user(stack, backend, Tier.ELITE)


def _assert_says(ended: Ended, status: int, *parts: str) -> None:
    assert status == ended.status, ended
    assert "Traceback" not in ended.err
    assert [] == [part for part in parts if part not in ended.err], ended.err


async def test_broken_filter(elite: User, tmp_path: Path) -> None:
    broken = tmp_path / "broken.filter"
    broken.write_text("match = rsi(clse, 14) < 30\n")
    _assert_says(await elite.create("Mine", broken, "--deploy"), REFUSED, "broken.filter:1:13:", "clse", "did you mean close?")
    assert [] == await elite.traders()


async def test_unknown_symbol(elite: User, never: Path) -> None:
    ended = await elite.create("Mine", never, "--symbols", "BTCUSD", "--deploy")
    _assert_says(ended, REFUSED, "The market has no symbol BTCUSD. Did you mean BTCUSDT?")
    assert [("Mine", False, None)] == await elite.traders()


async def test_unknown_interval(elite: User, never: Path) -> None:
    _assert_says(await elite.create("Mine", never, interval="2m"), USAGE, "2m", "1m")
    assert [] == await elite.traders()


async def test_trader_of_another_user(stack: RunningStack, backend: Backend, elite: User, never: Path) -> None:
    await elite.create("Theirs", never)
    stranger = await _user(stack, backend, Tier.ELITE)
    for verb in ("deploy", "pause", "stop", "status"):
        _assert_says(await stranger("trader", verb, "Theirs"), REFUSED, "This user has no trader 'Theirs'.")
    assert [("Theirs", False, None)] == await elite.traders()


async def test_free_user(stack: RunningStack, backend: Backend, never: Path) -> None:
    free = await _user(stack, backend, Tier.FREE)
    _assert_says(await free.create("Mine", never, "--deploy"), REFUSED, "needs the Pro or Elite tier", "Upgrade")
    assert [("Mine", False, None)] == await free.traders()


async def test_eleventh_trader_of_a_pro_user(stack: RunningStack, backend: Backend) -> None:
    user, email = await backend.new_user(Tier.PRO)
    for number in range(10):
        await backend.deploy(f"Trader {number}", NEVER, "1m", user=user, cadence_seconds=60)
    await backend.create("Trader 10", NEVER, "1m", user=user, cadence_seconds=60)
    pro = User(stack, email)
    _assert_says(await pro("trader", "deploy", "Trader 10"), REFUSED, "allows 10 traders", "Remove one from the cloud or upgrade")
    assert [("Trader 10", False, None)] == [trader for trader in await pro.traders() if not trader[1]]


async def test_deploying_while_the_database_does_not_answer(stack: RunningStack, elite: User, never: Path) -> None:
    await elite.create("Mine", never)
    with stack.frozen("postgres"):
        _assert_says(await elite("trader", "deploy", "Mine"), DOWN, "Supabase does not answer")
    assert [("Mine", False, None)] == await elite.traders()
    assert 0 == (await elite("trader", "deploy", "Mine")).status


async def test_deploying_while_the_database_is_gone(stack: RunningStack, elite: User, never: Path) -> None:
    await elite.create("Mine", never)
    ended = await elite("trader", "deploy", "Mine", CLOUDTRADER_SUPABASE_URL="http://127.0.0.1:1")
    _assert_says(ended, DOWN, "Supabase does not answer")
    assert [("Mine", False, None)] == await elite.traders()


# Starting with what cannot work.


@pytest.fixture
def state() -> Iterator[Path]:
    """Where a stack may put its state: not in pytest's own folder, which PostgreSQL's user may not enter."""
    with TemporaryDirectory(prefix="cloudtrader-test-", ignore_cleanup_errors=True) as folder:
        yield Path(folder, "state")


async def _up(state: Path, **environment: str) -> Ended:
    return await run(PROGRAMS / "python", "-m", "local", "up", CLOUDTRADER_STATE=str(state), **environment)


async def test_second_start_on_the_same_state(stack: RunningStack) -> None:
    ended = await _up(stack.state, MARKET="simulated")
    assert 1 == ended.status
    assert "It runs already" in ended.err
    assert "make down" in ended.err


async def test_replay_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = await _up(tmp_path / "state", MARKET="replay:nowhere.parquet")
    assert 1 == ended.status
    assert "there is no such file. Name a recording (Parquet or CSV) by its path." in ended.err
    assert not (tmp_path / "state").exists()


async def test_replay_of_a_damaged_file(state: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1" + b"\0" * 100)
    ended = await _up(state, MARKET=f"replay:{damaged}")
    assert 1 == ended.status
    assert f"error: {damaged}" in ended.out
    assert "exchange failed for good and others need it: stopping everything." in ended.out


async def test_binance_that_cannot_be_reached(state: Path) -> None:
    if not await binance_problem():
        pytest.skip("Binance can be reached from here")
    ended = await _up(state, MARKET="binance")
    assert 1 == ended.status
    assert "Binance cannot be reached" in ended.err
    assert "or use MARKET=simulated" in ended.err
    assert not state.exists()  # noqa: ASYNC240  (one look at a local folder)


async def test_state_directory_on_a_disk_that_is_full(tmp_path: Path) -> None:
    with _small_disk(tmp_path) as disk:
        ended = await _up(disk / "state", MARKET="simulated")
    assert 1 == ended.status
    assert "MB left, 500 MB are needed: make room or choose another with CLOUDTRADER_STATE=DIR." in ended.err


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", folder], check=False, capture_output=True, timeout=10)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, timeout=10)
