"""What only this exchange has: the market clock is started, held and sped up over HTTP, from this machine only."""

import ipaddress
from collections.abc import Callable
from http import HTTPStatus

import orjson

from local.exchange.clock import MarketClock
from local.exchange.http11 import Request, Response
from local.exchange.hub import Hub
from local.exchange.live import LiveMarket
from local.exchange.market import SimulatedMarket
from local.exchange.rest import not_found

PREFIX = "/control/"
SLOWEST, FASTEST = 0.01, 3_600.0


class Control:
    """Answers requests below /control; every reply is the status after it."""

    def __init__(self, market: SimulatedMarket, clock: MarketClock, hub: Hub, live: LiveMarket) -> None:
        self._market, self._clock, self._hub, self._live = market, clock, hub, live
        self._calls: dict[tuple[str, str], Callable[[bytes], None]] = {
            ("GET", "status"): lambda _: None,
            ("POST", "start"): lambda _: clock.start(),
            ("POST", "hold"): lambda _: clock.hold(),
            ("POST", "speed"): self._set_speed,
        }

    def answer(self, request: Request) -> Response:
        """The reply to one request; refusals say why."""
        if not ipaddress.ip_address(request.peer).is_loopback:
            return _refused(HTTPStatus.FORBIDDEN, "control is for this machine only")
        call = self._calls.get((request.method, request.path.removeprefix(PREFIX)))
        if call is None:
            return not_found(request)
        try:
            call(request.body)
        except ValueError as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))
        return Response(body=orjson.dumps(self.status()))

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
            "symbols": len(self._market.listings),
            "intervals": list(self._market.intervals),
            "streams": self._hub.stream_count,
            "frames_sent": self._hub.frames_sent,
            "lag": self._live.lag,
        }

    def _set_speed(self, body: bytes) -> None:
        try:
            speed = float(orjson.loads(body)["speed"])
        except (orjson.JSONDecodeError, TypeError, KeyError, ValueError) as error:
            raise ValueError('send a body like {"speed": 60}') from error
        self._clock.set_speed(checked_speed(speed))


def checked_speed(speed: float) -> float:
    """The speed, when the market can run at it. Raises ValueError."""
    if not SLOWEST <= speed <= FASTEST:
        raise ValueError(f"speed must be {SLOWEST} to {FASTEST:g} market seconds per second, not {speed:g}")
    return speed


def _refused(status: HTTPStatus, message: str) -> Response:
    return Response(status=status, body=orjson.dumps({"code": -1, "msg": message}))
