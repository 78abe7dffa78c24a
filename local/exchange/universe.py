"""The symbols of a generated market: known assets first, then invented ones."""

import itertools
import math
from dataclasses import dataclass

from local.exchange.candles import Listing
from local.exchange.noise import key

_KNOWN = {
    "BTC": 64_000.0, "ETH": 3_200.0, "SOL": 150.0, "BNB": 580.0, "XRP": 0.6, "DOGE": 0.13, "ADA": 0.42, "AVAX": 28.0, "LINK": 14.0,
    "TRX": 0.13, "DOT": 6.1, "LTC": 72.0, "BCH": 380.0, "UNI": 7.8, "NEAR": 5.2, "APT": 7.1, "ARB": 0.72, "OP": 1.8, "SUI": 0.9,
    "ATOM": 6.5, "FIL": 4.4, "ETC": 22.0, "XLM": 0.1, "HBAR": 0.07, "ICP": 9.3, "INJ": 24.0, "RUNE": 4.6, "AAVE": 98.0, "MKR": 2_600.0,
    "PEPE": 0.0000112, "SHIB": 0.0000171, "BONK": 0.0000262, "WIF": 2.1, "TIA": 6.4, "SEI": 0.36, "LDO": 1.4, "GRT": 0.19, "ALGO": 0.14,
    "SAND": 0.32, "MANA": 0.34, "AXS": 5.9, "EGLD": 31.0, "FTM": 0.48, "THETA": 1.5, "XTZ": 0.74, "EOS": 0.56, "CRV": 0.28, "SNX": 1.6,
    "COMP": 49.0, "ZEC": 28.0, "DASH": 25.0, "KAVA": 0.37, "ENJ": 0.17, "CHZ": 0.066, "BAT": 0.19, "ZIL": 0.017, "HOT": 0.0018,
    "IOTA": 0.17, "NEO": 10.6, "QTUM": 2.6, "ONT": 0.21, "VET": 0.026, "KSM": 21.0, "YFI": 5_600.0, "SUSHI": 0.69, "1INCH": 0.31,
    "ENS": 21.0, "GALA": 0.024, "IMX": 1.4, "STX": 1.7, "JUP": 0.86, "PYTH": 0.34, "ORDI": 36.0, "FET": 1.3, "WLD": 2.2, "币安人生": 0.18,
}  # fmt: skip
"""Assets and their usual prices in USDT, by usual turnover; one is not ASCII, as on the real exchange."""

_HEADS = (
    "AR",
    "BEL",
    "COR",
    "DRA",
    "EX",
    "FLO",
    "GEN",
    "HEX",
    "ION",
    "JAR",
    "KEL",
    "LUM",
    "MOR",
    "NOV",
    "ORB",
    "PRI",
    "QUA",
    "RIN",
    "SOR",
    "TAL",
)
_TAILS = ("A", "BIT", "CO", "DEX", "FI", "GO", "IUM", "KA", "LEO", "MAX", "NET", "ON", "PAY", "RA", "SWAP", "TER", "US", "VO", "X", "ZEN")

LARGEST = len(_KNOWN) + len(_HEADS) * len(_TAILS)
"""How many symbols there can be."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What is usual for a symbol: its price and daily turnover in USDT, and the standard deviation of its daily returns."""

    listing: Listing
    price: float
    daily_turnover: float
    daily_deviation: float


def profiles(count: int) -> tuple[Profile, ...]:
    """The first `count` symbols by turnover. Raises ValueError when there are not so many."""
    if not 1 <= count <= LARGEST:
        raise ValueError(f"a generated market has 1 to {LARGEST} symbols, not {count}")
    invented = ((head + tail, _invented_price(head + tail)) for tail in _TAILS for head in _HEADS)
    assets = itertools.islice(itertools.chain(_KNOWN.items(), invented), count)
    return tuple(_profile(rank, asset, price) for rank, (asset, price) in enumerate(assets, start=1))


def _invented_price(asset: str) -> float:
    return float(f"{10 ** (key(asset) % 6000 / 1000 - 4):.3g}")


def _profile(rank: int, asset: str, price: float) -> Profile:
    price_decimals = min(8, max(2, 4 - math.floor(math.log10(price))))
    return Profile(
        listing=Listing(
            symbol=f"{asset}USDT",
            base_asset=asset,
            quote_asset="USDT",
            price_decimals=price_decimals,
            volume_decimals=min(5, max(0, 7 - price_decimals)),
        ),
        price=price,
        daily_turnover=2e9 / rank**1.2,
        daily_deviation=0.022 + 0.018 * min(1.0, rank / 60),
    )
