"""Poll to a deadline: no test sleeps for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(look: Callable[[], Awaitable[T]], *, within: float = ...) -> T: ...
@overload
async def eventually(look: Callable[[], T], *, within: float = ...) -> T: ...
async def eventually(look: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Return the first true value of `look`; raise with the last one seen when the time is over."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        value = await seen if isinstance(seen, Awaitable) else seen
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s; last seen: {value!r}")
        await asyncio.sleep(0.02)
