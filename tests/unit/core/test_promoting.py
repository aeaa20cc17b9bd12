"""A person promotes otherwise than the gate: on fakes that have passed the contract suites."""

from typing import Any

import pytest

from domain.errors import NeverRetry, TryLater
from domain.ledger import Cause
from domain.package_tags import MANIFEST_TAG
from domain.run_actions import Actor
from service.promotion.promoting import PersonPromoted, PromotionOrder
from service.promotion.quarantining import Lifting
from service.promotion.rollback import RollbackOrder
from tests.fakes.bars import FakeQuarantines
from tests.fakes.model_registry import FakeModelRegistry
from tests.kit.builders import MODEL
from tests.worlds.deciding import meanwhile, promotion_on, refused, rollback_on, three
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


async def test_what_was_rolled_away_from_is_promoted_only_after_its_quarantine_was_lifted(
    stage: Stage,
) -> None:
    """By its number, or as a run of the same recipe; MLflow is not even asked."""
    await three(stage)
    await rollback_on(stage.world).roll_back(RollbackOrder(None, "too high", "ben", "back"))
    repeat = await stage.done(0.2)
    stage.script.always["alias_version"] = AWAY
    for subject in (3, repeat):
        told = await refused(promoted(stage, subject))
        assert told.reason == "quarantined"
        assert "ben rolled back from it with generation 4: too high" in told.message
        assert told.message.endswith("allow it again with `laurel quarantine lift 3 --reason …`")
    del stage.script.always["alias_version"]
    lifting = Lifting(MODEL, FakeQuarantines(stage.memory, MODEL), stage.clock)
    await lifting.lift(3, "it was the gateway", Actor(name="ada", door="api", proven=True))
    assert (await promoted(stage, 3)).entry.version == 3


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
