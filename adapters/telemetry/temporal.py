"""Telemetry of Temporal's clients and workers: traces across processes, its native core's logs and metrics, and whom an activity serves."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from temporalio import activity, workflow
from temporalio.client import Interceptor, Plugin
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
from temporalio.runtime import LogForwardingConfig, LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter

from adapters.telemetry.activity_context import ActivityContext
from adapters.telemetry.process import Telemetry

CORE_LOGGER = "temporalio.core"
SEND_WITHIN = timedelta(seconds=3)
"""How long sending traces may take, so that a collector that is away holds up no shutdown; OTEL_EXPORTER_OTLP_TIMEOUT sets another."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True, kw_only=True)
class TemporalTelemetry:
    """What `adapters.temporal.connect` is given. Workers inherit the client's plugins."""

    runtime: Runtime
    plugins: Sequence[Plugin]
    interceptors: Sequence[Interceptor]


def wants_traces() -> bool:
    """Whether the environment names a collector."""
    return any(os.environ.get(name) for name in _ENDPOINTS)


def setup_temporal(telemetry: Telemetry, *, metrics_port: int = 0, metrics_host: str = "127.0.0.1") -> TemporalTelemetry:
    """Set Temporal's telemetry up, once per process, before its client connects.

    Traces are made and sent only where OTEL_EXPORTER_OTLP_ENDPOINT says whereto; the other standard OTEL_ variables (sampler,
    headers, time-outs) hold. `metrics_port` serves the SDK's own metrics; 0 serves none. Raises ValueError when it is taken.
    """
    # The ids stand in fields of their own.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    plugins = (_traced(telemetry),) if wants_traces() else ()
    metrics = _metrics(metrics_host, metrics_port) if metrics_port else None
    context = ActivityContext()
    telemetry.instruments.observe_windows(lambda: context.traders, lambda: context.instances)
    runtime = Runtime(telemetry=TelemetryConfig(logging=_core_logs(), metrics=metrics))
    return TemporalTelemetry(runtime=runtime, plugins=plugins, interceptors=(context,))


def _traced(telemetry: Telemetry) -> Plugin:
    provider = create_tracer_provider(resource=telemetry.resource, shutdown_on_exit=False)
    within = None if "OTEL_EXPORTER_OTLP_TIMEOUT" in os.environ else SEND_WITHIN.total_seconds()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=within)))
    trace.set_tracer_provider(provider)
    telemetry.closing.callback(provider.shutdown)
    return OpenTelemetryPlugin(add_temporal_spans=True)


def _core_logs() -> LoggingConfig:
    forwarding = LogForwardingConfig(
        logger=logging.getLogger(CORE_LOGGER),
        append_target_to_name=False,
        prepend_target_on_message=False,
        append_log_fields_to_message=False,
    )
    return LoggingConfig(filter=TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)


def _metrics(host: str, port: int) -> PrometheusConfig:
    return PrometheusConfig(bind_address=f"{host}:{port}", counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True)
