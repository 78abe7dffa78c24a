"""A request's parameters, checked, and the errors that refuse them, as Binance has them."""

import re
from http import HTTPStatus

import orjson

Query = dict[str, str]
_FIRST_MICROSECONDS = 10**14
"""A time that is not less counts microseconds."""


class BinanceError(Exception):
    """A reply that refuses the request."""

    def __init__(self, code: int, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def mandatory(query: Query, name: str) -> str:
    """A parameter that must be there."""
    if not query.get(name):
        raise BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return query[name]


def number(query: Query, name: str, default: int) -> int:
    """A whole number."""
    value = query.get(name)
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def moment(query: Query, name: str, default: int) -> int:
    """A time in epoch milliseconds; it may have been told in microseconds."""
    told = number(query, name, default)
    return told // 1000 if told >= _FIRST_MICROSECONDS else told


def names(text: str, parameter: str) -> list[str]:
    """A JSON array of strings."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise BinanceError(-1100, f"Illegal characters found in parameter '{parameter}'; legal is a JSON array of strings.")
    return found


def together(query: Query, *parameters: str) -> None:
    """Refuse parameters that exclude each other."""
    if sum(parameter in query for parameter in parameters) > 1:
        raise BinanceError(-1128, "Combination of optional parameters invalid.")
