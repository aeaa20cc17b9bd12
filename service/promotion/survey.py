"""What each side says of one model's ledger, and the highest generation that anybody has seen."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.convergence import Replica, Served
from domain.counterparts import Announced, Comparison, Counterparts, compare, first_told_otherwise
from domain.ports.inference_servers import InferenceServers
from domain.ports.promotion_ledger import Announcements
from service.promotion.comparing import Sides, ask

_POLL_SECONDS: Final = 3.0


class Survey(NamedTuple):
    """What each side says, and the highest generation that each has seen; replicas that answer only."""

    said: Counterparts
    store_highest: int
    registry_highest: int
    announced: Sequence[Announced]
    replicas: Sequence[tuple[Replica, Served]]

    @property
    def comparison(self) -> Comparison:
        """What does not fit first."""
        return compare(self.said)

    @property
    def highest(self) -> int:
        """The highest number that was ever used, as far as anybody remembers."""
        told = (one.generation for one in self.announced)
        served = (one.generation or 0 for _, one in self.replicas)
        return max(self.store_highest, self.registry_highest, *told, *served, 0)


async def survey(
    sides: Sides, announcements: Announcements, servers: InferenceServers | None = None
) -> Survey:
    """Ask everybody, and change nothing; ask again where a promotion came meanwhile.

    Raises TryLater while one of them is away.
    """
    while True:
        found = await _survey(sides, announcements, servers)
        head = await sides.ledger.head(sides.model_name)
        if found.comparison.fits or head == found.said.head:
            return found


async def _survey(sides: Sides, announcements: Announcements, servers: InferenceServers | None) -> Survey:
    model = sides.model_name
    announced = await announcements.all(model)
    entries = await sides.ledger.entries(model)
    said = await ask(sides, entries[-1] if entries else None, whole=True)
    if (difference := first_told_otherwise(announced, entries)) is not None:
        said = said.model_copy(update=dict(zip(("announced", "there"), difference, strict=True)))
    return Survey(
        said=said,
        store_highest=await sides.ledger.highest(model),
        registry_highest=await sides.registry.highest_generation(model),
        announced=announced,
        replicas=[] if servers is None else await _replicas(servers),
    )


async def _replicas(servers: InferenceServers) -> Sequence[tuple[Replica, Served]]:
    replicas = await servers.replicas()
    observations = await asyncio.gather(*(servers.look(one, seconds=_POLL_SECONDS) for one in replicas))
    return [
        (replica, observation.served)
        for replica, observation in zip(replicas, observations, strict=True)
        if observation.served is not None
    ]
