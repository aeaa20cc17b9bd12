"""The user's cache: what is fetched or made once per user and shared by all checkouts."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.local.servers.errors import EmbeddedServerError


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/laurel``, else ``~/.cache/laurel``; made if absent."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user id without a home
        raise EmbeddedServerError(
            "this user has no home directory for downloads: set XDG_CACHE_HOME"
        ) from None
    folder = Path(base) / "laurel"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold ``folder`` against other processes; waits as long as it takes: the other may be downloading."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
