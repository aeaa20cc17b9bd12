"""What a text means (a generation, a version, a run, a request), and all that the stores hold of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from domain.errors import NeverRetry
from domain.history import Reign
from domain.model_comparison import Side
from domain.models import RegisteredVersion
from domain.package_tags import RUN_TAG
from domain.ports.champion_history import ChampionHistory
from domain.ports.model_registry import ModelRegistry
from domain.ports.run_store import RunReads
from domain.run import Run, meant_by
from domain.story import AskedFor, Told, origin_run
from domain.wording import iso_time

# A number that is longer is no generation and no version: no column could hold it.
_NUMBERED: Final = re.compile(r"(?:(g|v|generation:|version:))?([1-9][0-9]{0,17})", re.IGNORECASE)
_NAMED: Final = re.compile(r"(run|request):(.+)", re.IGNORECASE | re.DOTALL)
_MOST_NAMED: Final = 5
_SHORTEST_ID: Final = 4  # digits alone that may be what an id begins with


class NothingFits(NeverRetry):
    """No generation, version, run or request is meant by a text, or several are."""


class Meant(NamedTuple):
    """As what a text was understood; `reigns` are those of the version, newest first."""

    asked: AskedFor
    run: Run | None = None
    reign: Reign | None = None
    reigns: Sequence[Reign] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Explainer:
    """Tells of one model. Without a registry, a version that never was champion is not known."""

    model_name: str
    history: ChampionHistory
    runs: RunReads
    registry: ModelRegistry | None = None

    async def explain(self, text: str) -> Told:
        """Read all that is known. Raises NothingFits, TryLater."""
        meant = await self.meant(text)
        told = Told(
            meant.asked,
            self.model_name,
            run=meant.run,
            transitions=await self.runs.history(meant.run.run_id) if meant.run else (),
            reigns=meant.reigns,
            reign=meant.reign,
            notes=meant.notes,
        )
        if meant.reign is None:
            return told
        generation = meant.reign.entry.generation
        return told._replace(
            shown_at=await self.history.shown_at(generation),
            replicas=await self.history.replicas(generation),
            losses=await self.history.losses(generation),
        )

    async def side(self, text: str) -> Side:
        """One side of a comparison. Raises NothingFits, TryLater."""
        meant = await self.meant(text)
        return Side(f"{meant.asked.kind} {meant.asked.text}", meant.run, meant.reign)

    async def meant(self, text: str) -> Meant:
        """Understand a text. Raises NothingFits, TryLater."""
        numbered, named = _NUMBERED.fullmatch(text), _NAMED.fullmatch(text)
        if numbered is not None:
            found = await self._by_number((numbered[1] or "").lower()[:1], int(numbered[2]), text)
        else:
            found = await self._by_id(named[2] if named else text)
        if found is None:
            raise NothingFits(
                "not_found",
                f"no generation, version, run or request of {self.model_name} fits {text!r}; "
                "`laurel history` lists the champions, `laurel runs` the runs",
            )
        return found

    async def _by_number(self, kind: str, number: int, text: str) -> Meant | None:
        """A bare number is a generation; where there is none, a version, or what an id begins with."""
        reign = None if kind == "v" else await self.history.generation(number)
        reigns = () if kind == "g" else await self.history.of_version(number)
        if reign is not None:
            others = [other for other in reigns if other.entry.generation != number]
            note = f"{number} was read as a generation; for version {number}: laurel explain v{number}"
            return await self._of_reign(reign, AskedFor("generation", str(number)), (note,) if others else ())
        if reigns:
            return await self._of_reign(reigns[0], AskedFor("version", str(number)), ())
        found = await self._by_id(text) if not kind and len(text) >= _SHORTEST_ID else None
        return found if found is not None or kind == "g" else await self._never_champion(number)

    async def _of_reign(self, reign: Reign, asked: AskedFor, notes: tuple[str, ...]) -> Meant:
        reigns = await self.history.of_version(reign.entry.version)
        return Meant(asked, await self._origin(reign), reign, reigns, notes)

    async def _origin(self, reign: Reign) -> Run | None:
        """The run that made the version, if this run store knows it."""
        named = origin_run(reign.entry)
        if named is None:
            return None
        if named == reign.entry.run_id:
            return await self.runs.get(named)
        return next((run for run in await self.runs.find(named) if run.mlflow_run_id == named), None)

    async def _never_champion(self, number: int) -> Meant | None:
        """A version that the registry alone knows: a candidate that lost a race, or a foreign one."""
        if self.registry is None:
            return None
        version = await self.registry.version(self.model_name, number)
        if version is None:
            return None
        run = await self._maker(version)
        note = "" if run else f"the registry holds version {number}; no run of this run store made it"
        return Meant(AskedFor("version", str(number)), run, notes=(note,) if note else ())

    async def _maker(self, version: RegisteredVersion) -> Run | None:
        if RUN_TAG in version.tags:
            return await self.runs.get(version.tags[RUN_TAG])
        if version.mlflow_run_id is None:
            return None
        return next(iter(await self.runs.find(version.mlflow_run_id)), None)

    async def _by_id(self, text: str) -> Meant | None:
        found = [run for run in await self.runs.search(text) if run.model_name == self.model_name]
        runs = meant_by(text, found)
        if len(runs) > 1:
            ids = ", ".join(run.run_id for run in runs[:_MOST_NAMED])
            raise NothingFits("not_found", f"{text!r} fits {len(runs)} runs: {ids}; give more of the id")
        if runs:
            return await self._of_run(runs[0])
        accepted = await self.history.accepted_at(text)
        if accepted is None:
            return None
        note = f"accepted at {iso_time(accepted)}; no worker has read it yet"
        return Meant(AskedFor("request", text), notes=(note,))

    async def _of_run(self, run: Run) -> Meant:
        decided = run.record.decided
        generation = decided.generation if decided else None
        reign = None if generation is None else await self.history.generation(generation)
        asked = AskedFor("run", run.run_id)
        if reign is None:
            return Meant(asked, run)
        return Meant(asked, run, reign, await self.history.of_version(reign.entry.version))
