"""A compiled filter: what is evaluated, and what it needs and costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from domain.market import Interval
from filters.expression.cost import Cost
from filters.expression.nodes import Node


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledFilter:
    """A filter ready to be evaluated. Filters with equal `key` compute the same, however they are formatted and named inside."""

    interval: Interval
    match: Node
    conditions: Mapping[str, Node]
    series: Mapping[str, Node]
    """What is plotted, by name, and the score if there is one."""
    required: Mapping[Interval, int]
    """Candles of history without which nothing can be said, per interval, the trader's own included."""
    cost: Cost
    key: str
    lines: Mapping[str, int]
    """Line on which each node, by key, first stands."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the conditions, in the order of the text."""
        return tuple(self.conditions)

    @property
    def plots(self) -> tuple[str, ...]:
        """Names of the plotted series, in the order of the text."""
        return tuple(name for name in self.series if name != SCORE)

    @property
    def results(self) -> tuple[Node, ...]:
        """Everything that is evaluated."""
        return (self.match, *self.conditions.values(), *self.series.values())

    @cached_property
    def is_live(self) -> bool:
        """Whether it reads the ticker, so that its result holds for one snapshot only."""
        return any(node.is_live for node in self.results)


SCORE = "score"
