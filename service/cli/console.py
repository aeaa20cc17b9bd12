"""What commands print: tables for people, JSON for machines, and errors that say what to do.

Exit codes: 0 done; 1 the answer is "no" (a fault was found, a run did not succeed); 2 wrong usage or
settings; 3 a service does not answer; 4 not found; 130 Ctrl-C.
"""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from enum import IntEnum
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from config.settings import Settings
from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.settings_values import mask_of

T = TypeVar("T")

_WIDTH_OF_A_FILE = 150  # where there is no terminal to ask


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_WIDTH_OF_A_FILE)


out = _console(stderr=False)
err = _console(stderr=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]


class Exit(IntEnum):
    """What an exit code means."""

    DONE = 0
    NO = 1
    USAGE = 2
    AWAY = 3
    NOT_FOUND = 4
    INTERRUPTED = 130


def read_settings() -> Settings:
    """Read the settings, or end with every fault at once and none of the values."""
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "__".join(str(part) for part in fault["loc"]).upper() or "settings"
            err.print(f"[red]{name}[/]: {_plain(fault['msg'])}")
        fail(Exit.USAGE, "the settings are not usable; `laurel config show` lists all of them")


def run(work: Coroutine[Any, Any, T], settings: Settings | None = None) -> T:
    """Run a command's work; an error that Laurel understands ends it with a sentence, never a traceback."""
    try:
        return asyncio.run(work)
    except TryLater as error:
        fail(Exit.AWAY, masked(error.message, settings))
    except Stop as error:
        fail(Exit.USAGE, masked(error.message, settings))
    except NeverRetry as error:
        fail(Exit.NO, masked(error.message, settings))
    except LaurelError as error:
        fail(Exit.NO, masked(error.message, settings))
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def masked(text: str, settings: Settings | None) -> str:
    """Take every secret out of a text."""
    return text if settings is None else mask_of(settings)(text)


def fail(code: Exit, message: str) -> NoReturn:
    """End with a sentence on standard error and a code that means something."""
    err.print(f"[red]laurel:[/] {message}", soft_wrap=True)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print one JSON document, as plain text whatever the terminal."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; numbers to the right."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    out.print(table)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
