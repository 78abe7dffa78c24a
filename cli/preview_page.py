"""A preview as one web page that needs nothing else: no script, no address of anything outside."""

from base64 import b64encode
from html import escape
from io import StringIO
from pathlib import Path

from rich.console import Console

from cli.preview_views import preview_view
from filters.preview.preview import Preview, PreviewRequest

_WIDTH = 150
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100% } pre { background: #f6f6f4; padding: 1rem; overflow-x: auto; font-size: 13px; line-height: 1.35 }"""


def write_page(path: Path, found: Preview, request: PreviewRequest, picture: bytes) -> None:
    """The filter, its chart and the whole summary. Whatever the user wrote is shown as text and never taken for markup."""
    summary = Console(file=StringIO(), width=_WIDTH, record=True, force_terminal=False, color_system=None)
    summary.print(preview_view(found))
    path.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Preview</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>{_STYLE}</style></head><body>
<h1>{len(found.signals.places):,} signals of {len(found.symbols)} symbols on {found.interval} candles</h1>
<img alt="chart" src="data:image/png;base64,{b64encode(picture).decode()}">
<h2>What was found</h2>
<pre>{escape(summary.export_text())}</pre>
<h2>The filter</h2>
<pre>{escape(request.spec.code)}</pre>
</body></html>
""",
        encoding="utf-8",
    )
