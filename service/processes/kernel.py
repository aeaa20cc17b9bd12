"""What the Linux kernel knows and does about processes: parents, groups, memory, death signals."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_SET_DEATH_SIGNAL: Final = 1
_SET_NAME: Final = 15
_SET_SUBREAPER: Final = 36
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessInfo(NamedTuple):
    """One row of the process table."""

    pid: int
    parent: int
    group: int


def _prctl(option: int, argument: int | bytes) -> None:
    if _libc.prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) was refused")


def die_with_parent(parent: int, death_signal: int = signal.SIGKILL) -> None:
    """Have *death_signal* sent to this process when its parent ends; end now if that has happened already."""
    _prctl(_SET_DEATH_SIGNAL, int(death_signal))
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    _prctl(_SET_SUBREAPER, 1)


def name_process(name: str) -> None:
    """Show *name* (at most 15 bytes) in the process list."""
    _prctl(_SET_NAME, name.encode())


def children_of(parent: int) -> Iterator[ProcessInfo]:
    """Find the processes that *parent* has started or adopted."""
    for pid in _pids():
        with contextlib.suppress(OSError):  # it has just ended
            process = _parse(pid, _read(f"/proc/{pid}/stat"))
            if process.parent == parent:
                yield process


def members_of(group: int) -> list[int]:
    """Find the processes of a group."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):  # it has just ended
            if os.getpgid(pid) == group:
                found.append(pid)
    return found


def runs(pid: int) -> bool:
    """True while a process is there and has not ended."""
    try:
        stat = _read(f"/proc/{pid}/stat")
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in {b"Z", b"X"}


def held_by_groups(groups: Collection[int]) -> dict[int, int]:
    """Say how many bytes of anonymous memory each process group holds.

    Pages that a child still shares with the fork parent are counted: it may write to them at any time. Mapped
    files are not, since the kernel can drop them.
    """
    held = dict.fromkeys(groups, 0)
    for pid in _pids():
        with contextlib.suppress(OSError):
            if (group := os.getpgid(pid)) in held:
                held[group] += held_by(pid)
    return held


def held_by(pid: int) -> int:
    """Say how many bytes of anonymous memory a process holds. Raises OSError when it is gone."""
    return _anonymous(_read(f"/proc/{pid}/statm"))


def own_memory() -> Callable[[], int]:
    """Make a gauge of this process's anonymous memory in bytes; it keeps a descriptor open to be quick."""
    descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    return lambda: _anonymous(os.pread(descriptor, 256, 0))


def _anonymous(statm: bytes) -> int:
    _, resident, shared, _ = statm.split(b" ", 3)
    return (int(resident) - int(shared)) * _PAGE_BYTES


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a walk over all processes has to be quick
        return file.read()


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]  # noqa: PTH208 - names are enough


def _parse(pid: int, stat: bytes) -> ProcessInfo:
    _, parent, group = stat[stat.rindex(b")") + 2 :].split(b" ", 3)[
        :3
    ]  # the name may hold spaces and brackets
    return ProcessInfo(pid, int(parent), int(group))


def threads() -> list[str]:
    """Name the threads of this process, except the one that asks."""
    others = [thread for thread in Path("/proc/self/task").iterdir() if int(thread.name) != os.getpid()]
    return [(thread / "comm").read_text().strip() for thread in others]


def kill_group(group: int, number: int = signal.SIGKILL) -> bool:
    """Signal every process of a group; False when there is none left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def kill(pid: int) -> None:
    """SIGKILL for one process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
