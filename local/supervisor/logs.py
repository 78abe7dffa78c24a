"""A process's output: kept in files of bounded size, the last lines also in memory."""

from collections import deque
from pathlib import Path

TAIL_LINES = 20
MAX_BYTES = 10_000_000
KEPT_FILES = 3
LONGEST_LINE = 2_000


class ProcessLog:
    """NAME.log, moved to NAME.log.1 and so on when it is full. A disk that is full loses lines here, never the process."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._kept_files = kept_files
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._unfinished = b""

    def write(self, chunk: bytes) -> None:
        """Keep a piece of output, which may begin and end within a line."""
        self._remember(chunk)
        try:
            with self.path.open("ab") as file:
                file.write(chunk)
                size = file.tell()
            if size >= self._max_bytes:
                self._rotate()
        except OSError as problem:
            self._lines.append(f"[{self.path.name} cannot be written: {problem.strerror}]")

    def tail(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        last = (self._text(self._unfinished),) if self._unfinished else ()
        return (*self._lines, *last)[-TAIL_LINES:]

    def forget(self) -> None:
        """Begin a new tail: what follows comes from another run."""
        self._lines.clear()
        self._unfinished = b""

    def _remember(self, chunk: bytes) -> None:
        *lines, rest = (self._unfinished + chunk).split(b"\n")
        self._lines.extend(self._text(line) for line in lines)
        self._unfinished = rest[-LONGEST_LINE:]

    @staticmethod
    def _text(line: bytes) -> str:
        return line[:LONGEST_LINE].decode(errors="replace").rstrip()

    def _rotate(self) -> None:
        for number in range(self._kept_files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
