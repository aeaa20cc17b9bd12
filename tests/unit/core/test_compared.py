"""What the gate is told beside two scores: from the run store, the datasets and both models."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from domain.comparison import Compared
from domain.datasets import SplitParts
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.lifecycle import State, Step
from domain.run import Run
from service.cli.formatting import run_facts
from service.lifecycle.steps.record_end import model_card
from tests.kit.builders import PROVENANCE, a_file
from tests.worlds.stage import Stage, fails


def announced(stage: Stage, run: Run, topic: str) -> Mapping[str, Any]:
    rows = [row.announcement for row in stage.memory.outbox if row.run_id == run.run_id]
    content: Mapping[str, Any] = json.loads(next(row.body for row in rows if row.topic == topic))
    return content


async def on_another_split(stage: Stage, rmsle: float) -> Run:
    """A run of another split version, which has another reference."""
    parts: SplitParts = stage.files.parts
    stage.files.parts = parts.model_copy(
        update={"reference": a_file("another reference", 20), "train": a_file("another train", 80)}
    )
    return await stage.done(rmsle, split_version=2)


def with_targets_below_zero(stage: Stage, rows: int) -> None:
    parts: SplitParts = stage.files.parts
    statistics = {**parts.statistics, "reference": {"targets_below_zero": rows}}
    stage.files.parts = parts.model_copy(update={"statistics": statistics})


def codes(run: Run) -> list[str]:
    return [warning.code for warning in run.record.warnings]


async def test_the_rows_that_trained_the_champion_are_told_wherever_its_score_is(stage: Stage) -> None:
    """Verdict, both events, card and what `laurel show` prints."""
    await stage.done(0.5)
    stage.files.trained_rows = 17
    run = await on_another_split(stage, 0.6)
    told = "17 of 20 reference rows trained the champion (version 1)"
    assert told in run.outputs[Step.DECIDE]["verdict"]["reasons"]
    assert announced(stage, run, "model.evaluated")["champion_trained_rows"] == 17
    assert announced(stage, run, "model.declined")["champion_trained_rows"] == 17
    assert told in announced(stage, run, "model.declined")["reasons"]
    (warning,) = announced(stage, run, "model.evaluated")["warnings"]
    assert (warning["code"], warning["facts"]["rows"]) == ("champion_trained_on_reference", 17)
    assert told[:48] in model_card(run, run.record, PROVENANCE).markdown()
    facts = run_facts(run)
    assert facts.champion_trained_rows == 17
    assert codes(run) == [warning.code for warning in facts.warnings]


async def test_on_its_own_reference_a_champion_has_seen_no_row_and_nobody_counts(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.6)
    assert announced(stage, run, "model.evaluated")["champion_trained_rows"] == 0
    assert stage.script.calls["count_trained"] == 0
    assert "champion_trained_on_reference" not in codes(run)


async def test_a_promotion_s_reasons_say_what_the_champion_had_seen(stage: Stage) -> None:
    await stage.done(0.5)
    stage.files.trained_rows = 17
    run = await on_another_split(stage, 0.4)
    assert run.state is State.COMPLETED
    assert "17 of 20" in announced(stage, run, "model.promoted")["reasons"][1]


@pytest.mark.parametrize("error", [NeverRetry("unreadable_dataset", "cut"), TryLater("step_died", "SIGSEGV")])
async def test_what_cannot_be_counted_is_unknown_and_costs_no_run_its_end(
    stage: Stage, error: Exception
) -> None:
    await stage.done(0.5)
    stage.script.always["count_trained"] = error
    run = await on_another_split(stage, 0.4)
    assert run.state is State.COMPLETED
    assert announced(stage, run, "model.evaluated")["champion_trained_rows"] is None


async def test_of_a_champion_that_a_person_brought_nobody_knows(stage: Stage) -> None:
    version = await stage.by_hand("theirs")
    stage.trainer.champions[version] = 0.5
    run = await stage.done(0.4)
    assert announced(stage, run, "model.evaluated")["champion_trained_rows"] is None
    assert any(
        "it is unknown how many of" in check["detail"]
        for check in run.outputs[Step.DECIDE]["verdict"]["checks"]
    )


async def test_the_same_model_is_declined_as_such(stage: Stage) -> None:
    """Its score may even be better by what is left of a sum."""
    await stage.done(0.5)
    stage.trainer.same = True
    run = await stage.done(0.5 - 3.5e-12)
    assert run.state is State.DECLINED
    reason = run.outputs[Step.DECIDE]["verdict"]["reasons"][0]
    assert reason.startswith("same train part, same model as version 1")
    assert "0 new rows" in reason


async def test_models_whose_scores_differ_are_not_asked_again(stage: Stage) -> None:
    await stage.done(0.5)
    await stage.done(0.4)
    assert stage.script.calls["same_predictions"] == 0


async def test_a_champion_that_cannot_be_asked_again_is_another_model(stage: Stage) -> None:
    await stage.done(0.5)
    fails("same_predictions", stage, ModelUnusable("unloadable_model", "no"))
    run = await stage.done(0.5)
    assert "gain" in run.outputs[Step.DECIDE]["verdict"]["reasons"][0]


async def test_a_retrain_on_an_unchanged_training_part_counts_the_rows_without_effect(stage: Stage) -> None:
    """It is told with the split already, before anybody waits for a fit that can make nothing new."""
    await stage.done(0.5)
    parts: SplitParts = stage.files.parts
    stage.files.parts = parts.model_copy(update={"master": a_file("a longer master", 107)})
    stage.trainer.same = True
    run = await stage.done(0.5)
    (warning,) = announced(stage, run, "split.completed")["warnings"]
    assert warning["code"] == "unchanged_training_part"
    assert (warning["facts"]["new_rows"], warning["facts"]["version"]) == (7, 1)
    assert "7 new rows" in run.outputs[Step.DECIDE]["verdict"]["reasons"][0]


async def test_another_triple_or_another_training_part_can_make_another_model(stage: Stage) -> None:
    await stage.done(0.5)
    other_model = await stage.done(0.6, model_version=2)
    other_rows = await on_another_split(stage, 0.6)
    assert [codes(run) for run in (other_model, other_rows)] == [[], []]


async def test_a_metric_that_does_not_fit_is_told_with_the_split_and_decides_nothing(stage: Stage) -> None:
    with_targets_below_zero(stage, 3)
    run = await stage.done(0.5)
    assert (run.state, run.outputs[Step.DECIDE]["verdict"]["decision"]) == (State.DECLINED, "INCONCLUSIVE")
    (warning,) = announced(stage, run, "split.completed")["warnings"]
    assert (warning["code"], warning["facts"]["rows"]) == ("metric_unfit", 3)
    assert stage.topics(run.run_id)[-1] == "model.declined"


async def test_a_new_head_is_compared_anew(stage: Stage) -> None:
    """What is kept is about the champion that was decided against."""
    await stage.done(0.5)
    run = await stage.done(0.4)
    kept = Compared.model_validate(run.outputs["compared"])
    assert kept.generation == 1
