"""Who is champion, what is wanted of replicas, and what each serves now: read, by one look at each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from domain.announcement import (
    Announcement,
    diverged_event_id,
    generation_facts,
    promotion_event_id,
    said_why,
)
from domain.convergence import (
    Replica,
    ReplicaForm,
    ReplicaObservation,
    ReplicaState,
    RolloutTarget,
    lag,
    replica_state,
)
from domain.errors import TryLater
from domain.judged import Judged
from domain.ledger import LedgerEntry
from domain.ports.inference_servers import InferenceServers
from domain.ports.ledger_reads import LedgerReads
from domain.ports.messages import ToldEvents


def wanted_by(entry: LedgerEntry) -> RolloutTarget:
    """What a generation asks of every replica."""
    return RolloutTarget(
        generation=entry.generation,
        version=entry.version,
        promoted_at=entry.at,
        promotion_id=promotion_event_id(entry),
        correlation_id=entry.correlation_id,
        digest=entry.model_digest,
    )


_POLL_SECONDS: Final = 3.0


class ReplicaStatus(ReplicaForm):
    """One replica: `lag` in generations behind the head (None: not known), `serves_head` by its own word."""

    state: ReplicaState
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

    def facts(self) -> dict[str, object]:
        """The same as plain JSON values."""
        champion = self.champion
        judged = Judged.of_entry(champion) if champion else None
        return {
            "model": self.model_name,
            "champion": champion
            and {
                **generation_facts(champion),
                "since": champion.at.isoformat(),
                "judged_by": judged and judged.model_dump(),
            },
            "converged": self.converged,
            "replicas": [replica.model_dump(mode="json") for replica in self.replicas],
        }


async def read_status(
    ledger: LedgerReads, outbox: ToldEvents, servers: InferenceServers, model_name: str
) -> ConvergenceStatus:
    """Look at the ledger and, side by side, at every replica. Raises TryLater while the store is away."""
    entries, replicas = await asyncio.gather(ledger.last(model_name), servers.replicas())
    observations = await asyncio.gather(*(servers.look(one, seconds=_POLL_SECONDS) for one in replicas))
    head = entries[-1] if entries else None
    said = {} if head is None else await _said(outbox, model_name, replicas, head.generation)
    rows = [
        _row(replica, observation, entries, said.get(replica))
        for replica, observation in zip(replicas, observations, strict=True)
    ]
    return ConvergenceStatus(model_name, head, tuple(rows))


def _row(
    replica: Replica, observation: ReplicaObservation, entries: Sequence[LedgerEntry], said: str | None
) -> ReplicaStatus:
    wanted = wanted_by(entries[-1]) if entries else None
    served = observation.served
    return ReplicaStatus.of(
        replica,
        served,
        state=replica_state(observation, wanted),
        version=served.version if served else None,
        generation=served.generation if served else None,
        lag=lag(served, entries),
        serves_head=wanted is not None and observation.serves(wanted),
        error=_error(observation, wanted, said),
    )


def _error(observation: ReplicaObservation, wanted: RolloutTarget | None, said: str | None) -> str | None:
    """What is wrong now; of a replica that answers, what the listener met when it asked it to reload."""
    if wanted is None or observation.serves(wanted):
        problem = observation.problem
    elif said and observation.problem is None:
        return said
    else:
        problem = observation.why_not(wanted)
    return f"{problem.reason}: {problem.detail}" if problem else None


async def _said(
    outbox: ToldEvents, model_name: str, replicas: Sequence[Replica], generation: int
) -> dict[Replica, str]:
    ids = {diverged_event_id(model_name, replica, generation): replica for replica in replicas}
    try:
        told: Sequence[Announcement] = await outbox.told(list(ids))
    except TryLater:  # the table can be told without
        return {}
    return {ids[event.event_id]: said_why(event) for event in told}
