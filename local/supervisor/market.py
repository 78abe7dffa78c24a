"""Which market this start runs on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from adapters.binance.endpoints import REST_URL, STREAM_URL
from domain.market import Market
from local.foreground import StartError

REACHABLE_WITHIN = timedelta(seconds=3)
REPLAY_PREFIX = "replay:"
SYMBOLS = 400
"""Of a simulated market: about as many as trade against USDT."""


@dataclass(frozen=True, kw_only=True)
class MarketChoice:
    """The market and why it was chosen, in words for the operator."""

    market: Market
    why: str
    symbols: int = SYMBOLS
    """Of a simulated market."""
    replay_file: Path | None = None
    playback: tuple[str, ...] = ()
    """How the simulated exchange plays its market: arguments for it."""


async def binance_problem() -> str:
    """Why Binance's public data cannot be used from here; empty when it can. Takes at most REACHABLE_WITHIN."""
    try:
        async with asyncio.timeout(REACHABLE_WITHIN.total_seconds()):
            async with httpx.AsyncClient(timeout=REACHABLE_WITHIN.total_seconds()) as client:
                (await client.get(f"{REST_URL}/api/v3/ping")).raise_for_status()
            async with connect(f"{STREAM_URL}/stream", close_timeout=0):
                return ""
    except TimeoutError:
        return f"no answer within {REACHABLE_WITHIN.total_seconds():.0f} s"
    except (httpx.HTTPError, WebSocketException, OSError) as problem:
        return str(problem) or type(problem).__name__


async def choose_market(wanted: str, problem_of_binance: Callable[[], Awaitable[str]] = binance_problem) -> MarketChoice:
    """The market for MARKET=`wanted`; when that is empty, Binance if it can be reached, else the simulated exchange.

    Raises StartError for anything but simulated, replay:FILE with a file that is there, and binance where it can be reached.
    """
    if wanted.startswith(REPLAY_PREFIX):
        return _replay(wanted.removeprefix(REPLAY_PREFIX))
    if wanted == Market.SIMULATED:
        return MarketChoice(market=Market.SIMULATED, why=f"MARKET={wanted}")
    if wanted not in ("", Market.BINANCE):
        raise StartError(f"MARKET={wanted} is not a market: use MARKET=binance, MARKET=simulated or MARKET=replay:FILE.")
    problem = await problem_of_binance()
    if problem and wanted:
        raise StartError(f"MARKET=binance: Binance cannot be reached ({problem}). Check the network, or use MARKET=simulated.")
    if problem:
        return MarketChoice(market=Market.SIMULATED, why=f"Binance cannot be reached: {problem}")
    return MarketChoice(market=Market.BINANCE, why="Binance's public data can be reached")


def _replay(name: str) -> MarketChoice:
    file = Path(name).expanduser()
    if not file.is_file():
        raise StartError(f"MARKET=replay:{file}: there is no such file. Name a recording (Parquet or CSV) by its path.")
    return MarketChoice(market=Market.REPLAY, why=f"MARKET=replay:{file}", replay_file=file.resolve())


def simulated_symbols(environment: Mapping[str, str]) -> int:
    """MARKET_SYMBOLS. Raises StartError for what is no number from 1 to SYMBOLS."""
    wanted = environment.get("MARKET_SYMBOLS") or str(SYMBOLS)
    if not (wanted.isdecimal() and 1 <= int(wanted) <= SYMBOLS):
        raise StartError(f"MARKET_SYMBOLS={wanted} is not a number of symbols: use 1 to {SYMBOLS}.")
    return int(wanted)


def playback(environment: Mapping[str, str]) -> tuple[str, ...]:
    """How the simulated exchange is to play: MARKET_SPEED (market seconds per second), MARKET_START (ISO time), MARKET_HOLD=1.

    Raises StartError for values that are none.
    """
    speed, start = environment.get("MARKET_SPEED", ""), environment.get("MARKET_START", "")
    try:
        if speed and not float(speed) > 0:
            raise ValueError(speed)
    except ValueError:
        raise StartError(f"MARKET_SPEED={speed} is not a speed: use a number above 0, such as 60.") from None
    try:
        if start:
            datetime.fromisoformat(start)
    except ValueError:
        raise StartError(f"MARKET_START={start} is not a time: use one such as 2021-05-12T20:00.") from None
    held = ("--hold",) if environment.get("MARKET_HOLD") == "1" else ()
    return (*(("--speed", speed) if speed else ()), *(("--start", start) if start else ()), *held)
