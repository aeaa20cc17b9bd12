"""Where a command writes: a terminal or a file, with its signs, colours and width; and tables that fit.

What does not stand side by side goes on below its row, and nothing is cut.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Final, Literal, TextIO
from unicodedata import combining, east_asian_width

from domain.wording import visible

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE: Final = 150  # where there is no terminal to ask
_WIDTH_OF_A_TERMINAL: Final = 80  # one that does not say
_NARROWEST: Final = 20
_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_UNREADABLE: Final = "backslashreplace"  # a sign that the terminal does not have is spelled out


@dataclass(frozen=True)
class Screen:
    """Standard output or standard error, or a stream of a test's."""

    name: Literal["stdout", "stderr"] = "stdout"
    given: TextIO | None = None
    given_width: int | None = None
    given_terminal: bool | None = None

    @property
    def stream(self) -> TextIO:
        """The stream as it is now: tests and logs replace it."""
        return self.given or (sys.stdout if self.name == "stdout" else sys.stderr)

    @property
    def is_terminal(self) -> bool:
        """True where a person looks at it."""
        return self.stream.isatty() if self.given_terminal is None else self.given_terminal

    @property
    def width(self) -> int:
        """How many signs stand side by side."""
        if self.given_width is not None:
            return self.given_width
        default = _WIDTH_OF_A_TERMINAL if self.is_terminal else _WIDTH_OF_A_FILE
        if not self.is_terminal and not os.environ.get("COLUMNS"):
            return default
        return max(_NARROWEST, shutil.get_terminal_size((default, 25)).columns)

    @property
    def is_live(self) -> bool:
        """True where what was written can be drawn over."""
        return self.is_terminal and os.environ.get("TERM") != "dumb"

    @property
    def line(self) -> str:
        """What rules are drawn with."""
        return "─" if self.readable("─") == "─" else "-"

    @property
    def arrow(self) -> str:
        """What leads from a fault to its remedy."""
        return "→" if self.readable("→") == "→" else "->"

    def readable(self, text: str) -> str:
        """The text in signs that the stream can carry."""
        encoding = self.stream.encoding or "utf-8"
        return text.encode(encoding, _UNREADABLE).decode(encoding)

    def coloured(self, text: str, style: str) -> str:
        """The text in its style, where there are colours and nobody has asked for none."""
        if not style or not text or not self.is_live or os.environ.get("NO_COLOR"):
            return text
        return f"\x1b[{';'.join(_CODES[word] for word in style.split())}m{text}\x1b[0m"

    def write(self, text: str, style: str = "") -> None:
        """Write a line."""
        self.stream.write(f"{self.coloured(self.readable(text), style)}\n")
        self.stream.flush()

    def clear(self) -> None:
        """Begin at the top of an empty screen."""
        self.stream.write("\x1b[2J\x1b[H")

    @cached_property
    def rich(self) -> "Console":
        """For what moves on a terminal. Slow to import, and most commands do without it."""
        from rich.console import Console

        return Console(stderr=self.name == "stderr", highlight=False)


def signs_wide(text: str) -> int:
    """How many columns a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)


def spell_out_unreadable() -> None:
    """Let no character that a terminal lacks end a command, wherever it comes from."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_UNREADABLE)


_LEAST_OF_A_TEXT: Final = 24  # a column of text that is narrower cannot be read
_GAP: Final = "  "
_BELOW: Final = "    "  # before what goes on below its row


@dataclass(frozen=True)
class Column:
    """A column: figures stand to the right, texts wrap; where it is narrow, the highest spare goes first.

    What goes stands below its row, by its name. One that is spare and holds nothing is not shown at all.
    """

    name: str
    kind: Literal["word", "figure", "text"] = "word"
    spare: int = 0


Row = Sequence[str]


def write_table(
    title: str, columns: Sequence[Column], rows: Iterable[Sequence[object]], screen: Screen
) -> None:
    """Write a table under its title."""
    cells = [[screen.readable(_text(cell)) for cell in row] for row in rows]
    there = _worth_showing(columns, cells)
    shown = columns_side_by_side(columns, cells, screen.width)
    widths = _widths(columns, cells, shown, screen.width)
    screen.write(title, "bold")
    header = [columns[number].name for number in shown]
    screen.write(_line(header, columns, shown, widths), "bold")
    screen.write(screen.line * (sum(widths) + len(_GAP) * (len(widths) - 1)))
    for row in cells:
        for line in _lines(row, columns, shown, widths):
            screen.write(line)
        below = [number for number in there if number not in shown and row[number]]
        for line in _below([(columns[number].name, row[number]) for number in below], screen.width):
            screen.write(line, "dim")
    if not cells:
        screen.write("  none", "dim")


def columns_side_by_side(columns: Sequence[Column], cells: Sequence[Row], width: int) -> list[int]:
    """The numbers of the columns that fit; the first one always stays."""
    shown = _worth_showing(columns, cells)
    going = sorted(shown[1:], key=lambda number: (columns[number].spare, number))
    while going and _total([_least(columns, cells, number) for number in shown]) > width:
        shown.remove(going.pop())
    return shown


def _worth_showing(columns: Sequence[Column], cells: Sequence[Row]) -> list[int]:
    return [
        number
        for number, column in enumerate(columns)
        if not column.spare or any(row[number] for row in cells)
    ]


def _text(cell: object) -> str:
    return visible("" if cell is None else str(cell))


def _widest(columns: Sequence[Column], cells: Sequence[Row], number: int) -> int:
    return max([signs_wide(columns[number].name), *(signs_wide(row[number]) for row in cells)])


def _least(columns: Sequence[Column], cells: Sequence[Row], number: int) -> int:
    widest = _widest(columns, cells, number)
    return min(widest, _LEAST_OF_A_TEXT) if columns[number].kind == "text" else widest


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column], cells: Sequence[Row], shown: Sequence[int], width: int) -> list[int]:
    """Each column as narrow as it can be; what is left goes to the texts, one after another."""
    widths = [_least(columns, cells, number) for number in shown]
    for place, number in enumerate(shown):
        if columns[number].kind == "text":
            more = _widest(columns, cells, number) - widths[place]
            widths[place] += max(0, min(more, width - _total(widths)))
    return widths


def _lines(row: Row, columns: Sequence[Column], shown: Sequence[int], widths: Sequence[int]) -> list[str]:
    """One row, in as many lines as its longest text takes."""
    parts = [
        _wrapped(row[number], width) if columns[number].kind == "text" else [row[number]]
        for number, width in zip(shown, widths, strict=True)
    ]
    high = max(map(len, parts))
    return [
        _line([part[height] if height < len(part) else "" for part in parts], columns, shown, widths)
        for height in range(high)
    ]


def _line(cells: Row, columns: Sequence[Column], shown: Sequence[int], widths: Sequence[int]) -> str:
    padded = [
        _padded(cell, width, right=columns[number].kind == "figure")
        for cell, number, width in zip(cells, shown, widths, strict=True)
    ]
    return _GAP.join(padded).rstrip()


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - signs_wide(cell))
    return f"{space}{cell}" if right else f"{cell}{space}"


def _below(facts: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Name and value, as many in a line as fit; a value is only wrapped when it is longer than a line."""
    lines: list[str] = []
    for name, value in facts:
        fact = f"{name} {value}"
        if lines and signs_wide(lines[-1]) + len(_GAP) + signs_wide(fact) <= width:
            lines[-1] += f"{_GAP}{fact}"
        else:
            lines += [f"{_BELOW}{line}" for line in _wrapped(fact, width - len(_BELOW))]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return wrap(text, width, break_long_words=True, break_on_hyphens=False) or [""]
