"""A filter in a file: the language it is in, and the options that say what the file does not."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import RefusedError
from domain.filters import FilterSpec, Language, Trigger
from domain.market import Interval

ENDINGS = {
    ".js": Language.JAVASCRIPT,
    ".go": Language.GO,
    ".filter": Language.EXPRESSION,
    ".py": Language.EXPRESSION,
    ".txt": Language.EXPRESSION,
}

LanguageOption = Annotated[
    Language | None,
    typer.Option("--language", help="What the filter is written in; by default its file's ending says it (.js, .filter ...)."),
]
Also = Annotated[
    str | None,
    typer.Option("--also", metavar="15m,1h,...", help="JavaScript: further intervals the filter reads; expressions name theirs."),
]
Truthy = Annotated[
    bool | None,
    typer.Option(
        "--truthy/--no-truthy", help="JavaScript: whatever counts as true is a match, as in the browser; otherwise `true` alone is."
    ),
]


@dataclass(frozen=True, kw_only=True)
class FilterOptions:
    """What a command was told of a filter; `None`: nothing."""

    file: Path | None = None
    language: Language | None = None
    interval: Interval | None = None
    trigger: Trigger | None = None
    also: str | None = None
    truthy: bool | None = None

    def applied_to(self, spec: FilterSpec) -> FilterSpec:
        """The filter with these changes. Ends the command for options that its language does not have."""
        language = language_of(self.file, self.language) if self.file else self.language
        changes: dict[str, Any] = {
            "code": code_in(self.file) if self.file else None,
            "language": language,
            "interval": self.interval,
            "trigger": self.trigger,
            "required_intervals": None if self.also is None else to_intervals(self.also),
            "truthy": self.truthy,
        }
        changed = replace(spec, **{name: value for name, value in changes.items() if value is not None})
        if changed.language is not Language.JAVASCRIPT:
            if self.also or self.truthy:
                raise typer.BadParameter(f"--also and --truthy are for filters in JavaScript; this one is in {changed.language}.")
            return replace(changed, required_intervals=(), truthy=False)
        others = tuple(interval for interval in changed.required_intervals if interval is not changed.interval)
        return replace(changed, required_intervals=others)


def code_in(file: Path) -> str:
    """A filter's text. Raises RefusedError for what is no text."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise RefusedError(f"{file} is not UTF-8 text: save the filter as plain text.") from problem


def language_of(file: Path, named: Language | None) -> Language:
    """The language named, otherwise what the file's ending says. Ends the command where neither says it."""
    language = named or ENDINGS.get(file.suffix.lower())
    if language is None:
        raise typer.BadParameter(f"{file.name} may be in any language: end it with {', '.join(ENDINGS)}, or say --language.")
    return language


def to_intervals(text: str) -> tuple[Interval, ...]:
    """`15m, 1h` as intervals, each once, the shortest first. Ends the command for one that is none."""
    named = {part.strip() for part in text.split(",")} - {""}
    if unknown := sorted(named - set(Interval)):
        raise typer.BadParameter(f"{unknown[0]} is no interval: {', '.join(Interval)} are.", param_hint="--also")
    return tuple(interval for interval in Interval if interval in named)
