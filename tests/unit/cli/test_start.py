"""How soon a command starts."""

import subprocess
import sys
from pathlib import Path

HEAVY = ("talib", "polars", "pandas", "matplotlib", "py_mini_racer", "tree_sitter", "psycopg")
"""Each takes a tenth of a second to a second to load, and is loaded where it is used."""


def test_help_loads_no_engine_no_charts_and_no_driver() -> None:
    look = f"import sys, cli.__main__; print(*[name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", look], cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=120, check=True
    )

    assert "" == ran.stdout.strip()
