"""What a trader's filter is, and what can be wrong with one."""

from dataclasses import dataclass
from enum import StrEnum

from domain.market import Interval


class Language(StrEnum):
    """Languages a filter may be written in."""

    EXPRESSION = "expression"


class Trigger(StrEnum):
    """When a filter is evaluated: on every closed candle, or on the forming one at the trader's cadence."""

    CLOSE = "close"
    TICK = "tick"


class FailureKind(StrEnum):
    """How a filter that compiled can fail."""

    RUNTIME = "runtime"


@dataclass(frozen=True, kw_only=True)
class FilterSpec:
    """A trader's filter as its owner wrote it."""

    code: str
    interval: Interval
    language: Language = Language.EXPRESSION
    trigger: Trigger = Trigger.CLOSE


@dataclass(frozen=True, kw_only=True)
class FilterProblem:
    """One thing that is wrong with a filter. Line and column count from 1, as editors show them."""

    message: str
    line: int
    column: int
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f" Did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"line {self.line}, column {self.column}: {self.message}{hint}"
