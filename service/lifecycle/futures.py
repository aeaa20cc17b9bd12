"""Waiting for pieces of work that go on side by side."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

T = TypeVar("T")
T2 = TypeVar("T2")


async def both(first: Awaitable[T], second: Awaitable[T2]) -> tuple[T, T2]:
    """Wait for both to end, then raise the first error: nothing is left running after a failure."""
    done = await asyncio.gather(first, second, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return cast("tuple[T, T2]", tuple(done))


def tell(future: asyncio.Future[T], value: T) -> None:
    """Tell what is known now; who tells it again changes nothing."""
    if not future.done():
        future.set_result(value)


async def sooner(told: asyncio.Future[T], doing: asyncio.Task[T]) -> T:
    """Give what is told, or what the work gives at its end, whatever comes first; or raise its error."""
    either: set[asyncio.Future[Any]] = {told, doing}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    return told.result() if told.done() else doing.result()
