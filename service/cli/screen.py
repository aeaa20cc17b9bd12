"""Where a command writes: a terminal or a file, with the signs, colours and width that it has."""

import os
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TextIO
from unicodedata import combining, east_asian_width

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
