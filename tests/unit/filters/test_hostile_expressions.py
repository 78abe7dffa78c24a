"""Filters that mean harm: each is refused clearly or evaluated within its budget, and the neighbour's result is what it was."""

import builtins
import contextlib
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from domain.errors import FilterRefusedError
from domain.filters import FilterSpec
from domain.market import Interval
from domain.tiers import LIMITS, Tier
from filters.evaluation import Evaluator
from filters.expression import CompiledFilter, compile_filter, problems_beyond
from tests.unit.filters.memory_market import MemorySnapshot, random_market

M5 = Interval.M5
LAST = 256 * 23_000 + 130
NEIGHBOUR = 'plot("rsi", rsi(close, 14))\ncondition("up", close > open)\nmatch = ema(close, 9) > ema(close, 21)'
COMPILE_SECONDS = 5.0
COMPILE_BYTES = 64 * 2**20
EVALUATION_SECONDS = 20.0
LONGEST_MESSAGE = 500

REACHING_PYTHON = {
    "attributes of an object": ("match = close.__class__.__bases__[0].__subclasses__() > 0", "a series has no '__class__'"),
    "globals of a function": ('match = rsi.__globals__["os"].system("id") > 0', "rsi is a function"),
    "attributes of a number": ("match = (1).__class__ > 0", "a series has no '__class__'"),
    "attributes of candles": ('match = candles("1h").__dict__ > 0', "candles have no '__dict__'"),
    "attributes of the ticker": ("match = ticker.__init__ > 0", "the ticker has no '__init__'"),
    "attributes of results": ("match = macd(close).__class__ > 0", "macd has no '__class__'"),
    "attributes of text": ('match = "".join > 0', "text can only be a label or an interval"),
    "names of Python": ("match = __builtins__ > 0", "there is no '__builtins__'"),
    "names with underscores": ("__builtins__ = close\nmatch = close > 0", "a name begins with a letter"),
    "an import": ("import os\nmatch = close > 0", "import is not part of the language"),
    "eval": ('match = eval("close") > 0', "there is no function 'eval'"),
    "open": ('match = open("/etc/passwd") > 0', "open is not a function"),
    "getattr": ('match = getattr(close, "base") > 0', "there is no function 'getattr'"),
    "lambda": ("match = (lambda: close > 0)()", "only functions can be called"),
    "a comprehension": ("match = [close for _ in (1,)][0] > 0", "a comprehension is not part of the language"),
    "a generator": ("match = any_of(close > 0 for x in close)", "a comprehension is not part of the language"),
    "formatted text": ('match = f"{close}" > 0', "formatted text is not part of the language"),
    "a walrus": ("match = (x := close) > 0", ":= is not part of the language"),
    "a star": ("match = max(*[close]) > 0", "* is not part of the language"),
    "two stars": ('match = rsi(**{"timeperiod": 3}) > 0', "** is not part of the language"),
    "a decorator": ("@rsi\ndef match(): pass", "def is not part of the language"),
    "an async function": ("async def match(): await close", "def is not part of the language"),
    "await": ("match = await close", "Await is not part of the language"),
    "yield": ("match = (yield close)", "Yield is not part of the language"),
    "a match statement": ("match close:\n    case _: pass", "Match is not part of the language"),
    "a type alias": ("type X = int", "this cannot be read"),
    "a class": ("class match: pass", "class is not part of the language"),
    "a loop": ("while close > 0:\n  pass", "while is not part of the language"),
    "assignment to an attribute": ("close.x = 1\nmatch = close > 0", "give one name to one expression"),
    "assignment to an item": ("close[0] = 1\nmatch = close > 0", "give one name to one expression"),
    "an annotation": ("match: close.x() = close > 0", "AnnAssign is not part of the language"),
    "del": ("del close", "del is not part of the language"),
    "bytes": ('match = b"x" > close', "is not part of the language"),
    "a complex number": ("match = 1j > close", "1j is not part of the language"),
}

EXHAUSTING = {
    "a huge power": ("match = close > 10**10**10", "this is not a finite number"),
    "a tower of powers": ("match = close > 9**9**9**9", "this is not a finite number"),
    "an overflowing product": ("match = close > 1e308*10", "this is not a finite number"),
    "a huge integer": ("match = close > " + "9" * 4_400, "this cannot be read"),
    "a huge shift": ("match = close > 1 << 10**9", "<< is not part of the language"),
    "a negative shift": ("match = close > 1 >> -1", ">> is not part of the language"),
    "far into the past": ("match = close[10**9] > 0", "this needs 1000000001 candles"),
    "into the future": ("match = close[-1] > 0", "the future is not known"),
    "at no candle": ("match = close[0/0] > 0", "this is not a finite number"),
    "a slice": ("match = close[1:10**9] > 0", "a slice is not part of the language"),
    "several indices": ("match = close[1,2] > 0", "a list of values is not part of the language"),
    "a huge period": ("match = sma(close, 10**8) > 0", "timeperiod"),
    "a negative period": ("match = sma(close, -5) > 0", "timeperiod"),
    "an endless period": ("match = sma(close, 1e400) > 0", "this is not a finite number"),
    "huge text": ('condition("a" * 10**9, close > 0)\nmatch = close > 0', 'write condition("label", expression)'),
    "many digits": ("match = round(close, 10**9) > 0", "digits must be at most 15"),
    "parentheses": ("match = " + "(" * 5_000 + "close" + ")" * 5_000 + " > 0", "too many nested parentheses"),
    "signs": ("match = " + "-" * 10_000 + "close > 0", "this is nested too deeply"),
    "negations": ("match = " + "not " * 4_000 + "close > 0", "this is nested too deeply"),
    "attributes of attributes": ("match = close" + ".a" * 5_000, "this is nested too deeply"),
    "indices of indices": ("match = close" + "[1]" * 4_000 + " > 0", "this is nested too deeply"),
    "a long sum": ("match = close" + "+close" * 2_500 + " > 0", "nested more than 100 deep"),
    "a long chain of comparisons": ("match = close " + "> close " * 1_500, "nested more than 100 deep"),
    "a long text": ("match = close > 0 #" + "x" * 20_000, "longer than 20,000 characters"),
    "many statements on a line": (";".join(f"x{i}=close+{i}" for i in range(1_200)) + ";match=x1>0", "more than 2000 steps"),
    "many conditions": (
        "\n".join(f'condition("{i}", close > {i})' for i in range(500)) + "\nmatch = close > 0",
        "more than 32 labels",
    ),
    "a sum of sums": (
        "x0 = close\n" + "\n".join(f"x{i} = x{i - 1} + x{i - 1}[1]" for i in range(1, 90)) + "\nmatch = x89 > 0",
        "nested more than 100 deep",
    ),
    "a long name": ("match = " + "x" * 19_900 + " > 0", "there is no 'xxx"),
    "a long function": ("match = " + "rsi" * 6_000 + "(close) > 0", "there is no function 'rsirsi"),
    "a long parameter": ("match = rsi(close, " + "p" * 19_000 + "=3) > 0", "rsi has no parameter 'ppp"),
    "a long interval": ('match = candles("' + "1" * 19_000 + '").close > 0', "there is no interval '111"),
    "long names like others": (
        "\n".join(f"{'n' * 150}{i} = close" for i in range(60)) + "\n" + "\n".join(f"z{i} = {'n' * 150}x{i}" for i in range(45)),
        "there is no 'nnn",
    ),
    "many names like others": (
        "\n".join(f"name{i} = close" for i in range(300)) + "\n" + "\n".join(f"q{i} = namex{i}" for i in range(45)),
        "there is no 'namex0'",
    ),
    "many problems": ("x=close;" * 2_000, "x has a value already"),
}

MISLEADING = {
    "a zero byte": ("match = close\0 > 0", "source code string cannot contain null bytes"),
    "a byte order mark": ("\ufeffmatch = close > 0", "invalid non-printable character U+FEFF"),
    "half a character": ("match = close > 0 # \ud800", "this text cannot be read"),
    "half a character in a label": ('condition("\\ud800", close > 0)\nmatch = close > 0', "a label has visible characters only"),
    "a zero byte in a label": ('condition("a\\x00", close > 0)\nmatch = close > 0', "a label has visible characters only"),
    "a terminal's colours in a label": ('plot("\\x1b[31mred", close)\nmatch = close > 0', "a label has visible characters only"),
    "lines in a label": ('condition("one\\ntwo", close > 0)\nmatch = close > 0', "a label has visible characters only"),
    "writing backwards in a label": ('condition("\u202eabc", close > 0)\nmatch = close > 0', "a label has visible characters only"),
    "an empty label": ('condition(" ", close > 0)\nmatch = close > 0', "a label has 1 to 80 characters"),
    "a long label": ('condition("' + "a" * 19_000 + '", close > 0)\nmatch = close > 0', "a label has 1 to 80 characters"),
    "a label twice": ('condition("a", close > 0)\ncondition("a", open > 0)\nmatch = close > 0', "the label 'a' is taken"),
    "a letter of another alphabet": ("match = сlose > 0", "it looks like"),  # noqa: RUF001
    "a tab in front": ("\tmatch = close > 0", "unexpected indent"),
    "a vertical tab": ("match =\x0bclose > 0", "invalid non-printable character"),
    "a parameter twice": ("match = rsi(close, timeperiod=3, timeperiod=4) > 0", "timeperiod is given twice"),
    "another meaning of a series": ("close = open\nmatch = close > 0", "close is a name of the language"),
    "another meaning of a function": ("rsi = close\nmatch = close > 0", "rsi is a name of the language"),
    "a name of itself": ("x = x + close\nmatch = x > 0", "there is no 'x'"),
    "names of each other": ("a = b\nb = a\nmatch = a > 0", "there is no 'b'"),
    "several matches": ("match = close > 0\nmatch = open > 0", "match has a value already"),
    "SQL as an interval": ('match = candles("1h; drop table traders").close > 0', "there is no interval"),
    "truth": ("match = True", "True is not part of the language"),
    "nothing": ("", "there is no line match"),
}

REFUSED = {
    f"{kind}: {name}": case
    for kind, cases in (("python", REACHING_PYTHON), ("exhausting", EXHAUSTING), ("misleading", MISLEADING))
    for name, case in cases.items()
}

EVALUATED = {
    "full-width letters are the letters": "match = ｃｌｏｓｅ > ｏｐｅｎ",  # noqa: RUF001
    "markup in a label is text": 'condition("<img src=x onerror=alert(1)> [red]*a*", close > 0)\nmatch = close > 0',
    "a page break": "\x0cmatch = close > 0",
    "lines that go on": "match = close \\\n > 0",
    "old line ends": "x = close\rmatch = x > 0",
    "19,000 empty lines": "\n" * 19_000 + "match = close > 0",
    "a comment of 19,900 characters": "match = close > 0 #" + "x" * 19_900,
    "900 names": "\n".join(f"x{i} = close + {i}" for i in range(900)) + "\nmatch = x1 > 0",
    "indicators 64 deep": "match = " + "sma(" * 64 + "close" + ", 2)" * 64 + " > 0",
    "windows of windows": "x0 = close\n"
    + "\n".join(f"x{i} = highest(x{i - 1}, 20) + x{i - 1}" for i in range(1, 26))
    + "\nmatch = x25 > 0",
    "windows of windows, the other way round": (
        "x0 = close\n"
        + "\n".join(f"x{i} = x{i - 1} + lowest(x{i - 1}, 20)[2] + highest(x{i - 1}, 2)" for i in range(1, 20))
        + "\nmatch = x19 > 0"
    ),
    "doubling 44 times": "x0 = close\n" + "\n".join(f"x{i} = x{i - 1} * x{i - 1}" for i in range(1, 45)) + "\nmatch = x44 > 0",
    "powers of powers": "match = " + "**".join(["close"] * 90) + " > 0",
    "a division by nothing": "match = close % 0 > 1 / (close - close)",
    "a period from the market's past": "match = " + " + ".join(f"rsi(close, {i})" for i in range(2, 66)) + " > 0",
}

TOO_DEAR = {
    "the dearest indicator 31 times": "\n".join(f'plot("{i}", ht_trendmode(close + {i}))' for i in range(31)) + "\nmatch = close > 0",
    "long windows 40 times": "match = " + " + ".join(f"cci({i})" for i in range(300, 340)) + " > 0",
}


@pytest.fixture(scope="module")
def market() -> MemorySnapshot:
    return random_market(M5, LAST)


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    """One for all, as in a worker."""
    return Evaluator()


@pytest.fixture(autouse=True)
def _the_neighbour_is_unharmed(evaluator: Evaluator, market: MemorySnapshot) -> Iterator[None]:
    names = set(vars(builtins))
    before = neighbours(Evaluator(), market)
    yield
    assert before == neighbours(evaluator, market) == neighbours(Evaluator(), market)
    assert names == set(vars(builtins))


def neighbours(evaluator: Evaluator, market: MemorySnapshot) -> tuple[bytes, ...]:
    """What somebody else's filter finds, to the bit."""
    found = evaluator.evaluate_closed(compiled(NEIGHBOUR), market, LAST)
    return found.matched.tobytes(), found.series["rsi"].tobytes(), found.labelled["up"].tobytes()


def compiled(code: str) -> CompiledFilter:
    return compile_filter(FilterSpec(code=code, interval=M5))


def within_bounds(code: str) -> CompiledFilter:
    """The compiled filter, whose compilation took neither long nor much memory. Raises FilterRefusedError."""
    began = time.perf_counter()
    with contextlib.suppress(FilterRefusedError):
        compiled(code)
    assert time.perf_counter() - began < COMPILE_SECONDS
    tracemalloc.start()
    try:
        return compiled(code)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < COMPILE_BYTES


@pytest.mark.parametrize(("code", "message"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_the_user_is_told_why(code: str, message: str) -> None:
    with pytest.raises(FilterRefusedError) as refused:
        within_bounds(code)

    problems = refused.value.problems
    assert any(message in problem.message for problem in problems)
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert len(problem.message) < LONGEST_MESSAGE
        assert problem.message.isprintable()


@pytest.mark.parametrize("code", EVALUATED.values(), ids=EVALUATED)
def test_it_is_evaluated_within_its_budget(code: str, evaluator: Evaluator, market: MemorySnapshot) -> None:
    program = within_bounds(code)
    began = time.perf_counter()
    evaluation = evaluator.evaluate_closed(program, market, LAST)

    assert time.perf_counter() - began < EVALUATION_SECONDS
    assert evaluation.ready.all()
    assert not evaluation.failures


@pytest.mark.parametrize("code", TOO_DEAR.values(), ids=TOO_DEAR)
@pytest.mark.parametrize("tier", [Tier.PRO, Tier.ELITE])
def test_no_tier_allows_what_is_too_dear(code: str, tier: Tier) -> None:
    problems = problems_beyond(within_bounds(code), LIMITS[tier])

    assert any("over 400 symbols and your tier allows" in problem.message for problem in problems)


def test_letters_of_any_width_are_the_same_filter() -> None:
    assert compiled("match = close > open").key == compiled(EVALUATED["full-width letters are the letters"]).key


def test_text_that_would_act_elsewhere_is_shown_as_it_is(market: MemorySnapshot) -> None:
    program = compiled(EVALUATED["markup in a label is text"])
    evaluation = Evaluator().evaluate_closed(program, market, LAST)

    assert ("<img src=x onerror=alert(1)> [red]*a*",) == evaluation.conditions(0)
