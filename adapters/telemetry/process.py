"""Logs and metrics of one process."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_NAMESPACE, Resource
from prometheus_client import CollectorRegistry, start_http_server

from adapters.telemetry.instruments import Instruments
from adapters.telemetry.logs import configure_logging
from domain.errors import UnavailableError

_once = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """The telemetry of this process. `close` before it ends: it sends what is still to be sent, within seconds."""

    resource: Resource
    instruments: Instruments
    closing: ExitStack = field(default_factory=ExitStack)
    """What `close` ends, last opened first."""

    def close(self) -> None:
        """Flush and stop everything. A second call does nothing."""
        self.closing.close()


def setup(service: str, *, metrics_port: int = 0, metrics_host: str = "127.0.0.1", log_level: str = "INFO") -> Telemetry:
    """Set this process up: JSON logs on standard error, metrics at http://HOST:PORT/metrics (port 0: not served).

    Raises RuntimeError when called a second time, RefusedError for an unknown log level, UnavailableError when the port is taken.
    """
    if not _once.acquire(blocking=False):
        raise RuntimeError("Telemetry is set up once per process, in its __main__.")
    configure_logging(service, log_level)
    resource = Resource.create({SERVICE_NAME: service, SERVICE_NAMESPACE: "cloudtrader"})
    closing = ExitStack()
    registry = CollectorRegistry()
    if metrics_port:
        _serve(registry, metrics_host, metrics_port, closing)
    meters = MeterProvider([PrometheusMetricReader(registry=registry, scope_info_enabled=False)], resource)
    closing.callback(meters.shutdown)
    return Telemetry(resource=resource, instruments=Instruments(meters.get_meter("cloudtrader")), closing=closing)


def _serve(registry: CollectorRegistry, host: str, port: int, closing: ExitStack) -> None:
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as problem:
        raise UnavailableError(
            f"/metrics cannot be served at {host}:{port} ({problem.strerror}). Choose another CLOUDTRADER_METRICS_PORT, or 0 for none."
        ) from problem
    closing.callback(thread.join, timeout=5)
    closing.callback(server.server_close)
    closing.callback(server.shutdown)
