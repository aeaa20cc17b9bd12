"""What commands print: tables for people, JSON for machines, and errors that say what to do.

Exit codes: 0 done; 1 the answer is "no" (a fault was found, a run did not succeed); 2 wrong usage or
settings; 3 a service does not answer; 4 not found; 130 Ctrl-C.

Nothing that comes from outside is read as markup or reaches the terminal with its control characters. Moments
are told in one way everywhere: 2026-11-29 14:03:22Z.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from domain.wording import visible, visible_json
from service.cli.screen import Column, Screen, write_table

if TYPE_CHECKING:
    from config.settings import Settings

__all__ = [
    "AsJson", "Column", "Exit", "clock_time", "err", "fail", "masked", "out", "print_json",
    "print_json_line", "print_table", "say",
]  # fmt: skip

out: Final = Screen("stdout")
err: Final = Screen("stderr")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]


class Exit(IntEnum):
    """What an exit code means."""

    DONE = 0
    NO = 1
    USAGE = 2
    AWAY = 3
    NOT_FOUND = 4
    INTERRUPTED = 130


def masked(text: str, settings: Settings | None) -> str:
    """Take every secret out of a text."""
    if settings is None:
        return text
    from service.lifecycle.settings_values import (
        mask_of,  # it brings Kafka's client, which `laurel inference` lacks
    )

    return mask_of(settings)(text)


def fail(code: Exit, message: str) -> NoReturn:
    """End with a sentence on standard error and a code that means something."""
    say(f"laurel: {message}", style="red", on=err)
    raise typer.Exit(code)


def say(text: str, *, style: str = "", on: Screen | None = None, hang: int | None = None) -> None:
    """Print a line for people, as it is; with `hang` a terminal gets it wrapped at words, indented so far."""
    screen, shown = on or out, visible(text)
    if hang is not None and screen.is_terminal:
        rest = " " * hang
        shown = fill(
            shown, screen.width, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        )
    screen.write(shown, style)


def print_json(value: object) -> None:
    """Print one JSON document, as plain text whatever the terminal."""
    _write_json(value, indent=2)


def print_json_line(value: object) -> None:
    """Print one JSON document in one line, at once: somebody may be following."""
    _write_json(value)
    sys.stdout.flush()


def _write_json(value: object, indent: int | None = None) -> None:
    """What standard output cannot encode is escaped as JSON does."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent, default=str)
    sys.stdout.write(visible_json(text) + "\n")


def print_table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, on: Screen | None = None
) -> None:
    """Print a table that fits: what does not stand side by side goes on below its row, and nothing is cut."""
    write_table(title, columns, rows, on or out)


def clock_time(at: datetime) -> str:
    """A moment to the millisecond."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}Z"
