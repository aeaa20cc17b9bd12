"""How far the start is: a table that lives on a terminal; elsewhere a line for each change or silence."""

import threading
import time
from types import TracebackType
from typing import Final, Self

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from service.cli.console import err, say
from service.local.laurel import AWAITS_A_CHAMPION

_DONE: Final = frozenset({"ready", AWAITS_A_CHAMPION})
_SILENT_SECONDS: Final = 5.0


class StartProgress:
    """Called with who does what; a context manager while things start, and in lines afterwards."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._phases: dict[str, tuple[str, float]] = {}
        self._spinners: dict[str, Spinner] = {}
        self._lock = threading.Lock()
        self._spoke = threading.Event()
        self._over = threading.Event()
        self._live = Live(console=err.rich, get_renderable=self._table) if err.is_live else None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        else:
            threading.Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._over.set()
        live, self._live = self._live, None
        if live:
            live.stop()

    def __call__(self, who: str, what: str, _seconds: float) -> None:
        """Show what `who` does now."""
        with self._lock:
            self._phases[who] = (what, self.seconds)
        if self._live is None:
            self._line(who, what)

    def _break_silence(self) -> None:
        """Say what is still awaited whenever nothing else was said for a while."""
        while not self._over.wait(_SILENT_SECONDS):
            with self._lock:
                awaited = [who for who, (what, _) in self._phases.items() if what not in _DONE]
            if not self._spoke.is_set() and awaited:
                self._line("…", f"still waiting for {', '.join(awaited)}")
            self._spoke.clear()

    def _line(self, who: str, what: str) -> None:
        self._spoke.set()
        say(f"{self.seconds:6.1f} s  {who:<16} {what}", style="dim", on=err)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for who, (what, seconds) in self._phases.items():
                ready = what in _DONE
                mark = Text("✓", style="green") if ready else self._spinners.setdefault(who, Spinner("dots"))
                since = seconds if ready else self.seconds
                table.add_row(mark, who, Text(what, style="green" if ready else ""), f"{since:5.1f} s")
        return table
