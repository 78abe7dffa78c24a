"""Isolates for the tests of this folder."""

from collections.abc import Iterator

import pytest

from filters.javascript.isolate import Isolate


@pytest.fixture(scope="module")
def isolate() -> Iterator[Isolate]:
    """One isolate for all tests of a module; a test that breaks it makes its own."""
    isolate = Isolate()
    yield isolate
    isolate.close()
