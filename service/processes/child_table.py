"""The fork parent's table of its children: their limits, how they end, and that nobody is left behind."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from service.processes import kernel, leftovers

OUT_OF_MEMORY: Final = "out_of_memory"


@dataclass(frozen=True)
class Watch:
    """The limits of one task.

    `serial` numbers the tasks of a child, so that a limit is never held against the next one. `deadlines` are
    times on the monotonic clock by the reason code to report. `memory_bytes` bounds what the child's whole
    process group holds.
    """

    serial: int
    deadlines: Mapping[str, float]
    memory_bytes: int | None

    def verdict(self, now: float, held_bytes: int) -> str | None:
        """Say why the child must die now; None while it may go on."""
        late = [reason for reason, deadline in self.deadlines.items() if deadline <= now]
        if late:
            return min(late, key=self.deadlines.__getitem__)
        if self.memory_bytes is not None and held_bytes > self.memory_bytes:
            return OUT_OF_MEMORY
        return None


def pause(watches: Iterable[Watch], now: float, next_look: float) -> float | None:
    """Say how many seconds may pass until a limit needs attention; None when nothing is limited.

    `next_look` is when the memory of those with a limit on it is due to be read again.
    """
    moments: list[float] = []
    for watch in watches:
        moments.extend(watch.deadlines.values())
        if watch.memory_bytes is not None:
            moments.append(next_look)
    return max(0.0, min(moments) - now) if moments else None


_MEMORY_INTERVAL: Final = 0.05  # seconds between two looks at what the children hold
_LONGEST_FAREWELL: Final = 2  # seconds that the last burial may take


class Death(NamedTuple):
    """How a child ended: `exit_code` is negative for a signal, `cause` a task's serial and why it was killed.

    `cause` is None when the fork parent did not kill it.
    """

    exit_code: int
    cause: tuple[int, str] | None


@dataclass
class _Charge:
    watch: Watch | None = None
    cause: tuple[int, str] | None = None
    exit_code: int | None = None
    shared: set[str] = field(default_factory=set)


class Charges:
    """Children by pid, each from its fork until its whole process group is gone."""

    def __init__(self, left: leftovers.Leftovers) -> None:
        self._left = left
        self._charges: dict[int, _Charge] = {}
        self._next_look = 0.0

    def add(self, pid: int) -> None:
        """Take charge of a child that was just forked."""
        self._charges[pid] = _Charge()

    def watch(self, pid: int, watch: Watch | None) -> None:
        """Hold a child to these limits from now on."""
        if pid in self._charges:
            self._charges[pid].watch = watch

    def end(self, pid: int, serial: int, reason: str) -> None:
        """Kill a child and its group; the first reason stands."""
        charge = self._charges.get(pid)
        if charge and charge.exit_code is None:
            charge.watch = None
            charge.cause = charge.cause or (serial, reason)
            charge.shared |= leftovers.kill(pid)

    def pause(self, now: float) -> float | None:
        """Say how long to sleep when nothing else happens."""
        watches = [charge.watch for charge in self._charges.values() if charge.watch]
        return pause(watches, now, self._next_look)

    def enforce(self, now: float) -> None:
        """Kill each child that is over a limit."""
        watched = {pid: charge.watch for pid, charge in self._charges.items() if charge.watch}
        held = self._look(now, watched)
        for pid, watch in watched.items():
            if (reason := watch.verdict(now, held.get(pid, 0))) is not None:
                self.end(pid, watch.serial, reason)

    def _look(self, now: float, watched: dict[int, Watch]) -> dict[int, int]:
        """Read what the limited groups hold, when it is time to."""
        limited = [pid for pid, watch in watched.items() if watch.memory_bytes is not None]
        if not limited or now < self._next_look:
            return {}
        self._next_look = now + _MEMORY_INTERVAL
        return kernel.held_by_groups(limited)

    def reap(self, tell: Callable[[int, Death], None]) -> None:
        """Collect the children that ended, kill what they left, and report each one whose group is gone."""
        if self._collect():
            self._kill_strangers()
        for pid, charge in list(self._charges.items()):
            if charge.exit_code is not None and not kernel.kill_group(pid, 0):
                del self._charges[pid]
                self._left.clear(pid, charge.shared)
                tell(pid, Death(charge.exit_code, charge.cause))

    def _collect(self) -> bool:
        collected = False
        while (pid := _next_ended()) is not None:
            collected = True
            charge = self._charges.get(pid)
            if charge:
                # before its pid is free, so that no other group can have the number
                charge.shared |= leftovers.kill(pid)
            _, status = os.waitpid(pid, 0)
            if charge:
                charge.exit_code = os.waitstatus_to_exitcode(status)
        return collected

    def _kill_strangers(self) -> None:
        """Kill what a dead child left outside of its group; nothing of a living child's group is touched."""
        for process in kernel.children_of(os.getpid()):
            if process.group not in self._charges:
                kernel.kill(process.pid)

    def end_all(self) -> None:
        """Kill every child with its group and wait until the last one is gone."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_LONGEST_FAREWELL)  # a process that cannot die must not keep us
        for pid, charge in self._charges.items():
            charge.shared |= leftovers.kill(pid)
        ended = dict(self._charges)
        self._charges.clear()
        self._kill_strangers()
        while _wait_for_some():
            self._kill_strangers()
        for pid, charge in ended.items():
            self._left.clear(pid, charge.shared)


def _next_ended() -> int | None:
    """Find a child that has ended, and leave it where it is."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return ended.si_pid if ended else None


def _wait_for_some() -> bool:
    """Wait for one to end and collect all that have by then; False when there is nobody to wait for."""
    try:
        os.waitpid(-1, 0)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
