"""What holds a jailed process, and what does not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Layer(StrEnum):
    """One thing that holds, whatever becomes of the others."""

    ENVIRONMENT = "environment"
    PRIVILEGES = "privileges"
    LIMITS = "limits"
    NAMESPACES = "namespaces"
    EMPTY_ROOT = "empty root"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"

    @property
    def stops(self) -> str:
        """What it alone would stop."""
        return _STOPS[self]


_STOPS = {
    Layer.ENVIRONMENT: "reading secrets from the environment or from descriptors that the worker has open",
    Layer.PRIVILEGES: "acting as root, or becoming it through a set-user-id program",
    Layer.LIMITS: "using up the machine's memory, processors, threads, descriptors or disk",
    Layer.NAMESPACES: "reaching the network, shared memory or other processes",
    Layer.EMPTY_ROOT: "seeing any file",
    Layer.LANDLOCK: "opening any file, TCP, and signals to other processes",
    Layer.SECCOMP: "any system call but those for memory, threads and time: sockets, files, programs, tracing, most holes of the kernel",
}


@dataclass(frozen=True, kw_only=True)
class JailReport:
    """How one process is held, as it found by trying."""

    held: tuple[Layer, ...] = ()
    missing: Mapping[Layer, str] = field(default_factory=dict)
    """Why each missing layer is missing."""
    possible: tuple[str, ...] = ()
    """What the process tried to do, must not be able to do, and could."""

    @property
    def is_sufficient(self) -> bool:
        """Nothing forbidden was possible, and one of the two strong walls stands: system calls are filtered, or there are namespaces
        and no files."""
        apart = Layer.NAMESPACES in self.held and (Layer.EMPTY_ROOT in self.held or Layer.LANDLOCK in self.held)
        return not self.possible and (Layer.SECCOMP in self.held or apart)

    def warnings(self) -> tuple[str, ...]:
        """One line for each thing that is not as it should be."""
        missing = (f"The {layer} layer is missing ({why}): it would stop {layer.stops}." for layer, why in self.missing.items())
        possible = (f"A filter's process could {deed}." for deed in self.possible)
        return (*missing, *possible)

    def to_json(self) -> bytes:
        return json.dumps({"held": self.held, "missing": self.missing, "possible": self.possible}).encode()

    @staticmethod
    def from_json(text: bytes) -> "JailReport":
        """Raises ValueError for anything that `to_json` does not write."""
        try:
            fields = json.loads(text)
            return JailReport(
                held=tuple(Layer(name) for name in fields["held"]),
                missing={Layer(name): str(why) for name, why in fields["missing"].items()},
                possible=tuple(str(deed) for deed in fields["possible"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a report: {error!r}") from error
