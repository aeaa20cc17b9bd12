"""What a child may use while it works on a task: pure decisions, taken by the fork parent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

OUT_OF_MEMORY: Final = "out_of_memory"


@dataclass(frozen=True)
class Watch:
    """The limits of one task.

    `serial` numbers the tasks of a child, so that a limit is never held against the next one. `deadlines` are
    times on the monotonic clock by the reason code to report. `memory_bytes` bounds what the child's whole
    process group holds.
    """

    serial: int
    deadlines: Mapping[str, float]
    memory_bytes: int | None

    def verdict(self, now: float, held_bytes: int) -> str | None:
        """Say why the child must die now; None while it may go on."""
        late = [reason for reason, deadline in self.deadlines.items() if deadline <= now]
        if late:
            return min(late, key=self.deadlines.__getitem__)
        if self.memory_bytes is not None and held_bytes > self.memory_bytes:
            return OUT_OF_MEMORY
        return None


def pause(watches: Iterable[Watch], now: float, next_look: float) -> float | None:
    """Say how many seconds may pass until a limit needs attention; None when nothing is limited.

    `next_look` is when the memory of those with a limit on it is due to be read again.
    """
    moments: list[float] = []
    for watch in watches:
        moments.extend(watch.deadlines.values())
        if watch.memory_bytes is not None:
            moments.append(next_look)
    return max(0.0, min(moments) - now) if moments else None
