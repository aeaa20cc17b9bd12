"""What the steps of a run left is read back as it was, by whichever release wrote it."""

import pytest
from pydantic import ValidationError

from domain.lifecycle import Step
from domain.promotion_checks import Champion
from domain.run import Run
from domain.run_record import RunRecord, present
from tests.worlds.stage import Stage

PARTS = {
    "open_run": "opened",
    Step.RESOLVE: "resolved",
    Step.SPLIT: "split",
    Step.VERSION: "versioned",
    Step.TRAIN: "trained",
    Step.EVALUATE: "evaluated",
    "compared": "compared",
    Step.DECIDE: "decided",
}


@pytest.fixture
async def run(stage: Stage) -> Run:
    """One that came to its end."""
    return await stage.done(0.5)


@pytest.mark.parametrize("name", PARTS)
def test_each_part_is_what_the_row_holds(run: Run, name: str) -> None:
    part = present(getattr(run.record, PARTS[name]))
    assert part.model_dump(mode="json") == run.outputs[name]


def test_the_row_of_an_older_release_is_read_without_what_it_does_not_tell(run: Run) -> None:
    statistics = {"rows": 6, "columns": {}}
    split = {**run.outputs[Step.SPLIT], "statistics": statistics}
    left = {name: output for name, output in run.outputs.items() if name not in {"compared", "logged_model"}}
    record = RunRecord({**left, Step.SPLIT: split})
    assert record.compared is None
    assert record.warnings == ()
    assert present(record.split).fates is None
    assert present(record.decided).verdict.decision == run.outputs[Step.DECIDE]["verdict"]["decision"]


def test_what_a_newer_release_keeps_beside_the_known_parts_is_not_looked_at(run: Run) -> None:
    record = RunRecord({**run.outputs, "explained": {"shap": 1}})
    assert record.triple == present(record.resolved).triple


def test_what_a_newer_release_adds_inside_a_known_part_is_passed_over(run: Run) -> None:
    decided = run.outputs[Step.DECIDE]
    more = {**decided, "mood": 1, "verdict": {**decided["verdict"], "mood": [1]}}
    record = RunRecord({**run.outputs, Step.DECIDE: more})
    assert record.decided == run.record.decided


def test_a_champion_with_a_field_more_is_still_the_champion(run: Run) -> None:
    score = run.outputs[Step.EVALUATE]["candidate"]["reference"]
    champion = {"version": 3, "generation": 2, "score": score}
    evaluated = {**run.outputs[Step.EVALUATE], "champion": champion}
    more = {**evaluated, "champion": {**champion, "mood": 1}}
    record = RunRecord({Step.EVALUATE: more})
    assert isinstance(record.champion, Champion)
    assert record.evaluated == RunRecord({Step.EVALUATE: evaluated}).evaluated


def test_nothing_is_passed_over_in_what_a_model_is_made_by(run: Run) -> None:
    record = RunRecord({Step.RESOLVE: {**run.outputs[Step.RESOLVE], "mood": 1}})
    with pytest.raises(ValidationError):
        _ = record.resolved


def test_a_part_of_another_shape_is_none_and_refuses_nothing(run: Run) -> None:
    record = RunRecord({**run.outputs, Step.RESOLVE: {}, Step.SPLIT: {}, Step.DECIDE: {"verdict": "yes"}})
    assert (record.triple, record.split, record.decided) == (None, None, None)
    assert record.candidate == run.record.candidate


def test_a_run_that_was_just_stored_has_no_part() -> None:
    record = RunRecord({})
    assert [getattr(record, part) for part in PARTS.values()] == [None] * len(PARTS)
    assert (record.triple, record.candidate, record.champion, record.warnings) == (None, None, None, ())
    with pytest.raises(LookupError):
        present(record.decided)
