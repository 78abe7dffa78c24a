"""Every function of the language under its name. A new function is an entry yielded by one of the sources."""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from filters.expression.beyond_talib import indicators_beyond_talib
from filters.expression.day_levels import day_level_functions
from filters.expression.functions import Function
from filters.expression.indicators import indicators
from filters.expression.language import language_functions
from filters.expression.swings import swing_functions
from filters.expression.volume_nodes import volume_node_functions
from filters.expression.vwap import vwap_functions

_SOURCES = (
    language_functions,
    vwap_functions,
    swing_functions,
    day_level_functions,
    volume_node_functions,
    indicators_beyond_talib,
    indicators,
)


def _by_name() -> Mapping[str, Function]:
    functions: dict[str, Function] = {}
    for function in chain.from_iterable(source() for source in _SOURCES):
        if function.name in functions:
            raise ValueError(f"two functions are called {function.name}")
        functions[function.name] = function
    return MappingProxyType(functions)


FUNCTIONS = _by_name()
