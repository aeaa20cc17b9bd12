"""Generations that candidates won, on the real registry and ledger, and what their servers said of them."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from domain.announcement import reloaded
from domain.convergence import Replica, Served
from domain.datasets import seal
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.lifecycle import Outcome
from domain.models import ModelPackage
from domain.run import Run
from domain.run_record import Trained
from domain.values import VersionTriple
from service.adapters.postgres.database import open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.workbench import open_world
from service.promotion.reconciler import STATUS_JOB
from service.rollout.convergence_status import wanted_by
from tests.contract.stores import WAY_TO_EVALUATED
from tests.kit.builders import a_request, a_score
from tests.kit.settings_of import settings_of
from tests.worlds.registered_models import ModelShelf, manifest_of, open_shelf

SERVERS = ("http://one:8000", "http://other:8000")
_TRIPLE = VersionTriple(split_version=1, feature_version=1, model_version=1)


@asynccontextmanager
async def opened(environment: Mapping[str, str], who: str = "a worker") -> AsyncIterator[RunPorts]:
    """The world of one actor."""
    async with open_world(settings_of(dict(environment)), who) as world:
        yield world


async def reign(
    environment: Mapping[str, str],
    scratch: Path,
    packages: Sequence[Mapping[str, bytes]],
    artifacts: Path | None = None,
) -> None:
    """Each package wins and is shown, in this order; every server serves each.

    Files go straight into the server's folder `artifacts` if it is given.
    """
    uri, model = environment["MLFLOW_TRACKING_URI"], environment["MLFLOW_MODEL_NAME"]
    async with open_shelf(uri, scratch, model, artifacts) as shelf, opened(environment) as world:
        for package in packages:
            entry = await won(world, shelf, package)
            await world.projector().show()
            await served(environment, entry, *SERVERS)


async def won(world: RunPorts, shelf: ModelShelf, package: Mapping[str, bytes]) -> LedgerEntry:
    """A candidate wins; nothing shows it yet."""
    head = await world.ledger.head(world.model_name)
    made = await shelf.register(package, head.generation + 1 if head else 1)
    entry = next_entry(
        world.model_name,
        head,
        version=made.version.version,
        cause=Cause.GATE,
        run_id=str(uuid.uuid4()),
        mlflow_run_id=made.version.mlflow_run_id,
        triple=_TRIPLE,
        reasons=("it is better",),
        actor="a worker",
        at=world.clock.now(),
        model_digest=made.version.digest,
    )
    await world.ledger.append(entry)
    return entry


async def declined(world: RunPorts, shelf: ModelShelf, package: Mapping[str, bytes]) -> Run:
    """A run ends DECLINED; its model is logged, and not registered."""
    opened, model = await shelf.log(package)
    await world.tracker.log(opened.mlflow_run_id, params=_TRIPLE.model_dump())
    manifest = manifest_of(package)
    made = ModelPackage(
        folder="/gone",
        manifest=manifest,
        digest=seal(manifest),
        params={},
        train_score=a_score(0.5),
        seconds=1.0,
    )
    outputs: dict[Outcome, dict[str, object]] = {
        Outcome.RESOLVED: {"triple": _TRIPLE.model_dump()},
        Outcome.TRAINED: Trained(package=made, model=model).model_dump(mode="json"),
    }
    await world.store.add(a_request().model_copy(update={"model_name": world.model_name}))
    run = await world.store.claim(world.model_name, "a worker", 60.0)
    assert run is not None
    run = await world.store.keep(run, "open_run", opened.model_dump(mode="json"))
    for outcome in (*WAY_TO_EVALUATED, Outcome.LOST):
        run = await world.store.advance(run, outcome, output=outputs.get(outcome))
    await world.store.job_done(run.run_id, STATUS_JOB)
    return run


async def served(environment: Mapping[str, str], entry: LedgerEntry, *urls: str) -> None:
    """These servers say that they serve it."""
    says = Served(version=entry.version, generation=entry.generation)
    async with open_database(settings_of(dict(environment)).sqlalchemy_url) as database:
        outbox = PostgresOutbox(database, entry.model_name)
        for url in urls:
            at = entry.at + timedelta(seconds=1)
            report = reloaded(
                entry.model_name, Replica(url=url), wanted_by(entry), says, at=at, listener="tests"
            )
            await outbox.add(report)


async def ledger_of(environment: Mapping[str, str]) -> list[LedgerEntry]:
    """All generations."""
    async with opened(environment) as world:
        return list(await world.ledger.entries(world.model_name))


async def alias_of(environment: Mapping[str, str]) -> int | None:
    """What the alias names."""
    async with opened(environment) as world:
        return await world.registry.alias_version(world.model_name)
