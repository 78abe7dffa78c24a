"""Which of the exchange's symbols the feeder wants, by what the exchange says of them and never by parts of their names."""

from dataclasses import dataclass

from adapters.binance.listings import ListedSymbol
from domain.errors import RefusedError

DOLLARS = "USDT USDC FDUSD TUSD USDP PAX BUSD DAI USDE USD1 XUSD RLUSD PYUSD BFUSD USDS USDSB SUSD GUSD LUSD USDD"
OTHER_CURRENCIES = "EUR EURI AEUR GBP AUD BRL TRY RUB UAH NGN ZAR IDRT BIDR BKRW BVND PLN RON ARS MXN CZK JPY COP"
STABLE_BASES = frozenset(f"{DOLLARS} {OTHER_CURRENCIES}".split())
"""Assets that stand for a currency, by the exact name the exchange gives the base: their price against the dollar says nothing of a
market. Not among them: gold (PAXG), and what lost its peg (USTC)."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of the exchange's symbols are wanted; whether they trade now is another question."""

    quote_asset: str = "USDT"
    excluded_bases: frozenset[str] = STABLE_BASES

    def admits(self, listed: ListedSymbol) -> bool:
        """Spot symbols against the quote asset, without excluded bases and leveraged tokens, by what the exchange says of them."""
        is_wanted = listed.quote_asset == self.quote_asset and listed.base_asset not in self.excluded_bases
        return is_wanted and listed.is_spot and not listed.is_leveraged


def excluded_bases(text: str) -> frozenset[str]:
    """Base assets as an operator lists them, with commas between; nothing means STABLE_BASES, `none` means none. Raises RefusedError."""
    if not text.strip():
        return STABLE_BASES
    if text.strip() == "none":
        return frozenset()
    assets = [asset.strip() for asset in text.split(",")]
    for asset in assets:
        if not asset or asset != asset.upper() or " " in asset:
            raise RefusedError(f"FEEDER_EXCLUDE_BASES: {asset!r} is no asset; write them as the exchange does, like USDC,FDUSD, or `none`.")
    return frozenset(assets)
