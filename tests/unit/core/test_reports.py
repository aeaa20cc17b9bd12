"""Announcements: ids that follow from the run, a chain of causes, and sizes that Kafka takes."""

import json
from collections.abc import Mapping
from typing import Any

from domain.announcement import Announcement, announcement_of, generation_event_id, run_event_id
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.ledger import Cause
from domain.run import Failure
from service.lifecycle import events
from service.messaging.event_size import size_on_wire
from tests.kit.builders import TRIPLE, a_request, an_entry
from tests.worlds.stage import Stage, fails


def announced(stage: Stage, run_id: str) -> list[Announcement]:
    return [row.announcement for row in stage.memory.outbox if row.run_id == run_id]


def body(announcement: Announcement) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(announcement.body)
    return content


async def test_ids_follow_from_the_run_and_the_transition_alone(stage: Stage) -> None:
    run = await stage.done(0.5)
    ways = ("SPLIT-VERSIONED", "TRAINED-EVALUATED", "PROMOTED-COMPLETED")
    found = [announcement.event_id for announcement in announced(stage, run.run_id)]
    assert found == [run_event_id(run.run_id, way) for way in ways]


async def test_each_event_names_the_one_before_as_its_cause(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.6)
    chain = announced(stage, run.run_id)
    causes = [announcement.headers["ce_causationid"] for announcement in chain]
    assert causes == [run.causation_id, *(announcement.event_id for announcement in chain[:-1])]
    assert {announcement.headers["ce_correlationid"] for announcement in chain} == {run.correlation_id}


async def test_a_failure_says_the_step_its_reason_and_where_the_record_is(stage: Stage) -> None:
    fails("train", stage, NeverRetry("fit_failed", "the estimator says no", rows=3))
    run = await stage.done(0.5)
    said = body(announced(stage, run.run_id)[-1])
    assert (said["state"], said["step"], said["reason"]) == ("VERSIONED", "train", "fit_failed")
    assert said["facts"] == {"rows": 3}
    assert said["mlflow_run_id"] == run.mlflow_run_id
    assert said["versions"] == TRIPLE.model_dump()
    assert said["attempts"] == 1


async def test_a_failure_with_too_many_facts_is_announced_without_them(stage: Stage) -> None:
    run = await stage.row(await stage.ask())
    announcer = events.Announcer(stage.clock, 5000)
    failure = Failure(reason="data_contract", message="x" * 9000, facts={"violations": ["y" * 100] * 100})
    announcement = events.failed(run, failure, announcer)
    assert size_on_wire(announcement) <= 5000
    assert (body(announcement)["reason"], body(announcement)["facts"]) == ("data_contract", {})


async def test_a_rejection_with_too_many_faults_keeps_the_first_and_counts_the_rest(stage: Stage) -> None:
    run = await stage.row(
        await stage.ask(a_request("wide", **{f"field_{number}": 1 for number in range(900)}))
    )
    faults = tuple(
        Fault(code="unknown_field", field=f"field_{number}", message="no such field") for number in range(900)
    )
    announcer = events.Announcer(stage.clock, 30_000)
    announcement = events.rejected(run, faults, announcer)
    assert size_on_wire(announcement) <= 30_000
    said = body(announcement)["faults"]
    assert said[0]["field"] == "field_0"
    assert "850 more" in said[-1]["message"]


def test_a_generation_without_a_run_takes_its_id_from_model_and_generation() -> None:
    entry = an_entry(None, 7, cause=Cause.ADOPTED)
    announcement = announcement_of(entry, "a-ledger")
    assert announcement.event_id == generation_event_id("price", 1)
    assert announcement.headers["ce_correlationid"] == announcement.event_id
    assert "ce_causationid" not in announcement.headers


def test_whoever_announces_a_generation_says_the_same_bytes() -> None:
    entry = an_entry(an_entry(None, 7), 8, cause=Cause.GATE, run_id="r", triple=TRIPLE)
    again = type(entry).model_validate_json(entry.model_dump_json())
    assert announcement_of(entry, "a-ledger") == announcement_of(again, "a-ledger")
