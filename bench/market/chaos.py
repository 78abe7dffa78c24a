"""An hour of the market in a minute, with something going wrong every few seconds; afterwards everything must be as if nothing had."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from adapters.feeder_client import MarketReplica
from bench.market.faults import Planned, plan
from bench.market.truth import MOST, Comparison, closed_everywhere, hold_between_boundaries
from bench.market.witnesses import FILTERS, FORMING, Verdict, Witness
from bench.measuring.figures import say
from domain.filters import Trigger
from domain.market import Interval
from tests.integration.feeder.processes import TOKEN, ExchangeProcess, FeederProcess, following, until

BENCH = "chaos"
SPEED = 60
COMPLETE_WITHIN = 300.0
SETTLE_SECONDS = 4.0
COUNTED = (
    "frames",
    "malformed_frames",
    "closed_candles",
    "connections_lost",
    "replacements",
    "resubscriptions",
    "rest_repairs",
    "rest_failures",
)


@dataclass
class Outcome:
    """What a run showed."""

    comparison: Comparison
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    most_client_frames_per_second: int = 0

    @property
    def problems(self) -> list[str]:
        """What must not be, in words."""
        lost = [str(self.comparison)] if self.comparison.lost or self.comparison.wrong else []
        return lost + [f"{name}: {verdict}" for name, verdict in self.verdicts.items() if verdict.faults]


class Chaos:
    """Lets what is planned happen to one exchange and one feeder."""

    def __init__(self, exchange: ExchangeProcess, feeder: FeederProcess, snapshot: Path) -> None:
        self._exchange = exchange
        self._feeder = feeder
        self._snapshot = snapshot
        self._one_at_a_time = asyncio.Lock()

    async def happen(self, planned: list[Planned], seconds: float) -> None:
        """Return when all of it is over and `seconds` have passed."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in planned:
                await asyncio.sleep(max(0.0, began + fault.at - time.monotonic()))
                say(BENCH, "fault", str(fault))
                group.create_task(self._happens(fault))
            await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        await self._exchange.forget("/control/faults")

    async def _happens(self, fault: Planned) -> None:
        if fault.kind == "kill":
            await self._kill(**fault.parameters)
        elif fault.kind == "freeze":
            await self._freeze(**fault.parameters)
        else:
            await self._at_exchange(fault)

    async def _kill(self, *, seconds: float, forgets: bool) -> None:
        async with self._one_at_a_time:
            await self._feeder.stop(signal.SIGKILL)
            await asyncio.sleep(seconds)
            if forgets:
                self._snapshot.unlink(missing_ok=True)
            await self._feeder.start()

    async def _freeze(self, *, seconds: float) -> None:
        async with self._one_at_a_time, self._feeder.frozen():
            await asyncio.sleep(seconds)

    async def _at_exchange(self, fault: Planned) -> None:
        parameters = dict(fault.parameters)
        if "connection" in parameters:
            connections = [each["id"] for each in (await self._exchange.status())["connections"] if not each.get("close_reason")]
            if not connections:
                return
            parameters["connection"] = connections[int(parameters["connection"] * len(connections))]
        try:
            await self._exchange.tell("/control/faults", kind=fault.kind, **parameters)
        except httpx.HTTPStatusError as error:
            say(BENCH, "  had nothing to hit", error.response.text)


@asynccontextmanager
async def _at_work(witnesses: list[Witness]) -> AsyncIterator[None]:
    """The traders tick while the block lasts; one that fails is an error."""
    ticking = [asyncio.create_task(witness.run()) for witness in witnesses]
    try:
        yield
    finally:
        for task in ticking:
            task.cancel()
        ended = await asyncio.gather(*ticking, return_exceptions=True)
    for error in ended:
        if not isinstance(error, asyncio.CancelledError) and isinstance(error, BaseException):
            raise error


async def run(*, seed: int, symbols: int, seconds: float, compared: int = MOST) -> Outcome:
    """`seconds` of wall-clock time, each a minute of the market; prints what happens and what came of it.

    The newest `compared` candles of each history are compared in the end.
    """
    say(BENCH, "seed, symbols, seconds", f"{seed}, {symbols}, {seconds:g}")
    async with AsyncExitStack() as stack:
        snapshot = Path(stack.enter_context(TemporaryDirectory(prefix="cloudtrader-chaos-"))) / "market"
        exchange = await stack.enter_async_context(ExchangeProcess("--generate", "--symbols", str(symbols), "--speed", str(SPEED)))
        feeder = await stack.enter_async_context(
            FeederProcess(exchange.url, exchange.url.replace("http", "ws"), environment={"FEEDER_SNAPSHOT": str(snapshot)})
        )
        replica = await stack.enter_async_context(following(MarketReplica(feeder.url, TOKEN)))
        await until(feeder.is_complete, timeout=COMPLETE_WITHIN)
        await until(lambda: feeder.is_followed_by(replica))
        witnesses = [Witness(replica, spec) for spec in (*FILTERS, FORMING)]
        since = await exchange.now()
        async with _at_work(witnesses):
            await Chaos(exchange, feeder, snapshot).happen(plan(seed, seconds, list(replica.store.symbols)), seconds)
            await _settled(exchange, feeder, replica, witnesses)
        counters = (await feeder.status())["counters"]
        outcome = await _judge(exchange, replica, witnesses, since, compared)
        say(BENCH, "counted by the feeder's last life", ", ".join(f"{name} {counters[name]}" for name in COUNTED))
        _say(outcome, witnesses)
        return outcome


async def _settled(exchange: ExchangeProcess, feeder: FeederProcess, replica: MarketReplica, witnesses: list[Witness]) -> None:
    """Wait until all that closed by now was evaluated, while the market goes on; then the same once it stands still."""
    began = time.monotonic()
    await asyncio.sleep(SETTLE_SECONDS)
    await _caught_up(exchange, feeder, replica, witnesses)
    say(BENCH, "everything settled after", f"{time.monotonic() - began:.1f} s")
    await hold_between_boundaries(exchange)
    await _caught_up(exchange, feeder, replica, witnesses)


async def _caught_up(exchange: ExchangeProcess, feeder: FeederProcess, replica: MarketReplica, witnesses: list[Witness]) -> None:
    now = await exchange.now()
    await until(feeder.is_complete, timeout=COMPLETE_WITHIN, every=0.3)
    await until(lambda: feeder.is_followed_by(replica))
    for witness in witnesses:
        if witness.spec.trigger is Trigger.CLOSE:
            await until(partial(_is_through, witness, now), timeout=COMPLETE_WITHIN)


async def _is_through(witness: Witness, now: int) -> bool:
    return witness.is_through(_last_closed(witness.spec.interval, now))


def _last_closed(interval: Interval, now: int) -> int:
    return now // interval.milliseconds - 1


async def _judge(exchange: ExchangeProcess, replica: MarketReplica, witnesses: list[Witness], since: int, compared: int) -> Outcome:
    most = (await exchange.status())["most_client_frames_per_second"]
    now = await exchange.now()
    truths = await closed_everywhere(exchange, compared)
    outcome = Outcome(Comparison.of(replica.store, truths, since), most_client_frames_per_second=most)
    for witness in witnesses:
        name = f"{witness.spec.trigger} {witness.spec.interval}: {witness.spec.code.splitlines()[-1]}"
        outcome.verdicts[name] = witness.verdict(truths, _last_closed(witness.spec.interval, now))
    return outcome


def _say(outcome: Outcome, witnesses: list[Witness]) -> None:
    say(BENCH, "closed candles of the replica", str(outcome.comparison))
    for name, verdict in outcome.verdicts.items():
        say(BENCH, name, str(verdict))
    for example in (*outcome.comparison.examples, *(text for verdict in outcome.verdicts.values() for text in verdict.examples)):
        say(BENCH, "  not as at the exchange", example)
    say(BENCH, "oldest market anything was evaluated at", f"{max(witness.oldest for witness in witnesses).total_seconds():.1f} s")
    say(BENCH, "most frames in a second from the feeder to the exchange", str(outcome.most_client_frames_per_second))
