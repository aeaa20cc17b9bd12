"""A model was promoted: everyone is asked to reload, and nothing depends on their answers."""

from typing import Any

from domain.events import ModelPromoted
from domain.record import Record
from handlers.handled import Handled
from handlers.model_promoted import on_model_promoted
from tests.fakes.inference_servers import FakeInferenceServers
from tests.records import binary, record

PROMOTED: dict[str, Any] = {
    "model_name": "price",
    "run_id": None,
    "mlflow_run_id": None,
    "version": 5,
    "model_uri": "models:/m-1",
    "generation": 3,
    "previous_version": 4,
    "previous_generation": 2,
    "versions": None,
    "cause": "override",
    "candidate": None,
    "champion": None,
    "reference_digest": None,
    "reasons": ["the alias was moved by hand"],
    "actor": "somebody",
    "promoted_at": "2026-01-01T00:00:00+00:00",
}


def promoted(**changes: Any) -> Record:
    return binary(PROMOTED | changes, type=ModelPromoted.wire_type)


async def take(event: Record, servers: FakeInferenceServers) -> Handled:
    return await on_model_promoted(event, servers=servers, model_name="price", max_bytes=100_000)


async def test_every_server_is_asked_for_the_promoted_version() -> None:
    servers = FakeInferenceServers("a", "b")
    handled = await take(promoted(), servers)
    assert servers.asked == [(3, 5)]
    assert (handled.outcome, handled.facts["reloaded"]) == ("reloaded", 2)


async def test_a_server_that_is_down_is_named_and_the_others_count() -> None:
    handled = await take(promoted(), FakeInferenceServers("a", "b", down=["b"]))
    assert handled.outcome == "reloaded"
    assert handled.facts["problems"] == {"b": "no answer"}


async def test_if_nobody_answers_that_is_all_that_happens() -> None:
    assert (await take(promoted(), FakeInferenceServers("a", down=["a"]))).outcome == "nobody_reloaded"
    assert (await take(promoted(), FakeInferenceServers())).outcome == "nobody_reloaded"


async def test_fields_of_a_later_version_are_ignored() -> None:
    later = promoted(colour="green", versions={"split_version": 1, "colour": 2}, cause="a new one")
    assert (await take(later, FakeInferenceServers("a"))).outcome == "reloaded"


async def test_another_models_promotion_concerns_nobody_here() -> None:
    servers = FakeInferenceServers("a")
    assert (await take(promoted(model_name="rent"), servers)).outcome == "skipped"
    assert not servers.asked


async def test_what_is_no_promotion_is_skipped_with_its_reason() -> None:
    servers = FakeInferenceServers("a")
    assert (await take(record(b"nonsense"), servers)).facts["reason"] == "not_json"
    bad = await take(promoted(generation="many"), servers)
    assert bad.facts["reason"] == "bad_event"
    assert "generation" in bad.facts["detail"]
    assert not servers.asked
