"""What Temporal's failures mean to the one who asked, in the terms of the product."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain import errors
from domain.filters import FilterProblem

PROBLEM = re.compile(r"line (?P<line>\d+), column (?P<column>\d+): (?P<message>.*)")
REFUSALS = {kind.__name__: kind for kind in (errors.RefusedError, errors.LimitReachedError, errors.NotFoundError, errors.UnavailableError)}


class NotDeployedError(errors.RefusedError):
    """This trader does not run in the cloud: deploy it first."""


@asynccontextmanager
async def in_terms_of_the_product(within: timedelta, silence: str) -> AsyncIterator[None]:
    """Raise CloudtraderErrors in place of Temporal's; UnavailableError(`silence`) when no answer came `within` the time."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            yield
    except (TimeoutError, RPCTimeoutOrCancelledError) as error:
        _leave_if_cancelled()
        raise errors.UnavailableError(silence) from error
    except WorkflowUpdateFailedError as error:
        raise refusal_of(error.cause) from error
    except WorkflowQueryRejectedError as error:
        raise NotDeployedError from error
    except WorkflowQueryFailedError as error:
        raise errors.UnavailableError(f"The worker could not answer: {error.message}") from error
    except RPCError as error:
        raise _unreachable(error, silence) from error


def refusal_of(cause: BaseException) -> errors.CloudtraderError:
    """The error that a workflow answered an update with."""
    if not isinstance(cause, ApplicationError):
        return errors.RefusedError(str(cause))
    if cause.type == errors.FilterRefusedError.__name__:
        return errors.FilterRefusedError(problems_in(cause.message))
    return REFUSALS.get(cause.type or "", errors.RefusedError)(cause.message)


def problems_in(message: str) -> tuple[FilterProblem, ...]:
    """The problems that FilterRefusedError's message tells of."""
    found = tuple(
        FilterProblem(message=match["message"], line=int(match["line"]), column=int(match["column"])) for match in PROBLEM.finditer(message)
    )
    return found or (FilterProblem(message=message, line=1, column=1),)


def _leave_if_cancelled() -> None:
    # Temporal's client reports a cancellation of its caller as a time-out of the call.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _unreachable(error: RPCError, silence: str) -> errors.CloudtraderError:
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotDeployedError()
    if error.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED):
        return errors.UnavailableError(silence)
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return errors.UnavailableError(f"Temporal is not set up for this: {error.message}. `cloudtrader doctor` says what is missing.")
    return errors.UnavailableError(f"Temporal does not answer: {error.message}. `cloudtrader doctor` says what to do.")
