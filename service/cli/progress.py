"""How far the start is: a table that lives on a terminal, a line for each change elsewhere."""

import threading
import time
from types import TracebackType
from typing import Final, Self

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from service.cli.console import err, say

_READY: Final = "ready"


class StartProgress:
    """Called with who does what; a context manager while things start, and in lines afterwards."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._phases: dict[str, tuple[str, float]] = {}
        self._spinners: dict[str, Spinner] = {}
        self._lock = threading.Lock()
        self._live = Live(console=err, get_renderable=self._table) if err.is_terminal else None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        live, self._live = self._live, None
        if live:
            live.stop()

    def __call__(self, who: str, what: str, _seconds: float) -> None:
        """Show what `who` does now."""
        with self._lock:
            self._phases[who] = (what, self.seconds)
        if self._live is None:
            say(f"{self.seconds:6.1f} s  {who:<16} {what}", style="dim", on=err)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for who, (what, seconds) in self._phases.items():
                ready = what == _READY
                mark = Text("✓", style="green") if ready else self._spinners.setdefault(who, Spinner("dots"))
                since = seconds if ready else self.seconds
                table.add_row(mark, who, Text(what, style="green" if ready else ""), f"{since:5.1f} s")
        return table
