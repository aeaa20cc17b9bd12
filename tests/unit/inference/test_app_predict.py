"""POST /predict: what comes back, and what is refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from math import inf, nan
from typing import Any

import httpx
import pytest
from fastapi import Request
from structlog.testing import capture_logs

from domain.errors import ModelUnusable
from service.runtime.web.bodies import read_body
from service.runtime.web.problems import ProblemDetails
from service.serving.predictor import Limits
from service.serving.served_model import Row
from tests.worlds.served_models import FEATURES, ROW, Stage, by_size, open_stage, served_model


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage(served_model()) as stage:
        yield stage


def fields_of(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(fault["row"], fault["field"]) for fault in answer.json()["errors"]]


async def test_one_row_is_answered_by_one_prediction_with_the_names_of_old(stage: Stage) -> None:
    answer = await stage.predict(ROW)
    assert (answer.status_code, answer.json()) == (200, {"prediction": 150.5, "model_version": "7"})
    assert answer.headers["laurel-generation"] == "3"
    assert answer.headers["content-type"] == "application/json"


async def test_a_list_is_answered_by_a_list_in_its_order(stage: Stage) -> None:
    answer = await stage.predict([{**ROW, "size": size} for size in (3, 1, 2)])
    assert [each["prediction"] for each in answer.json()] == [103, 101, 102]
    assert {each["model_version"] for each in answer.json()} == {"7"}


async def test_an_empty_list_is_answered_by_an_empty_list(stage: Stage) -> None:
    assert (await stage.predict([])).json() == []


async def test_many_rows_are_answered_like_few(stage: Stage) -> None:
    answer = await stage.predict([{**ROW, "size": size} for size in range(900)])
    assert [each["prediction"] for each in answer.json()] == [100.0 + size for size in range(900)]


async def test_a_model_without_a_generation_names_none() -> None:
    async with open_stage(served_model(generation=None)) as stage:
        assert "laurel-generation" not in (await stage.predict(ROW)).headers


async def test_the_model_gets_every_feature_and_nothing_else() -> None:
    """Optional fields are null when they are missing; a whole number becomes the column's float."""
    seen: list[Row] = []

    def predict(rows: Sequence[Row]) -> list[float]:
        seen.extend(rows)
        return by_size(rows)

    async with open_stage(served_model(predict=predict)) as stage:
        sent = {"grade": "low", "floors": 3.0, "size": 7, "key": 1, "price": 2, "note": "kept out"}
        assert (await stage.predict(sent)).status_code == 200
    assert seen == [{"size": 7.0, "floors": 3, "kind": None, "grade": "low", "code": None}]
    assert (type(seen[0]["size"]), type(seen[0]["floors"])) == (float, int)


async def test_a_refusal_names_every_field_with_what_came_and_what_is_allowed(stage: Stage) -> None:
    answer = await stage.predict(
        {"size": True, "floors": 2.5, "kind": "castle", "grade": None, "code": "abc"}
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["reason"], said["type"]) == (422, "invalid_input", "about:blank")
    assert said["errors"] == [
        {"row": 0, "field": "size", "came": "true", "allowed": "a number from 0, or null"},
        {"row": 0, "field": "floors", "came": "2.5", "allowed": "a whole number from 1 to 50"},
        {"row": 0, "field": "kind", "came": '"castle"', "allowed": "one of 'flat', 'house', 'boat', or null"},
        {"row": 0, "field": "grade", "came": "null", "allowed": "one of 'low', 'mid', 'high'"},
        {"row": 0, "field": "code", "came": '"abc"', "allowed": r"text of the form [A-Z]{2}\d, or null"},
    ]


async def test_a_refusal_names_the_nearest_category_of_the_first_faults(stage: Stage) -> None:
    """To look for it takes long, so a list full of faults names few."""
    answer = await stage.predict({**ROW, "kind": "Bôat ", "grade": "midd"})
    assert [fault.get("nearest") for fault in answer.json()["errors"]] == ["boat", "mid"]
    many = await stage.predict([{**ROW, "kind": "hous"}] * 10)
    assert [fault.get("nearest") for fault in many.json()["errors"]] == ["house"] * 3 + [None] * 7


async def test_in_a_list_each_fault_names_its_row(stage: Stage) -> None:
    answer = await stage.predict([ROW, {**ROW, "floors": 99}, 5, {**ROW, "grade": "top", "size": -1}])
    assert fields_of(answer) == [(1, "floors"), (2, ""), (3, "size"), (3, "grade")]


async def test_a_missing_field_that_is_needed_is_named(stage: Stage) -> None:
    answer = await stage.predict({})
    assert [(fault["field"], fault["came"]) for fault in answer.json()["errors"]] == [
        ("floors", "nothing: the field is missing"),
        ("grade", "nothing: the field is missing"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"size": NaN}', b"\xff", b"[" * 5000, b'"\\ud800"']
)
async def test_what_is_no_json_is_a_bad_request(stage: Stage, body: bytes) -> None:
    answer = await stage.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "not_json")


@pytest.mark.parametrize("body", [b'{"size":1,"size":2}', b'[{"grade":"a:b","floors":1,"floors":1}]'])
async def test_a_field_that_occurs_twice_is_a_bad_request(stage: Stage, body: bytes) -> None:
    answer = await stage.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["reason"]) == (400, "duplicate_key")
    assert "occurs twice" in answer.json()["detail"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1.1e300", "9" * 400])
async def test_a_number_that_no_model_can_calculate_with_is_refused(stage: Stage, number: str) -> None:
    body = json.dumps({**ROW, "size": 0}).replace('"size": 0', f'"size": {number}')
    answer = await stage.client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, fields_of(answer)) == (422, [(0, "size")])


@pytest.mark.parametrize("asked", ["5", '"text"', "null", "true"])
async def test_what_is_neither_a_row_nor_a_list_is_refused(stage: Stage, asked: str) -> None:
    answer = await stage.client.post("/predict", content=asked)
    assert (answer.status_code, fields_of(answer)) == (422, [(0, "")])


async def test_a_body_that_says_it_is_no_json_is_refused(stage: Stage) -> None:
    answer = await stage.client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["reason"]) == (415, "not_json")


async def test_unknown_fields_are_refused_when_it_is_set() -> None:
    limits = Limits(max_rows=10, max_body_bytes=1000, refuses_unknown=True)
    async with open_stage(served_model(), limits=limits) as stage:
        answer = await stage.predict({**ROW, "flors": 2})
        assert (await stage.predict(ROW)).status_code == 200
    assert answer.json()["errors"] == [
        {"row": 0, "field": "flors", "came": "2", "allowed": "no such field", "nearest": "floors"}
    ]


async def test_too_many_rows_and_too_many_bytes_are_refused() -> None:
    limits = Limits(max_rows=3, max_body_bytes=1000, refuses_unknown=False)
    async with open_stage(served_model(), limits=limits) as stage:
        rows = await stage.predict([ROW] * 4)
        announced = await stage.predict({"size": "x" * 1000})

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b" " * 100

        streamed = await stage.client.post(
            "/predict", content=pieces(), headers={"Content-Type": "application/json"}
        )
    assert (rows.status_code, rows.json()["reason"]) == (422, "too_many_rows")
    for answer in (announced, streamed):
        assert (answer.status_code, answer.json()["reason"]) == (413, "body_too_large")


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    scope = {"type": "http", "method": "POST", "headers": []}
    with pytest.raises(ProblemDetails) as slow:
        await read_body(Request(scope, never), most=10, seconds=0.01)
    assert (slow.value.status, slow.value.reason) == (408, "body_incomplete")


async def test_a_caller_who_goes_away_is_no_defect() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ProblemDetails) as left:
        await read_body(Request({"type": "http", "method": "POST", "headers": []}, gone), most=10)
    assert left.value.reason == "body_incomplete"


async def test_a_prediction_that_is_no_number_is_refused_with_its_row() -> None:
    said = {1.0: nan, 2.0: inf}
    model = served_model(predict=lambda rows: [said.get(float(row["size"] or 0), 5.0) for row in rows])
    async with open_stage(model) as stage:
        answer = await stage.predict([{**ROW, "size": size} for size in (0, 1, 2)])
    assert (answer.status_code, answer.json()["reason"]) == (422, "prediction_not_finite")
    assert [row for row, _ in fields_of(answer)] == [1, 2]


async def test_a_value_that_the_fitted_model_cannot_take_is_refused_by_name() -> None:
    def predict(_: Sequence[Row]) -> list[float]:
        raise ModelUnusable("cannot_predict", "Found unknown categories", column="code")

    with capture_logs() as lines:
        async with open_stage(served_model(predict=predict, known={"code": ("a", "b")})) as stage:
            answer, *_ = [await stage.predict(ROW) for _ in range(5)]
    told = answer.json()
    assert (answer.status_code, told["reason"]) == (422, "not_taken_by_model")
    assert fields_of(answer) == [(0, "code")]
    assert f'code is "{ROW["code"]}" in row 0' in told["detail"]
    assert "it takes one of the values that it was trained with: a, b" in told["detail"]
    assert "train and promote" in told["detail"]
    logged = [line["message"] for line in lines if line["event"] == "rows_not_taken"]
    assert logged == ["Found unknown categories"], "five times refused, once told"


async def test_where_the_model_does_not_say_which_field_it_cannot_take_the_answer_says_how_to_find_it() -> (
    None
):
    def predict(_: Sequence[Row]) -> list[float]:
        raise ModelUnusable("cannot_predict", "no reason", column=None)

    async with open_stage(served_model(predict=predict)) as stage:
        one, several = (await stage.predict(ROW)).json(), (await stage.predict([ROW, ROW])).json()
    assert (one["reason"], several["reason"]) == ("not_taken_by_model", "not_taken_by_model")
    assert [(fault["row"], fault["field"]) for fault in one["errors"]] == [(0, "")]
    assert one["errors"][0]["allowed"] == "a row like those of its training"
    assert "send the rows one by one" not in one["detail"]
    assert "does not say which field" in one["detail"]
    assert (several["errors"], "send the rows one by one" in several["detail"]) == ([], True)


async def test_a_null_that_the_estimator_cannot_take_is_refused_by_name() -> None:
    def predict(_: Sequence[Row]) -> list[float]:
        raise ModelUnusable("cannot_predict", "Input X contains NaN", column=None)

    features = {**FEATURES, "size": {"type": "numeric"}}
    async with open_stage(served_model(predict=predict, features=features)) as stage:
        answer = await stage.predict([{**ROW, "size": None}, ROW])
    assert (answer.status_code, fields_of(answer)) == (422, [(0, "size")])
    assert "size is null in row 0, and it takes a value: nothing" in answer.json()["detail"]


async def test_a_defect_answers_without_telling_what_it_was() -> None:
    def predict(_: Sequence[Row]) -> list[float]:
        raise RuntimeError("a secret place in the code")

    async with open_stage(served_model(predict=predict)) as stage:
        answer = await stage.predict(ROW)
    assert (answer.status_code, answer.json()["reason"]) == (500, "unexpected")
    assert "secret" not in answer.text


async def test_without_a_model_the_answer_is_not_yet() -> None:
    async with open_stage(None) as stage:
        answer = await stage.predict(ROW)
    assert (answer.status_code, answer.json()["reason"]) == (503, "no_model")


async def test_an_answer_names_the_model_that_made_it_though_another_came_meanwhile() -> None:
    """The one taken at the beginning: its prediction, its version, its generation."""

    def predict(rows: Sequence[Row]) -> list[float]:
        here.serving.serve(served_model(8, generation=4, predict=lambda rows: [8.0 for _ in rows]))
        return [7.0 for _ in rows]

    async with open_stage(served_model(predict=predict)) as here:
        first, second = await here.predict(ROW), await here.predict(ROW)
    assert (first.json(), first.headers["laurel-generation"]) == (
        {"prediction": 7.0, "model_version": "7"},
        "3",
    )
    assert (second.json(), second.headers["laurel-generation"]) == (
        {"prediction": 8.0, "model_version": "8"},
        "4",
    )
