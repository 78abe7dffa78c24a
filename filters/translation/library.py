"""The browser's helpers in the terms of the expression language: what they compute, oddities included."""

from collections.abc import Callable, Mapping
from typing import Any

from domain.market import Interval
from filters.translation.changing import shifted
from filters.translation.forms import Constant, Number, is_of_time
from filters.translation.making import add, arithmetic, both, call, column, compare, constant, extreme
from filters.translation.operations import number_of
from filters.translation.values import NULL, UNDEFINED, Candle, Either, Items, Record, Text, Untranslatable
from filters.translation.windows import LEAST, Windows

_TWO, _THREE, _FORTNIGHT, _TWENTY = constant(2), constant(3), constant(14), constant(20)
_SHORT, _LONG, _SIGNAL = constant(12), constant(26), constant(9)
"""Of the MACD."""


class _Klines:
    """Candles handed to a helper: the last of them `ago` candles ago, `count` in all."""

    def __init__(self, given: Any) -> None:
        candles = given.plain() if isinstance(given, Items) else []
        if not candles or not all(isinstance(candle, Candle) for candle in candles):
            raise Untranslatable("this helper wants klines")
        newest = candles[-1]
        if any(candle != Candle(newest.interval, newest.ago + place) for place, candle in enumerate(reversed(candles))):
            raise Untranslatable("these candles are not one after the other")
        self.count = len(candles)
        self.ago: int = newest.ago
        self.interval: Interval | None = newest.interval

    def column(self, name: str) -> Number:
        return column(name, self.interval)

    def now(self, number: Any) -> Any:
        """What was computed of the columns, at the last candle given."""
        return shifted(number, self.ago)

    def series(self, number: Number, first: int) -> Items:
        """One value per candle; null before the candle with index `first`."""
        values = [NULL if place < first else shifted(number, self.ago + self.count - 1 - place) for place in range(self.count)]
        return Items.of(values)


def _is_list_of_numbers(given: Any) -> bool:
    return isinstance(given, Items) and any(isinstance(item.value, Number | Text) for item in given.items)


def _whole(given: Any) -> int:
    number = number_of(given)
    if not isinstance(number, Constant) or number.value < 1 or not number.value.is_integer():
        raise Untranslatable("a period must be a whole number known beforehand")
    return int(number.value)


def _plain(given: Any) -> float:
    number = number_of(given)
    if not isinstance(number, Constant):
        raise Untranslatable("this must be a number known beforehand")
    return number.value


def _average(name: str) -> Callable[..., Any]:
    def at_last(klines: Any, period: Any) -> Any:
        if _is_list_of_numbers(klines):
            return NULL
        given, n = _Klines(klines), _whole(period)
        return NULL if given.count < n else given.now(call("sma", [given.column(name)], [n]))

    return at_last


def _extreme(function: str, name: str) -> Callable[..., Any]:
    def at_last(klines: Any, period: Any) -> Any:
        if _is_list_of_numbers(klines):
            return NULL
        given, n = _Klines(klines), _whole(period)
        return NULL if given.count < n else given.now(call(function, [given.column(name)], [n]))

    return at_last


def _series_of(function: str, first: Callable[[int], int]) -> Callable[..., Any]:
    def series(klines: Any, period: Any = _FORTNIGHT) -> Any:
        given, n = _Klines(klines), _whole(period)
        return given.series(call(function, [given.column("close")], [n]), first(n))

    return series


def _rsi(klines: Any, period: Any = _FORTNIGHT) -> Any:
    if _is_list_of_numbers(klines):
        return NULL
    given, n = _Klines(klines), _whole(period)
    return NULL if given.count < n + 1 else given.series(call("rsi", [given.column("close")], [n]), n)


def _last(series: Any) -> Any:
    return series.items[-1].value if isinstance(series, Items) and series.items else NULL


def _stochastic_rsi(klines: Any, rsi: Any = _FORTNIGHT, stoch: Any = _FORTNIGHT, k: Any = _THREE, d: Any = _THREE) -> Any:
    given = _Klines(klines)
    n, width, fast, slow = map(_whole, (rsi, stoch, k, d))
    first = n + width - 1 + fast - 1 + slow - 1
    inputs, periods = [given.column("close")], [n, width, fast, slow]
    smooth, smoother = (call("stoch_rsi", inputs, periods, output) for output in ("k", "d"))
    at = [given.count - 1 - place + given.ago for place in range(given.count)]
    empty = Record({"k": constant(0), "d": constant(0)})
    return Items.of(
        empty if place < first else Record({"k": shifted(smooth, ago), "d": shifted(smoother, ago)}) for place, ago in enumerate(at)
    )


def _macd_series(klines: Any, short: Any = _SHORT, long: Any = _LONG, signal: Any = _SIGNAL) -> Any:
    given = _Klines(klines)
    periods = [_whole(each) for each in (short, long, signal)]
    ends = {"macd": max(periods[:2]) - 1, "signal": max(periods[:2]) + periods[2] - 2, "histogram": max(periods[:2]) + periods[2] - 2}
    outputs = {name: given.series(call("macd", [given.column("close")], periods, name), first) for name, first in ends.items()}
    return Record({"macdLine": outputs["macd"], "signalLine": outputs["signal"], "histogram": outputs["histogram"]})


def _macd(klines: Any, *periods: Any) -> Any:
    series = _macd_series(klines, *periods)
    names = {"macd": "macdLine", "signal": "signalLine", "histogram": "histogram"}
    return Record({name: _last(series.fields[field]) for name, field in names.items()})


def _macd_of_closes(closes: Any, *periods: Any) -> Any:
    macd = _macd(_candles_of(closes), *periods)
    return Record({"MACD": macd.fields["macd"], "signal": macd.fields["signal"], "histogram": macd.fields["histogram"]})


def _ema_of_values(values: Any, period: Any) -> Any:
    return _last(_series_of("ema", lambda n: n - 1)(_candles_of(values), period))


def _candles_of(values: Any) -> Items:
    """The candles whose closes these values are."""
    numbers = [number_of(value) for value in values.plain()] if isinstance(values, Items) else []
    for interval in (None, *Interval):
        close = column("close", interval)
        for ago in range(4):
            if numbers and all(number is shifted(close, ago + place) for place, number in enumerate(reversed(numbers))):
                return Items.of(Candle(interval, ago + len(numbers) - 1 - place) for place in range(len(numbers)))
    raise Untranslatable("this helper is translated for closes only")


def _mean_of_values(values: Any, period: Any) -> Any:
    n = _whole(period)
    numbers = [number_of(value) for value in values.plain()][-n:] if isinstance(values, Items) else []
    if len(numbers) < n:
        return constant(0)
    total = numbers[0]
    for number in numbers[1:]:
        total = add(total, number)
    form = arithmetic("/", total, constant(n))
    return Windows().found(form) if n >= LEAST else form


def _range_per_mille(klines: Any, period: Any = _FORTNIGHT) -> Any:
    given, n = _Klines(klines), _whole(period)
    columns = [given.column(name) for name in ("high", "low", "close")]
    ranges, price = call("sma", [call("trange", columns)], [n]), call("sma", [columns[2]], [n])
    return given.now(extreme("min", [arithmetic("*", arithmetic("/", ranges, price), constant(1000)), constant(100)]))


def _stochastic(klines: Any, period: Any = _FORTNIGHT, *_: Any) -> Any:
    given, n = _Klines(klines), _whole(period)
    low, high = call("lowest", [given.column("low")], [n]), call("highest", [given.column("high")], [n])
    k = arithmetic("*", arithmetic("/", arithmetic("-", given.column("close"), low), arithmetic("-", high, low)), constant(100))
    return Record({"k": given.now(k), "d": given.now(arithmetic("*", k, constant(0.9)))})


def _engulfing(klines: Any) -> Any:
    given = _Klines(klines)
    opened, closed = (given.now(shifted(given.column(name), 1)) for name in ("open", "close"))
    before_opened, before_closed = shifted(opened, 1), shifted(closed, 1)

    def pattern(above: str, below: str) -> Any:
        turns = (compare(below, before_closed, before_opened), compare(above, closed, opened))
        return both(*turns, compare(below, opened, before_closed), compare(above, closed, before_opened))

    return Either(pattern(">", "<"), Text("bullish"), Either(pattern("<", ">"), Text("bearish"), NULL))


def _bands_series(klines: Any, period: Any = _TWENTY, width: Any = _TWO) -> Any:
    given, n, deviations = _Klines(klines), _whole(period), _plain(width)
    inputs, parameters = [given.column("close")], [n, deviations]
    return Record({name: given.series(call("bbands", inputs, parameters, name), n - 1) for name in ("upper", "middle", "lower")})


def _bands(*arguments: Any) -> Any:
    return Record({name: _last(series) for name, series in _bands_series(*arguments).fields.items()})


def _volume_average(klines: Any, anchor: Any = UNDEFINED) -> Any:
    given = _Klines(klines)
    if isinstance(anchor, Number) and is_of_time(anchor):  # candles since midnight, however they are counted
        return given.now(call("vwap", [given.column(name) for name in ("high", "low", "close", "volume")]))
    n = given.count if anchor is UNDEFINED else min(_whole(anchor), given.count)
    price = arithmetic("/", add(add(given.column("high"), given.column("low")), given.column("close")), constant(3))
    traded = call("sum", [arithmetic("*", price, given.column("volume"))], [n])
    return given.now(arithmetic("/", traded, call("sum", [given.column("volume")], [n])))


_PRICES = ("high", "low", "close")


def _indicator(name: str, columns: tuple[str, ...], default: Constant = _FORTNIGHT) -> Callable[..., Any]:
    """A function of the language over so many candles."""

    def at_last(klines: Any, period: Any = default) -> Any:
        given = _Klines(klines)
        return given.now(call(name, [given.column(column) for column in columns], [_whole(period)]))

    return at_last


def _true_stochastic(klines: Any, k: Any = _FORTNIGHT, smooth: Any = _THREE, d: Any = _THREE) -> Any:
    given = _Klines(klines)
    inputs, parameters = [given.column(name) for name in _PRICES], [_whole(k), _whole(smooth), 0, _whole(d), 0]
    return Record({output: given.now(call("stoch", inputs, parameters, output)) for output in ("k", "d")})


def _band_width(*arguments: Any) -> Any:
    upper, middle, lower = (_bands(*arguments).fields[name] for name in ("upper", "middle", "lower"))
    return arithmetic("/", arithmetic("-", upper, lower), middle)


HELPER_FORMS: Mapping[str, Callable[..., Any]] = {
    "calculateMA": _average("close"),
    "calculateMASeries": _series_of("sma", lambda n: n - 1),
    "calculateSMA": _mean_of_values,
    "calculateAvgVolume": _average("volume"),
    "calculateRSI": _rsi,
    "getLatestRSI": lambda *arguments: _last(_rsi(*arguments)),
    "calculateStochRSI": _stochastic_rsi,
    "getLatestStochRSI": lambda *arguments: _last(_stochastic_rsi(*arguments)),
    "calculateEMASeries": _series_of("ema", lambda n: n - 1),
    "getLatestEMA": lambda klines, period: _last(_series_of("ema", lambda n: n - 1)(klines, period)),
    "calculateEMA": _ema_of_values,
    "calculateMACDValues": _macd_series,
    "getLatestMACD": _macd,
    "calculateMACD": _macd_of_closes,
    "calculateADX": _range_per_mille,
    "calculateStochastic": _stochastic,
    "getHighestHigh": _extreme("highest", "high"),
    "getLowestLow": _extreme("lowest", "low"),
    "detectEngulfingPattern": _engulfing,
    "calculateBollingerBands": _bands_series,
    "getLatestBollingerBands": _bands,
    "calculateVWAP": _volume_average,
    "getLatestVWAP": _volume_average,
    "trueADX": _indicator("adx", _PRICES),
    "trueATR": _indicator("atr", _PRICES),
    "trueBollingerBandWidth": _band_width,
    "trueCCI": _indicator("cci", _PRICES, _TWENTY),
    "trueMACD": _macd,
    "trueMFI": _indicator("mfi", (*_PRICES, "volume")),
    "trueStochastic": _true_stochastic,
}
"""By the helper's name. What is missing here has no counterpart, or none that is the same."""


TRUE_FORMS: Mapping[str, Callable[..., Any]] = {
    "calculateADX": _indicator("adx", _PRICES),
    "calculateStochastic": lambda klines, k=_FORTNIGHT, d=_THREE, smooth=_THREE: _true_stochastic(klines, k, smooth, d),
}
"""What the names of some helpers promise, where the browser's compute something else."""
