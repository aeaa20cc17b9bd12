"""Many promoters at once on the real run store and ledger: a chain, and the best is champion (case P01)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import make_url

from domain.announcement import Announcement
from domain.errors import GenerationTaken
from domain.ledger import LedgerEntry
from domain.lifecycle import Outcome
from domain.metrics import Score
from domain.models import LoggedModel, ModelPackage, OpenedRun
from domain.points import NO_POINTS
from domain.promotion_checks import Champion, NoChampion, PromotionPolicy
from domain.request import ReceivedRequest
from domain.run import Run
from domain.run_record import ChampionOutlook, Evaluated, Trained
from domain.values import VersionTriple
from service.adapters.postgres.alias_writes import PostgresAliasWrites
from service.adapters.postgres.database import open_database
from service.adapters.postgres.holds import PostgresHolds
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.quarantines import PostgresQuarantines
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import upgrade
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.steps.decide import Inputs
from service.lifecycle.worker_parts import decide_in
from service.promotion.anchor import Anchor
from service.runtime.clock import SystemClock
from service.runtime.metrics import Metrics
from service.runtime.provenance import Provenance
from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS
from tests.fakes.announcements import FakeAnnouncements
from tests.fakes.model_registry import FakeModelRegistry
from tests.oracle.database import read_database
from tests.oracle.facts import World as Facts
from tests.oracle.ledger import ledger as ledger_is_sound

RACES: Final = 6
DIGEST: Final = "a" * 64
MODEL: Final = "price"


class Defaults:
    """active_config.yaml in memory: what is raced for here is the ledger."""

    def __init__(self) -> None:
        self.triple = VersionTriple(split_version=1, feature_version=1, model_version=1)

    async def defaults(self) -> VersionTriple:
        return self.triple

    async def holds(self, triple: VersionTriple) -> bool:
        return triple == self.triple

    async def write_defaults(self, triple: VersionTriple) -> None:
        self.triple = triple


class Race:
    """Promoters of one model in two processes' worth of connections."""

    def __init__(self, worlds: Sequence[RunPorts]) -> None:
        self.worlds = worlds
        self.errors: dict[int, float] = {}  # by version: what the model would score
        self.rollbacks: list[LedgerEntry] = []  # that persons made

    async def promote(self, name: str, error: float, world: RunPorts, start: asyncio.Barrier) -> None:
        """Carry one evaluated run to its end, as a runner does, from a common start."""
        run = await evaluated(name, world)
        seen = await world.ledger.head(MODEL)
        await start.wait()
        while True:
            try:
                inputs = self.inputs(run, error, seen)
                decided, entry = await decide_in(world).decide(inputs, self.score_head)
                if entry is not None:
                    self.errors[entry.version] = error
                outcome = Outcome.LOST if entry is None else Outcome.WON
                says = [told(run)] if entry is None else []
                run = await world.store.advance(
                    run, outcome, output=decided.model_dump(mode="json"), announcements=says, entry=entry
                )
                break
            except GenerationTaken:
                continue
        if entry is not None:
            projector = world.projector()
            shown = await projector.follow()
            assert shown is not None
            await projector.announce_up_to(shown)
            await world.store.advance(run, Outcome.PERSISTED, output={})

    async def score_head(self, head: LedgerEntry | None) -> ChampionOutlook:
        """Score the head."""
        if head is None:
            return NoChampion()
        return Champion(
            version=head.version, generation=head.generation, score=score(self.errors[head.version])
        )

    def inputs(self, run: Run, error: float, seen: LedgerEntry | None) -> Inputs:
        """What the steps before have left."""
        champion: ChampionOutlook = NoChampion()
        if seen is not None:
            champion = Champion(
                version=seen.version, generation=seen.generation, score=score(self.errors[seen.version])
            )
        package = ModelPackage(
            folder="f", manifest={}, digest=DIGEST, params={}, train_score=score(error), seconds=0
        )
        model = LoggedModel(model_id=run.run_id, uri=f"models:/{run.run_id}", artifact_uri="x")
        return Inputs(
            run=run,
            config=_Config(),  # type: ignore[arg-type] # of a configuration, a decision reads the triple
            opened=OpenedRun(mlflow_run_id=run.run_id, experiment_id="1", artifact_uri="x"),
            trained=Trained(package=package, model=model),
            evaluated=Evaluated(candidate={"reference": score(error)}, champion=champion, seconds=0),
        )


class _Config:
    triple = VersionTriple(split_version=1, feature_version=1, model_version=1)


def score(error: float) -> Score:
    """A score on the one reference."""
    return Score(metrics={"rmsle": error}, dataset_digest=DIGEST, rows=10)


async def evaluated(name: str, world: RunPorts) -> Run:
    """A run that has come to EVALUATED under this world's lease."""
    request = ReceivedRequest(identity=name, model_name=MODEL, payload={}, correlation_id=name)
    await world.store.add(request)
    run = await world.store.claim(MODEL, world.worker, 60)
    assert run is not None
    for outcome in ("resolved", "split", "versioned", "trained", "evaluated"):
        run = await world.store.begin(run)
        says = [told(run)] if outcome in {"versioned", "evaluated"} else []
        run = await world.store.advance(run, Outcome(outcome), output={}, announcements=says)
    return await world.store.begin(run)


def told(run: Run) -> Announcement:
    """What a transition announces."""
    event = f"{run.run_id} {run.state}"
    return Announcement(
        event_id=event, topic="model.evaluated", key=MODEL, headers={"ce_id": event}, body="{}"
    )


@pytest.fixture
async def race(database_url: str) -> AsyncIterator[Race]:
    """Promoters of one model."""
    async with racing(database_url) as race:
        yield race


@asynccontextmanager
async def racing(database_url: str) -> AsyncIterator[Race]:
    """Two processes' stores on one database, one registry and one set of defaults."""
    await asyncio.to_thread(upgrade, database_url)
    registry, defaults = FakeModelRegistry(), Defaults()
    async with (
        open_database(database_url, connections=8) as one,
        open_database(database_url, connections=8) as other,
    ):
        yield Race(
            [_world(database, name, registry, defaults) for database, name in ((one, "a"), (other, "b"))]
        )


def _world(database: Any, worker: str, registry: FakeModelRegistry, defaults: Defaults) -> RunPorts:
    ports: dict[str, Any] = {name: field.default for name, field in RunPorts.__dataclass_fields__.items()}
    ports.update(
        model_name=MODEL,
        worker=worker,
        policy=PromotionPolicy(),
        provenance=Provenance(code_version="0", python_version="3", packages={}),
        store=PostgresRunStore(database),
        ledger=PostgresPromotionLedger(database),
        alias_writes=PostgresAliasWrites(database),
        holds=PostgresHolds(database, MODEL),
        quarantines=PostgresQuarantines(database, MODEL),
        registry=registry,
        config=defaults,
        clock=SystemClock(),
        points=NO_POINTS,
        metrics=Metrics(),
        anchor=Anchor(FakeAnnouncements(), MODEL),
    )
    return RunPorts(**ports)


@pytest.mark.parametrize("races", [RACES, pytest.param(50 * ROUNDS, marks=pytest.mark.soak)])
async def test_however_many_promote_at_once_the_best_is_champion(
    races: int, race: Race, database_url: str, random: Random, tmp_path: Path
) -> None:
    """Case P01: two to eight promoters at once; a chain, the head is the best, never a step back."""
    del tmp_path
    best = 1.0
    for turn in range(races):
        promoters = random.randint(2, 8)
        errors = [round(best * random.uniform(0.9, 1.02), 9) for _ in range(promoters)]
        start = asyncio.Barrier(promoters)
        await asyncio.gather(
            *(
                race.promote(f"{turn}/{place}", error, race.worlds[place % 2], start)
                for place, error in enumerate(errors)
            )
        )
        best = min(best, *errors) if turn else min(errors)
        head = await race.worlds[0].ledger.head(MODEL)
        assert head is not None
        assert race.errors[head.version] == best
        assert await race.worlds[0].registry.alias_version(MODEL) == head.version
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    facts = Facts(MODEL, **await asyncio.to_thread(read_database, url, MODEL))
    assert list(ledger_is_sound(facts, at_rest=True)) == []
    assert {run.state for run in facts.runs} <= {"COMPLETED", "DECLINED"}
    FIGURES.add("race rounds", races)
    FIGURES.add("race rounds → regressions", 0)
