"""Every function of the language under its name. A new function is an entry yielded by one of the two sources."""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType

from filters.expression.functions import Function
from filters.expression.indicators import indicators
from filters.expression.language import language_functions


def _by_name() -> Mapping[str, Function]:
    functions: dict[str, Function] = {}
    for function in chain(language_functions(), indicators()):
        if function.name in functions:
            raise ValueError(f"two functions are called {function.name}")
        functions[function.name] = function
    return MappingProxyType(functions)


FUNCTIONS = _by_name()
