"""How often one caller may call, in a moving minute."""

from http import HTTPStatus
from math import ceil
from time import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from service.runtime.web.problems import ProblemDetails


class Rate:
    """So many calls a minute for each caller, in this process."""

    def __init__(self, per_minute: int, what: str) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._what = what
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    async def count(self, caller: str) -> None:
        """Count a call. Raises Problem 429 with the seconds to wait."""
        if await self._windows.hit(self._item, caller):
            return
        window = await self._windows.get_window_stats(self._item, caller)
        wait = max(1, ceil(window.reset_time - time()))
        raise ProblemDetails(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_requests",
            f"at most {self._item.amount} {self._what} a minute; try again in {wait} s",
            {"Retry-After": str(wait)},
        )
