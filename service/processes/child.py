"""The life of one child: wait for a task, run it, report, answer, again, until the worker is gone."""

import contextlib
import logging
import pickle
import re
import resource
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from domain.errors import LaurelError
from service.processes.kernel import own_memory
from service.processes.task_names import resolve
from service.processes.wire import frame, pack, receive_frame

_LONGEST_TEXT: Final = 500
_SWITCH_SECONDS: Final = (
    0.0005  # a thread that waits for a server waits for its turn each time it is answered
)
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")
_log = logging.getLogger("laurel.child")


class _Channel:
    """The child's end of its socket; reports may come from any thread of the task."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._writing = threading.Lock()

    def send(self, data: bytes) -> None:
        with self._writing:
            self._connection.sendall(frame(data))

    def report(self, facts: Mapping[str, object]) -> None:
        self.send(pack(("progress", dict(facts))))


def serve(connection: socket.socket) -> None:
    """Run tasks one after another; return when the worker has closed its end."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    channel, held_bytes = _Channel(connection), own_memory()
    listen(channel.report)
    with contextlib.suppress(ConnectionError):
        while (request := receive_frame(connection)) is not None:
            channel.send(_answer(request, held_bytes))


def _answer(request: bytes, held_bytes: Callable[[], int]) -> bytes:
    """Run what was asked and pack the outcome with what this process holds now."""
    outcome = _outcome(request)
    try:
        return pack((*outcome, held_bytes()))
    except Exception as error:  # noqa: BLE001 - it is logged, and the worker hears of it
        _log.exception("the outcome of a task cannot be sent")
        return pack((*_failed(error), held_bytes()))


def _outcome(request: bytes) -> tuple[object, ...]:
    try:
        task, arguments, file_bytes = pickle.loads(request)  # noqa: S301 - the worker is the one who writes here
        with _file_limit(file_bytes):
            return ("done", resolve(task)(**arguments))
    except LaurelError as error:
        return ("raised", error)
    except MemoryError:
        return ("out_of_memory", None)
    except BaseException as error:  # noqa: BLE001 - even one that calls sys.exit(): the child lives on
        _log.exception("a task failed")
        return _failed(error)


def _failed(error: BaseException) -> tuple[object, ...]:
    text = _CREDENTIALS.sub("***@", str(error))
    return ("failed", (type(error).__name__, text[:_LONGEST_TEXT]))


@contextlib.contextmanager
def _file_limit(file_bytes: int | None) -> Iterator[None]:
    """Refuse (EFBIG) files larger than *file_bytes* while the task runs."""
    if file_bytes is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class _Listener:
    """Where this process's reports go: nowhere, unless it is a child."""

    deliver: Callable[[Mapping[str, object]], None] | None = None


def listen(deliver: Callable[[Mapping[str, object]], None]) -> None:
    """Send this process's reports to *deliver* from now on."""
    _Listener.deliver = deliver


def report(facts: Mapping[str, object]) -> None:
    """Tell the worker plain facts about the running task; outside of a child this does nothing."""
    if _Listener.deliver is not None:
        _Listener.deliver(facts)
