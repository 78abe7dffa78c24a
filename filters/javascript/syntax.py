"""Whether a browser filter compiles. V8 parses it as the body of a function; nothing of it runs."""

import json
import re
import threading
from datetime import timedelta
from functools import cache

from py_mini_racer import JSEvalException, MiniRacer

from domain.filters import FilterProblem, FilterSpec
from filters.javascript.contract import MESSAGE_LENGTH
from filters.javascript.engine import MEMORY, new_racer

LONGEST = 100_000
"""Characters a filter may have."""
_PARAMETERS = ("ticker", "timeframes", "helpers", "hvnNodes")
_HEADER_LINES = 2
"""V8 puts so many lines before the body of a function made from text."""
_PLACE = re.compile(r"^[^\n]*?:(\d+): (?:\w*Error: )?([^\n]*)")
_WITHIN = timedelta(seconds=2)
_lock = threading.Lock()


def check_syntax(spec: FilterSpec) -> tuple[FilterProblem, ...]:
    """What keeps V8 from compiling the filter, at most one problem. The thread waits, as a rule less than a millisecond."""
    if problem := unreadable(spec.code):
        return (problem,)
    arguments = ",".join(json.dumps(text) for text in (*_PARAMETERS, spec.code))
    with _lock:
        try:
            _racer().eval(f"new Function({arguments}); 0", timeout_sec=_WITHIN.total_seconds())
        except JSEvalException as error:
            return (syntax_problem(str(error), spec.code),)
    return ()


def unreadable(code: str) -> FilterProblem | None:
    """What keeps V8 from being given the code at all."""
    if len(code) > LONGEST:
        return FilterProblem(message=f"The filter has {len(code):,} characters; at most {LONGEST:,} are allowed.", line=1, column=1)
    if not code.strip():
        return FilterProblem(message="The filter is empty.", line=1, column=1)
    return None


def syntax_problem(said: str, code: str) -> FilterProblem:
    """The problem in the owner's lines and columns, from what V8 says of a body it does not compile."""
    found = _PLACE.match(said)
    if found is None:
        return FilterProblem(message=said.split("\n", 1)[0][:MESSAGE_LENGTH], line=1, column=1)
    lines = code.split("\n")
    line = int(found[1]) - _HEADER_LINES
    message = found[2][:MESSAGE_LENGTH]
    if not 1 <= line <= len(lines):
        return FilterProblem(message=_in_words(message, is_at_end=True), line=len(lines), column=len(lines[-1]) + 1)
    marks = said.split("\n")
    column = marks[2].find("^") + 1 if len(marks) > 2 else 1
    return FilterProblem(message=_in_words(message, is_at_end=False), line=line, column=max(1, column))


def _in_words(message: str, *, is_at_end: bool) -> str:
    """At the end V8 stumbles over what follows the filter, which its owner never saw."""
    if message.startswith("Maximum call stack size exceeded"):
        return "The filter is nested too deeply."
    if message.startswith("Single function literal required") or (is_at_end and message == "Unexpected token '}'"):
        return "There is a } too many: it would end the filter before its end."
    return "The filter ends before everything in it is closed." if is_at_end else message


@cache
def _racer() -> MiniRacer:
    racer = new_racer()
    racer.set_hard_memory_limit(MEMORY)
    return racer
