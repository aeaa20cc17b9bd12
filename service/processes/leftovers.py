"""What a killed child would leave on the machine: temporary files, semaphores, shared memory.

A killed process cleans up nothing. So each child has a folder of its own for temporary files, and what its
group holds in shared memory is looked at before the kill and removed after it.
"""

import fcntl
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from service.processes import kernel

_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the kernel's own place for it
_PREFIX: Final = "laurel-children-"
# Named by multiprocessing, by loky and by joblib; whatever else is there may belong to others.
_OURS: Final = re.compile(
    rf"{_SHARED_MEMORY}/((?:sem\.mp-|sem\.loky-|psm_|joblib_memmapping_folder_)[^/\s]+)"
)
_TRACKER_SECONDS: Final = 0.5
_POLL_SECONDS: Final = 0.005
_NAMED_BY_PID: Final = ("sem.loky-{pid}-*", "joblib_memmapping_folder_{pid}_*")
_log = logging.getLogger("laurel.children")


class Leftovers:
    """Temporary folders of a fork parent's children; each goes with its child, or at the next start."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock = -1

    def open(self) -> None:
        """Make room for the children, and remove what a fork parent that was killed has left."""
        try:
            for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
                _remove_abandoned(folder)
            fresh = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}"))
            self._lock = os.open(fresh, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._folder = fresh.rename(fresh.with_name(fresh.name[1:]))  # nobody takes it for abandoned
        except OSError as error:  # a machine where nothing can be written: children do without
            _log.warning("children have no temporary folders of their own: %s", error)

    def enter(self) -> None:
        """Be a child: from now on its temporary files are in a folder of its own."""
        if self._folder is None:
            return
        os.close(self._lock)
        own = self._folder / str(os.getpid())
        try:
            own.mkdir(mode=0o700)
        except OSError as error:  # a full disk: what the task needs of it will say so
            _log.warning("a child has no temporary folder of its own: %s", error)
            return
        tempfile.tempdir = None  # it may have been looked up before the fork
        os.environ |= {"TMPDIR": str(own), "JOBLIB_TEMP_FOLDER": str(own)}

    def clear(self, pid: int, shared: Iterable[str]) -> None:
        """Remove what a child and its group left."""
        if self._folder is not None:
            shutil.rmtree(self._folder / str(pid), ignore_errors=True)
        _remove_shared(pid, shared)

    def close(self) -> None:
        """Remove the room itself."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def kill(group: int) -> set[str]:
    """Kill a group; name what it had of shared memory, which only it could have removed.

    Those of the group that are there to clean up behind pools are left alone for a moment, and do so.
    """
    members = kernel.members_of(group)
    shared, trackers = _shared_by(members), [pid for pid in members if _is_tracker(pid)]
    if trackers:
        for pid in set(members).difference(trackers):
            kernel.kill(pid)
        until = time.monotonic() + _TRACKER_SECONDS
        while any(map(kernel.runs, trackers)) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    kernel.kill_group(group)
    return shared


def _is_tracker(pid: int) -> bool:
    """Both multiprocessing and loky have one: it lives until all who could need it have ended."""
    with suppress(OSError):
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _shared_by(pids: Iterable[int]) -> set[str]:
    """Name what these processes have mapped of shared memory, by the names that pools of processes give."""
    found: set[str] = set()
    for pid in pids:
        with suppress(OSError):  # it has just ended
            found |= set(_OURS.findall(Path(f"/proc/{pid}/maps").read_text()))
    return found


def _remove_shared(pid: int, shared: Iterable[str]) -> None:
    by_pid = (path for name in _NAMED_BY_PID for path in _SHARED_MEMORY.glob(name.format(pid=pid)))
    for path in (*by_pid, *(_SHARED_MEMORY / name for name in shared)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _remove_abandoned(folder: Path) -> None:
    """A fork parent holds its folder's lock as long as it lives, in whatever container."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:  # another user's
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for own in folder.iterdir():
            if own.name.isdigit() and not kernel.runs(int(own.name)):  # the number may be another's by now
                _remove_shared(int(own.name), ())
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(lock)
