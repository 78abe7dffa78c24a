"""The load of binance.md, section 5: every stream of 400 symbols, bursts, a pause, lost connections and a restart, and what is lost."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from websockets.asyncio.client import ClientConnection, connect

from adapters.candle_store import CandleStore, is_closed
from adapters.feeder_client import MarketReplica
from adapters.feeder_protocol import PATH
from adapters.feeder_session import FeederSession
from bench.market.delays import STEADY, Delays, gathered
from bench.market.truth import MOST, Comparison, closed_everywhere, hold_between_boundaries
from bench.measuring.figures import say
from domain.market import from_epoch_milliseconds
from tests.integration.feeder.processes import FEEDER_CORE, OTHER_CORE, TOKEN, ExchangeProcess, FeederProcess, following, until

BENCH = "load"
BURST, FAULT = "burst", "fault"
BURST_SECONDS = 3.0
COMPLETE_WITHIN = 600.0


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How hard, and how long; rates are frames per second, times wall-clock seconds."""

    symbols: int = 400
    speed: float = 1.0
    typical_rate: int = 650
    typical_seconds: float = 600.0
    busy_rate: int = 1_200
    busy_seconds: float = 120.0
    burst_every: float = 60.0
    pause_seconds: float = 10.0
    pinned: bool = True
    """Whether the feeder has one core and everything else the other."""
    compared: int = MOST
    """Candles of each history that are compared in the end, the newest."""


def lasting(minutes: float) -> Profile:
    """The full load, with so many minutes of the typical rate and a fifth of that of the busy one."""
    return Profile(typical_seconds=60 * minutes, busy_seconds=12 * minutes)


@dataclass
class Outcome:
    """What a run showed."""

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    most_client_frames_per_second: int = 0
    """As the exchange counted them: what it reads late it sees closer together than they were sent."""
    most_frames_sent_per_second: int = 0
    most_weight_per_minute: int = 0
    weight_limit: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    """Of all lives of the feeder."""
    lacked_by_pausing_client: int = 0

    @property
    def problems(self) -> list[str]:
        """What must not be, in words."""
        lost = [f"{name}: {comparison}" for name, comparison in self.comparisons.items() if comparison.lost or comparison.wrong]
        found = {
            f"the client that paused lacks {self.lacked_by_pausing_client} closed candles": self.lacked_by_pausing_client > 0,
            f"{self.counters['clients_cut']} clients were cut": self.counters["clients_cut"] > 0,
            f"the feeder sent {self.most_frames_sent_per_second} frames in a second": self.most_frames_sent_per_second > 4,
            f"the exchange counted {self.most_client_frames_per_second} frames in a second": self.most_client_frames_per_second > 5,
            f"{self.most_weight_per_minute} of weight {self.weight_limit} in a minute": 2 * self.most_weight_per_minute
            >= self.weight_limit,
        }
        return lost + [problem for problem, is_so in found.items() if is_so]


class PausingClient:
    """A client with a store of its own that can stop reading."""

    def __init__(self, connection: ClientConnection) -> None:
        self.store = CandleStore()
        self._connection = connection
        self._reads = asyncio.Event()
        self._reads.set()

    async def read(self) -> None:
        """Take what the feeder sends, until the connection ends."""
        session = FeederSession(self.store)
        async for message in self._connection:
            session.receive(message if isinstance(message, bytes) else message.encode())
            await self._reads.wait()

    async def pause(self, seconds: float) -> None:
        """Read nothing for so long."""
        self._reads.clear()
        await asyncio.sleep(seconds)
        self._reads.set()


@asynccontextmanager
async def _pausing(feeder: FeederProcess) -> AsyncIterator[PausingClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(
        feeder.url + PATH, additional_headers=headers, compression=None, max_size=2**26, max_queue=2, ping_timeout=None, proxy=None
    ) as connection:
        client = PausingClient(connection)
        reading = asyncio.create_task(client.read())
        try:
            yield client
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class Load:
    """One run."""

    def __init__(self, profile: Profile, exchange: ExchangeProcess, feeder: FeederProcess, replica: MarketReplica, delays: Delays) -> None:
        self._profile = profile
        self._exchange = exchange
        self._feeder = feeder
        self._replica = replica
        self._delays = delays
        self._counted: Counter[str] = Counter()
        self._lacked = 0

    async def steady(self, figure: str, rate: int, seconds: float) -> None:
        """A steady rate for some time, with a burst now and then."""
        await self._exchange.tell("/control/rate", frames_per_second=rate)
        memory, began, used, frames = self._feeder.memory(), time.monotonic(), self._feeder.cpu_seconds(), await self._frames()
        ends = began + seconds
        while (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._profile.burst_every))
            if time.monotonic() < ends:
                await self._burst()
        took = time.monotonic() - began
        say(BENCH, f"{figure}: frames per second, bursts and closed ones included", f"{(await self._frames() - frames) / took:,.0f}")
        say(BENCH, f"{figure}: feeder CPU", f"{(self._feeder.cpu_seconds() - used) / took:.1%} of a core")
        say(BENCH, f"{figure}: feeder memory, begin and end", f"{memory / 2**20:.0f} / {self._feeder.memory() / 2**20:.0f} MiB")

    async def pause_feeder(self) -> None:
        """The feeder does nothing for a while: the exchange's frames pile up, and its clients wait."""
        with self._delays.during(FAULT):
            lost = (await self._counters())["connections_lost"]
            async with self._feeder.frozen():
                await asyncio.sleep(self._profile.pause_seconds)
            await self._complete("feeder paused")
            say(BENCH, "connections lost by the feeder's pause", str((await self._counters())["connections_lost"] - lost))

    async def pause_client(self, client: PausingClient) -> None:
        """One client stops reading for a while."""
        await client.pause(self._profile.pause_seconds)
        seq = (await self._feeder.status())["seq"]
        await until(lambda: _reached(client, seq))
        self._lacked = _lacked(client.store, self._replica.store)
        say(BENCH, "closed candles lacked by the client that paused", str(self._lacked))

    async def kill_connections(self) -> None:
        """Each connection to the exchange is cut off, one after the other."""
        with self._delays.during(FAULT):
            for connection in await self._connections():
                opened = (await self._counters())["connections_opened"] + 1
                await self._exchange.tell("/control/faults", kind="disconnect", connection=connection["id"])
                await until(partial(self._opened, opened))
                await self._complete("a connection killed")

    async def restart_feeder(self) -> None:
        """The feeder is killed and starts from nothing."""
        with self._delays.during(FAULT):
            self._counted.update(await self._counters())
            await self._feeder.stop(signal.SIGKILL)
            await self._feeder.start()
            await self._complete("feeder killed and started from nothing")

    async def finish(self, since: int, stores: dict[str, CandleStore]) -> Outcome:
        """Hold the market and compare."""
        await self._exchange.tell("/control/rate", frames_per_second=None)
        await hold_between_boundaries(self._exchange)
        await until(self._feeder.is_complete)
        await until(lambda: self._feeder.is_followed_by(self._replica))
        self._counted.update(await self._counters())
        status = await self._exchange.status()
        limits = (await self._exchange.get("/api/v3/exchangeInfo"))["rateLimits"]
        truths = await closed_everywhere(self._exchange, self._profile.compared)
        return Outcome(
            {name: Comparison.of(store, truths, since) for name, store in stores.items()},
            status["most_client_frames_per_second"],
            max(report["most_client_frames_per_second"] for report in (await self._feeder.status())["connection_reports"]),
            status["most_weight_per_minute"],
            next(limit["limit"] for limit in limits if limit["rateLimitType"] == "REQUEST_WEIGHT"),
            self._counted,
            self._lacked,
        )

    async def _burst(self) -> None:
        with self._delays.during(BURST):
            await self._exchange.tell("/control/burst")
            await asyncio.sleep(BURST_SECONDS)

    async def _complete(self, event: str) -> None:
        """Wait until what the exchange has now is in the replica."""
        began, now = time.monotonic(), from_epoch_milliseconds(await self._exchange.now())
        await until(lambda: self._has_all(now), timeout=COMPLETE_WITHIN, every=0.3)
        say(BENCH, f"{event}: nothing missing after", f"{time.monotonic() - began:.1f} s")

    async def _has_all(self, moment: datetime) -> bool:
        as_of = self._replica.as_of
        return (
            as_of is not None and as_of >= moment and await self._feeder.is_complete() and await self._feeder.is_followed_by(self._replica)
        )

    async def _connections(self) -> list[dict[str, str]]:
        return [connection for connection in (await self._exchange.status())["connections"] if not connection.get("close_reason")]

    async def _opened(self, count: int) -> bool:
        status = await self._feeder.status()
        return bool(status["counters"]["connections_opened"] >= count and status["connections_open"] == status["connections"])

    async def _counters(self) -> Counter[str]:
        counters = (await self._feeder.status())["counters"]
        return Counter({name: count for name, count in counters.items() if isinstance(count, int)})

    async def _frames(self) -> int:
        return (await self._counters())["frames"]


async def _reached(client: PausingClient, seq: int) -> bool:
    return client.store.seq >= seq


def _lacked(store: CandleStore, other: CandleStore) -> int:
    """Closed candles that the other store has and this one lacks, the newest two left out: they may be on their way."""
    count = 0
    for interval, frame in other.frames.items():
        mine = store.frame(interval)
        columns = slice(0, int(frame.closed_through.max()) - 1 - frame.first_index)
        count += int((is_closed(frame.flags[:, columns]) & ~is_closed(mine.flags[:, columns])).sum())
    return count


async def run(profile: Profile) -> Outcome:
    """The whole profile; prints its figures as they come."""
    feeder_core, other_core = (FEEDER_CORE, OTHER_CORE) if profile.pinned else (None, None)
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(
            ExchangeProcess("--generate", "--symbols", str(profile.symbols), "--speed", str(profile.speed), core=other_core)
        )
        since = await exchange.now()
        began = time.monotonic()
        feeder = await stack.enter_async_context(FeederProcess(exchange.url, exchange.url.replace("http", "ws"), core=feeder_core))
        replica = await stack.enter_async_context(following(MarketReplica(feeder.url, TOKEN)))
        await until(feeder.is_complete, timeout=COMPLETE_WITHIN, every=0.5)
        say(BENCH, "first backfill", f"{time.monotonic() - began:.1f} s")
        delays = await stack.enter_async_context(gathered(replica))
        load = Load(profile, exchange, feeder, replica, delays)
        async with _pausing(feeder) as client:
            await load.steady("typical", profile.typical_rate, profile.typical_seconds)
            await load.steady("busy", profile.busy_rate, profile.busy_seconds)
            await load.pause_client(client)
            await load.pause_feeder()
            await load.kill_connections()
        await load.restart_feeder()
        outcome = await load.finish(since, {"replica": replica.store})
        _say(outcome, delays)
        return outcome


def _say(outcome: Outcome, delays: Delays) -> None:
    for event in (STEADY, BURST, FAULT):
        for kind in ("closed", "forming"):
            say(BENCH, f"{event}: frame received to replica updated, {kind}", f"p50 / p99 / max {delays.of(kind, event)}")
    for name, comparison in outcome.comparisons.items():
        say(BENCH, f"closed candles of the {name}", str(comparison))
        for example in comparison.examples:
            say(BENCH, "  not as at the exchange", example)
    say(BENCH, "most frames in a second from the feeder to the exchange", str(outcome.most_client_frames_per_second))
    say(BENCH, "most REST weight in a minute", f"{outcome.most_weight_per_minute:,} of {outcome.weight_limit:,}")
    counters = outcome.counters
    say(BENCH, "connections opened and lost, clients cut", "{connections_opened}, {connections_lost}, {clients_cut}".format(**counters))
    say(BENCH, "closed candles by stream, repairs by REST", "{closed_candles:,}, {rest_repairs:,}".format(**counters))
