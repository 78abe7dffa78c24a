"""The market feeder under load. One line per figure.

python -m bench.feeder throughput [--seconds 10]
"""

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable

from bench.market import chaos, fanout, load, throughput


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    benches = parser.add_subparsers(required=True)
    one = benches.add_parser(
        "load", help="2,400 streams, bursts, pauses, lost connections, a restart: what is lost and how late the rest is"
    )
    one.add_argument("--minutes", type=float, default=10, help="of the typical rate; the busy rate takes a fifth of that")
    one.set_defaults(bench=lambda options: load.run(load.lasting(options.minutes)))
    one = benches.add_parser("throughput", help="frames a second on one core, against a bare receive-and-parse loop")
    one.add_argument("--seconds", type=float, default=10)
    one.set_defaults(bench=lambda options: throughput.measure(options.seconds))
    one = benches.add_parser("clients", help="50 clients of one feeder at 1,200 frames a second")
    one.add_argument("--seconds", type=float, default=60)
    one.set_defaults(bench=lambda options: fanout.measure(options.seconds))
    one = benches.add_parser("chaos", help="an hour of the market at sixty times its speed, with a fault every few seconds")
    one.add_argument("--seed", type=int, default=random.randrange(10**6), help="which faults; another one each time unless it is given")
    one.add_argument("--symbols", type=int, default=400)
    one.add_argument("--seconds", type=float, default=60, help="each a minute of the market")
    one.set_defaults(bench=lambda options: chaos.run(seed=options.seed, symbols=options.symbols, seconds=options.seconds))
    return parser


def main() -> None:
    """Run the bench that is asked for."""
    options = _parser().parse_args()
    bench: Callable[[argparse.Namespace], Awaitable[None]] = options.bench
    asyncio.run(_run(bench(options)))


async def _run(work: Awaitable[None]) -> None:
    await work


if __name__ == "__main__":
    main()
