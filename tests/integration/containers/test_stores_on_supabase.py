"""The stores against Supabase's own images: the very tests that pass on one machine, on the other server."""

from tests.integration.containers.engine import docker_marks
from tests.integration.database import test_stores
from tests.integration.database.test_stores import stores, trader  # noqa: F401 - fixtures of the tests below

STARTS_ITS_OWN_SERVER = {"test_no_api_is_unavailable", "test_a_database_that_is_down_is_unavailable_and_comes_back"}

pytestmark = docker_marks

globals().update({name: test for name, test in vars(test_stores).items() if name.startswith("test_") and name not in STARTS_ITS_OWN_SERVER})
