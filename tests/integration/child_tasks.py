"""Tasks that the tests run in real children: each does one thing, good or bad."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from domain.errors import NeverRetry
from service.processes.child import report


def _sleeper(*, start_new_session: bool = False) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
    return subprocess.Popen(command, start_new_session=start_new_session)  # noqa: S603 - the command is ours


def add(left: int, right: int) -> int:
    return left + right


def pid() -> int:
    return os.getpid()


def variable(name: str) -> str | None:
    return os.environ.get(name)


def threads() -> int:
    return threading.active_count()


def log(path: str, text: str) -> None:
    """Append a line."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")


def log_pid(path: str) -> None:
    """A warm-up that tells where it ran."""
    log(path, str(os.getpid()))


def wait_for(path: str) -> str:
    """Wait until somebody makes the file."""
    while not Path(path).exists():
        time.sleep(0.005)
    return path


def work_for_ever(started: str) -> None:
    """Say which process this is, then do not end."""
    Path(started).write_text(str(os.getpid()))
    time.sleep(600)


def work_with_descendants(started: str) -> None:
    """Start one process in this group, one in a session of its own and a forked one, and do not end."""
    ordinary = _sleeper()
    apart = _sleeper(start_new_session=True)
    forked = os.fork()
    if forked == 0:
        signal.pause()
    pids = (os.getpid(), ordinary.pid, apart.pid, forked)
    temporary = Path(started).with_suffix(".new")
    temporary.write_text(" ".join(map(str, pids)))
    temporary.rename(started)
    time.sleep(600)


def raise_never_retry() -> None:
    raise NeverRetry("bad_rows", "three rows are bad", rows=3)


def raise_value_error(text: str) -> None:
    raise ValueError(text)


def leave() -> None:
    sys.exit(3)


def leave_at_once(code: int) -> None:
    os._exit(code)


def die(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(600)


def crash() -> None:
    """Read address 0."""
    ctypes.string_at(0)


def hold(size: int, started: str | None = None) -> None:
    """Fill so many bytes with something, and do not end."""
    held = bytearray(b"x") * size
    if started:
        Path(started).write_text(str(len(held)))
    time.sleep(600)


def hold_in_grandchild(size: int) -> None:
    """As `hold`, in a process that this one starts."""
    code = f"b = b'x' * {size}; import time; time.sleep(600)"
    subprocess.run((sys.executable, "-S", "-c", code), check=True)  # noqa: S603 - the command is ours


_kept: list[bytearray] = []


def keep(size: int) -> None:
    """Leak so many bytes."""
    _kept.append(bytearray(b"x") * size)


def want_everything() -> int:
    return len(bytearray(1 << 60))


def not_plain() -> Fraction:
    return Fraction(1, 3)


def not_picklable() -> Any:
    return lambda: None


def write(path: str, size: int) -> None:
    Path(path).write_bytes(b"x" * size)


def count_to(last: int) -> int:
    """Report each number."""
    for number in range(1, last + 1):
        report({"at": number})
    return last


def descriptors() -> list[str]:
    """What each open descriptor of this process is."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists the folder
            names.append(str(entry.readlink()))
    return names


def work_in_pools(started: str) -> None:
    """Hold all that pools of processes hold, say what it is, and do not end."""
    from joblib import Parallel, delayed  # noqa: PLC0415 - for the tasks that need it alone
    from numpy import zeros  # noqa: PLC0415

    held = multiprocessing.get_context("spawn").Semaphore(), SharedMemory(create=True, size=8 << 20)
    Parallel(n_jobs=2, max_nbytes=1)(delayed(len)(zeros(100_000)) for _ in range(2))
    _, file = tempfile.mkstemp()
    ours = f"sem{held[0]._semlock.name.replace('/', '.')}", held[1].name  # type: ignore[attr-defined]
    shared = [Path("/dev/shm", name) for name in ours]  # noqa: S108 - the kernel's own place for it
    shared += [path for path in shared[0].parent.iterdir() if f"-{os.getpid()}-" in path.name]
    places = [*shared, Path(file), *Path(tempfile.gettempdir()).iterdir()]
    temporary = Path(started).with_suffix(".new")
    temporary.write_text("\n".join([str(os.getpid()), *map(str, places)]))
    temporary.rename(started)
    time.sleep(600)
