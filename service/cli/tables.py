"""Tables that fit: what does not stand side by side goes on below its row, and nothing is cut."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Final, Literal

from domain.wording import visible
from service.cli.screen import Screen, signs_wide

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
