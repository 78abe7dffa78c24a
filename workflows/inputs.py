"""What people send with a Temporal signal. Handlers take any number of anything: an input that does not fit their parameters would
keep a workflow from ever completing a task again, and an operator's pause must pause whatever else was typed."""

MAX_REASON = 200
"""Longer reasons are cut, characters."""


def reason_of(said: tuple[object, ...]) -> str:
    """The reason given, if any: the first input that is a text."""
    return next((one for one in said if isinstance(one, str)), "")[:MAX_REASON]
