"""What many clients cost a feeder at the highest rate of real life, and how late they have what it received."""

import asyncio
import time
from contextlib import AsyncExitStack

import numpy as np

from bench.market import clients
from bench.measuring.figures import say
from tests.integration.feeder.processes import FEEDER_CORE, OTHER_CORE, ExchangeProcess, FeederProcess, until

BENCH = "clients"
CLIENTS = 50
FRAMES_PER_SECOND = 1_200
SYMBOLS = 400


async def measure(seconds: float) -> None:
    """Print the figures."""
    async with AsyncExitStack() as stack:
        # The first backfill is not what is measured: at sixty times the speed REST allows sixty times the weight.
        exchange = await stack.enter_async_context(
            ExchangeProcess("--generate", "--symbols", str(SYMBOLS), "--speed", "60", core=OTHER_CORE)
        )
        feeder = await stack.enter_async_context(FeederProcess(exchange.url, exchange.url.replace("http", "ws"), core=FEEDER_CORE))
        await until(feeder.is_complete, timeout=600)
        await exchange.tell("/control/speed", speed=1)
        await exchange.tell("/control/rate", frames_per_second=FRAMES_PER_SECOND)
        following = stack.enter_context(clients.connected(feeder.url, CLIENTS))
        await asyncio.sleep(2 * CLIENTS / clients.CLIENTS_PER_SECOND)
        await asyncio.to_thread(following.delays)
        frames, began, used = await _frames(feeder), time.monotonic(), feeder.cpu_seconds()
        await asyncio.sleep(seconds)
        took, delays = time.monotonic() - began, await asyncio.to_thread(following.delays)
        say(BENCH, "clients", str((await feeder.status())["clients"]))
        say(BENCH, "frames per second", f"{(await _frames(feeder) - frames) / took:,.0f}")
        say(BENCH, "feeder CPU", f"{(feeder.cpu_seconds() - used) / took:.1%} of a core")
        say(BENCH, "feeder memory", f"{feeder.memory() / 2**20:.0f} MiB")
        median, late = np.percentile(delays, (50, 99))
        figure = f"{1e3 * median:.1f} / {1e3 * late:.1f} / {1e3 * max(delays):.1f} ms of {len(delays):,} messages"
        say(BENCH, "frame received to message at a client, p50 / p99 / max", figure)


async def _frames(feeder: FeederProcess) -> int:
    return int((await feeder.status())["counters"]["frames"])
