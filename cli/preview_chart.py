"""Draws a preview: candles of one symbol with its signals, what the filter plots, and the equity of the simulated trades."""

from dataclasses import dataclass
from io import BytesIO

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cli.preview_views import busiest_symbol
from domain.errors import RefusedError
from domain.market import Interval
from filters.preview.equity import SimulatedExits
from filters.preview.past_candles import PastCandles
from filters.preview.plotted import plotted
from filters.preview.preview import Preview, PreviewRequest

_BEFORE_SHARE = 0.75
"""Where in the drawn range the last signal is, at most."""
_UP, _DOWN, _MARK, _INK, _FAINT = "#1a9850", "#d73027", "#1f4e9c", "#333333", "#cccccc"
_LINES = ("#e08214", "#7b3294", "#008080", "#a6611a", "#4575b4", "#999900")

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Look:
    """How much is drawn, and how large: inches, and points for letters."""

    candles: int = 240
    """More would be hairs."""
    width: float = 11.0
    height: float = 3.6
    """Of the candles alone; each further panel adds half of it."""
    dots_per_inch: int = 110
    letters: float = 9


_REPORT = Look()


@dataclass(frozen=True, eq=False)
class _Part:
    """What is drawn: some candles of one symbol."""

    symbol: str
    row: int
    first: int
    last: int

    @property
    def indices(self) -> NDArray[np.int64]:
        return np.arange(self.first, self.last + 1)


def chart_of(found: Preview, request: PreviewRequest, candles: PastCandles, symbol: str | None, look: Look = _REPORT) -> bytes:
    """The chart of a symbol, by default of the one with most signals, as a PNG. Raises RefusedError for a symbol that was not looked at."""
    if symbol and symbol not in found.symbols:
        raise RefusedError(f"{symbol} is not among the symbols of this preview.")
    part = _part(found, symbol or busiest_symbol(found), look.candles)
    series = plotted(request.spec, candles, part.symbol, part.first, part.last)
    with mpl.rc_context(
        {
            "axes.axisbelow": True,
            "axes.edgecolor": _FAINT,
            "axes.grid": True,
            "axes.labelcolor": _INK,
            "font.size": look.letters,
            "grid.color": "#eeeeee",
        }
    ):
        return _drawn(found, candles, part, series, look)


def _drawn(found: Preview, candles: PastCandles, part: _Part, series: dict[str, Values], look: Look) -> bytes:
    prices = {name: _column(found, candles, part, name) for name in ("open", "high", "low", "close")}
    beside = {name: values for name, values in series.items() if not _is_price(values, prices)}
    panels = 1 + bool(beside) + bool(found.exits)
    size = look.width, look.height * (0.5 + 0.5 * panels)
    figure = Figure(figsize=size, dpi=look.dots_per_inch, layout="constrained")
    axes = np.atleast_1d(figure.subplots(panels, 1, height_ratios=[2.2] + [1.0] * (panels - 1)))
    times = _times(found, part.indices)
    _draw_candles(axes[0], times, prices)
    _draw_lines(axes[0], times, {name: values for name, values in series.items() if name not in beside})
    _draw_signals(axes[0], found, part, prices["low"])
    _title(axes[0], f"{part.symbol} {found.interval}")
    if beside:
        axes[1].sharex(axes[0])
        _draw_lines(axes[1], times, beside)
        axes[0].tick_params(labelbottom=False)
        axes[0].xaxis.get_offset_text().set_visible(False)
    if found.exits:
        _draw_equity(axes[-1], found, found.exits)
    for each in axes:
        _name_lines(each)
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        each.xaxis.set_major_locator(locator)
        each.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        each.spines[["top", "right"]].set_visible(False)
    written = BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def _part(found: Preview, symbol: str, candles: int) -> _Part:
    """As many candles as can be told apart: those around the symbol's newest signals."""
    row = found.symbols.index(symbol)
    begin = found.interval.index_at(found.first)
    end = begin + found.candles - 1
    chosen = found.signals.indices[(found.signals.rows == row) & ~found.signals.initial]
    newest = int(chosen[-1]) if len(chosen) else end
    last = min(end, max(newest + int(candles * (1 - _BEFORE_SHARE)), begin + candles - 1))
    return _Part(symbol, row, max(begin, last - candles + 1), last)


def _column(found: Preview, candles: PastCandles, part: _Part, name: str) -> Values:
    rows = np.full(part.last - part.first + 1, candles.symbols.index(part.symbol))
    return candles.of(found.interval).at(name, rows, part.indices)


def _times(found: Preview, indices: NDArray[np.int64]) -> Values:
    """Days since the epoch, as matplotlib counts them."""
    return np.asarray(indices * found.interval.milliseconds / Interval.D1.milliseconds, dtype=np.float64)


def _is_price(values: Values, prices: dict[str, Values]) -> bool:
    """Whether a series belongs beside the candles: it stays near them."""
    low, high = np.nanmin(prices["low"]), np.nanmax(prices["high"])
    margin = high - low
    known = values[np.isfinite(values)]
    return bool(known.size) and bool(np.all((known > low - margin) & (known < high + margin)))


def _draw_candles(axes: Axes, times: Values, prices: dict[str, Values]) -> None:
    width = (times[1] - times[0]) * 0.7 if len(times) > 1 else 0.001
    colours = [_UP if rises else _DOWN for rises in prices["close"] >= prices["open"]]
    axes.vlines(times, prices["low"], prices["high"], colors=colours, linewidth=0.7)
    bottom, height = np.fmin(prices["open"], prices["close"]), np.abs(prices["close"] - prices["open"])
    smallest = (np.nanmax(prices["high"]) - np.nanmin(prices["low"])) / 500
    axes.bar(times, np.fmax(height, smallest), width, bottom, color=colours)


def _draw_signals(axes: Axes, found: Preview, part: _Part, lows: Values) -> None:
    signals = found.signals
    shown = (signals.rows == part.row) & (signals.indices >= part.first) & (signals.indices <= part.last)
    chosen = signals.indices[shown]
    if len(chosen):
        gap = (axes.get_ylim()[1] - axes.get_ylim()[0]) * 0.03
        axes.scatter(_times(found, chosen), lows[chosen - part.first] - gap, marker="^", s=42, color=_MARK, zorder=3, label="signal")


def _draw_lines(axes: Axes, times: Values, lines: dict[str, Values]) -> None:
    for place, (name, values) in enumerate(lines.items()):
        axes.plot(times, values, linewidth=1.1, color=_LINES[place % len(_LINES)], label=_plain(name))


def _draw_equity(axes: Axes, found: Preview, exits: SimulatedExits) -> None:
    times = _times(found, np.arange(exits.first_index, exits.first_index + len(exits.equity)))
    axes.plot(times, exits.equity, linewidth=1.2, color=_MARK)
    axes.fill_between(times, exits.rules.capital, exits.equity, color=_MARK, alpha=0.12)
    _title(axes, f"equity of {len(exits.trades):,} simulated trades, all symbols: {exits.profit:+,.2f} on {exits.rules.capital:,.0f}")


def _name_lines(axes: Axes) -> None:
    """Above the panel, where nothing is drawn."""
    if labels := axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(labels), frameon=False, borderaxespad=0.2)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(_plain(text), loc="left", fontsize="medium", color=_INK)


def _plain(text: str) -> str:
    """The text as it is: a dollar sign begins a formula, and a line whose name begins with _ is not listed."""
    return text.replace("$", r"\$").lstrip("_") or "-"
