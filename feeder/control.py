"""What one connection should receive, what the exchange has confirmed, and the control frames that bring the second to the first.

Nothing here touches a socket or waits; the clock (monotonic seconds) is passed in.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from adapters.binance.market_frames import Acknowledgement
from domain.errors import UnavailableError
from feeder.statistics import FeederStatistics
from feeder.subscriptions import Method, control_frame, first_batch

logger = logging.getLogger(__name__)

MOST_FRAMES = 4
"""Frames sent in any second, pongs included; with the sixth Binance closes the connection."""
SPACING = 0.34
"""Seconds between our own: at most three in a second, so that a pong, which nobody can put off, is the fourth."""
ACKNOWLEDGE_SECONDS = 10.0
ATTEMPTS = 3
AUDIT_SECONDS = 600.0
AUDIT_AGAIN_SECONDS = 60.0
"""After an audit that found something."""


class FramePace:
    """When the next control frame may be sent, so that never more than MOST_FRAMES leave within a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = 0
        """The most frames that were sent within one second."""
        self._clock = clock
        self._may_send_at = 0.0
        self._last_second: deque[float] = deque()

    def sent(self) -> None:
        """A control frame is sent now."""
        self.rest()
        self.answered()

    def rest(self) -> None:
        """Let some time pass before the next. From a reply on, the exchange has seen that time pass, too, however slow it was."""
        self._may_send_at = self._clock() + SPACING

    def answered(self) -> None:
        """A ping is answered now."""
        self._last_second.append(self._clock())
        self._forget()
        self.most = max(self.most, len(self._last_second))

    def delay(self) -> float:
        """Seconds until a control frame may be sent."""
        self._forget()
        now = self._clock()
        is_full = len(self._last_second) >= MOST_FRAMES
        return max(0.0, self._may_send_at - now, self._last_second[-MOST_FRAMES] + 1 - now if is_full else 0.0)

    def _forget(self) -> None:
        while self._last_second and self._last_second[0] <= self._clock() - 1:
            self._last_second.popleft()


class _Request(NamedTuple):
    method: Method
    streams: tuple[str, ...]
    failures: int = 0


class SubscriptionControl:
    """Brings `confirmed` to `wanted`, one control frame after the other, whatever gets lost on the way.

    A request that is refused or not acknowledged within ten seconds is split in halves; what fails three times though it cannot be split
    makes the connection useless, and an UnavailableError says so. Once everything is confirmed, and every ten minutes, the exchange is
    asked what it has subscribed, and its answer counts.
    """

    def __init__(self, streams: Iterable[str], statistics: FeederStatistics, clock: Callable[[], float] = time.monotonic) -> None:
        self.wanted = dict.fromkeys(streams)
        self.confirmed: dict[str, None] = {}
        self.pace = FramePace(clock)
        self._statistics = statistics
        self._clock = clock
        self._renewing: set[str] = set()
        self._retries: deque[_Request] = deque()
        self._under_way: _Request | None = None
        self._number = 0
        self._deadline = 0.0
        self._audit_at = 0.0
        self._is_audited = False

    @property
    def is_settled(self) -> bool:
        """Whether the exchange has confirmed, and shown in its list, exactly what is wanted."""
        return self._is_audited and self._under_way is None and not self._renewing and self.confirmed.keys() == self.wanted.keys()

    def want(self, streams: Iterable[str]) -> None:
        """Receive these streams and no others from now on."""
        wanted = dict.fromkeys(streams)
        if wanted.keys() != self.wanted.keys():
            self._audit_soon()
        self.wanted = wanted

    def renew(self, streams: Iterable[str]) -> None:
        """Unsubscribe from these and subscribe to them again."""
        self._renewing |= self.confirmed.keys() & self.wanted.keys() & set(streams)
        self._audit_soon()

    def next_frame(self) -> bytes | None:
        """The control frame to send now, if any. Raises UnavailableError when the exchange does not do as it is asked."""
        if self._under_way is not None and self._clock() >= self._deadline:
            self._fail("did not acknowledge")
        if self._under_way is not None or self.pace.delay() > 0 or (request := self._next_request()) is None:
            return None
        self._number += 1
        self._under_way = request
        self._deadline = self._clock() + ACKNOWLEDGE_SECONDS
        self.pace.sent()
        return control_frame(request.method, request.streams, self._number)

    def pause(self) -> float:
        """Seconds until `next_frame` may answer otherwise though nothing is received and nothing else becomes wanted."""
        if self._under_way is not None:
            return max(0.0, self._deadline - self._clock())
        is_idle = not self._retries and not any(self._due(method) for method in (Method.UNSUBSCRIBE, Method.SUBSCRIBE))
        return max(self.pace.delay(), self._audit_at - self._clock() if is_idle else 0.0)

    def receive(self, acknowledgement: Acknowledgement) -> None:
        """Take the exchange's reply. One that comes too late counts for nothing. Raises UnavailableError as `next_frame` does."""
        request = self._under_way
        if request is None or acknowledgement.id != self._number:
            return
        self.pace.rest()
        if acknowledgement.error:
            self._statistics.subscriptions_refused += 1
            self._fail(f"refused ({acknowledgement.error})")
            return
        self._under_way = None
        match request.method:
            case Method.SUBSCRIBE:
                self.confirmed |= dict.fromkeys(request.streams)
            case Method.UNSUBSCRIBE:
                self._renewing -= set(request.streams)
                self.confirmed = {stream: None for stream in self.confirmed if stream not in request.streams}
            case Method.LIST:
                self._compare(acknowledgement.streams)

    def _next_request(self) -> _Request | None:
        while self._retries:
            method, streams, failures = self._retries.popleft()
            due = self._due(method)
            if still_due := tuple(stream for stream in streams if stream in due):
                return _Request(method, still_due, failures)
            if method is Method.LIST:
                return _Request(method, (), failures)
        for method in (Method.UNSUBSCRIBE, Method.SUBSCRIBE):
            if due := self._due(method):
                return _Request(method, first_batch(due))
        return _Request(Method.LIST, ()) if self._clock() >= self._audit_at else None

    def _due(self, method: Method) -> dict[str, None]:
        match method:
            case Method.UNSUBSCRIBE:
                return {stream: None for stream in self.confirmed if stream not in self.wanted or stream in self._renewing}
            case Method.SUBSCRIBE:
                return {stream: None for stream in self.wanted if stream not in self.confirmed}
        return {}

    def _fail(self, problem: str) -> None:
        assert self._under_way is not None
        method, streams, failures = self._under_way
        self._under_way = None
        if len(streams) > 1:
            self._statistics.subscriptions_split += 1
            logger.warning("The exchange %s %s of %d streams; trying again with halves", problem, method, len(streams))
            half = len(streams) // 2
            self._retries.extendleft((_Request(method, streams[half:]), _Request(method, streams[:half])))
        elif failures + 1 < ATTEMPTS:
            self._retries.appendleft(_Request(method, streams, failures + 1))
        else:
            raise UnavailableError(f"the exchange {problem} {method} {' '.join(streams)} {ATTEMPTS} times")

    def _compare(self, listed: tuple[str, ...]) -> None:
        told = dict.fromkeys(listed)
        difference = len(told.keys() ^ self.confirmed.keys())
        if difference:
            self._statistics.subscriptions_amended += difference
            logger.warning("The exchange's list of subscriptions differs from ours in %d streams", difference)
        self.confirmed = told
        self._renewing &= told.keys()
        self._is_audited = True
        self._audit_at = self._clock() + (AUDIT_AGAIN_SECONDS if difference else AUDIT_SECONDS)

    def _audit_soon(self) -> None:
        self._is_audited = False
        self._audit_at = self._clock()
