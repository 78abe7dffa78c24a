"""What the jail costs, and what one user who attacks does to the others, in a minute: `python -m bench.sandbox`.

Twenty users screen 400 symbols with a filter of their own once a second, first undisturbed, then while another user's filters loop,
fill the memory, kill their process and burn time behind promises, without a pause. The exit code is 1 where that more than doubles
the others' p99.
"""

import asyncio
import itertools
import logging
import sys
from datetime import timedelta
from statistics import median, quantiles
from time import perf_counter

import numpy as np

from adapters.sandbox.report import JailReport
from bench.measuring.figures import show
from domain.market import Interval
from filters.frames import COLUMNS, TICKER_FIELDS
from filters.javascript.contract import CANDLES, JavaScriptFilter, View, Window
from workers.filter_sandbox import FilterSandbox

SYMBOLS = 400
USERS = 20
PACE = timedelta(seconds=1)
LASTING = timedelta(seconds=6)
TIMES = 4
"""Peace and attack take turns, so that whatever else the machine does disturbs both alike."""
ATTACKS_AT_ONCE = 4
MOST_RATIO = 2.0
ATTACKS = (
    "for (;;) {}",
    "const a = []; for (;;) a.push(new Array(1000).fill(1.5))",
    "const a = []; for (;;) a.push(new Uint8Array(2 ** 24).fill(1))",
    "for (;;) 'x'.repeat(2 ** 28).split('').reverse()",
    "Promise.resolve().then(() => { for (;;) {} }); return false",
    "return /^(a+)+$/.test('a'.repeat(40) + 'b')",
)
"""Each begins with a comment of its own, so that it is a filter nobody has seen."""


def market() -> View:
    """Random walks."""
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, (SYMBOLS, CANDLES)), axis=1))
    values = np.ascontiguousarray(np.repeat(close[:, None, :], len(COLUMNS), axis=1))
    windows = {Interval.M5: Window(first_index=np.full(SYMBOLS, 5_000_000, np.int64), values=values)}
    return View(symbols=tuple(f"C{row}USDT" for row in range(SYMBOLS)), windows=windows, tickers=np.ones((SYMBOLS, len(TICKER_FIELDS))))


def a_filter(code: str) -> JavaScriptFilter:
    return JavaScriptFilter(code=code, interval=Interval.M5)


def filter_of(user: int) -> JavaScriptFilter:
    """Each user's own."""
    return a_filter(f"return helpers.getLatestRSI(klines, 14) < {20 + user} && helpers.getLatestMACD(klines).histogram > 0")


async def passes(sandbox: FilterSandbox, view: View, user: int, until: float) -> list[float]:
    """Seconds each pass took, from asking to the answer."""
    took = []
    compiled = filter_of(user)
    await asyncio.sleep(PACE.total_seconds() * user / USERS)
    while (begun := perf_counter()) < until:
        verdicts = await sandbox.evaluate(f"user {user}", compiled, view)
        assert not verdicts.failures, verdicts.failures
        took.append(perf_counter() - begun)
        await asyncio.sleep(max(0.0, PACE.total_seconds() - took[-1]))
    return took


async def attack(sandbox: FilterSandbox, view: View, numbers: "itertools.count[int]") -> None:
    while True:
        number = next(numbers)
        await sandbox.evaluate("attacker", a_filter(f"/* {number} */ {ATTACKS[number % len(ATTACKS)]}"), view)
        await asyncio.sleep(0.001)


async def measure(sandbox: FilterSandbox, view: View) -> list[float]:
    until = perf_counter() + LASTING.total_seconds()
    taken = await asyncio.gather(*(passes(sandbox, view, user, until) for user in range(USERS)))
    return [seconds for user in taken for seconds in user]


async def measure_in_turns(sandbox: FilterSandbox, view: View) -> tuple[list[float], list[float]]:
    peace, war, numbers = [], [], itertools.count()
    for _ in range(TIMES):
        peace += await measure(sandbox, view)
        war += await measure_attacked(sandbox, view, numbers)
    return peace, war


async def measure_attacked(sandbox: FilterSandbox, view: View, numbers: "itertools.count[int]") -> list[float]:
    attackers = [asyncio.create_task(attack(sandbox, view, numbers)) for _ in range(ATTACKS_AT_ONCE)]
    try:
        return await measure(sandbox, view)
    finally:
        for attacker in attackers:
            attacker.cancel()


def tell(name: str, taken: list[float]) -> float:
    p99 = quantiles(taken, n=100)[98]
    show(f"a pass of one of {USERS} users, {name}, p50", 1e3 * median(taken), "ms")
    show(f"a pass of one of {USERS} users, {name}, p99", 1e3 * p99, "ms")
    return p99


def describe(report: JailReport | None) -> None:
    assert report is not None
    print(f"layers: {', '.join(report.held)}" + (f"; missing: {', '.join(report.missing)}" if report.missing else ""))


async def run() -> bool:
    view, begun = market(), perf_counter()
    async with FilterSandbox() as sandbox:
        await sandbox.evaluate("user 0", filter_of(0), view)
        show("from nothing to the first verdicts", 1e3 * (perf_counter() - begun), "ms")
        describe(sandbox.report)
        await asyncio.gather(*(sandbox.evaluate(f"user {user}", filter_of(user), view) for user in range(USERS)))
        peace, war = await measure_in_turns(sandbox, view)
        undisturbed, attacked = tell("undisturbed", peace), tell("attacked", war)
        statistics = sandbox.statistics()
        show("processes that were ended or died", statistics.replaced, "")
        show("processor time the attacker got", statistics.busy["attacker"], "s")
        show("p99 attacked / undisturbed", attacked / undisturbed, "")
        return attacked / undisturbed <= MOST_RATIO


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(0 if asyncio.run(run()) else 1)
