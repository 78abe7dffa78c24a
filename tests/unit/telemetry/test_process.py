"""Telemetry of a whole process: its traces reach a collector in one piece, its metrics a scrape, its logs standard error."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from temporalio.testing import WorkflowEnvironment

from local.temporal_server import binary
from tests.integration.servers import free_port

ROOT = Path(__file__).parents[3]


class Collector(ThreadingHTTPServer):
    """Takes traces as an OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), _Receiver)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.spans += [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass(frozen=True)
class Ran:
    """What the process left."""

    scraped: str
    scraped_temporal: str
    lines: list[dict]
    status: int
    seconds_to_close: float

    def line(self, message: str) -> dict:
        return next(line for line in self.lines if line["message"] == message)


def run_process(temporal_address: str, **environment: str) -> Ran:
    ports = {"METRICS_PORT": str(free_port()), "TEMPORAL_METRICS_PORT": str(free_port())}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.telemetry.traced_process"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TEMPORAL_ADDRESS": temporal_address, **ports, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        if process.stdout.readline():
            scraped, scraped_temporal = (scrape(port) for port in ports.values())
        began = time.monotonic()
        _, stderr = process.communicate("\n", timeout=60)
        seconds = time.monotonic() - began
    assert process.returncode == 0, stderr
    return Ran(scraped, scraped_temporal, [json.loads(line) for line in stderr.splitlines()], process.returncode, seconds)


def scrape(port: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[str]:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=binary(), dev_server_log_level="error") as server:
        yield server.client.service_client.config.target_host


async def run_beside(temporal: str, **environment: str) -> Ran:
    return await asyncio.to_thread(run_process, temporal, **environment)


async def test_one_trace_leads_from_the_request_through_the_workflow_to_the_activity(temporal: str, collector: Collector) -> None:
    ran = await run_beside(temporal, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    names = {span.span_id: span.name for span in collector.spans}
    chain = [(span.name, names.get(span.parent_span_id, "")) for span in collector.spans]
    assert sorted(chain) == [
        ("RunActivity:screening.watch", "StartActivity:screening.watch"),
        ("RunWorkflow:trader", "StartWorkflow:trader"),
        ("StartActivity:screening.watch", "RunWorkflow:trader"),
        ("StartWorkflow:trader", "deploy"),
        ("deploy", ""),
    ]
    assert len({span.trace_id for span in collector.spans}) == 1
    assert ran.line("inside")["trace_id"] == collector.spans[0].trace_id.hex()


async def test_without_a_collector_no_trace_is_made_and_all_else_works(temporal: str) -> None:
    ran = await run_beside(temporal)

    assert "trace_id" not in ran.line("inside")
    assert 'cloudtrader_ticks_total{outcome="evaluated"} 1.0' in ran.scraped
    assert "cloudtrader_active_traders 0.0" in ran.scraped
    assert "temporal_workflow_completed_total" in ran.scraped_temporal


async def test_a_collector_that_is_away_does_not_hold_up_the_end(temporal: str) -> None:
    ran = await run_beside(temporal, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")

    assert ran.seconds_to_close < 20


async def test_every_line_says_whom_it_concerns(temporal: str) -> None:
    ran = await run_beside(temporal)

    below, activity, workflow = ran.line("inside"), ran.line("by the activity's logger"), ran.line("in the workflow")
    assert {"service": "worker", "logger": "adapters.supabase", "tick": 3}.items() <= below.items()
    assert {"trader_id", "user_id", "instance_id"} <= set(below)
    assert (activity["user_id"], activity["activity_type"]) == (below["user_id"], "screening.watch")
    assert (workflow["trader_id"], workflow["workflow_type"]) == (below["trader_id"], "trader")


def in_a_process(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)


def test_a_second_setup_is_an_error() -> None:
    ran = in_a_process("from adapters.telemetry import setup; setup('a'); setup('b')")

    assert "Telemetry is set up once per process" in ran.stderr


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        ran = in_a_process(f"from adapters.telemetry import setup; setup('a', metrics_port={taken.server_port})")

    assert "Choose another CLOUDTRADER_METRICS_PORT" in ran.stderr


def test_a_process_without_temporal_does_not_load_it() -> None:
    ran = in_a_process("import sys; from adapters.telemetry import setup; setup('feeder').close(); sys.exit('temporalio' in sys.modules)")

    assert ran.returncode == 0, ran.stderr
