"""Real child processes under a real supervisor, and a display that remembers what it was shown."""

import asyncio
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local.supervisor.health import UnhealthyError
from local.supervisor.specs import ProcessSpec
from local.supervisor.status import ProcessStatus, State
from local.supervisor.supervisor import Supervisor


@dataclass(frozen=True)
class FileThere:
    """Healthy while the file exists."""

    path: Path

    async def check(self) -> None:
        if not self.path.exists():
            raise UnhealthyError(f"no {self.path.name}")


@dataclass
class Remembered:
    """A display without a screen."""

    changes: list[tuple[str, State]] = field(default_factory=list)
    failures: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def watch(self, statuses: Sequence[ProcessStatus]) -> None: ...

    def changed(self, status: ProcessStatus) -> None:
        self.changes.append((status.name, status.state))

    def failed(self, status: ProcessStatus, reason: str, tail: Sequence[str]) -> None:
        self.failures.append((status.name, reason, tuple(tail)))

    def say(self, text: str) -> None:
        self.said.append(text)

    def refresh(self) -> None: ...

    def order_of(self, state: State) -> list[str]:
        """Names in the order in which they came into this state, each once."""
        return list(dict.fromkeys(name for name, entered in self.changes if entered is state))


@dataclass
class Yard:
    """A place for small programs."""

    folder: Path
    display: Remembered = field(default_factory=Remembered)

    def service(self, name: str, code: str = "", *, depends_on: tuple[str, ...] = (), **more) -> ProcessSpec:
        """A program that makes NAME.up and then sleeps, unless its code ends it; healthy while NAME.up exists."""
        up = self.folder / f"{name}.up"
        body = f"{textwrap.dedent(code)}\nimport pathlib, time\npathlib.Path({str(up)!r}).touch()\ntime.sleep(60)\n"
        return ProcessSpec(name=name, argv=self.program(name, body), health=FileThere(up), depends_on=depends_on, **more)

    def step(self, name: str, code: str, **more) -> ProcessSpec:
        """A program that runs to its end."""
        return ProcessSpec(name=name, argv=self.program(name, textwrap.dedent(code)), **more)

    def program(self, name: str, code: str) -> tuple[str, ...]:
        file = self.folder / f"{name}.py"
        file.write_text(code)
        return (sys.executable, "-I", "-S", str(file))

    def supervisor(self, *specs: ProcessSpec) -> Supervisor:
        return Supervisor(specs, state=self.folder, environment={}, display=self.display)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Return once the condition holds; fail the test when it never does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what changes is another process
            await asyncio.sleep(0.01)


@pytest.fixture(name="until")
def until_fixture():
    return until
