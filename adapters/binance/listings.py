"""What the exchange says of each of its symbols."""

from typing import Any, NamedTuple

from domain.market import SymbolStatus

_STATUSES = {status.value.upper(): status for status in SymbolStatus}
_LEVERAGED = "LEVERAGED"


class ListedSymbol(NamedTuple):
    """One symbol of exchangeInfo."""

    symbol: str
    base_asset: str
    quote_asset: str
    status: SymbolStatus
    """A status we do not know counts as absent: nothing may be assumed of such a symbol."""
    is_spot: bool
    is_leveraged: bool
    """A token that multiplies another asset's moves."""


def parse_listings(info: dict[str, Any]) -> tuple[ListedSymbol, ...]:
    """The symbols of an exchangeInfo reply, in its order."""
    return tuple(_parse(item) for item in info["symbols"])


def weight_limit(info: dict[str, Any]) -> int | None:
    """The request weight per minute that an exchangeInfo reply declares."""
    for limit in info.get("rateLimits", ()):
        if limit["rateLimitType"] == "REQUEST_WEIGHT" and limit["interval"] == "MINUTE":
            return int(limit["limit"]) // int(limit.get("intervalNum", 1))
    return None


def _parse(item: dict[str, Any]) -> ListedSymbol:
    permitted = [*item.get("permissions", ()), *(name for names in item.get("permissionSets", ()) for name in names)]
    return ListedSymbol(
        symbol=item["symbol"],
        base_asset=item["baseAsset"],
        quote_asset=item["quoteAsset"],
        status=_STATUSES.get(item["status"], SymbolStatus.ABSENT),
        is_spot=bool(item.get("isSpotTradingAllowed")),
        is_leveraged=_LEVERAGED in permitted,
    )
