"""A model was promoted: whoever follows the ledger hears of it at once, and nothing else depends on it."""

from typing import Any

from domain.convergence import RolloutTarget
from domain.events import ModelPromoted
from domain.record import Record
from handlers.handled import Handled
from handlers.model_promoted import on_model_promoted
from tests.kit.records import binary, record

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
    return binary(PROMOTED | changes, type=ModelPromoted.wire_type, id="promotion-3", correlationid="c")


async def take(event: Record) -> tuple[Handled, list[RolloutTarget]]:
    heard: list[RolloutTarget] = []
    handled = await on_model_promoted(event, promoted=heard.append, model_name="price", max_bytes=100_000)
    return handled, heard


async def test_a_promotion_says_what_is_wanted_since_when_and_which_event_said_so() -> None:
    handled, (wanted,) = await take(promoted())
    assert (handled.outcome, handled.facts) == ("heard", {"generation": 3, "version": 5})
    assert (wanted.generation, wanted.version) == (3, 5)
    assert wanted.promoted_at is not None
    assert wanted.promoted_at.isoformat() == PROMOTED["promoted_at"]
    assert (wanted.promotion_id, wanted.correlation_id) == ("promotion-3", "c")


async def test_plain_json_from_a_person_is_understood() -> None:
    _, (wanted,) = await take(record(b'{"model_name": "price", "generation": 3, "version": 5}'))
    assert (wanted.generation, wanted.version, wanted.promoted_at) == (3, 5, None)
    assert wanted.promotion_id


async def test_fields_of_a_later_version_are_ignored() -> None:
    later = promoted(colour="green", versions={"split_version": 1, "colour": 2}, cause="a new one")
    assert len((await take(later))[1]) == 1


async def test_another_models_promotion_concerns_nobody_here() -> None:
    handled, heard = await take(promoted(model_name="rent"))
    assert (handled.outcome, heard) == ("skipped", [])


async def test_what_is_no_promotion_is_unreadable_with_its_reason() -> None:
    for bad, reason in (
        (record(b"nonsense"), "not_json"),
        (promoted(generation="many"), "bad_event"),
        (promoted(version=2**63), "bad_event"),
        (promoted(promoted_at="yesterday"), "bad_event"),
    ):
        handled, heard = await take(bad)
        assert (handled.outcome, handled.facts["reason"], heard) == ("unreadable", reason, [])
