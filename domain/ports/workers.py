"""Who works: the processes that say that they live, what they carry, and what waits for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from domain.values import Value

WORKER: Final = "worker"


class Process(Value):
    """A process as it names itself. A worker's `name` is the owner of the runs that it holds."""

    process_id: str
    role: str
    name: str
    model_name: str
    host: str
    pid: int
    laurel_version: str


class HeardProcess(Process):
    """A process as the run store heard of it, by the database's clock; `runs` are those that it carries."""

    started_at: datetime
    heard_at: datetime
    silent_seconds: float
    runs: tuple[str, ...] = ()


class Waiting(Value):
    """What a model's runs wait for, by the database's clock.

    `unclaimed`: free to be taken now. `held`: under a living lease. `put_off`: they wait for their time.
    An age is 0 where there is none; `oldest_seconds` is that of the oldest of all.
    """

    unclaimed: int = 0
    held: int = 0
    put_off: int = 0
    oldest_seconds: float = 0.0
    oldest_unclaimed_seconds: float = 0.0
    holders: tuple[str, ...] = ()

    @property
    def unfinished(self) -> int:
        """All that have no end."""
        return self.unclaimed + self.held + self.put_off


class Hold(Value):
    """Who holds a run, or held it last; `lease_seconds` are left, by the database's clock."""

    owner: str | None
    lease_until: datetime | None
    lease_seconds: float
    not_before: datetime | None

    @property
    def held(self) -> bool:
        """True under a living lease."""
        return self.owner is not None and self.lease_seconds > 0


class Workers(Protocol):
    """Reads who works. Each call raises TryLater when the database does not answer."""

    async def heard(self) -> Sequence[HeardProcess]:
        """Every process of every model that was heard of within a day and did not take its leave."""

    async def waiting(self, model_name: str) -> Waiting:
        """How many runs of a model wait, and for what."""

    async def hold(self, run_id: str) -> Hold | None:
        """Who holds a run; None when there is no such run."""


class Heartbeats(Protocol):
    """Says that a process lives. Each call raises TryLater when the database does not answer."""

    async def beat(self, process: Process, *, begins: bool) -> None:
        """Say so. With `begins`, what is left of an earlier life under the same name is forgotten."""

    async def leave(self, process: Process) -> None:
        """Say that it ends. Safe to repeat."""
