"""The same rules over the same candles as others would evaluate them: a loop over TA-Lib, and freqtrade itself in its own environment."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import talib

from bench.peers.recorded import BASE, HOUR
from bench.peers.translation import freqtrade_source, reads_hours, talib_source
from filters.expression import CompiledFilter
from filters.held import HeldFrame, HeldSnapshot

FREQTRADE = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
TIME_OUT = 600


@dataclass(frozen=True)
class Measured:
    """What a way of evaluating found, and the CPU time that one rule over one symbol took on average."""

    seconds: float
    matches: list[set[str]]
    """Per rule."""


def with_talib(compiled: Sequence[CompiledFilter], market: HeldSnapshot, rows: range) -> Measured:
    """For every rule and symbol: TA-Lib on the symbol's arrays, then a look at the last values."""
    functions = [_function(talib_source(item)) for item in compiled]
    base, hour = ([_arrays(market.frames[interval], row) for row in rows] for interval in (BASE, HOUR))
    candles = list(zip([market.symbols[row] for row in rows], base, hour, strict=True))
    begin = process_time()
    with np.errstate(all="ignore"):
        matches = [{symbol for symbol, *arrays in candles if function(*arrays)} for function in functions]
    return Measured((process_time() - begin) / len(functions) / len(rows), matches)


def with_freqtrade(compiled: Sequence[CompiledFilter], market: HeldSnapshot, rows: range) -> Measured:
    """Every rule as a strategy of freqtrade's, in a process of its own on this process's core."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for interval in (BASE, HOUR):
            _save(directory / f"{interval}.npz", market.frames[interval], rows)
        rules = [{"source": freqtrade_source(item), "reads_hours": reads_hours(item)} for item in compiled]
        pairs = [market.symbols[row] for row in rows]
        (directory / "rules.json").write_text(json.dumps({"rules": rules, "pairs": pairs}))
        script = Path(__file__).with_name("freqtrade_process.py")
        ended = subprocess.run([FREQTRADE, script, folder], capture_output=True, text=True, timeout=TIME_OUT, check=False)
    if ended.returncode:
        sys.exit(ended.stderr)
    told = json.loads(ended.stdout.splitlines()[-1])
    return Measured(sum(told["seconds"]) / len(rules) / len(pairs), [set(entered) for entered in told["entered"]])


def on_one_core() -> None:
    """Keep this process and those it starts on one core, the last."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _function(source: str) -> Any:
    written: dict[str, Any] = {"talib": talib}
    exec(source, written)
    return written["rule"]


def _arrays(frame: HeldFrame, row: int) -> dict[str, Any]:
    begin = int(frame.closed_from[row]) - frame.first_index
    return {name: np.ascontiguousarray(values[row, begin:]) for name, values in frame.columns.items()}


def _save(path: Path, frame: HeldFrame, rows: range) -> None:
    opened = (frame.first_index + np.arange(frame.columns["close"].shape[1])) * frame.interval.milliseconds
    np.savez(path, opened=opened, **{name: values[rows.start : rows.stop] for name, values in frame.columns.items()})
