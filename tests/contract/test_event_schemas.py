"""The events' schemas in `docs/events/` are what the code says, and what it sends and takes."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.events import (
    OUTGOING,
    DatasetPart,
    Event,
    InferenceDiverged,
    InferenceReloaded,
    ModelDeclined,
    ModelEvaluated,
    ModelPromoted,
    SplitCompleted,
    TrainingFailed,
    TrainingRejected,
)
from domain.faults import Fault
from domain.ledger import Cause
from domain.request import TrainingRequest, read_payload
from domain.score import Score
from domain.verdict import Check, Decision
from domain.version_triple import VersionTriple
from tests.tools.event_schemas import FOLDER, rendered, schemas

DIGEST = "a" * 64
TRIPLE = VersionTriple(split_version=1, feature_version=2, model_version=3)
SCORE = Score(metrics={"rmsle": 0.2, "mae": 1.5}, dataset_digest=DIGEST, rows=40)
PART = DatasetPart(path="/data/train.parquet", sha256=DIGEST, rows=100, dvc_hash="b.dir")
RUN: dict[str, Any] = {"model_name": "price", "run_id": "r-1"}
REPLICA: dict[str, Any] = {
    "model_name": "price",
    "replica": "http://inference:8000#10.0.0.3",
    "url": "http://inference:8000",
    "generation": 2,
    "version": 5,
    "listener": "host",
}

EVENTS: tuple[Event, ...] = (
    SplitCompleted(
        **RUN,
        mlflow_run_id="m",
        versions=TRIPLE,
        master=PART,
        train=PART,
        reference=PART,
        optional_tests={"recent_30_day": PART},
        reference_created=True,
        duration_seconds=0.5,
    ),
    ModelEvaluated(
        **RUN,
        mlflow_run_id="m",
        versions=TRIPLE,
        reference_digest=DIGEST,
        candidate=SCORE,
        champion=None,
        champion_version=None,
        champion_generation=None,
        champion_problem="it does not load",
        optional_tests={"recent_30_day": SCORE},
        training_seconds=1.0,
        evaluation_seconds=0.1,
    ),
    ModelPromoted(
        **RUN,
        mlflow_run_id="m",
        version=5,
        model_uri="models:/m-1",
        generation=2,
        previous_version=4,
        previous_generation=1,
        versions=TRIPLE,
        cause=Cause.GATE,
        candidate=SCORE,
        champion=SCORE,
        reference_digest=DIGEST,
        reasons=("gain +0.1",),
        actor="worker-1",
        promoted_at="2026-01-01T00:00:00+00:00",
    ),
    ModelDeclined(
        **RUN,
        mlflow_run_id="m",
        versions=TRIPLE,
        decision=Decision.INCONCLUSIVE,
        reasons=("different bytes",),
        checks=(Check(name="same_bytes", passed=False, detail="different bytes"),),
        candidate=SCORE,
        champion=None,
        champion_version=None,
        champion_generation=None,
    ),
    TrainingRejected(
        **RUN,
        reason="bad_version",
        faults=(Fault(code="bad_version", field="split_version", message="no version", allowed="an int"),),
        request={"split_version": "../x"},
    ),
    TrainingFailed(
        **RUN,
        mlflow_run_id=None,
        versions=None,
        state="SPLIT",
        step="split",
        reason="disk_full",
        message="no space",
        facts={"free_bytes": 0},
        attempts=3,
    ),
    InferenceReloaded(
        **REPLICA,
        address="10.0.0.3",
        seconds_since_promotion=0.3,
        confirmed_generation=2,
        mlflow_run_id="m",
    ),
    InferenceDiverged(
        **REPLICA,
        address=None,
        seconds_since_promotion=None,
        served_generation=None,
        served_version=4,
        reason="reload_refused",
        detail="status 500: the files differ",
    ),
)


def test_the_folder_holds_exactly_what_the_code_says() -> None:
    """After a change on purpose: `python -m tests.tools.event_schemas`."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert kept == {name: rendered(schema) for name, schema in schemas().items()}


def test_there_is_an_example_of_every_event() -> None:
    assert [type(event) for event in EVENTS] == list(OUTGOING)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_what_is_sent_is_valid_and_may_grow(event: Event) -> None:
    schema = schemas()[f"{event.topic}.json"]
    Draft202012Validator.check_schema(schema)
    content = json.loads(event.model_dump_json())
    Draft202012Validator(schema).validate(content)
    Draft202012Validator(schema).validate(content | {"added_later": 1})
    assert schema["title"] == event.wire_type


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_a_reader_can_rely_on_every_field(event: Event) -> None:
    validator = Draft202012Validator(schemas()[f"{event.topic}.json"])
    content = json.loads(event.model_dump_json())
    for name in content:
        assert not validator.is_valid({key: value for key, value in content.items() if key != name})


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: str(event.topic))
def test_what_was_sent_is_read_back_as_it_was(event: Event) -> None:
    assert type(event).model_validate_json(event.model_dump_json()) == event


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"split_version": 3, "feature_version": "12", "model_version": None},
        {"model_config_version": "1000000"},
        {"model_name": "price", "requested_by": "me", "reason": "why", "request_id": "r"},
        {"split_version": 0},
        {"split_version": -1},
        {"split_version": 1_000_001},
        {"split_version": "../x"},
        {"split_version": "0"},
        {"split_version": 1.5},
        {"split_version": True},
        {"split_version": []},
        {"spilt_version": 1},
        {"reason": "x" * 2001},
        {"request_id": 7},
    ],
)
def test_the_schema_of_a_request_accepts_what_the_code_accepts(payload: dict[str, object]) -> None:
    accepted = isinstance(read_payload(payload), TrainingRequest)
    assert Draft202012Validator(schemas()["training.requested.json"]).is_valid(payload) == accepted
