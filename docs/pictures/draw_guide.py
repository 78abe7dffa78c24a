"""Draws the pictures of docs/filter-language.md anew: `python -m docs.pictures.draw_guide`, from the repository's root.

Each is a preview's chart of the example above it, over recorded candles of a scene; the example stays in the picture as its description.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cli.preview_candles import Wanted, from_file
from cli.preview_chart import Look, chart_of
from domain.filters import FilterSpec
from domain.market import Interval
from filters.preview.languages import intervals_of
from filters.preview.preview import PreviewRequest, preview

PICTURES = Path(__file__).parent
GUIDE = PICTURES.parent / "filter-language.md"
CANDLES = PICTURES.parents[2] / "shared/data/klines/5m_379usdt_2024-07-22_2024-07-30.parquet"
LOOK = Look(candles=110, width=8.6, height=3.3, dots_per_inch=100, letters=11)
COLOURS = 64
SPAN = timedelta(days=1)
"""Longer than a picture."""

_EXAMPLE = re.compile(r"```python\n([^`]*)```\n\n!\[[^\]]*\]\(pictures/([\w-]+)\.png\)")


@dataclass(frozen=True)
class Scene:
    """What a picture shows: the candles of a symbol around its last signal before some moment."""

    symbol: str
    end: datetime


def _july(day: int, hour: int) -> datetime:
    return datetime(2024, 7, day, hour, tzinfo=UTC)


SCENES = {
    "filter-rsi-bounce": Scene("AVAXUSDT", _july(26, 0)),
    "filter-golden-cross": Scene("ETHUSDT", _july(28, 18)),
    "filter-breakout": Scene("ETHUSDT", _july(27, 0)),
    "filter-squeeze": Scene("BTCUSDT", _july(26, 4)),
    "filter-hourly-trend": Scene("BTCUSDT", _july(27, 19)),
    "filter-vwap": Scene("BTCUSDT", _july(26, 0)),
    "filter-divergence": Scene("BNBUSDT", _july(26, 0)),
    "filter-volume-nodes": Scene("XRPUSDT", _july(28, 18)),
    "filter-supertrend": Scene("BNBUSDT", _july(27, 3)),
}


def examples() -> Iterator[tuple[str, str]]:
    """Name and filter of each picture, in the order of the guide."""
    return ((name, code) for code, name in _EXAMPLE.findall(GUIDE.read_text()))


def draw(code: str, scene: Scene) -> bytes:
    """The chart of a filter, as a PNG of few colours. Raises FilterRefusedError."""
    spec = FilterSpec(code=code, interval=Interval.M5)
    wanted = Wanted(
        intervals=intervals_of(spec),
        symbols=(scene.symbol,),
        top=1,
        begin=None,
        end=scene.end,
        span=SPAN,
        short_history=True,
    )
    candles, (begin, end) = from_file(CANDLES, wanted)
    request = PreviewRequest(spec=spec, begin=begin, end=end)
    found = asyncio.run(preview(request, candles))
    return _small(chart_of(found, request, candles, scene.symbol, LOOK), code)


def _small(picture: bytes, code: str) -> bytes:
    described = PngInfo()
    described.add_text("Description", code)
    written = BytesIO()
    Image.open(BytesIO(picture)).convert("RGB").quantize(COLOURS).save(written, "PNG", optimize=True, pnginfo=described)
    return written.getvalue()


def main(names: list[str]) -> None:
    """Draw those of these names, or all."""
    for name, code in examples():
        if not names or name in names:
            (PICTURES / f"{name}.png").write_bytes(draw(code, SCENES[name]))


if __name__ == "__main__":
    main(sys.argv[1:])
