"""A rollback, a quarantined repeat, a hold and a release, on the real servers with a real worker.

Some 20 s: six runs of a small model.

Its cost: lifecycles, one after the other.
"""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.lifecycle import State
from domain.promotion_checks import Decision
from domain.run import Run
from domain.run_actions import Actor
from service.adapters.kafka.requests import read_events
from service.lifecycle.workbench import open_world, rollback_in
from service.promotion.holding import PromotionHolding
from service.promotion.quarantining import Lifting
from service.promotion.rollback import RollbackOrder
from tests.e2e.deployment import Deployment, event_schema, worker_here
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord

ANNA = Actor(name="anna", door="api", proven=True)
TOPICS = ("model.quarantined", "promotion.held", "promotion.released", "model.quarantine_lifted")


@pytest.fixture
async def deployment(small: Deployment) -> AsyncIterator[Deployment]:
    """A small deployment with a worker."""
    async with worker_here(small):
        yield small


def verdict(run: Run) -> tuple[State, Decision, str]:
    assert run.record.decided is not None, run.failure
    said = run.record.decided.verdict
    return run.state, said.decision, said.reasons[0]


async def heard(deployment: Deployment) -> list[dict[str, Any]]:
    """What Kafka has of holds and quarantines, in order, once it has all."""

    async def look() -> list[dict[str, Any]]:
        events = [event async for event in read_events(deployment.connection, TOPICS)]
        ours = [event for event in events if event.key == deployment.model]
        ours.sort(key=lambda event: event.coordinates.timestamp_ms)
        found = [{"topic": event.coordinates.topic, **(event.data or {})} for event in ours]
        return found if len(found) >= len(TOPICS) else []

    return await eventually(look, within=30)


async def test_what_was_rolled_back_from_is_not_promoted_again_and_a_hold_holds(
    deployment: Deployment, mlflow: MlflowRecord
) -> None:
    for version in (101, 102):
        assert verdict(await deployment.carried({"model_version": version}))[1] is Decision.PROMOTE
    async with open_world(deployment.settings(), "a test") as world:
        order = RollbackOrder(1, "it doubled every price", ANNA.told, str(uuid.uuid4()))
        await rollback_in(world, deployment.settings()).roll_back(order)

        repeat = await deployment.carried({"model_version": 102})
        state, decision, why = verdict(repeat)
        assert (state, decision) == (State.DECLINED, Decision.QUARANTINED)
        assert why.startswith("the same recipe (versions and training data): version 2 (generation 2)")
        assert "anna (api) rolled back from it with generation 3: it doubled every price" in why
        record = await mlflow.run(repeat.mlflow_run_id or "")
        assert (record.status, record.tags["laurel.verdict"]) == ("FINISHED", "QUARANTINED")

        same = yaml.safe_load(deployment.path("models/v102").read_text(encoding="utf-8"))
        deployment.path("models/v402").write_text(yaml.safe_dump({**same, "version": 402}), encoding="utf-8")
        _, decision, why = verdict(await deployment.carried({"model_version": 402}))
        assert decision is Decision.QUARANTINED
        assert why.startswith(
            "the same model (every prediction on the reference agrees within 1e-09 relative)"
        )

        holding = PromotionHolding(deployment.model, world.holds, world.clock)
        await holding.hold("audit until noon", None, ANNA)
        held = await deployment.carried({"model_version": 103})
        state, decision, why = verdict(held)
        assert (state, decision) == (State.DECLINED, Decision.HELD)
        assert "by anna (api), until `laurel release`: audit until noon" in why
        declined = (await deployment.events(held, "model.declined"))[-1]
        Draft202012Validator(event_schema("model.declined")).validate(declined.data)
        await holding.release("the audit is done", ANNA)
        assert verdict(await deployment.carried({"model_version": 104}))[1] is Decision.PROMOTE

        lifting = Lifting(deployment.model, world.quarantines, world.clock)
        await lifting.lift(2, "it was the gateway", ANNA)
        entries = await world.ledger.entries(deployment.model)
        assert [(entry.generation, entry.version, entry.cause.value) for entry in entries[2:]] == [
            (3, 1, "rollback"),
            (4, 3, "gate"),
        ]
    told = await heard(deployment)
    assert [event["topic"] for event in told] == list(TOPICS)
    for event in told:
        Draft202012Validator(event_schema(event.pop("topic"))).validate(event)
    assert (told[0]["generation"], told[0]["by_generation"], told[0]["actor"]) == (2, 3, "anna (api)")
