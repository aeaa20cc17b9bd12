"""A person goes on after a restore: one entry above every number that was used, for what is served now."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.convergence import Replica, Served
from domain.counterparts import (
    Agreement,
    Announced,
    Comparison,
    Counterparts,
    compare,
    first_told_otherwise,
)
from domain.errors import GenerationTaken, LaurelError, ModelUnusable
from domain.ledger import LedgerEntry, recovery_entry
from domain.ports.announcements import Announcements
from domain.ports.inference_servers import InferenceServers
from service.alias_watch import triple_of
from service.counterparts import ask
from service.known_versions import FoundVersion, usable_version
from service.ledger_projector import LedgerProjector
from service.world import World

_LOOK_SECONDS: Final = 3.0
_MOST_NAMED: Final = 20


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


class Accepted(NamedTuple):
    """What was appended, and why alias and defaults do not show it yet."""

    survey: Survey
    entry: LedgerEntry | None = None
    unshown: str = ""


class Recovery:
    """Looks at one model's ledger and its counterparts, and goes on when a person says so.

    Raises TryLater while one of them is away: what is not asked cannot be accepted.
    """

    def __init__(
        self, world: World, announcements: Announcements, servers: InferenceServers | None = None
    ) -> None:
        self._world = world
        self._announcements = announcements
        self._servers = servers

    async def survey(self) -> Survey:
        """Ask everybody, and change nothing; ask again where a promotion came meanwhile."""
        while True:
            survey = await self._survey()
            head = await self._world.ledger.head(self._world.model_name)
            if survey.comparison.fits or head == survey.said.head:
                return survey

    async def _survey(self) -> Survey:
        world, model = self._world, self._world.model_name
        announced = await self._announcements.all(model)
        entries = await world.ledger.entries(model)
        said = await ask(world, entries[-1] if entries else None)
        if (difference := first_told_otherwise(announced, entries)) is not None:
            said = said.model_copy(update=dict(zip(("announced", "there"), difference, strict=True)))
        return Survey(
            said=said,
            store_highest=await world.ledger.highest(model),
            registry_highest=await world.registry.highest_generation(model),
            announced=announced,
            replicas=await self._replicas(),
        )

    async def accept(self, reason: str) -> Accepted:
        """Append the recovery if anything does not fit, and bring alias, defaults and announcement to it.

        Safe to repeat. Raises NeverRetry for a chain that is broken in itself, or when nothing can be named.
        """
        while True:
            survey = await self.survey()
            if survey.comparison.fits:
                return Accepted(survey)
            entry = await self._entry(survey, reason)
            try:
                await self._world.ledger.append(entry)
            except GenerationTaken:
                continue
            return Accepted(survey, entry, await self._unshown())

    async def _entry(self, survey: Survey, reason: str) -> LedgerEntry:
        """Take the model over first: until then another deployment goes on with it."""
        world, said = self._world, survey.said
        chosen = await self._chosen(said)
        await world.registry.mark(world.model_name, said.ledger_id)
        version, run = chosen.version, chosen.run
        triple = (run.triple if run else None) or await triple_of(world, version.version)
        return recovery_entry(
            world.model_name,
            said.head,
            highest=survey.highest,
            version=version.version,
            triple=triple,
            mlflow_run_id=version.mlflow_run_id if triple else None,
            model_digest=version.digest,
            reasons=(reason, _lost(survey)),
            actor=world.worker,
            at=world.clock.now(),
        )

    async def _chosen(self, said: Counterparts) -> FoundVersion:
        """What the alias names: production serves it; else the newest of the ledger that is still there."""
        if said.alias_version is not None:
            return await usable_version(self._world, said.alias_version.version)
        for entry in reversed(await self._world.ledger.entries(self._world.model_name)):
            held = await self._world.registry.version(self._world.model_name, entry.version)
            if held is not None and held.mlflow_run_id == entry.mlflow_run_id:
                return await usable_version(self._world, entry.version)
        raise ModelUnusable(
            "alias_unusable",
            "there is no alias, and the registry holds no version of this ledger: point the alias at the "
            "version that production should serve, then accept again. Where no version is left at all, set "
            "another MLFLOW_MODEL_NAME",
        )

    async def _unshown(self) -> str:
        projector = LedgerProjector(self._world)
        try:
            head = await projector.follow()
            if head is not None:
                await projector.announce_up_to(head)
        except LaurelError as error:
            return error.message
        return ""

    async def _replicas(self) -> Sequence[tuple[Replica, Served]]:
        if self._servers is None:
            return ()
        servers, replicas = self._servers, await self._servers.replicas()
        sights = await asyncio.gather(*(servers.look(one, seconds=_LOOK_SECONDS) for one in replicas))
        return [
            (replica, sight.served)
            for replica, sight in zip(replicas, sights, strict=True)
            if sight.served is not None
        ]


def _lost(survey: Survey) -> str:
    """Name what the ledger lacks, or what the registry lacks of it."""
    found, said = survey.comparison, survey.said
    told = {one.generation: one.version for one in survey.announced if one.generation > said.generation}
    names = [f"generation {number} (version {version})" for number, version in sorted(told.items())]
    if found.agreement is Agreement.HEAD_MISSING and said.head is not None:
        names.append(f"version {said.head.version} of the registry")
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    lost = ", ".join(names[:_MOST_NAMED]) or "what is not announced any more"
    return (
        f"{found.agreement}: the head was generation {found.ledger}, and numbers up to {survey.highest} were "
        f"used; lost: {lost}{more}"
    )
