"""What an activity's failure means to the one who asked for it."""

from temporalio.exceptions import ActivityError, ApplicationError


def refusal_of(error: ActivityError) -> ApplicationError:
    """The failure to answer an update with: the activity's own message and type, without Temporal's wrapping."""
    cause = error.cause
    kind = cause.type if isinstance(cause, ApplicationError) else None
    return ApplicationError(message_of(error), type=kind or "UnavailableError")


def message_of(error: ActivityError) -> str:
    """What went wrong, in the words of the activity."""
    cause = error.cause
    return getattr(cause, "message", "") or str(cause or error)
