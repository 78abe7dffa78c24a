"""How many kline frames a second one core takes: a bare receive-and-parse loop, and the whole feeder, from the same sender in one run."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import orjson
from websockets.asyncio.client import connect

from adapters.candle_store import INTERVALS
from adapters.feeder_client import MarketReplica
from bench.market import blast, clients
from bench.measuring.figures import say
from tests.integration.feeder.processes import FEEDER_CORE, OTHER_CORE, TOKEN, ExchangeProcess, FeederProcess, following, until
from tests.integration.servers import free_port

SYMBOLS = 400
# REST allows weight per minute times the speed, and a clock that is held leaves the market to the blaster.
EXCHANGE = ("--generate", "--symbols", str(SYMBOLS), "--speed", "60", "--start", "2026-06-01T12:00:30", "--hold")
STREAMS_PER_CONNECTION = 900
PER_FRAME = 150
WARM_UP_SECONDS = 3.0
CLIENTS = 50
BENCH = "throughput"


@dataclass(frozen=True)
class Speed:
    """Frames taken in some time, and what it cost."""

    frames: int
    seconds: float
    cpu_seconds: float

    @property
    def per_core(self) -> float:
        """Frames per second of CPU: what one core does when nothing else wants it."""
        return self.frames / self.cpu_seconds

    def __str__(self) -> str:
        return (
            f"{self.per_core:,.0f} frames per second of one core"
            f" ({self.frames / self.seconds:,.0f}/s at {self.cpu_seconds / self.seconds:.0%} CPU)"
        )


@contextmanager
def _blasting(starts_at: int) -> Iterator[tuple[str, Event]]:
    """A blaster's address, and the event that lets it go."""
    context = get_context("spawn")
    port, listening, going = free_port(), context.Event(), context.Event()
    process = context.Process(target=blast.run, args=(port, starts_at, listening, going, OTHER_CORE), daemon=True)
    process.start()
    try:
        if not listening.wait(30):
            raise TimeoutError("the sender of frames does not start")
        yield f"ws://127.0.0.1:{port}", going
    finally:
        process.terminate()
        process.join()


async def _bare(starts_at: int, names: list[str], seconds: float) -> Speed:
    with _blasting(starts_at) as (url, going):
        ours, theirs = (context := get_context("spawn")).Pipe()
        process = context.Process(target=_receive_bare, args=(url, names, seconds, theirs), daemon=True)
        process.start()
        await asyncio.to_thread(ours.recv)  # it has subscribed
        going.set()
        speed: Speed = await asyncio.to_thread(ours.recv)
        process.join()
        return speed


def _receive_bare(url: str, names: list[str], seconds: float, pipe: Connection) -> None:
    os.sched_setaffinity(0, {FEEDER_CORE})
    asyncio.run(_receive_all_bare(url, names, seconds, pipe))


async def _receive_all_bare(url: str, names: list[str], seconds: float, pipe: Connection) -> None:
    counts = [0] * len(names)

    async def receive(place: int, streams: list[str]) -> None:
        async with connect(url + "/stream", compression=None, max_queue=1_024, proxy=None) as connection:
            for start in range(0, len(streams), PER_FRAME):
                part = streams[start : start + PER_FRAME]
                await connection.send(orjson.dumps({"method": "SUBSCRIBE", "params": part, "id": start}), text=True)
            while True:
                orjson.loads(await connection.recv(decode=False))
                counts[place] += 1

    shards = [names[start : start + STREAMS_PER_CONNECTION] for start in range(0, len(names), STREAMS_PER_CONNECTION)]
    tasks = [asyncio.create_task(receive(*shard)) for shard in enumerate(shards)]
    await asyncio.sleep(WARM_UP_SECONDS)
    pipe.send(None)
    await asyncio.sleep(WARM_UP_SECONDS)
    frames, began, used = sum(counts), time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    pipe.send(Speed(sum(counts) - frames, time.monotonic() - began, time.process_time() - used))
    for task in tasks:
        task.cancel()


async def _measured(feeder: FeederProcess, seconds: float) -> Speed:
    await asyncio.sleep(WARM_UP_SECONDS)
    frames, began, used = await _frames(feeder), time.monotonic(), feeder.cpu_seconds()
    await asyncio.sleep(seconds)
    return Speed(await _frames(feeder) - frames, time.monotonic() - began, feeder.cpu_seconds() - used)


async def _frames(feeder: FeederProcess) -> int:
    return int((await feeder.status())["counters"]["frames"])


async def measure(seconds: float) -> None:
    """Print the figures."""
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(ExchangeProcess(*EXCHANGE, core=OTHER_CORE))
        starts_at = await exchange.now()
        listed = [item["symbol"].lower() for item in (await exchange.get("/api/v3/exchangeInfo"))["symbols"]]
        names = [f"{symbol}@kline_{interval}" for interval in INTERVALS for symbol in listed]
        bare = await _bare(starts_at, names, seconds)
        say(BENCH, "bare receive and parse", str(bare))
        url, going = stack.enter_context(_blasting(starts_at))
        feeder = await stack.enter_async_context(FeederProcess(exchange.url, url, core=FEEDER_CORE))
        await until(feeder.is_complete, timeout=300)
        await stack.enter_async_context(following(MarketReplica(feeder.url, TOKEN)))
        going.set()
        _say("feeder with 1 client", await _measured(feeder, seconds), bare)
        others = stack.enter_context(clients.connected(feeder.url, CLIENTS - 1))
        await asyncio.sleep(CLIENTS / clients.CLIENTS_PER_SECOND)
        going.clear()
        await until(lambda: _has_clients(feeder, CLIENTS), timeout=120)
        going.set()
        await asyncio.to_thread(others.delays)
        speed = await _measured(feeder, seconds)
        _say(f"feeder with {CLIENTS} clients", speed, bare)
        messages = len(await asyncio.to_thread(others.delays)) / (WARM_UP_SECONDS + speed.seconds) / (CLIENTS - 1)
        say(BENCH, "messages with candles per client and second", f"{messages:.1f}")
        waiting = sum((await feeder.status())["waiting_bytes"])
        say(BENCH, "waiting for all clients, feeder memory", f"{waiting / 2**20:.0f} MiB, {feeder.memory() / 2**20:.0f} MiB")
        status = await feeder.status()
        say(BENCH, "clients connected at the end", str(status["clients"]))
        counters = status["counters"]
        say(
            BENCH,
            "frames malformed or ignored, closed candles",
            f"{counters['malformed_frames']} {counters['ignored_frames']} {counters['closed_candles']}",
        )


async def _has_clients(feeder: FeederProcess, count: int) -> bool:
    return bool((await feeder.status())["clients"] >= count)


def _say(figure: str, speed: Speed, bare: Speed) -> None:
    say(BENCH, figure, f"{speed}; {speed.per_core / bare.per_core:.2f} of the bare loop")
