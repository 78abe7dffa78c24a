"""How an error of the product leaves an activity: the raiser decides whether trying again can help."""

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio.exceptions import ApplicationError

from domain.errors import CloudtraderError, UnavailableError

MAX_MESSAGE = 1_000
"""Longer messages are cut before they enter history, characters."""


@contextmanager
def as_activity_failure() -> Iterator[None]:
    """Let a refusal end the activity for good and an outage be retried; the failure's type is the error's class name."""
    try:
        yield
    except CloudtraderError as error:
        raise ApplicationError(
            shortened(str(error)),
            type=type(error).__name__,
            non_retryable=not isinstance(error, UnavailableError),
        ) from error


def shortened(message: str) -> str:
    """The message, cut to what history should hold."""
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
