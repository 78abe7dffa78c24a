"""What a tier refuses of a filter that compiles."""

from collections.abc import Iterator
from datetime import timedelta

from domain.filters import FilterProblem
from domain.tiers import TierLimits
from filters.expression.compiled import CompiledFilter
from filters.expression.cost import Share

_NAMED = 3
"""How many of the dearest parts are named."""


def problems_beyond(compiled: CompiledFilter, limits: TierLimits) -> tuple[FilterProblem, ...]:
    """Each limit the filter exceeds, where its dearest part stands; none when the tier allows it."""
    line = compiled.cost.shares[0].line
    return tuple(FilterProblem(message=message, line=line, column=1) for message in _messages(compiled, limits))


def _messages(compiled: CompiledFilter, limits: TierLimits) -> Iterator[str]:
    cost = compiled.cost
    if cost.nodes > limits.max_filter_steps:
        yield f"the filter has {cost.nodes} steps and your tier allows {limits.max_filter_steps}"
    if cost.indicators > limits.max_filter_indicators:
        yield f"the filter uses {cost.indicators} different indicators and your tier allows {limits.max_filter_indicators}"
    if cost.estimated > limits.max_filter_cost:
        dearest = ", ".join(map(_shown, cost.shares[:_NAMED]))
        yield (
            f"the filter takes about {_milliseconds(cost.estimated)} over 400 symbols and your tier allows "
            f"{_milliseconds(limits.max_filter_cost)}; most of it: {dearest}"
        )


def _shown(share: Share) -> str:
    return f"{share.function} on line {share.line} ({_milliseconds(share.estimated)})"


def _milliseconds(time: timedelta) -> str:
    return f"{time / timedelta(milliseconds=1):.3g} ms"
