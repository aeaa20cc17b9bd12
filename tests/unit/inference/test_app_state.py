"""What a server says of itself."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more
from prometheus_client.parser import text_string_to_metric_families

from service.serving.unloadable import Mark
from tests.worlds.served_models import BEARER, FEATURES, ROW, TOKEN, Stage, open_stage, served_model

MARK = Mark(
    version=8,
    generation=4,
    digest="c" * 64,
    why="SIGSEGV",
    at=datetime(2026, 11, 2, tzinfo=UTC),
    release="1",
)


async def figures(stage: Stage) -> dict[str, dict[str, float]]:
    """Every sample by its name and labels, without those two that all have."""
    text = (await stage.client.get("/metrics")).text
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert (sample.labels.pop("model"), sample.labels.pop("role")) == ("price", "inference")
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


async def test_without_a_model_only_liveness_is_well() -> None:
    async with open_stage(None) as stage:
        stage.reloads.problem = "price has no champion"
        pages = {
            page: await stage.client.get(page)
            for page in ("/health/live", "/health/ready", "/health", "/info")
        }
    assert [answer.status_code for answer in pages.values()] == [200, 503, 503, 503]
    assert pages["/health/ready"].json() == {"ready": False, "missing": {"model": "price has no champion"}}
    assert pages["/health"].json()["detail"] == "price has no champion"
    assert pages["/info"].json() == {
        "model_name": "price",
        "stale": False,
        "problem": "price has no champion",
        "unloadable": [],
    }


async def test_with_a_model_all_is_well() -> None:
    async with open_stage(served_model()) as stage:
        pages = {page: await stage.client.get(page) for page in ("/health/live", "/health/ready", "/health")}
    assert [answer.status_code for answer in pages.values()] == [200, 200, 200]
    assert pages["/health"].json() == {"status": "ok", "model_loaded": True, "model_version": "7"}


async def test_info_tells_which_model_it_is_and_since_when() -> None:
    async with open_stage(served_model()) as stage:
        stage.serving.serve(served_model(), stale=True)
        stage.serving.unloadable = (MARK,)
        answer = await stage.client.get("/info")
    assert answer.json() == {
        "model_name": "price",
        "model_version": "7",
        "run_id": "run-1",
        "generation": 3,
        "feature_version": 4,
        "data_contract_version": 1,
        "target": "price",
        "digest": "b" * 64,
        "files": {"MLmodel": "a" * 64},
        "loaded_at": "2026-11-01T00:00:00+00:00",
        "served_version": 7,
        "served_generation": 3,
        "mlflow_run_id": "run-1",
        "stale": True,
        "problem": None,
        "unloadable": [
            {
                "model_version": "8",
                "generation": 4,
                "digest": "c" * 64,
                "reason": "unloadable_model",
                "detail": "SIGSEGV",
                "at": "2026-11-02T00:00:00+00:00",
            }
        ],
    }


async def test_the_schema_is_valid_and_its_example_is_answered() -> None:
    async with open_stage(served_model()) as stage:
        schema = (await stage.client.get("/schema")).json()
        answer = await stage.predict(schema["example"])
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(schema["example"])
    assert answer.status_code == 200
    assert schema["required"] == ["floors", "grade"]


async def test_metrics_keep_the_names_of_old_and_add_what_is_served() -> None:
    async with open_stage(served_model()) as stage:
        await stage.predict(ROW)
        await stage.predict([ROW, ROW])
        await stage.predict({})
        await stage.client.request("BREW", "/coffee/pot-1")
        found = await figures(stage)
    assert found["served_model_version"] == {"": 7}
    assert found["laurel_served_generation"] == {"": 3}
    assert found["laurel_model_stale"] == {"": 0}
    assert found["laurel_unloadable_versions"] == {"": 0}
    assert found["laurel_model_age_seconds"][""] > 0
    assert found["laurel_predicted_rows_total"] == {"": 3}
    assert {labels: count for labels, count in found["api_requests_total"].items() if count} == {
        "endpoint=/predict,method=POST,status=200": 2,
        "endpoint=/predict,method=POST,status=422": 1,
        "endpoint=other,method=other,status=404": 1,
    }
    assert found["api_requests_total"]["endpoint=/predict,method=POST,status=500"] == 0
    assert found["api_request_duration_seconds_count"]["endpoint=/predict"] == 3
    assert found["laurel_prediction_duration_seconds_count"] == {"rows=one": 1, "rows=list": 1}
    assert found["laurel_reloads_total"].keys() == {
        f"result={result}"
        for result in (
            "reloaded",
            "already_served",
            "outdated",
            "alias_behind",
            "unknown_generation",
            "refused",
            "unavailable",
        )
    }


async def test_a_refusal_counts_for_its_page_and_what_a_page_can_refuse_begins_at_zero() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        before = (await figures(stage))["api_requests_total"]
        await stage.client.post("/predict", json=ROW)
        await stage.client.post("/predict", json=ROW, headers={"Origin": "http://another"})
        await stage.client.get("/docs", headers={"Authorization": "Bearer another"})
        after = (await figures(stage))["api_requests_total"]
    predict = {f"endpoint=/predict,method=POST,status={status}" for status in (401, 403)}
    docs = "endpoint=/docs,method=GET,status=401"
    counted = {labels for labels, count in after.items() if count and "/metrics" not in labels}
    assert counted == {*predict, docs}
    statuses = (200, 400, 401, 403, 408, 413, 415, 421, 422, 500, 503)
    for labels in (f"endpoint=/predict,method=POST,status={status}" for status in statuses):
        assert before[labels] == 0
    assert before[docs] == before["endpoint=/reload,method=POST,status=421"] == 0


async def test_before_a_model_there_is_none_of_its_figures() -> None:
    async with open_stage(None) as stage:
        found = await figures(stage)
    assert found["laurel_model_loaded"] == found["laurel_model_stale"] == {"": 0}
    assert "served_model_version" not in found


async def test_drift_is_counted_by_feature_and_kind() -> None:
    model = served_model(known={"kind": ("flat", "house")})
    async with open_stage(model) as stage:
        await stage.predict([{**ROW, "size": 5}, {**ROW, "size": 501}, {**ROW, "size": 10}])
        await stage.predict({**ROW, "kind": "boat", "code": None})
        drifted = (await figures(stage))["laurel_input_drift_total"]
    assert {name: count for name, count in drifted.items() if count} == {
        "feature=size,kind=out_of_range": 2,
        "feature=kind,kind=unseen_category": 1,
        "feature=code,kind=null": 1,
    }
    assert len(drifted) == 3 * len(FEATURES)


async def test_a_range_of_training_goes_before_the_clip() -> None:
    async with open_stage(served_model(ranges={"floors": (1, 3), "size": (20, 400)})) as stage:
        await stage.predict([{**ROW, "floors": floors} for floors in (1, 3, 4)])
        await stage.predict([{**ROW, "size": size} for size in (19, 20, 400, 401)])
        drifted = (await figures(stage))["laurel_input_drift_total"]
    assert drifted["feature=floors,kind=out_of_range"] == 1
    assert drifted["feature=size,kind=out_of_range"] == 2


async def test_features_that_are_served_no_more_are_counted_no_more() -> None:
    features = {"size": {"type": "numeric"}}
    async with open_stage(served_model()) as stage:
        await stage.predict({**ROW, "size": None})
        stage.serving.serve(served_model(8, features=features))
        await stage.predict({"size": None})
        drifted = (await figures(stage))["laurel_input_drift_total"]
    assert drifted == {
        "feature=size,kind=null": 2,
        "feature=size,kind=out_of_range": 0,
        "feature=size,kind=unseen_category": 0,
    }


@pytest.mark.parametrize("model", [served_model(), None])
async def test_the_page_of_docs_needs_nothing_from_elsewhere(model: Any) -> None:
    async with open_stage(model, token=TOKEN) as stage:
        answer = await stage.client.get("/docs", headers=BEARER)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"//|<script|<link|<img|<iframe|\bsrc=|\bhref=|@import|url\(", answer.text)
    assert "POST /predict" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script" not in policy
    assert "default-src 'none'" in policy


async def test_what_a_contract_holds_cannot_become_markup() -> None:
    columns = {"key": {"type": "int"}, "price": {"type": "float"}, "<script>": {"type": "string"}}
    features = {"<script>": {"type": "categorical", "encoding": "onehot"}}
    async with open_stage(served_model(features=features, columns=columns)) as stage:
        answer = await stage.client.get("/docs")
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


async def test_the_openapi_document_describes_the_served_models_rows() -> None:
    async with open_stage(served_model(), token=TOKEN) as stage:
        document = (await stage.client.get("/openapi.json", headers=BEARER)).json()
        stage.serving.serve(served_model(8, features={"size": {"type": "numeric"}}))
        later = (await stage.client.get("/openapi.json", headers=BEARER)).json()
    row = document["components"]["schemas"]["Row"]
    assert list(row["properties"]) == list(FEATURES)
    assert row["example"].keys() == FEATURES.keys()
    assert document["paths"]["/predict"]["post"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/health/live"]["get"]
    assert list(later["components"]["schemas"]["Row"]["properties"]) == ["size"]
