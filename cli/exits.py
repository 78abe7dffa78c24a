"""How a command ends: its exit code, and one clear error that says what to do. Nothing known ends in a traceback."""

import sys
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from pydantic_core import to_json
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup

from domain.errors import CloudtraderError, FilterRefusedError, UnavailableError
from domain.filters import FilterProblem

JSON = "cloudtrader.json"
"""Key in the invocation's shared `meta`: whether the user wants documents instead of text."""


class ExitCode(IntEnum):
    """What a command's exit code says. docs/commands.md tells users."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    DOWN = 3


class FilterFileError(FilterRefusedError):
    """The filter in a file does not compile."""

    def __init__(self, problems: tuple[FilterProblem, ...], file: Path, code: str) -> None:
        super().__init__(problems)
        self.file = file
        self.code = code


class CommandGroup(TyperGroup):
    """Ends every command with an exit code instead of an exception."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except CloudtraderError as error:
            code = ExitCode.DOWN if isinstance(error, UnavailableError) else ExitCode.REFUSED
            _say(error, code, as_json=bool(ctx.meta.get(JSON)))
        except ValidationError as error:
            code = ExitCode.USAGE
            _say(CloudtraderError(_broken_settings(error)), code, as_json=bool(ctx.meta.get(JSON)))
        except OSError as error:
            code = ExitCode.REFUSED
            _say(CloudtraderError(f"{error.filename or 'The system'}: {error.strerror or error}."), code, as_json=bool(ctx.meta.get(JSON)))
        raise typer.Exit(code)


def _broken_settings(error: ValidationError) -> str:
    broken = (f"CLOUDTRADER_{'_'.join(map(str, part['loc'])).upper()}: {part['msg']}" for part in error.errors(include_input=False))
    return f"The settings cannot be read: {'; '.join(broken)}."


def _say(error: CloudtraderError, code: ExitCode, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(to_json(_document(error, code)).decode() + "\n")
        return
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if isinstance(error, FilterFileError):
        for problem in error.problems:
            console.print(_shown(problem, error))
    else:
        console.print(f"[red]error:[/] {escape(str(error))}")
    for note in getattr(error, "__notes__", ()):
        console.print(escape(note))


def _document(error: CloudtraderError, code: ExitCode) -> dict[str, object]:
    problems = {"problems": error.problems} if isinstance(error, FilterRefusedError) else {}
    return {
        "error": type(error).__name__,
        "message": "\n".join((str(error), *getattr(error, "__notes__", ()))),
        "exit_code": int(code),
        **problems,
    }


def _shown(problem: FilterProblem, error: FilterFileError) -> str:
    """The problem, the line it is in, and a caret below the place."""
    lines = error.code.splitlines()
    line = lines[problem.line - 1].expandtabs(1) if 0 < problem.line <= len(lines) else ""
    hint = f" (did you mean {problem.suggestion}?)" if problem.suggestion else ""
    head = f"[red]{escape(str(error.file))}:{problem.line}:{problem.column}:[/] {escape(problem.message + hint)}"
    return f"{head}\n    {escape(line)}\n    {' ' * (problem.column - 1)}[red]^[/]"
