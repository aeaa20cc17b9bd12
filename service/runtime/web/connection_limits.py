"""What the connections of one server share: how many there may be, and which of them is let go first.

Callers cannot multiply log lines about refusals: for each client and reason there is one in an interval.
"""

import asyncio
import resource
from dataclasses import dataclass
from typing import Final, Protocol

from service.runtime.web.health import Drain

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


_MOST_CONNECTIONS: Final = 1024
_SHARE: Final = 0.75  # of the files that the process may open; the rest is for what it works with


@dataclass(frozen=True)
class Bounds:
    """What a caller may send before anybody looks at it, and how slowly.

    `head_seconds` also bounds what comes of a body when its answer is out; `stalled_seconds` is how long an
    answer waits for being read; `framing_bytes` may stand between two pieces of a body in chunks.
    """

    head_bytes: int = 32 * 1024
    head_lines: int = 256
    head_seconds: float = 10.0
    framing_bytes: int = 32 * 1024
    stalled_seconds: float = 30.0
    pipelined: int = 16
    connections: int = _MOST_CONNECTIONS


BOUNDS: Final = Bounds()


class Leaves(Protocol):
    """A connection that can be let go."""

    def abort(self) -> None:
        """End it now."""


class Hall:
    """Knows which connections wait for their callers; beyond the bound the longest waiting one goes.

    So a flood of connections on which nothing comes ends itself, and the newest caller is served.
    """

    def __init__(self, bounds: Bounds, drain: Drain, refused: RefusalLog) -> None:
        self.bounds = bounds
        self.drain = drain
        self._refused = refused
        self._inside = 0
        self._waiting: dict[Leaves, None] = {}
        self._most = bounds.connections

    def open(self) -> None:
        """Take as many connections as the process may open files for, which is made as many as may be."""
        files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files != most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._most = min(self.bounds.connections, int(most * _SHARE)) if most > 0 else self.bounds.connections

    def enter(self, connection: Leaves) -> None:
        """A connection was made."""
        self._inside += 1
        self._waiting[connection] = None
        if self._inside > self._most:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.abort()

    def leave(self, connection: Leaves) -> None:
        """It is gone."""
        self._inside -= 1
        self._waiting.pop(connection, None)

    def waits(self, connection: Leaves) -> None:
        """From now on it is its caller who has to do something."""
        self._waiting[connection] = None

    def works(self, connection: Leaves) -> None:
        """From now on it is this server who has to do something."""
        self._waiting.pop(connection, None)

    def tell(self, reason: str, client: str) -> None:
        """Write down that what came was no request."""
        self._refused.tell("not_a_request", reason=reason, client=client)
