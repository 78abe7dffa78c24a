"""A compiled rule as the Python that a user of TA-Lib, or of freqtrade, writes by hand for the same rule.

Each indicator is computed once per rule, as people do. Raises NotImplementedError for what no rule of bench/peers/rules.py needs.
"""

from collections.abc import Callable, Mapping, Sequence

import talib
from talib import abstract

from domain.market import Interval
from filters.expression import CompiledFilter
from filters.expression.nodes import Aligned, Candles, Column, Constant, Node, Pointwise, Shifted, Windowed

_INFIX: Mapping[str, str] = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "greater": ">", "at_least": ">=", "equal": "=="}
_OFFERED: list[str] = talib.get_functions()
_PRICES = {"open", "high", "low", "close", "volume"}


def talib_source(compiled: CompiledFilter) -> str:
    """`rule(base, hour)` on numpy arrays of one symbol by name, oldest first: whether it matches now, with TA-Lib and the last values."""
    writer = _OneSymbol()
    results = {name: writer.at(node, 0) for name, node in _results(compiled).items()}
    shown = ", ".join(f"{name!r}: {text}" for name, text in results.items() if name != "match")
    body = [*writer.lines, *([f"shown = {{{shown}}}"] if shown else []), f"return {results['match']}"]
    return "def rule(base, hour):\n" + "\n".join(f"    {line}" for line in body)


def freqtrade_source(compiled: CompiledFilter) -> str:
    """`indicators(d, h)` and `entry(d)` on DataFrames, as populate_indicators and populate_entry_trend of a strategy consist of."""
    writer = _Strategy()
    results = {name: writer.series(node) for name, node in _results(compiled).items()}
    merged = ["d = merge_informative_pair(d, h, '5m', '1h', ffill=True)"] if writer.hourly else []
    indicators = [*writer.hourly, *merged, *writer.base, "return d"]
    shown = [f"d[{name!r}] = {text}" for name, text in results.items() if name != "match"]
    entry = [*shown, f"d.loc[{results['match']}, 'enter_long'] = 1", "return d"]
    functions = {"indicators(d, h)": indicators, "entry(d)": entry}
    return "\n".join(f"def {name}:\n" + "\n".join(f"    {line}" for line in lines) for name, lines in functions.items())


def reads_hours(compiled: CompiledFilter) -> bool:
    """Whether the rule reads hourly candles besides its own."""
    return Interval.H1 in compiled.required


def _results(compiled: CompiledFilter) -> dict[str, Node]:
    return {"match": compiled.match, **compiled.conditions, **compiled.series}


def _talib_name(name: str) -> str:
    for candidate in (name.upper(), "CDL" + name.upper(), "CDL" + name.upper().replace("THREE", "3")):
        if candidate in _OFFERED:
            return candidate
    raise NotImplementedError(name)


class _OneSymbol:
    """Whole arrays where TA-Lib needs them, else the last values only."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._kept: dict[str, str] = {}

    def at(self, node: Node, back: int) -> str:
        """The value so many candles ago."""
        match node:
            case Constant():
                return repr(node.value)
            case Candles() | Column():
                return f"{self._array(node)}[{-1 - back}]"
            case Shifted():
                return self.at(node.argument, back + node.candles)
            case Aligned() if back == 0:
                return self.at(node.argument, 0)
            case Windowed():
                return self._window(node, back)
            case Pointwise():
                return self._scalar(node, [self.at(argument, back) for argument in node.arguments])
        raise NotImplementedError(type(node).__name__)

    def _scalar(self, node: Pointwise, texts: Sequence[str]) -> str:
        if node.is_condition and node.kernel in ("minimum", "maximum"):
            return "(" + (" and " if node.kernel == "minimum" else " or ").join(texts) + ")"
        words: Mapping[str, str] = {"minimum": "min", "maximum": "max", "absolute": "abs"}
        return f"{words[node.kernel]}({', '.join(texts)})" if node.kernel in words else _infix(node, texts, "not ")

    def _window(self, node: Windowed, back: int) -> str:
        if not node.argument.is_condition:
            window = f"[{-back - node.candles}:{-back or None}]"
            return self._array(node.argument) + window + (".min()" if node.kernel == "lowest" else ".max()")
        each = [self.at(node.argument, back + place) for place in range(node.candles)]
        if node.kernel == "count":
            return f"({' + '.join(f'bool({text})' for text in each)})"
        return "(" + (" and " if node.kernel == "lowest" else " or ").join(each) + ")"

    def _array(self, node: Node) -> str:
        match node:
            case Candles():
                return self._keep(node.key, f"{'hour' if node.interval is Interval.H1 else 'base'}['{node.column}']")
            case Column():
                return self._keep(node.call, self._call(node)) + (f"[{node.output}]" if len(node.function.outputs) > 1 else "")
            case Pointwise():
                return self._keep(node.key, _infix(node, [_operand(part, self._array) for part in node.arguments], "~"))
        raise NotImplementedError(type(node).__name__)

    def _call(self, node: Column) -> str:
        inputs = [self._array(argument) for argument in node.arguments]
        return f"talib.{_talib_name(node.function.name)}({', '.join([*inputs, *_numbers(node).values()])})"

    def _keep(self, key: str, text: str) -> str:
        if key not in self._kept:
            self._kept[key] = f"v{len(self._kept)}"
            self.lines.append(f"{self._kept[key]} = {text}")
        return self._kept[key]


class _Strategy:
    """Columns of a pair's DataFrame: `d` for the rule's candles, `h` for the hour's."""

    def __init__(self) -> None:
        self.base: list[str] = []
        self.hourly: list[str] = []
        self._kept: dict[str, str] = {}

    def series(self, node: Node) -> str:
        """The node as a Series of its frame."""
        match node:
            case Constant():
                return repr(node.value)
            case Candles():
                return f"{self._frame(node)}['{node.column}']"
            case Column():
                return self._column(node)
            case Shifted():
                return f"{self.series(node.argument)}.shift({node.candles})"
            case Aligned():
                return self._merged(node)
            case Windowed():
                method = {"lowest": "min", "highest": "max", "count": "sum"}[node.kernel]
                window = f"({self.series(node.argument)}).rolling({node.candles}).{method}()"
                return f"({window} == 1)" if node.is_condition else window
            case Pointwise():
                return self._elementwise(node, [self.series(argument) for argument in node.arguments])
        raise NotImplementedError(type(node).__name__)

    def _elementwise(self, node: Pointwise, texts: Sequence[str]) -> str:
        if node.is_condition and node.kernel in ("minimum", "maximum"):
            return "(" + (" & " if node.kernel == "minimum" else " | ").join(texts) + ")"
        words = {"minimum": "np.minimum", "maximum": "np.maximum", "absolute": "np.abs"}
        return f"{words[node.kernel]}({', '.join(texts)})" if node.kernel in words else _infix(node, texts, "~")

    def _column(self, node: Column) -> str:
        frame = self._frame(node)
        if node.call not in self._kept:
            self._kept[node.call] = f"i{len(self._kept)}"
            self._lines(node).extend(self._computed(node, frame, self._kept[node.call]))
        return f"{frame}['{self._kept[node.call]}_{node.output}']"

    def _computed(self, node: Column, frame: str, name: str) -> list[str]:
        function = _talib_name(node.function.name)
        numbers = [f"{key}={value}" for key, value in _numbers(node).items()]
        own = all(isinstance(argument, Candles) and argument.column in _PRICES for argument in node.arguments)
        is_default = own and (len(node.arguments) > 1 or self.series(node.arguments[0]).endswith("['close']"))
        source = [frame] if is_default else [self.series(argument) for argument in node.arguments]
        call = f"ta.{function}({', '.join([*source, *numbers])})"
        outputs: list[str] = abstract.Function(function).info["output_names"]  # type: ignore[attr-defined]
        if len(outputs) == 1:
            return [f"{frame}['{name}_0'] = {call}"]
        return [f"{name} = {call}", *(f"{frame}['{name}_{place}'] = {name}['{output}']" for place, output in enumerate(outputs))]

    def _merged(self, node: Aligned) -> str:
        text = self.series(node.argument)
        name = self._kept.setdefault(node.key, f"m{len(self._kept)}")
        line = f"h['{name}'] = {text}" + (".astype(int)" if node.is_condition else "")
        if line not in self.hourly:
            self.hourly.append(line)
        return f"(d['{name}_1h'] == 1)" if node.is_condition else f"d['{name}_1h']"

    def _frame(self, node: Node) -> str:
        return "h" if node.interval is Interval.H1 else "d"

    def _lines(self, node: Node) -> list[str]:
        return self.hourly if node.interval is Interval.H1 else self.base


def _infix(node: Pointwise, texts: Sequence[str], negation: str) -> str:
    if node.kernel in ("not", "negative"):
        return f"({negation if node.kernel == 'not' else '-'}{texts[0]})"
    if node.kernel not in _INFIX:
        raise NotImplementedError(node.kernel)
    return f"({f' {_INFIX[node.kernel]} '.join(texts)})"


def _operand(node: Node, written: Callable[[Node], str]) -> str:
    return repr(node.value) if isinstance(node, Constant) else written(node)


def _numbers(node: Column) -> dict[str, str]:
    """The parameters by TA-Lib's names, whole ones as integers."""
    described = abstract.Function(_talib_name(node.function.name)).info["parameters"]  # type: ignore[attr-defined]
    pairs = zip(described.items(), node.parameters, strict=True)
    return {name: repr(int(value)) if isinstance(default, int) else repr(float(value)) for (name, default), value in pairs}
