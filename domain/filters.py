"""What a trader's filter is, and what can be wrong with one."""

from dataclasses import dataclass
from enum import StrEnum

from domain.market import Interval


class Language(StrEnum):
    """Languages a filter may be written in."""

    EXPRESSION = "expression"
    JAVASCRIPT = "javascript"
    GO = "go"
    """Imported and kept, never run: such a filter needs conversion."""


NEEDS_CONVERSION = (
    "A filter in Go is kept and never run. Write it anew in the expression language (docs/filter-language.md) "
    "and hand it over: `cloudtrader trader update NAME --filter FILE`."
)


class Trigger(StrEnum):
    """When a filter is evaluated: on every closed candle, or on the forming one at the trader's cadence."""

    CLOSE = "close"
    TICK = "tick"


class FailureKind(StrEnum):
    """How a filter can fail."""

    COMPILE = "compile"
    """A filter that was good when it was deployed is refused now."""
    RUNTIME = "runtime"
    """It threw, or a function of the language did."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CONTRACT = "contract"
    """It gave something that is neither a match nor none."""
    CRASHED = "crashed"
    """The process that ran it died of it."""
    SUSPENDED = "suspended"
    """It was not run, because its owner's filters used up what they may use for now."""


@dataclass(frozen=True, kw_only=True)
class FilterSpec:
    """A trader's filter as its owner wrote it."""

    code: str
    interval: Interval
    language: Language = Language.EXPRESSION
    trigger: Trigger = Trigger.CLOSE
    required_intervals: tuple[Interval, ...] = ()
    """Further intervals a JavaScript filter reads; those of an expression are found by its compiler."""
    truthy: bool = False
    """JavaScript only: any truthy result is a match, as it was in the browser. Otherwise only `true` and `{match: true}` are."""


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


@dataclass(frozen=True, kw_only=True)
class FilterFailure:
    """One way in which a filter failed, at one candle, for one symbol or several alike."""

    kind: FailureKind
    message: str
    line: int | None = None
    """Counts from 1 in the owner's text; `None` where there is no such place."""
    symbol: str = ""
    """One of the symbols; empty where it failed as a whole."""
    symbols: int = 1
    """How many symbols failed like this."""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        others = f" and {self.symbols - 1} more" if self.symbols > 1 else ""
        return f"{self.kind}: {place}{self.message}" + (f" ({self.symbol}{others})" if self.symbol else "")
