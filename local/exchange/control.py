"""What only this exchange has: its clock, its load and its faults are controlled over HTTP, from this machine only."""

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson

from local.exchange.active_faults import ActiveFaults
from local.exchange.clock import MarketClock
from local.exchange.door import Door
from local.exchange.faults import fault_of
from local.exchange.http11 import Request, Response
from local.exchange.hub import Hub
from local.exchange.interruptions import InterruptedMarket
from local.exchange.live import LiveMarket
from local.exchange.rest import Rest, not_found
from local.exchange.steady import SteadyFrames
from local.exchange.symbols import Symbols

PREFIX = "/control/"
SLOWEST, FASTEST = 0.01, 3_600.0
_MOST_FRAMES = 1_000_000


class Control:
    """Answers requests below /control. A call that is no question is replied to with what it has changed."""

    def __init__(
        self,
        market: InterruptedMarket,
        clock: MarketClock,
        *,
        hub: Hub,
        door: Door,
        live: LiveMarket,
        rest: Rest,
        symbols: Symbols,
        steady: SteadyFrames,
        faults: ActiveFaults,
    ) -> None:
        self._market, self._clock, self._hub, self._door = market, clock, hub, door
        self._live, self._rest, self._symbols, self._steady, self._faults = live, rest, symbols, steady, faults
        self._calls: dict[tuple[str, str], Callable[[bytes], object]] = {
            ("GET", "status"): lambda _: self.status(),
            ("POST", "start"): lambda _: self._done(clock.start),
            ("POST", "hold"): lambda _: self._done(clock.hold),
            ("POST", "speed"): self._set_speed,
            ("POST", "rate"): self._set_rate,
            ("POST", "burst"): lambda _: self._done(steady.burst),
            ("GET", "faults"): lambda _: faults.described(),
            ("POST", "faults"): lambda body: faults.begin(fault_of(body)),
            ("DELETE", "faults"): lambda _: self._clear(None),
        }

    def answer(self, request: Request) -> Response:
        """The reply to one request; refusals say why."""
        if not ipaddress.ip_address(request.peer).is_loopback:
            return _refused(HTTPStatus.FORBIDDEN, "control is for this machine only")
        name, _, number = request.path.removeprefix(PREFIX).partition("/")
        call = self._calls.get((request.method, name))
        if (request.method, name) == ("DELETE", "faults") and number.isdecimal():
            call = lambda _: self._clear(int(number))  # noqa: E731
        elif number:
            call = None
        if call is None:
            return not_found(request)
        try:
            return Response(body=orjson.dumps(call(request.body)))
        except ValueError as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))

    def status(self) -> dict[str, object]:
        """The market and its clock now; times in epoch milliseconds, lag in milliseconds of market time."""
        return {
            "market": self._market.kind,
            "time": self._clock.now(),
            "speed": self._clock.speed,
            "held": self._clock.held,
            "finished": self._clock.finished,
            "begins": self._market.begins,
            "ends": self._market.ends,
            "symbols": len(self._symbols.rows()),
            "intervals": list(self._market.intervals),
            "streams": self._hub.stream_count,
            "frames_sent": self._hub.frames_sent,
            "lag": self._live.lag,
            "faults": len(self._faults.described()),
            "dials": self._door.dials,
            "most_client_frames_per_second": self._door.most_client_frames(),
            "most_weight_per_minute": self._rest.limits.most,
            "connections": self._door.described(),
        }

    def _done(self, change: Callable[[], None]) -> object:
        change()
        return self.status()

    def _set_speed(self, body: bytes) -> object:
        self._clock.set_speed(checked_speed(_number(body, "speed", 60)))
        return self.status()

    def _set_rate(self, body: bytes) -> object:
        rate = None if _value(body, "frames_per_second", 650) is None else _number(body, "frames_per_second", 650)
        if rate is not None and not 0 <= rate <= _MOST_FRAMES:
            raise ValueError(f"frames_per_second must be 0 to {_MOST_FRAMES}, or null for as the market moves, not {rate:g}")
        self._steady.set_rate(rate)
        return self.status()

    def _clear(self, number: int | None) -> object:
        self._faults.clear(number)
        return self._faults.described()


def _value(body: bytes, name: str, example: float) -> Any:
    try:
        return orjson.loads(body)[name]
    except (orjson.JSONDecodeError, TypeError, KeyError) as error:
        raise ValueError(f'send a body like {{"{name}": {example}}}') from error


def _number(body: bytes, name: str, example: float) -> float:
    try:
        return float(_value(body, name, example))
    except (TypeError, ValueError) as error:
        raise ValueError(f'send a body like {{"{name}": {example}}}') from error


def checked_speed(speed: float) -> float:
    """The speed, when the market can run at it. Raises ValueError."""
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed must be {SLOWEST} to {FASTEST:g} market seconds per second, not {speed:g}")
    return speed


def _refused(status: HTTPStatus, message: str) -> Response:
    return Response(status=status, body=orjson.dumps({"code": -1, "msg": message}))
