"""`cloudtrader preview FILE`: what a filter would have found, before it is deployed."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from adapters.settings import Settings
from cli.exits import FilterFileError
from cli.filter_files import Also, FilterOptions, LanguageOption, Truthy
from cli.options import Json, blocking, to_symbols
from cli.output import show
from cli.traders import IntervalOption, TriggerOption
from domain.errors import FilterRefusedError, RefusedError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval

if TYPE_CHECKING:  # TA-Lib and matplotlib take seconds to load, and the other commands need neither
    from cli.preview_candles import Wanted
    from filters.javascript.contract import JavaScriptEngine
    from filters.preview.exits import Distance, ExitRules
    from filters.preview.past_candles import PastCandles
    from filters.preview.preview import Preview, PreviewRequest

FilterArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE", help="The filter.")]
_EXITS = "Simulated trades (with any of --stop, --target, --hold)"
Told = Callable[[str, int, int], None]
"""What is being done, how much of it is done and how much there is."""


@blocking
async def preview(
    file: FilterArgument,
    interval: IntervalOption = Interval.M5,
    days: Annotated[float | None, typer.Option("--days", min=0.01, help="So many up to the newest candle or --to; by default 7.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First candle, e.g. 2024-07-22 or 2024-07-22T12:00 (UTC).")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Evaluate candles that open before this.")] = None,
    symbols: Annotated[str | None, typer.Option("--symbols", metavar="A,B,...", help="These symbols.")] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Otherwise those with most quote volume.")] = 50,
    candles: Annotated[
        Path | None, typer.Option("--candles", exists=True, dir_okay=False, metavar="FILE", help="Candles from a .parquet or .csv file.")
    ] = None,
    short_history: Annotated[
        bool, typer.Option("--short-history", help="Take the beginning of the candles for the listing of their symbols.")
    ] = False,
    trigger: TriggerOption = Trigger.CLOSE,
    language: LanguageOption = None,
    also: Also = None,
    truthy: Truthy = None,
    stop: Annotated[
        str | None, typer.Option("--stop", metavar="2%|1.5atr", help="Sell so far below the entry.", rich_help_panel=_EXITS)
    ] = None,
    target: Annotated[str | None, typer.Option("--target", metavar="4%|3atr", help="Sell so far above it.", rich_help_panel=_EXITS)] = None,
    hold: Annotated[
        int | None, typer.Option("--hold", min=1, metavar="CANDLES", help="Sell after so many.", rich_help_panel=_EXITS)
    ] = None,
    fee: Annotated[float, typer.Option("--fee", metavar="%", help="Of each buy and sale.", rich_help_panel=_EXITS)] = 0.1,
    slippage: Annotated[float, typer.Option("--slippage", metavar="%", help="By which fills are worse.", rich_help_panel=_EXITS)] = 0.05,
    stake: Annotated[float, typer.Option("--stake", help="Money in each position.", rich_help_panel=_EXITS)] = 1_000.0,
    positions: Annotated[int, typer.Option("--positions", help="So many at once.", rich_help_panel=_EXITS)] = 10,
    chart: Annotated[
        Path | None, typer.Option("--chart", metavar="FILE", help="Draw a chart: .png, or .html with the whole report.")
    ] = None,
    chart_symbol: Annotated[
        str | None, typer.Option("--chart-symbol", help="Of this symbol; otherwise of the one with most signals.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write every signal to a CSV file.")] = None,
    as_json: Json = False,
) -> None:
    """Evaluate a filter over past candles: signals, what prices did after them, simulated trades."""
    spec = FilterOptions(file=file, language=language, also=also, truthy=truthy).applied_to(
        FilterSpec(code="", interval=interval, trigger=trigger)
    )
    exits = _exit_rules(stop, target, hold, fee, slippage, stake, positions)
    span = _Span(begin=begin, end=end, days=days)
    output = _Output(chart=chart, chart_symbol=chart_symbol, csv=csv)
    output.check()
    with _progress() as told, _of_file(file, spec.code):
        wanted = _wanted(spec, span, to_symbols(symbols or ""), top, short_history=short_history)
        past, request = await _inputs(spec, wanted, candles, exits, told)
        found = await _evaluated(request, past, told)
        output.write(found, request, past)
    from cli.preview_views import preview_document, preview_view  # noqa: PLC0415

    show(preview_document(found), preview_view(found), as_json=as_json)


@dataclass(frozen=True, kw_only=True)
class _Span:
    """The range as the user told it."""

    begin: str | None
    end: str | None
    days: float | None


@dataclass(frozen=True, kw_only=True)
class _Output:
    """Files that are written beside what is printed."""

    chart: Path | None
    chart_symbol: str | None
    csv: Path | None

    def check(self) -> None:
        """End the command before it works for files that could not be written."""
        if self.chart and self.chart.suffix not in (".png", ".html"):
            raise typer.BadParameter("A chart is a .png or a .html file.", param_hint="--chart")
        for path in filter(None, (self.chart, self.csv)):
            if not path.parent.is_dir():
                raise typer.BadParameter(f"There is no folder {path.parent}.")

    def write(self, found: "Preview", request: "PreviewRequest", past: "PastCandles") -> None:
        """Write them."""
        from cli.preview_chart import chart_of  # noqa: PLC0415
        from cli.preview_page import write_page  # noqa: PLC0415
        from cli.preview_views import write_csv  # noqa: PLC0415

        if self.csv:
            write_csv(found, self.csv)
        if self.chart:
            picture = chart_of(found, request, past, self.chart_symbol)
            if self.chart.suffix == ".png":
                self.chart.write_bytes(picture)
            else:
                write_page(self.chart, found, request, picture)


def _wanted(spec: FilterSpec, span: _Span, symbols: tuple[str, ...], top: int, *, short_history: bool) -> "Wanted":
    from cli.preview_candles import Wanted, to_moment  # noqa: PLC0415
    from filters.preview.languages import intervals_of  # noqa: PLC0415

    return Wanted(
        intervals=intervals_of(spec),
        symbols=symbols,
        top=top,
        begin=to_moment(span.begin) if span.begin else None,
        end=to_moment(span.end) if span.end else None,
        span=timedelta(days=span.days) if span.days else None,
        short_history=short_history,
    )


async def _inputs(
    spec: FilterSpec, wanted: "Wanted", file: Path | None, exits: "ExitRules | None", told: Told
) -> tuple["PastCandles", "PreviewRequest"]:
    from cli.preview_candles import from_exchange, from_file  # noqa: PLC0415
    from filters.preview.preview import PreviewRequest  # noqa: PLC0415

    past, (begin, end) = from_file(file, wanted) if file else await from_exchange(Settings(), wanted, told)
    return past, PreviewRequest(spec=spec, begin=begin, end=end, exits=exits)


async def _evaluated(request: "PreviewRequest", past: "PastCandles", told: Told) -> "Preview":
    from filters.preview.preview import preview as evaluate  # noqa: PLC0415

    async with _engine(request.spec) as engine:
        return await evaluate(request, past, engine=engine, progress=lambda done, total: told("evaluations", done, total))


@asynccontextmanager
async def _engine(spec: FilterSpec) -> "AsyncIterator[JavaScriptEngine | None]":
    """What runs browser filters; nothing for an expression."""
    if spec.language is not Language.JAVASCRIPT:
        yield None
        return
    from workers.filter_sandbox import FilterSandbox  # noqa: PLC0415

    settings = Settings()
    async with FilterSandbox(at_once=settings.filter_processes or None, allow_weak=settings.allow_weak_jail) as engine:
        yield engine


@contextmanager
def _of_file(file: Path, code: str) -> Iterator[None]:
    """Problems of the filter are shown in its file."""
    try:
        yield
    except FilterRefusedError as refused:
        raise FilterFileError(refused.problems, file, code) from refused


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar on stderr for each thing that is being done; nothing where that is no terminal."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    bars = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done)

    with bars:
        yield told


def _exit_rules(
    stop: str | None, target: str | None, hold: int | None, fee: float, slippage: float, stake: float, positions: int
) -> "ExitRules | None":
    if not (stop or target or hold):
        return None
    from filters.preview.exits import ExitRules  # noqa: PLC0415

    return ExitRules(
        stop=_distance(stop),
        target=_distance(target),
        hold=hold,
        fee_percent=fee,
        slippage_percent=slippage,
        stake=stake,
        max_positions=positions,
    )


def _distance(text: str | None) -> "Distance | None":
    """`2%` or `1.5atr`. Raises RefusedError."""
    from filters.preview.exits import Distance  # noqa: PLC0415

    if text is None:
        return None
    cleaned = text.strip().lower()
    is_atr = cleaned.endswith("atr")
    try:
        return Distance(amount=float(cleaned.removesuffix("atr").removesuffix("%")), is_atr=is_atr)
    except ValueError as error:
        raise RefusedError(f"{text!r} is no distance: write 2% or 1.5atr.") from error
