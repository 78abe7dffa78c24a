"""What can go wrong in the terms of the product. The docstring is the message when none is given.

CloudtraderError
├── NotFoundError
├── RefusedError            the request breaks a rule; saying it again will not help
│   ├── FilterRefusedError  the filter does not compile
│   └── LimitReachedError   the tier's limit is reached
└── UnavailableError        something outside is down; it may help to try again
"""

from domain.filters import FilterProblem


class CloudtraderError(Exception):
    """Something went wrong."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class NotFoundError(CloudtraderError):
    """There is no such thing, or it belongs to somebody else."""


class RefusedError(CloudtraderError):
    """The request breaks a rule."""


class FilterRefusedError(RefusedError):
    """The filter does not compile."""

    def __init__(self, problems: tuple[FilterProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class LimitReachedError(RefusedError):
    """The limit of the subscription tier is reached."""


class UnavailableError(CloudtraderError):
    """Something this depends on cannot be reached now."""
