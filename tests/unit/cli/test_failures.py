"""Whatever Temporal answers becomes one of the product's errors, with the workflow's own words."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import RPCTimeoutOrCancelledError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from api.failures import NotDeployedError, in_terms_of_the_product, problems_in
from domain.errors import CloudtraderError, FilterRefusedError, LimitReachedError, NotFoundError, RefusedError, UnavailableError
from domain.filters import FilterProblem

SOON = timedelta(seconds=5)


async def error_for(raised: BaseException) -> CloudtraderError:
    with pytest.raises(CloudtraderError) as caught:
        async with in_terms_of_the_product(SOON, "silence"):
            raise raised
    return caught.value


@pytest.mark.parametrize("kind", [RefusedError, LimitReachedError, NotFoundError, UnavailableError])
async def test_a_refusal_keeps_its_type_and_message(kind: type[CloudtraderError]) -> None:
    error = await error_for(WorkflowUpdateFailedError(ApplicationError("All ten are in use.", type=kind.__name__)))
    assert (kind, "All ten are in use.") == (type(error), str(error))


async def test_an_unknown_refusal_is_a_refusal() -> None:
    error = await error_for(WorkflowUpdateFailedError(ApplicationError("No.", type="SomethingNew")))
    assert (RefusedError, "No.") == (type(error), str(error))


async def test_a_refused_filter_keeps_lines_and_columns() -> None:
    told = "line 1, column 13: there is no 'clse'\nline 2, column 1: match is missing"
    error = await error_for(WorkflowUpdateFailedError(ApplicationError(told, type="FilterRefusedError")))
    assert isinstance(error, FilterRefusedError)
    assert [(1, 13), (2, 1)] == [(problem.line, problem.column) for problem in error.problems]


def test_a_refusal_of_a_filter_without_a_place_is_shown_at_its_beginning() -> None:
    assert (FilterProblem(message="no", line=1, column=1),) == problems_in("no")


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (RPCStatusCode.NOT_FOUND, NotDeployedError, "deploy it first"),
        (RPCStatusCode.DEADLINE_EXCEEDED, UnavailableError, "silence"),
        (RPCStatusCode.CANCELLED, UnavailableError, "silence"),
        (RPCStatusCode.UNAVAILABLE, UnavailableError, "doctor"),
        (RPCStatusCode.INVALID_ARGUMENT, UnavailableError, "not set up"),
        (RPCStatusCode.PERMISSION_DENIED, UnavailableError, "doctor"),
    ],
)
async def test_every_answer_of_the_server_has_its_meaning(status: RPCStatusCode, kind: type[CloudtraderError], words: str) -> None:
    error = await error_for(RPCError("details", status, b""))
    assert kind is type(error)
    assert words in str(error)


async def test_silence_ends_in_time() -> None:
    with pytest.raises(UnavailableError, match="nobody"):
        async with in_terms_of_the_product(timedelta(milliseconds=10), "nobody"):
            await asyncio.sleep(60)


async def test_a_cancelled_caller_stays_cancelled_although_temporal_calls_it_a_time_out() -> None:
    async def call() -> None:
        async with in_terms_of_the_product(SOON, "silence"):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise RPCTimeoutOrCancelledError from None

    task = asyncio.create_task(call())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
