"""A market of which every tick evaluates one candle, and the worker process that watches it until it is killed.

`python -m tests.workflows.counting_market ADDRESS MATCH_AT LAST` prints the candle of each tick and freezes while it
looks at candle LAST, so that whoever kills it then knows what it had not done yet.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from activities.executions import GroupCommit
from activities.ports import Evaluation, Freshness, Outcome, ScreenRequest, TickResult
from activities.screening import ScreeningActivities
from adapters.temporal import data_converter
from domain.market import Market
from domain.screening import Progress
from tests.workflows.world import OPEN, match_at
from workers.registry import market_activities
from workers.runner import market_worker

FRESH = Freshness(market=Market.SIMULATED, as_of=OPEN, age=timedelta(), seq=1)


@dataclass
class CountingScreen:
    """Each tick evaluates the next candle; candle `match_at` newly matches."""

    match_at: int
    on_tick: Callable[[int], None] = lambda candle: None
    evaluated: list[int] = field(default_factory=list)

    async def open(self, request: ScreenRequest) -> "CountingScreen":
        return self

    async def changed(self) -> None:
        await asyncio.Event().wait()

    def freshness(self) -> Freshness:
        return FRESH

    async def tick(self, progress: Progress) -> TickResult:
        candle = (progress.evaluated or 0) + 1
        self.evaluated.append(candle)
        self.on_tick(candle)
        return TickResult(
            evaluated=True,
            outcome=Outcome.EVALUATED,
            progress=Progress(baseline=0, evaluated=candle),
            freshness=FRESH,
            matches=(match_at(candle),) if candle == self.match_at else (),
            candles=1,
        )


class Log:
    """Takes every row at once."""

    async def append(self, evaluations: Sequence[Evaluation]) -> None:
        """Nothing is kept."""


def worker_over(client: Client, screen: CountingScreen, commit: GroupCommit) -> Worker:
    """The market worker as it runs in earnest, over this screen."""
    return market_worker(client, market_activities(ScreeningActivities(screen, commit, lambda lateness, result: None)), max_windows=10)


async def main(address: str, match_index: int, last: int) -> None:
    def announce(candle: int) -> None:
        print(candle, flush=True)  # noqa: T201  (read by the test)
        if candle == last:
            signal.pause()

    client = await Client.connect(address, data_converter=data_converter)
    commit = GroupCommit(Log())
    async with worker_over(client, CountingScreen(match_index, on_tick=announce), commit):
        await commit.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
