"""The whole stack under load: elite traders at 5 s on this machine, in half an hour. One line per figure.

    python -m bench.traders [--traders 500 1000 2000] [--minutes 4] [--trigger close|tick]

Lateness is the start of a tick less its due moment, from the workers' histogram. Latency is the signal row's commit less its candle's
close, both by this machine's clock (the simulated market runs on real time). CPU is what the kernel charged to each process.
"""

import argparse
import asyncio
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from time import monotonic
from uuid import UUID, uuid4

import httpx
import psutil
from supabase import AsyncClient
from temporalio.client import Client

from adapters import temporal
from adapters.supabase.client import connect
from adapters.supabase.traders import SupabaseTraders
from adapters.supabase.users import SupabaseUsers
from api.deployments import Deployments
from domain.errors import UnavailableError
from domain.filters import FilterSpec, Trigger
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from domain.traders import TraderSettings
from tests.acceptance.running_stack import RunningStack, running_stack
from workflows import ids

RULES = (
    "rsi(close, 14) < {low} and volume > 4 * sma(volume, 20)[1]",
    "crosses_above(ema(close, 9), ema(close, 21)) and volume > 6 * sma(volume, 20)[1] and rsi(close, 14) > {high}",
    "close < bbands(close, 20, 4).lower and adx(14) > 4{digit}",
    "volume > 4{digit} * sma(volume, 20)[1] and close > open",
    "crosses_above(macd(close).macd, macd(close).signal) and rsi(close, 14) < {low}",
    "close > highest(high, 2{digit}0)[1] and volume > 8 * sma(volume, 20)[1]",
    "atr(14) > 3 * sma(atr(14), 100) and rsi(close, 7) < {low}",
    "mfi(14) < 1{digit} and close < sma(close, 200) * 0.97",
    "cci(20) < -4{digit}0 and volume > 12 * sma(volume, 20)[1]",
    "willr(14) < -99 and roc(close, 10) < -{digit}.5 and adx(14) > 50",
)
TRADERS_PER_USER = 200
AT_ONCE = 8
"""An instance takes ten deployments at once."""
WARM_UP = timedelta(seconds=75)
BILLED_EVENTS = (
    "ActivityTaskScheduled",
    "StartChildWorkflowExecutionInitiated",
    "WorkflowExecutionSignaled",
    "UpsertWorkflowSearchAttributes",
)


def code(number: int) -> str:
    """The filter of one trader: rules that rarely match, with parameters of its own."""
    rule = RULES[number % len(RULES)]
    return "match = " + rule.format(low=12 + number % 7, high=70 + number % 9, digit=number // len(RULES) % 10)


@dataclass
class Readings:
    """What the stack's processes say at one moment."""

    at: float = field(default_factory=monotonic)
    cpu: Counter[str] = field(default_factory=Counter)
    memory: Counter[str] = field(default_factory=Counter)
    lateness: Counter[float] = field(default_factory=Counter)
    """Ticks by upper bound of their bucket, seconds."""
    ticks: Counter[str] = field(default_factory=Counter)


async def read(stack: RunningStack) -> Readings:
    """CPU seconds and resident bytes by process, ticks by lateness and outcome."""
    readings = Readings()
    for name, pid in stack.pids.items():
        for process in _family(pid):
            times = process.cpu_times()
            readings.cpu[name] += times.user + times.system
            readings.memory[name] += process.memory_info().rss
    async with httpx.AsyncClient() as http:
        for name in stack.pids:
            if name.startswith("worker"):
                page = (await http.get(f"http://127.0.0.1:{stack.port(name)}/metrics")).text
                _add_ticks(readings, page)
    return readings


def _family(pid: int) -> Iterable[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _add_ticks(readings: Readings, page: str) -> None:
    below = 0.0
    for bound, count in re.findall(r'cloudtrader_tick_lateness_seconds_bucket\{.*?le="([^"]+)".*?\} (\S+)', page):
        readings.lateness[float(bound)] += float(count) - below
        below = 0.0 if bound == "+Inf" else float(count)
    for outcome, count in re.findall(r'cloudtrader_ticks_total\{.*?outcome="(\w+)".*?\} (\S+)', page):
        readings.ticks[outcome] += float(count)


def percentile(buckets: Counter[float], part: float) -> float:
    """Milliseconds, interpolated within the bucket."""
    wanted, seen, lower = part * sum(buckets.values()), 0.0, 0.0
    for bound in sorted(buckets):
        if seen + buckets[bound] >= wanted:
            return 1000 * (lower + (bound - lower) * (wanted - seen) / max(buckets[bound], 1e-9))
        seen, lower = seen + buckets[bound], bound
    return float("nan")


class Load:
    """Traders of many users on one stack."""

    def __init__(self, client: Client, traders: SupabaseTraders, users: SupabaseUsers, trigger: Trigger) -> None:
        async def connected() -> Client:
            return client

        self._deployments = Deployments(connected, traders)
        self._users = users
        self._trigger = trigger
        self.traders: list[UUID] = []
        self.asked_again = 0
        self._owners: list[UUID] = []

    async def grow_to(self, count: int) -> float:
        """Deploy until so many run; seconds it took."""
        began = monotonic()
        numbers = range(len(self.traders), count)
        while len(self._owners) * TRADERS_PER_USER < count:
            self._owners.append(await self._users.create_user(f"{uuid4()}@cloudtrader.test", uuid4().hex, Tier.ELITE))
        queue = iter(numbers)
        await asyncio.gather(*(self._deploy_all(queue) for _ in range(AT_ONCE)))
        return monotonic() - began

    async def _deploy_all(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            owner = self._owners[number // TRADERS_PER_USER]
            rule = FilterSpec(code=code(number), interval=Interval.M1, trigger=self._trigger)
            settings = TraderSettings(filter=rule, cadence=LIMITS[Tier.ELITE].default_cadence)
            trader = await self._deployments.create(owner, f"trader {number}", settings)
            await self._deploy(owner, trader.id)
            self.traders.append(trader.id)

    async def _deploy(self, owner: UUID, trader_id: UUID) -> None:
        while True:
            try:
                await self._deployments.deploy(owner, str(trader_id))
            except UnavailableError:  # an answer took longer than a user is made to wait; asking again is safe
                self.asked_again += 1
            else:
                return


def say(traders: int, figure: str, value: str) -> None:
    print(f"traders={traders:<5} {figure:<44} {value}", flush=True)


async def measure(stack: RunningStack, load: Load, client: Client, database: AsyncClient, count: int, minutes: float) -> None:
    idle = await read(stack)
    say(count, "deployed within", f"{await load.grow_to(count):.1f} s")
    say(count, "deployments asked for again", str(load.asked_again))
    await asyncio.sleep(WARM_UP.total_seconds())
    began, wall = await read(stack), datetime.now(UTC)
    await asyncio.sleep(minutes * 60)
    ended = await read(stack)
    lateness = ended.lateness - began.lateness
    ticks = sum(ended.ticks.values()) - sum(began.ticks.values())
    seconds = ended.at - began.at
    say(count, "ticks per second (offered)", f"{ticks / seconds:.1f} ({count / 5:.1f})")
    say(count, "ticks by outcome", str({name: int(ended.ticks[name] - began.ticks[name]) for name in ended.ticks}))
    say(count, "tick lateness p50 / p99", f"{percentile(lateness, 0.5):.1f} / {percentile(lateness, 0.99):.1f} ms")
    for name in sorted(ended.cpu):
        used = ended.cpu[name] - began.cpu[name]
        if used / seconds > 0.001:
            say(
                count,
                f"cpu {name}",
                f"{used / seconds:.3f} cores, {1000 * used / max(ticks, 1):.3f} ms per tick, {ended.memory[name] / 2**20:.0f} MiB",
            )
    grown = sum(ended.memory[name] - idle.memory[name] for name in ended.memory if name.startswith("worker"))
    say(count, "worker memory since the step began", f"{grown / 2**20:.0f} MiB")
    await _say_latency(database, wall, count)
    await _say_history(client, load.traders[:: max(1, count // 50)], count)


async def _say_latency(database: AsyncClient, since: datetime, count: int) -> None:
    rows = (
        await database.table("signals")
        .select("created_at,candle_open_time,late")
        .gte("created_at", since.isoformat())
        .limit(1000)
        .execute()
    ).data
    latencies = [
        1000 * (_time(row["created_at"]) - _time(row["candle_open_time"]) - Interval.M1.duration).total_seconds()
        for row in rows
        if not row["late"]
    ]
    if len(latencies) > 1:
        say(
            count,
            "candle close to signal row p50 / p99",
            f"{median(latencies):.0f} / {quantiles(latencies, n=100)[98]:.0f} ms of {len(rows)} signals",
        )


async def _say_history(client: Client, sample: list[UUID], count: int) -> None:
    events, actions, hours = 0, 0.0, 0.0
    for trader_id in sample:
        handle = client.get_workflow_handle(ids.trader_workflow_id(trader_id))
        history = await handle.fetch_history()
        elapsed = (datetime.now(UTC) - history.events[0].event_time.ToDatetime(UTC)).total_seconds()
        names = [str(event.WhichOneof("attributes")) for event in history.events]
        billed = sum(any(_snake(kind) in name for kind in BILLED_EVENTS) for name in names)
        heartbeats = elapsed / (0.8 * LIMITS[Tier.ELITE].heartbeat_timeout.total_seconds())
        events, actions, hours = events + len(names), actions + billed + heartbeats, hours + elapsed / 3600
    say(count, "history events per trader and hour", f"{events / hours:.0f}")
    say(count, "billable actions per trader and hour", f"{actions / hours:.0f} (most are heartbeats)")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace(" ", "T") + (":00" if text[-3] in "+-" else ""))


async def main() -> None:
    """Each step adds traders to those that run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--traders", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--trigger", type=Trigger, default=Trigger.CLOSE)
    options = parser.parse_args()
    async with running_stack(MARKET="simulated") as stack:
        settings = stack.settings
        client = await temporal.connect(settings)
        async with connect(settings["CLOUDTRADER_SUPABASE_URL"], settings["CLOUDTRADER_SUPABASE_SECRET_KEY"]) as database:
            load = Load(client, SupabaseTraders(database), SupabaseUsers(database), options.trigger)
            for count in options.traders:
                await measure(stack, load, client, database, count, options.minutes)


if __name__ == "__main__":
    asyncio.run(main())
