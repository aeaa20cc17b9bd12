"""A person promotes otherwise than the gate: on fakes that have passed the contract suites."""

from typing import Any

import pytest

from domain.errors import NeverRetry, TryLater
from domain.ledger import Cause
from domain.package_tags import MANIFEST_TAG
from service.promotion.promoting import PersonPromoted, PromotionOrder
from tests.fakes.model_registry import FakeModelRegistry
from tests.kit.builders import MODEL
from tests.worlds.deciding import meanwhile, promotion_on, refused, three
from tests.worlds.stage import Stage, fails

AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")


async def promoted(stage: Stage, subject: Any, key: str = "key", **facts: Any) -> PersonPromoted:
    wanted = PromotionOrder(subject, "the new region needs it", "ops (api)", key)
    return await promotion_on(stage.world, **facts).promote(wanted)


async def test_a_declined_candidate_is_promoted_beside_what_the_gate_had_said(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.6)
    done = await promoted(stage, run)
    entry = done.entry
    assert (entry.cause, entry.actor, entry.mlflow_run_id) == (Cause.OVERRIDE, "ops (api)", run.mlflow_run_id)
    assert entry.reasons[0] == "the new region needs it"
    assert entry.reasons[1].startswith("the gate had said DECLINE: ")
    assert entry.triple == run.record.triple
    assert (stage.alias, stage.topics()[-1], done.unshown) == (entry.version, "model.promoted", "")
    version = await stage.registry.version(MODEL, entry.version)
    assert version is not None
    assert (version.generation, MANIFEST_TAG in version.tags) == (2, True)
    again = await promoted(stage, run)
    assert (again.entry, again.repeated) == (entry, True)
    assert (await refused(promoted(stage, 1))).reason == "id_conflict"


async def test_an_earlier_version_is_promoted_by_its_number_and_the_champion_is_not(stage: Stage) -> None:
    await three(stage)
    assert (await promoted(stage, 1)).entry.reasons[1].startswith("the gate had said PROMOTE: ")
    assert (await refused(promoted(stage, 1, key="again"))).reason == "same_model"
    assert (await refused(promoted(stage, 9, key="more"))).reason == "no_such_version"


async def test_a_foreign_version_is_promoted_only_where_such_champions_are_allowed(stage: Stage) -> None:
    await stage.done(0.5)
    await stage.by_hand("theirs")
    await FakeModelRegistry.set_alias(stage.registry, MODEL, 1)
    assert (await refused(promoted(stage, 2))).reason == "foreign_model"
    done = await promoted(stage, 2, allow_foreign=True)
    assert (done.entry.version, done.entry.reasons[1]) == (2, "no gate has judged it")


async def test_a_run_without_a_verdict_has_nothing_to_promote(stage: Stage) -> None:
    await stage.done(0.5)
    fails("train", stage, NeverRetry("fit_failed", "it diverged"))
    told = await refused(promoted(stage, await stage.done(0.4)))
    assert (told.reason, "it diverged" in told.message) == ("no_model", True)
    waiting = await stage.row(await stage.ask())
    assert (await refused(promoted(stage, waiting))).reason == "not_ended"


async def test_a_promotion_waits_for_mlflow_and_changes_nothing_before(stage: Stage) -> None:
    await three(stage)
    stage.script.always["alias_version"] = AWAY
    with pytest.raises(TryLater):
        await promoted(stage, 1)
    assert len(stage.memory.ledger) == 3


async def test_a_promotion_is_told_of_whoever_decided_meanwhile(stage: Stage) -> None:
    await three(stage)
    world = meanwhile(stage.world, lambda: stage.done(0.2))
    told = await refused(promotion_on(world).promote(PromotionOrder(1, "why", "ops", "key")))
    assert told.reason == "overtaken"
    assert [entry.cause for entry in stage.memory.ledger[3:]] == [Cause.GATE]
