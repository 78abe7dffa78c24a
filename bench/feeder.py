"""The market feeder under load and under fire, in half an hour. One line per figure.

The exit code is 1 where something was lost or a limit passed. `python -m bench.feeder` runs all of them; `load`, `throughput`, `clients`
or `chaos` runs one.
"""

import argparse
import asyncio
import random
import sys

from bench.market import chaos, fanout, load, throughput


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(bench=_all)
    benches = parser.add_subparsers()
    one = benches.add_parser(
        "load", help="2,400 streams, bursts, pauses, lost connections, a restart: what is lost and how late the rest is"
    )
    one.add_argument("--minutes", type=float, default=10, help="of the typical rate; the busy rate takes a fifth of that")
    one.set_defaults(bench=_load)
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
    one.set_defaults(bench=_chaos)
    return parser


async def _all(_: argparse.Namespace) -> list[str]:
    problems: list[str] = []
    for name in ("throughput", "clients", "load", "chaos"):
        options = _parser().parse_args([name])
        problems += await options.bench(options) or []
    return problems


async def _load(options: argparse.Namespace) -> list[str]:
    return (await load.run(load.lasting(options.minutes))).problems


async def _chaos(options: argparse.Namespace) -> list[str]:
    return (await chaos.run(seed=options.seed, symbols=options.symbols, seconds=options.seconds)).problems


def main() -> None:
    """Run the bench that is asked for. Exit code 1 with a line for each thing that must not be."""
    options = _parser().parse_args()
    problems = asyncio.run(options.bench(options))
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
