"""Poll to a deadline: no test sleeps for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar, overload

T = TypeVar("T")
_SHORTEST: Final = 0.02
_LONGEST: Final = 0.5


@overload
async def eventually(look: Callable[[], Awaitable[T]], *, within: float = ...) -> T: ...
@overload
async def eventually(look: Callable[[], T], *, within: float = ...) -> T: ...
async def eventually(look: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Return the first true value of `look`; raise with the last one seen when the time is over.

    What takes long to look at, and what is long in coming, is looked at less often.
    """
    began = time.monotonic()
    while True:
        looked = time.monotonic()
        seen = look()
        value = await seen if isinstance(seen, Awaitable) else seen
        if value:
            return value
        now = time.monotonic()
        if now - began > within:
            raise AssertionError(f"not within {within:g} s; last seen: {value!r}")
        await asyncio.sleep(min(max(_SHORTEST, 4 * (now - looked), (now - began) / 50), _LONGEST))
