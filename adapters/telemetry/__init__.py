"""What a process says about itself: JSON logs, metrics for Prometheus and traces. Set up once, in each `__main__`.

`adapters.telemetry.temporal` adds what Temporal's clients and workers need; a process without Temporal never loads it.
"""

from adapters.telemetry.instruments import Instruments
from adapters.telemetry.process import Telemetry, setup

__all__ = ["Instruments", "Telemetry", "setup"]
