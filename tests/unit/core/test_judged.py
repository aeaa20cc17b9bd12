"""The metric that decides is the one that is shown: each reader names it, with both models' figures by it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from domain.asked_request import AskedRequest
from domain.errors import NeverRetry
from domain.events import Event, ModelDeclined, ModelPromoted
from domain.judged import Judged, metric_of
from domain.lifecycle import Step
from domain.notices import Wording
from domain.promotion_checks import PromotionPolicy
from domain.request import Coordinates
from domain.run import Run
from domain.run_record import RunRecord
from service.adapters.kafka.requests import ReadEvent
from service.cli.champions import champion_row
from service.cli.formatting import event_line, run_facts, run_row
from service.gateway.dag.tasks import run_note
from service.gateway.views import Viewer
from service.lifecycle.evaluation_files import record_texts
from service.lifecycle.steps.record_end import model_card
from tests.kit.builders import MODEL, NOW, PROVENANCE, a_score
from tests.worlds.stage import Stage, fails

FIGURES = {"rmsle": ("0.46875", "0.53125"), "mae": ("1.875", "2.125")}


def told(stage: Stage, run: Run) -> Mapping[str, Mapping[str, Any]]:
    rows = [row.announcement for row in stage.memory.outbox if row.run_id == run.run_id]
    return {row.topic: json.loads(row.body) for row in rows}


def notices(events: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    kinds: tuple[type[Event], ...] = (ModelPromoted, ModelDeclined)
    for kind in kinds:
        if kind.topic in events:
            notice = Wording().notice(kind.model_validate(events[kind.topic]), "an id")
            assert notice is not None
            yield notice.body


def places(stage: Stage, run: Run) -> Iterator[tuple[str, str]]:
    """Each place where a person or a program looks, with what stands there."""
    asked = AskedRequest(request_id="r", payload={}, door="api", asked_by=None, asked_at=NOW, run=run)
    facts, events = run_facts(run).model_dump(), told(stage, run)
    yield "runs", " ".join(map(str, run_row(run)))
    yield "runs --json", json.dumps({name: facts[name] for name in facts if name.endswith("metric")})
    yield "HTTP", str(Viewer(MODEL, "http://mlflow").request(asked).verdict)
    yield "DAG", run_note(asked) or ""
    yield "card", model_card(run, run.record, PROVENANCE).head()
    yield "record", record_texts(run)["laurel/verdict.json"]
    for topic, data in events.items():
        if topic.startswith("model."):
            place = Coordinates(topic=topic, partition=0, offset=0, timestamp_ms=0)
            yield topic, event_line(ReadEvent(place, MODEL, {}, data))
    for body in notices(events):
        yield "notice", body


@pytest.mark.parametrize("metric", FIGURES)
@pytest.mark.parametrize("better", [True, False])
async def test_every_place_names_the_metric_and_shows_both_figures(
    stage: Stage,
    metric: Any,
    better: bool,  # noqa: FBT001 - a case
) -> None:
    stage.policy = PromotionPolicy(metric=metric)
    await stage.done(0.53125 if better else 0.46875)
    run = await stage.done(0.46875 if better else 0.53125)
    for place, text in places(stage, run):
        assert metric in text, place
        assert all(figure in text for figure in FIGURES[metric]), (place, text)
    events = told(stage, run)
    assert {data["metric"] for topic, data in events.items() if topic.startswith("model.")} == {metric}


async def test_a_first_champion_is_shown_with_its_figure(stage: Stage) -> None:
    stage.policy = PromotionPolicy(metric="mae")
    run = await stage.done(0.46875)
    for place, text in places(stage, run):
        assert "mae" in text, place
        assert "1.875" in text, (place, text)
    head = await stage.ledger.head(MODEL)
    assert str(champion_row(head)[-1]).endswith("the first one; mae 1.87500, champion none")


async def test_the_verdict_s_stored_text_is_one_that_an_older_release_reads(stage: Stage) -> None:
    run = await stage.done(0.5)
    assert set(run.outputs[Step.DECIDE]["verdict"]) == {"decision", "reasons", "checks"}


@pytest.mark.parametrize(
    ("detail", "metric"),
    [
        ("the candidate has mae 19033.7", "mae"),
        ("the candidate has no usable mae (NaN, infinite, negative or missing)", "mae"),
        ("the candidate has rmsle 0.17532", "rmsle"),
    ],
)
async def test_a_run_of_an_older_release_is_read_from_its_first_check(
    stage: Stage, detail: str, metric: str
) -> None:
    run = await stage.done(0.5)
    decided = run.outputs[Step.DECIDE]
    first = {**decided["verdict"]["checks"][0], "detail": detail}
    verdict = {**decided["verdict"], "checks": [first]}
    outputs = {name: output for name, output in run.outputs.items() if name != "compared"}
    assert metric_of(RunRecord({**outputs, Step.DECIDE: {**decided, "verdict": verdict}})) == metric
    unchecked = {**decided, "verdict": {**verdict, "checks": []}}
    assert metric_of(RunRecord({**outputs, Step.DECIDE: unchecked})) == "rmsle"


async def test_a_run_that_was_not_scored_was_judged_by_nothing(stage: Stage) -> None:
    run = await stage.row(await stage.ask())
    assert Judged.of_run(run.record) is None
    assert run_facts(run).metric is None


@pytest.mark.parametrize("generation", [1, None])
async def test_a_champion_that_cannot_be_judged_is_named_all_the_same(
    stage: Stage, generation: int | None
) -> None:
    """Where nobody can read the alias, the ledger's head is named: it stays."""
    await stage.done(0.5)
    name = "registered" if generation is None else "score_champion"
    stage.script.always[name] = NeverRetry("mlflow_refused", "403 Forbidden")
    events = told(stage, await stage.done(0.4))
    assert events["model.declined"]["decision"] == "INCONCLUSIVE"
    for topic in ("model.evaluated", "model.declined"):
        assert (events[topic]["champion_version"], events[topic]["champion_generation"]) == (1, 1)
        assert events[topic]["champion"] is None
    assert "Champion stays: version 1 (generation 1)" in next(notices(events))
    assert "403 Forbidden; " in next(notices(events)), "what it takes is said"


@pytest.mark.parametrize("metrics", [{}, {"mae": 1.0}])
async def test_a_champion_without_a_number_is_named_with_a_way_out(
    stage: Stage, metrics: Mapping[str, float]
) -> None:
    await stage.done(0.5)
    scored = a_score(None).model_copy(update={"metrics": metrics})
    stage.trainer.scored = scored
    events = told(stage, await stage.done(0.4))
    assert (events["model.declined"]["decision"], events["model.declined"]["champion_version"]) == (
        "INCONCLUSIVE", 1,
    )  # fmt: skip
    assert "point the alias at a version that has one" in next(notices(events))


async def test_an_alias_at_a_version_that_cannot_begin_a_ledger_is_named(stage: Stage) -> None:
    version = await stage.by_hand("theirs")
    fails("look", stage, NeverRetry("no_manifest", "it is not whole"))
    events = told(stage, await stage.done(0.4))
    assert events["model.declined"]["champion_version"] == version
    assert f"Champion stays: version {version}" in next(notices(events))
