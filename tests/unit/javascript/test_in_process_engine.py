"""The engine that tests, benches and parity checks use in their own process."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.errors import FilterRefusedError
from domain.filters import FailureKind
from filters.javascript.contract import JavaScriptEngine, JavaScriptFilter
from filters.javascript.in_process import InProcessEngine
from tests.unit.javascript.javascript_market import M5, view, walk

SEEN = view(walk(7), walk(8))


@pytest.fixture(scope="module")
def engine() -> Iterator[JavaScriptEngine]:
    with InProcessEngine() as engine:
        yield engine


async def test_a_pass_gives_a_verdict_for_every_row(engine: JavaScriptEngine) -> None:
    verdicts = await engine.evaluate("u", JavaScriptFilter(code="return ticker.s === 'S1USDT';", interval=M5), SEEN)

    assert [False, True] == verdicts.matched.tolist()
    assert verdicts.busy.total_seconds() > 0


async def test_a_user_whose_filter_never_ends_runs_on_in_a_new_isolate() -> None:
    with InProcessEngine(timedelta(seconds=0.5)) as engine:
        endless = await engine.evaluate("u", JavaScriptFilter(code="while (true) ;", interval=M5), SEEN)
        after = await engine.evaluate("u", JavaScriptFilter(code="return true;", interval=M5), SEEN)

    assert [FailureKind.TIMEOUT] == [failure.kind for failure in endless.failures]
    assert [True, True] == after.matched.tolist()


async def test_what_does_not_compile_is_refused_and_its_problems_can_be_asked_for(engine: JavaScriptEngine) -> None:
    broken = JavaScriptFilter(code="return {;", interval=M5)

    assert ["line 1, column 9: Unexpected token ';'"] == [str(problem) for problem in await engine.check(broken)]
    assert () == await engine.check(JavaScriptFilter(code="for (;;) ;", interval=M5))
    with pytest.raises(FilterRefusedError):
        await engine.evaluate("u", broken, SEEN)
