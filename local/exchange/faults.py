"""What can be made to go wrong: one class per kind, in one table. The first line of each docstring is what people are told about it."""

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import ClassVar, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from domain.market import SymbolStatus
from local.exchange.clock import MarketClock
from local.exchange.door import Door
from local.exchange.http11 import Response
from local.exchange.hub import Frame, Hub
from local.exchange.interruptions import InterruptedMarket
from local.exchange.limits import WEIGHT, banned, too_much
from local.exchange.session import Session
from local.exchange.symbols import Symbols

Late = tuple[float, Frame]
"""A frame, and after how many seconds it is to be sent; 0 is at once."""

_chance = Random(7)
_SHARE = Field(ge=0, le=1)
_DUPLICATES_WITHIN, _REORDERED_WITHIN = 5.0, 1.0
_WITHHELD_FOR = 8.0


class Venue(Protocol):
    """What faults can get at."""

    hub: Hub
    clock: MarketClock
    door: Door
    market: InterruptedMarket
    symbols: Symbols


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A fault that has begun."""

    hit: Mapping[str, object] = field(default_factory=dict)
    """What it has hit, for whoever asked for it."""
    undo: Callable[[], None] = lambda: None
    """To be called when it is over."""
    expire: Callable[[], None] = lambda: None
    """To be called before that, if it is over because its time was up."""


class Fault(BaseModel):
    """Something that goes wrong, with checked parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: ClassVar[str]

    def begin(self, _venue: Venue) -> Begun:
        """Let it happen. Raises ValueError when it cannot."""
        return Begun()


class LastingFault(Fault):
    """A fault that goes on until its seconds of the wall clock are over or it is cleared; without any, until it is cleared."""

    seconds: float | None = Field(default=None, ge=0)


class FrameFault(LastingFault):
    """A fault of frames on their way."""

    @abstractmethod
    def passed(self, frame: Frame) -> Iterable[Late]:
        """What becomes of a frame."""


class ReplyFault(LastingFault):
    """A fault of REST."""

    @abstractmethod
    def refusal(self) -> Response | None:
        """The reply to a request instead of the right one; None lets it pass."""


class Silence(LastingFault):
    """Connections (one or all) send nothing more but pings and pongs; new ones are fine."""

    kind = "silence"
    connection: int | None = None

    def begin(self, venue: Venue) -> Begun:
        """What is not sent meanwhile stays unsent."""
        silenced = venue.door.sessions(self.connection)
        for session in silenced:
            session.silenced += 1

        def undo() -> None:
            for session in silenced:
                session.silenced -= 1

        return Begun(hit=_numbers(silenced), undo=undo)


class Mute(Fault):
    """One stream (e.g. btcusdt@kline_1m) is silent for all who listen, until they subscribe to it anew."""

    kind = "mute"
    stream: str

    def begin(self, venue: Venue) -> Begun:
        """The connections still list it."""
        if not venue.hub.exists(self.stream):
            raise ValueError(f"there is no stream {self.stream}; streams are named like btcusdt@kline_1m")
        return Begun(hit={"subscriptions": venue.hub.forget(self.stream)})


class Duplicate(FrameFault):
    """A share of frames comes twice: half of these at once, half up to five seconds later, after newer ones."""

    kind = "duplicate"
    share: float = _SHARE

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Send it, and perhaps again."""
        yield 0.0, frame
        if _chance.random() < self.share:
            yield max(0.0, _chance.uniform(-_DUPLICATES_WITHIN, _DUPLICATES_WITHIN)), frame


class Reorder(FrameFault):
    """A share of frames comes up to one second late, after newer ones."""

    kind = "reorder"
    share: float = _SHARE

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Hold it back, perhaps."""
        yield (_chance.uniform(0, _REORDERED_WITHIN) if _chance.random() < self.share else 0.0), frame


class Truncate(FrameFault):
    """A share of frames is cut in the middle of the JSON; the whole frame never comes."""

    kind = "truncate"
    share: float = _SHARE

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Cut it, perhaps."""
        cut = _chance.randrange(1, len(frame.text)) if _chance.random() < self.share else len(frame.text)
        yield 0.0, Frame(to=frame.to, stream=frame.stream, text=frame.text[:cut], closed=frame.closed)


class LateFinal(FrameFault):
    """Closed candles come some milliseconds late, perhaps after the first frame of the next candle."""

    kind = "late_final"
    milliseconds: float = Field(ge=0, le=60_000)

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Hold the last frame of a candle back."""
        yield (self.milliseconds / 1000 if frame.closed else 0.0), frame


class WithholdFinal(FrameFault):
    """A share of closed candles comes only with a trade at least eight seconds later, or never."""

    kind = "withhold_final"
    share: float = Field(default=1.0, ge=0, le=1)
    _held: dict[tuple[object, str], list[tuple[float, Frame]]] = PrivateAttr(default_factory=dict)

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Before any frame, those of its stream that were held long enough."""
        now, stream = time.monotonic(), (frame.to, frame.stream)
        held = self._held.pop(stream, [])
        yield from ((0.0, final) for since, final in held if now - since >= _WITHHELD_FOR)
        held = [(since, final) for since, final in held if now - since < _WITHHELD_FOR]
        if frame.closed and _chance.random() < self.share:
            held.append((now, frame))
        else:
            yield 0.0, frame
        if held:
            self._held[stream] = held


class Disconnect(Fault):
    """Connections (one or all at once) are cut without a close frame."""

    kind = "disconnect"
    connection: int | None = None

    def begin(self, venue: Venue) -> Begun:
        """Once."""
        sessions = venue.door.sessions(self.connection)
        for session in sessions:
            session.abort("fault: disconnect")
        return Begun(hit=_numbers(sessions))


class Shutdown(LastingFault):
    """Connections (one or all) are told serverShutdown, and closed when the seconds (10) are over."""

    kind = "shutdown"
    seconds: float | None = Field(default=10.0, ge=0)
    connection: int | None = None

    def begin(self, venue: Venue) -> Begun:
        """Frames go on until the end; cleared before it, the connections stay."""
        told = venue.door.sessions(self.connection)
        for session in told:
            session.announce_end(venue.clock.shown())

        def expire() -> None:
            for session in told:
                session.close("fault: shutdown")

        return Begun(hit=_numbers(told), expire=expire)


class Refuse(LastingFault):
    """New stream connections are cut before they are accepted; REST goes on."""

    kind = "refuse"

    def begin(self, venue: Venue) -> Begun:
        """Shut the door; another one may keep it shut for longer."""
        venue.door.refusals += 1

        def undo() -> None:
            venue.door.refusals -= 1

        return Begun(undo=undo)


class RateLimit(ReplyFault):
    """REST answers 429 for some seconds (60), which Retry-After counts down."""

    kind = "rate_limit"
    seconds: float = Field(default=60.0, gt=0)
    _since: float = PrivateAttr(default_factory=time.time)

    def refusal(self) -> Response | None:
        """To every request."""
        return too_much(WEIGHT, self._since + self.seconds - time.time())


class Ban(ReplyFault):
    """REST answers 418 for some seconds (120), which Retry-After counts down."""

    kind = "ban"
    seconds: float = Field(default=120.0, gt=0)
    _since: float = PrivateAttr(default_factory=time.time)

    def refusal(self) -> Response | None:
        """To every request."""
        return banned(self._since + self.seconds, time.time())


class RestError(ReplyFault):
    """A share of REST requests is answered with an error status (500 unless it is said)."""

    kind = "rest_error"
    status: Literal[400, 403, 404, 500, 502, 503, 504] = 500
    share: float = Field(default=1.0, ge=0, le=1)

    def refusal(self) -> Response | None:
        """Perhaps."""
        body = {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}
        return Response(status=HTTPStatus(self.status), body=orjson.dumps(body)) if _chance.random() < self.share else None


class Delay(FrameFault):
    """All frames come some milliseconds late, in order."""

    kind = "delay"
    milliseconds: float = Field(ge=0, le=600_000)

    def passed(self, frame: Frame) -> Iterable[Late]:
        """Hold it back."""
        yield self.milliseconds / 1000, frame


class Skew(LastingFault):
    """Every clock that the exchange shows is some milliseconds off."""

    kind = "skew"
    milliseconds: int = Field(ge=-86_400_000, le=86_400_000)

    def begin(self, venue: Venue) -> Begun:
        """Several add up."""
        venue.clock.skew += self.milliseconds

        def undo() -> None:
            venue.clock.skew -= self.milliseconds

        return Begun(undo=undo)


class Outage(Fault):
    """For some minutes of market time, from the next base candle on, no symbol trades; those candles do not exist in REST either."""

    kind = "outage"
    minutes: int = Field(gt=0, le=100_000)

    def begin(self, venue: Venue) -> Begun:
        """Where candles last longer than a minute, until the end of the last one that the minutes touch."""
        begins, width = venue.market.boundary_after(venue.clock.now()), venue.market.intervals[0].milliseconds
        ends = begins + -(-self.minutes * 60_000 // width) * width
        venue.market.interrupt(None, begins, ends)
        return Begun(hit={"begins": begins, "ends": ends})


class StatusFault(Fault):
    """Another status for one symbol."""

    symbol: str
    _status: ClassVar[SymbolStatus]

    def begin(self, venue: Venue) -> Begun:
        """At once; what it means for candles, from the next base candle on."""
        return Begun(hit={"from": venue.symbols.change(self.symbol, self._wanted())})

    def _wanted(self) -> SymbolStatus:
        return self._status


class Delist(StatusFault):
    """A symbol stops trading for good: status BREAK, or with `absent` not listed any more."""

    kind = "delist"
    absent: bool = False

    def _wanted(self) -> SymbolStatus:
        return SymbolStatus.ABSENT if self.absent else SymbolStatus.BREAK


class Halt(StatusFault):
    """A symbol has status HALT; its frames go on."""

    kind = "halt"
    _status: ClassVar[SymbolStatus] = SymbolStatus.HALT


class CancelOnly(StatusFault):
    """A symbol has status CANCEL_ONLY and does not trade."""

    kind = "cancel_only"
    _status: ClassVar[SymbolStatus] = SymbolStatus.CANCEL_ONLY


class Relist(StatusFault):
    """A symbol trades again, with a hole in its history."""

    kind = "relist"
    _status: ClassVar[SymbolStatus] = SymbolStatus.TRADING


class List(Fault):
    """A symbol that was held back (--reserve) is listed, and its history begins now."""

    kind = "list"
    symbol: str

    def begin(self, venue: Venue) -> Begun:
        """From the next base candle on."""
        return Begun(hit={"from": venue.symbols.introduce(self.symbol)})


KINDS: dict[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        *(Silence, Mute, Duplicate, Reorder, Truncate, LateFinal, WithholdFinal, Delay, Disconnect, Shutdown, Refuse),
        *(RateLimit, Ban, RestError, Skew, Outage, Delist, Halt, CancelOnly, Relist, List),
    )
}
"""Every kind by its name."""


def fault_of(body: bytes) -> Fault:
    """The fault that a request's body asks for. Raises ValueError that says what is wrong."""
    try:
        parameters = dict(orjson.loads(body))
        kind = KINDS[parameters.pop("kind")]
    except (orjson.JSONDecodeError, TypeError, ValueError, KeyError) as error:
        raise ValueError(f'send a body like {{"kind": "silence"}}; kinds are: {", ".join(KINDS)}') from error
    try:
        return kind(**parameters)
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors(include_url=False))
        known = ", ".join(kind.model_fields) or "none"
        raise ValueError(f"{kind.kind}: {'; '.join(wrong)} (its parameters: {known})") from error


def _numbers(sessions: list[Session]) -> Mapping[str, object]:
    return {"connections": [session.number for session in sessions]}
