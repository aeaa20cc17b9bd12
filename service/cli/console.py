"""What commands print: tables for people, JSON for machines, and errors that say what to do.

Exit codes: 0 done; 1 the answer is "no" (a fault was found, a run did not succeed); 2 wrong usage or
settings; 3 a service does not answer; 4 not found; 130 Ctrl-C.

Nothing that comes from outside is read as markup or reaches the terminal with its control characters.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from textwrap import fill
from typing import Annotated, Any, Final, Literal, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.settings import Settings

_WIDTH_OF_A_FILE: Final = 150  # where there is no terminal to ask
_LEAST_OF_A_TEXT: Final = 24  # a column of text that is narrower cannot be read
_GAP: Final = 2


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if console.is_terminal or os.environ.get("COLUMNS"):
        return console
    return Console(stderr=stderr, highlight=False, width=_WIDTH_OF_A_FILE)


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


@dataclass(frozen=True)
class Column:
    """A column: figures stand to the right, texts wrap; where it is narrow, the highest spare goes first."""

    name: str
    kind: Literal["word", "figure", "text"] = "word"
    spare: int = 0  # 0: always shown


def masked(text: str, settings: Settings | None) -> str:
    """Take every secret out of a text."""
    if settings is None:
        return text
    # Not above: it brings Kafka's client, which `laurel inference` does without.
    from service.settings_values import mask_of  # noqa: PLC0415

    return mask_of(settings)(text)


def fail(code: Exit, message: str) -> NoReturn:
    """End with a sentence on standard error and a code that means something."""
    say(f"laurel: {message}", style="red", on=err)
    raise typer.Exit(code)


def say(text: str, *, style: str = "", on: Console | None = None, hang: int | None = None) -> None:
    """Print a line for people, as it is; with `hang` a terminal gets it wrapped at words, indented so far."""
    console, shown = on or out, printable(text)
    if hang is not None and console.is_terminal:
        rest = " " * hang
        shown = fill(shown, console.width, subsequent_indent=rest, break_long_words=False)
    console.print(Text(shown, style=style), soft_wrap=True)


def printable(text: str) -> str:
    """The text without what would command a terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else repr(sign)[1:-1] for sign in text)


def print_json(value: Any) -> None:
    """Print one JSON document, as plain text whatever the terminal."""
    _write_json(value, indent=2)


def print_json_line(value: Any) -> None:
    """Print one JSON document in one line, at once: somebody may be following."""
    _write_json(value)
    sys.stdout.flush()


def _write_json(value: Any, indent: int | None = None) -> None:
    """What standard output cannot encode is escaped as JSON does."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, default=str)
    sys.stdout.write(text + "\n")


def print_table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, on: Console | None = None
) -> None:
    """Print a table that fits: spare columns are left out, texts wrap, and figures never do."""
    console = on or out
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    shown = shown_columns(columns, cells, console.width)
    table = Table(
        header_style="bold", box=SIMPLE_HEAD,
        pad_edge=False, padding=(0, _GAP - 1, 0, 0),
    )  # fmt: skip
    for number in shown:
        column = columns[number]
        wraps = column.kind == "text"
        table.add_column(
            column.name,
            justify="right" if column.kind == "figure" else "left",
            no_wrap=not wraps,
            overflow="fold",
            min_width=None if wraps else _width(columns, cells, number),
        )
    for row in cells:
        table.add_row(*(Text(row[number]) for number in shown))
    say(title, style="bold", on=console)
    console.print(table)
    if not cells:
        say("  none", style="dim", on=console)


def shown_columns(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int]:
    """The numbers of the columns that fit side by side; a spare one that holds nothing is not shown."""
    shown = [
        number
        for number, column in enumerate(columns)
        if not column.spare or any(row[number] for row in cells)
    ]
    spare = sorted((number for number in shown if columns[number].spare), key=lambda n: -columns[n].spare)
    while spare and sum(_width(columns, cells, number) + _GAP for number in shown) - _GAP > width:
        shown.remove(spare.pop(0))
    return shown


def _width(columns: Sequence[Column], cells: Sequence[Sequence[str]], number: int) -> int:
    widest = max([len(columns[number].name), *(len(row[number]) for row in cells)])
    return min(widest, _LEAST_OF_A_TEXT) if columns[number].kind == "text" else widest


def local_time(at: datetime, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment as the clock on the wall showed it."""
    return at.astimezone().strftime(form)
