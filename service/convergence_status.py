"""Who is champion, and what every replica serves now: read, never changed, by one look at each."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from domain.announcement import Announcement
from domain.convergence import Replica, Sight, Standing, Wanted, lag, standing
from domain.errors import TryLater
from domain.ledger import LedgerEntry
from domain.ports.inference_servers import InferenceServers
from domain.ports.outbox import Outbox
from domain.ports.promotion_ledger import PromotionLedger
from domain.replica_announcement import diverged_event_id, said_why
from service.convergence import wanted_by

_LOOK_SECONDS: Final = 3.0


@dataclass(frozen=True)
class ReplicaStatus:
    """One replica: `lag` in generations behind the head (None: not known), `serves_head` by its own word."""

    url: str
    address: str | None
    state: Standing
    version: int | None
    generation: int | None
    lag: int | None
    serves_head: bool
    error: str | None


@dataclass(frozen=True)
class ConvergenceStatus:
    """The head of the ledger (None: never promoted) and the replicas in the order of INFERENCE_API_URL."""

    model_name: str
    champion: LedgerEntry | None
    replicas: tuple[ReplicaStatus, ...]

    @property
    def converged(self) -> bool:
        """True when there is a champion, and there are replicas, and every one serves it."""
        return (
            self.champion is not None
            and bool(self.replicas)
            and all(replica.serves_head for replica in self.replicas)
        )

    def facts(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        champion = self.champion
        return {
            "model": self.model_name,
            "champion": champion
            and {
                "version": champion.version,
                "generation": champion.generation,
                "since": champion.at.isoformat(),
                "cause": champion.cause.value,
            },
            "converged": self.converged,
            "replicas": [asdict(replica) | {"state": replica.state.value} for replica in self.replicas],
        }


async def read_status(
    ledger: PromotionLedger, outbox: Outbox, servers: InferenceServers, model_name: str
) -> ConvergenceStatus:
    """Look at the ledger and, side by side, at every replica. Raises TryLater while the store is away."""
    entries, replicas = await asyncio.gather(ledger.entries(model_name), servers.replicas())
    sights = await asyncio.gather(*(servers.look(one, seconds=_LOOK_SECONDS) for one in replicas))
    head = entries[-1] if entries else None
    said = {} if head is None else await _said(outbox, model_name, replicas, head.generation)
    rows = [
        _row(replica, sight, entries, said.get(replica))
        for replica, sight in zip(replicas, sights, strict=True)
    ]
    return ConvergenceStatus(model_name, head, tuple(rows))


def _row(replica: Replica, sight: Sight, entries: Sequence[LedgerEntry], said: str | None) -> ReplicaStatus:
    wanted = wanted_by(entries[-1]) if entries else None
    served = sight.served
    return ReplicaStatus(
        url=replica.url,
        address=replica.address,
        state=standing(sight, wanted),
        version=served.version if served else None,
        generation=served.generation if served else None,
        lag=lag(served, entries),
        serves_head=wanted is not None and sight.serves(wanted),
        error=_error(sight, wanted, said),
    )


def _error(sight: Sight, wanted: Wanted | None, said: str | None) -> str | None:
    """What is wrong now; of a replica that answers, what the listener met when it asked it to reload."""
    if wanted is None or sight.serves(wanted):
        problem = sight.problem
    elif said and sight.problem is None:
        return said
    else:
        problem = sight.why_not(wanted)
    return f"{problem.reason}: {problem.detail}" if problem else None


async def _said(
    outbox: Outbox, model_name: str, replicas: Sequence[Replica], generation: int
) -> dict[Replica, str]:
    ids = {diverged_event_id(model_name, replica, generation): replica for replica in replicas}
    try:
        told: Sequence[Announcement] = await outbox.told(list(ids))
    except TryLater:  # the table can be told without
        return {}
    return {ids[event.event_id]: said_why(event) for event in told}
