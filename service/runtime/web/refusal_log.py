"""Log lines about refusals that callers cannot multiply: for each client and reason one in an interval."""

import asyncio
from typing import Final, Protocol

_INTERVAL_SECONDS: Final = 60.0
_MOST: Final = 1000  # clients and reasons that are told apart in one interval
_OTHERS: Final = "others"

_Key = tuple[str, str, str]


class Warns(Protocol):
    """A logger."""

    def warning(self, event: str, **facts: object) -> object:
        """Write one line."""


class RefusalLog:
    """Tells the first refusal at once, and those that follow by their number when the interval is over."""

    def __init__(self, log: Warns, interval_seconds: float = _INTERVAL_SECONDS, most: int = _MOST) -> None:
        self._log = log
        self._interval = interval_seconds
        self._most = most
        self._untold: dict[_Key, int] = {}

    def tell(self, event: str, *, reason: str, client: str, **facts: object) -> None:
        """Write the line `event`, or count it. Needs a running event loop."""
        key = (event, reason, client)
        if key not in self._untold and len(self._untold) >= self._most:
            key = (event, reason, _OTHERS)
        if key in self._untold:
            self._untold[key] += 1
            return
        self._log.warning(event, reason=reason, client=key[2], **facts)
        self._wait(key)

    def _wait(self, key: _Key) -> None:
        self._untold[key] = 0
        asyncio.get_running_loop().call_later(self._interval, self._tell_rest, key)

    def _tell_rest(self, key: _Key) -> None:
        count = self._untold.pop(key)
        if count:
            event, reason, client = key
            self._log.warning(event, reason=reason, client=client, count=count, seconds=self._interval)
            self._wait(key)
