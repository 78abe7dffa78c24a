"""What is true of all tests."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

SHARING_A_STACK = "tests/acceptance/one_stack/"


class OneProcessPerFile(LoadFileScheduling):
    """The tests of a file run in one test process, one after the other; so do all those that share a running stack."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARING_A_STACK if nodeid.startswith(SHARING_A_STACK) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneProcessPerFile:
    """Where tests run in several processes."""
    return OneProcessPerFile(config, log)
