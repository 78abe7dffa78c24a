"""The door for stream connections: who may come in, who is in, and who was."""

import time
from collections import defaultdict, deque

from local.exchange.session import Session

MOST_DIALS = 300
"""Attempts per address in five minutes, as on Binance."""
_WINDOW = 300.0
_REMEMBERED = 100
"""Connections that are still listed after they have ended."""


class Door:
    """Counts attempts to connect, lets at most `most_dials` of an address in within five minutes, and keeps the book of connections."""

    def __init__(self, *, most_dials: int = MOST_DIALS) -> None:
        self.dials = 0
        self.refusals = 0
        """While this is not 0, nobody is let in."""
        self._most_dials = most_dials
        self._attempts: dict[str, deque[float]] = defaultdict(deque)
        self._open: dict[int, Session] = {}
        self._closed: deque[Session] = deque(maxlen=_REMEMBERED)
        self._most_client_frames = 0

    def admits(self, address: str) -> bool:
        """Count an attempt, and say whether it is one too many."""
        self.dials += 1
        now, attempts = time.monotonic(), self._attempts[address]
        while attempts and now - attempts[0] >= _WINDOW:
            attempts.popleft()
        attempts.append(now)
        return len(attempts) <= self._most_dials

    def opened(self, session: Session) -> None:
        """A connection has come in."""
        self._open[session.number] = session

    def closed(self, session: Session) -> None:
        """A connection has ended."""
        del self._open[session.number]
        self._most_client_frames = max(self._most_client_frames, session.most_client_frames)
        self._closed.append(session)

    def sessions(self, number: int | None) -> list[Session]:
        """The open connection with this number, or all of them. Raises ValueError when there is no such connection."""
        if number is None:
            return list(self._open.values())
        if number not in self._open:
            raise ValueError(f"there is no open connection {number}; open are: {', '.join(map(str, self._open)) or 'none'}")
        return [self._open[number]]

    def most_client_frames(self) -> int:
        """The most frames that any connection has sent within a second."""
        return max([self._most_client_frames, *(session.most_client_frames for session in self._open.values())])

    def described(self) -> list[dict[str, object]]:
        """The connections for the status: the latest that have ended, then the open ones."""
        return [session.described() for session in (*self._closed, *self._open.values())]
