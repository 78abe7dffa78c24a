"""What goes wrong in a chaos run: drawn up in advance from a seed, so that a run can be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from domain.market import Interval

LEAST_GAP, MOST_GAP = 1.0, 4.0
"""Seconds between two moments at which something goes wrong."""
SHARE_OF_TWO = 0.4
"""Of these moments, how many bring two faults at once."""

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """A fault and when it begins, seconds after the start. `kind` is one of the exchange's, or the feeder's `kill` or `freeze`.

    A `connection` is given as a place from 0 to 1 among those that are open then.
    """

    at: float
    kind: str
    parameters: Parameters

    def __str__(self) -> str:
        return f"at {self.at:5.1f} s {self.kind} {self.parameters}"


def plan(seed: int, seconds: float, symbols: list[str]) -> list[Planned]:
    """A fault, or two, every few seconds. Every kind comes before any comes again."""
    random = Random(seed)
    planned: list[Planned] = []
    waiting: list[str] = []
    at = random.uniform(LEAST_GAP, MOST_GAP)
    while at < seconds:
        for _ in range(1 + (random.random() < SHARE_OF_TWO)):
            if not waiting:
                waiting = random.sample(sorted(_KINDS), len(_KINDS))
            kind = waiting.pop()
            planned.append(Planned(at, kind, _KINDS[kind](random, symbols)))
        at += random.uniform(LEAST_GAP, MOST_GAP)
    return planned


def _lasting(random: Random) -> Parameters:
    return {"seconds": round(random.uniform(2, 8), 1)}


def _share(random: Random) -> Parameters:
    return {"share": round(random.uniform(0.02, 0.5), 2)}


def _one_or_all(random: Random) -> Parameters:
    return {"connection": round(random.random(), 2)} if random.random() < 0.5 else {}


def _late(random: Random) -> Parameters:
    return {"milliseconds": random.randrange(100, 3_000)}


def _stream(random: Random, symbols: list[str]) -> Parameters:
    return {"stream": f"{random.choice(symbols).lower()}@kline_{random.choice(tuple(Interval))}"}


_KINDS: dict[str, Callable[[Random, list[str]], Parameters]] = {
    "silence": lambda random, _: _lasting(random) | _one_or_all(random),
    "mute": _stream,
    "duplicate": lambda random, _: _lasting(random) | _share(random),
    "reorder": lambda random, _: _lasting(random) | _share(random),
    "truncate": lambda random, _: _lasting(random) | _share(random),
    "late_final": lambda random, _: _lasting(random) | _late(random),
    "withhold_final": lambda random, _: _lasting(random) | _share(random),
    "delay": lambda random, _: _lasting(random) | _late(random),
    "disconnect": lambda random, _: _one_or_all(random),
    "shutdown": lambda random, _: _lasting(random) | _one_or_all(random),
    "refuse": lambda random, _: _lasting(random),
    "rate_limit": lambda random, _: _lasting(random),
    "ban": lambda random, _: _lasting(random),
    "rest_error": lambda random, _: _lasting(random) | _share(random) | {"status": random.choice((400, 403, 500, 502, 504))},
    "skew": lambda random, _: _lasting(random) | {"milliseconds": random.choice((-1_300, 1_300))},
    "kill": lambda random, _: _lasting(random) | {"forgets": random.random() < 0.5},
    "freeze": lambda random, _: _lasting(random),
}
"""Each kind's parameters; for `kill`, how long the feeder is away and whether it then lacks the snapshot that it had written."""
