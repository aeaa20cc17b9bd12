"""What a worker would have left in the stores, for commands to look at."""

import asyncio
from collections.abc import Awaitable, Callable

from domain.lifecycle import Outcome
from domain.ports.workers import WORKER
from domain.request import ReceivedRequest
from domain.run import Failure, Run
from service.adapters.postgres.database import open_database
from service.adapters.postgres.heartbeats import PostgresHeartbeats
from service.lifecycle.heartbeat import this_process
from tests.contract.stores import MLFLOW_AWAY, Stores, claim, following, on_postgres

REFUSED = Failure(
    reason="unknown_version",
    message="the request is not accepted",
    facts={"faults": [{"message": "models/v9.yaml does not exist", "allowed": "1, 2, 3"}]},
)

Tell = Callable[[Stores], Awaitable[object]]


def left(url: str, model: str, tell: Tell) -> None:
    """Let something happen in the stores, before a command looks."""

    async def happen() -> None:
        async with on_postgres(url, model) as stores:
            await tell(stores)

    asyncio.run(happen())


async def add(stores: Stores, model: str, identity: str) -> Run:
    """A request as `laurel request` sends it, that was received, and claimed."""
    asked = ReceivedRequest(
        identity=identity,
        model_name=model,
        payload={"model_name": model},
        correlation_id=identity,
        causation_id=identity.rpartition(" ")[2],
    )
    await stores.runs.add(asked)
    return await claim(stores, model)


async def refuse(stores: Stores, model: str, identity: str) -> None:
    """A run that was rejected."""
    run = await add(stores, model, identity)
    await stores.runs.advance(run, Outcome.REFUSED, failure=REFUSED)


async def wait_for_mlflow(stores: Stores, model: str, identity: str) -> None:
    """A run that waits for MLflow."""
    run = await add(stores, model, identity)
    await stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")


async def refuse_after_all(stores: Stores, identity: str) -> None:
    """That run, rejected."""
    (run,) = await stores.runs.find(identity)
    await stores.runs.advance(run, Outcome.REFUSED, failure=REFUSED)


async def promote_twice(stores: Stores, model: str) -> None:
    """Two generations in the ledger."""
    head = None
    for version in (1, 2):
        head = following(head, model, version=version, reasons=(f"reason {version}",))
        await stores.ledger.append(head)


def heard(url: str, model: str, name: str, role: str = WORKER) -> None:
    """Let a worker, or another role, be heard."""

    async def beat() -> None:
        async with open_database(url) as database:
            await PostgresHeartbeats(database).beat(this_process(role, name, model), begins=True)

    asyncio.run(beat())
