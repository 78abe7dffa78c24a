"""The one place where Temporal clients are made, so that every process speaks the same payloads."""

from collections.abc import Mapping, Sequence

from temporalio.client import Client, Interceptor, Plugin
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from domain.errors import UnavailableError

data_converter = pydantic_data_converter
"""For clients, workers and replayers alike."""


async def connect(
    environment: Mapping[str, str],
    *,
    runtime: Runtime | None = None,
    interceptors: Sequence[Interceptor] = (),
    plugins: Sequence[Plugin] = (),
) -> Client:
    """Connect as TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY, TEMPORAL_TLS... or a profile say. Raises UnavailableError."""
    config = ClientConfig.load_client_connect_config(override_env_vars=dict(environment))
    config.setdefault("target_host", "127.0.0.1:7233")
    try:
        return await Client.connect(**config, data_converter=data_converter, runtime=runtime, interceptors=interceptors, plugins=plugins)
    except (RPCError, RuntimeError) as error:
        address = config["target_host"]
        raise UnavailableError(f"Temporal does not answer at {address}. Start it with `make up`, or set TEMPORAL_ADDRESS.") from error
