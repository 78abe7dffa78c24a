"""`python -m local.exchange`: run the simulated exchange."""

import argparse
import asyncio
import ctypes
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from domain.market import epoch_milliseconds, from_epoch_milliseconds
from local.exchange.clock import MarketClock
from local.exchange.control import checked_speed
from local.exchange.door import MOST_DIALS
from local.exchange.generated import GeneratedMarket
from local.exchange.kept_time import KeptTime
from local.exchange.market import SimulatedMarket
from local.exchange.recorded import RecordedMarket, RecordingError
from local.exchange.server import Exchange
from local.exchange.session import Lifetime

_log = logging.getLogger("local.exchange")
_MISUSE = 2
_PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """The exchange cannot start as asked."""


def main() -> int:
    """Run until SIGTERM, SIGINT or the end of the parent process. Exit code 2, with one line that says why, for what cannot be started."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("websockets").setLevel(logging.WARNING)
    options = _parser().parse_args()
    _follow_parent()
    try:
        market = _market(options)
        kept = KeptTime(options.clock, _name(options)) if options.clock else None
        start = _start(options, market)
        clock = MarketClock(kept.after(start) if kept else start, speed=checked_speed(options.speed), end=market.ends, held=options.hold)
        asyncio.run(_serve(_exchange(options, market, clock), kept))
    except (RecordingError, StartError, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return _MISUSE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local.exchange", description="A Binance-protocol exchange with a market of its own.")
    parser.add_argument("--port", type=int, required=True, help="port for REST and WebSocket alike; 0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--generate", action="store_true", help="an endless generated market")
    source.add_argument("--replay", type=Path, metavar="FILE", help="candles from a Parquet or CSV(.gz) file")
    parser.add_argument("--symbols", type=int, default=400, help="symbols of a generated market")
    parser.add_argument("--seed", type=int, default=7, help="which generated market")
    parser.add_argument("--speed", type=float, default=1.0, help="market seconds per second")
    parser.add_argument("--start", type=datetime.fromisoformat, metavar="ISO", help="market time to start at; UTC unless it says otherwise")
    parser.add_argument("--clock", type=Path, metavar="FILE", help="keep the market's time here, and go on from it at the next start")
    parser.add_argument("--reserve", type=int, default=0, metavar="N", help="hold the last N symbols back until they are listed")
    parser.add_argument(
        "--hole", action="append", default=[], metavar="FROM/TO", help="no symbol trades between these ISO times; repeatable"
    )
    parser.add_argument("--connection-hours", type=float, default=24.0, help="stream connections end after so long")
    parser.add_argument("--ping-seconds", type=float, default=20.0, help="pings are sent so often")
    parser.add_argument(
        "--pong-seconds", type=float, default=60.0, help="who has not answered for so long after the next ping is due is cut"
    )
    parser.add_argument("--dials", type=int, default=MOST_DIALS, help="stream connections that an address may open in five minutes")
    parser.add_argument("--hold", action="store_true", help="keep the clock still until POST /control/start")
    return parser


def _market(options: argparse.Namespace) -> SimulatedMarket:
    return RecordedMarket(options.replay) if options.replay else GeneratedMarket(seed=options.seed, symbols=options.symbols)


def _exchange(options: argparse.Namespace, market: SimulatedMarket, clock: MarketClock) -> Exchange:
    lifetime = Lifetime(ping_every=options.ping_seconds, pong_within=options.pong_seconds, connection=options.connection_hours * 3_600)
    return Exchange(
        market,
        clock,
        host=options.host,
        port=options.port,
        lifetime=lifetime,
        most_dials=options.dials,
        reserved=options.reserve,
        holes=[_hole(text) for text in options.hole],
    )


def _hole(text: str) -> tuple[int, int]:
    try:
        begins, ends = (epoch_milliseconds(_utc(datetime.fromisoformat(part))) for part in text.split("/"))
    except ValueError as error:
        raise StartError(
            f"--hole {text} is not two ISO times with a slash between them, such as 2021-04-25T04:01/2021-04-25T08:45"
        ) from error
    return begins, ends


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(options: argparse.Namespace) -> str:
    """What the market's time is kept for: another market, or another start that is asked for, begins anew."""
    source = f"replay {options.replay.resolve()}" if options.replay else f"generated {options.seed} {options.symbols}"
    return f"{source} from {options.start or 'its usual start'}"


def _start(options: argparse.Namespace, market: SimulatedMarket) -> int:
    if options.start is None:
        return _default_start(market)
    start = _utc(options.start)
    moment = epoch_milliseconds(start)
    if moment < market.begins or (market.ends is not None and moment >= market.ends):
        ends = "never" if market.ends is None else from_epoch_milliseconds(market.ends).isoformat()
        begins = from_epoch_milliseconds(market.begins).isoformat()
        raise StartError(f"--start {start.isoformat()} is outside the market, which begins {begins} and ends {ends}")
    return moment


def _default_start(market: SimulatedMarket) -> int:
    # A generated market runs on real time; of a recorded one, two thirds are history.
    if market.ends is None:
        return epoch_milliseconds(datetime.now(UTC))
    width = market.intervals[0].milliseconds
    return market.begins + (market.ends - market.begins) * 2 // 3 // width * width


async def _serve(exchange: Exchange, kept: KeptTime | None) -> None:
    async with exchange:
        _log.info("listening on http://%s", exchange.address)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        work = [asyncio.create_task(exchange.wait()), *((asyncio.create_task(kept.follow(exchange.clock)),) if kept else ())]
        told = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([told, *work], return_when=asyncio.FIRST_COMPLETED)
        for task in (told, *work):
            task.cancel()
        await asyncio.wait([told, *work])
    for task in ended - {told}:
        task.result()


def _follow_parent() -> None:
    # Linux only: a supervisor that was killed must not leave the port taken.
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
