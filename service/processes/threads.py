"""Work in threads that nobody has to wait for: neither those who asked, nor the process at its end."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from domain.errors import TryLater

T = TypeVar("T")


def in_thread(work: Callable[[], T], turn: AbstractContextManager[object] | None = None) -> Future[T]:
    """Begin work in a thread of its own; with `turn`, when that is free. Who waits no more may leave it."""
    done: Future[T] = Future()

    def do() -> None:
        with turn or nullcontext():
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - the waiter for the result gets it
                done.set_exception(error)

    threading.Thread(target=do, name="laurel-work", daemon=True).start()
    return done


class OneAtATime:
    """Runs one piece of work after another. What takes too long is left, and a fresh thread goes on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        """Wait for the result. Work that nobody waits for any more goes on, and the next one waits for it.

        Raises TryLater `loading_too_slow`.
        """
        try:
            async with asyncio.timeout(self._seconds) as limit:
                return await asyncio.wrap_future(in_thread(work, self._turn))
        except TimeoutError:
            if not limit.expired():  # the work's own
                raise
            self._turn = threading.Lock()
            raise TryLater(
                "loading_too_slow",
                f"not loaded within {self._seconds:.0f} s; it is abandoned",
                waiting_on="model",
            ) from None
