"""POST /reload: the answer's shape, the guard, and what a failure says."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.errors import LaurelError, ModelUnusable, NeverRetry, TryLater
from service.serving.reloading import Guard, ReloadOutcome, Status, UnknownGeneration
from tests.worlds.served_models import BEARER, TOKEN, open_stage, served_model


async def test_the_answer_has_the_shape_of_old_and_the_generation_besides() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        answer = await stage.client.post("/reload", json={}, headers=BEARER)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "reloaded",
            "model_version": "7",
            "run_id": "run-1",
            "feature_version": 4,
            "generation": 3,
            "changed": True,
        },
    )


async def test_what_is_served_already_is_no_change() -> None:
    outcome = ReloadOutcome(Status.ALREADY_SERVED, served_model())
    async with open_stage(served_model(), token=TOKEN, outcome=outcome) as stage:
        answer = await stage.client.post("/reload", json={}, headers=BEARER)
    assert (answer.status_code, answer.json()["status"], answer.json()["changed"]) == (200, "reloaded", False)


@pytest.mark.parametrize(
    ("body", "guard"),
    [
        (b"", None),
        (b"{}", None),
        (b'{"generation": 3, "version": 7}', Guard(3, 7)),
        (b'{"generation": 3, "version": 7, "since": "later"}', Guard(3, 7)),
        (b'{"generation": 3.0, "version": 7.0}', Guard(3, 7)),
    ],
)
async def test_the_body_is_nothing_or_a_guard(body: bytes, guard: Guard | None) -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        assert (await stage.client.post("/reload", content=body, headers=BEARER)).status_code == 200
        assert stage.reloads.guards == [guard]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 422),
        (b'{"generation": 3}', 422),
        (b'{"version": 3}', 422),
        (b'{"generation": "3", "version": 7}', 422),
        (b'{"generation": true, "version": 7}', 422),
        (b'{"generation": 0, "version": 7}', 422),
        (b'{"generation": 3.5, "version": 7}', 422),
        (b'{"generation": null, "version": null}', 422),
        (b'{"generation": 1e300, "version": 7}', 422),
        (b" " * 5000, 413),
    ],
)
async def test_another_body_is_refused_and_nothing_is_loaded(body: bytes, status: int) -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        assert (await stage.client.post("/reload", content=body, headers=BEARER)).status_code == status
        assert stage.reloads.guards == []


@pytest.mark.parametrize("status", [Status.OUTDATED, Status.ALIAS_BEHIND])
async def test_who_is_behind_is_told_what_is_served(status: Status) -> None:
    outcome = ReloadOutcome(status, served_model(), "generation 2 is older than 3, which is served")
    async with open_stage(served_model(), token=TOKEN, outcome=outcome) as stage:
        with capture_logs() as lines:
            answer = await stage.client.post("/reload", json={"generation": 2, "version": 6}, headers=BEARER)
    said = answer.json()
    assert (answer.status_code, said["reason"], said["detail"]) == (409, status.value, outcome.message)
    assert (said["generation"], said["model_version"]) == (3, "7")
    assert [line["reason"] for line in lines if line["event"] == "reload_refused"] == [status.value]


async def test_a_generation_that_the_registry_does_not_know_is_a_conflict_and_told() -> None:
    error = UnknownGeneration("unknown_generation", "the registry does not know generation 9")
    async with open_stage(served_model(), token=TOKEN, outcome=error) as stage:
        with capture_logs() as lines:
            answer = await stage.client.post("/reload", json={"generation": 9, "version": 7}, headers=BEARER)
    said = answer.json()
    assert (answer.status_code, said["reason"], said["detail"]) == (409, error.reason, error.message)
    assert [line["reason"] for line in lines if line["event"] == "reload_refused"] == [error.reason]


@pytest.mark.parametrize(
    "error",
    [
        ModelUnusable("untrusted_type", "the model holds a type that is not trusted"),
        TryLater("mlflow_unavailable", "MLflow does not answer", waiting_on="mlflow"),
        NeverRetry("mlflow_refused", "MLflow says no"),
    ],
)
async def test_a_failure_says_why_and_the_old_model_serves_on(error: LaurelError) -> None:
    async with open_stage(served_model(), token=TOKEN, outcome=error) as stage:
        answer = await stage.client.post("/reload", json={}, headers=BEARER)
        assert stage.serving.model is not None
    said: dict[str, Any] = answer.json()
    assert (answer.status_code, said["reason"], said["detail"]) == (500, error.reason, error.message)
