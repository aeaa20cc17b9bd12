"""A refusal says which parameter is meant, and how this door's caller repeats."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from domain.errors import TryLater
from service.gateway.dag.refusals import as_dag_problem
from service.gateway.refusals import Moment, answer_invalid, as_problem
from service.gateway.submissions import Unanswered
from service.runtime.web.problems import ProblemDetails

AWAY = Unanswered(TryLater("kafka_unavailable", "no answer", waiting_on="kafka"), "id-7")


@pytest.mark.parametrize(
    ("door", "said"),
    [
        (as_problem, "no answer; repeat it with Idempotency-Key: id-7"),
        (
            lambda: as_dag_problem("run-7", "dag"),
            "no answer; repeat it unchanged: within ten minutes an equal one is the same request",
        ),
    ],
    ids=["own", "dag"],
)
def test_a_503_says_what_its_callers_repeat_with(
    door: Callable[[], AbstractContextManager[None]], said: str
) -> None:
    with pytest.raises(ProblemDetails) as refused, door():
        raise AWAY
    body = json.loads(bytes(refused.value.response().body))
    assert (body["status"], body["detail"], body["request_id"]) == (503, said, "id-7")


async def test_a_parameter_that_is_wrong_is_named_in_the_sentence() -> None:
    found = [
        {"type": "enum", "loc": ("query", "door", 0), "msg": "Input should be 'api' or 'kafka'"},
        {"type": "value_error", "loc": ("query", "since"), "msg": "Value error, must be a date and time"},
    ]
    answer = await answer_invalid(Request({"type": "http"}), RequestValidationError(found))
    detail = json.loads(bytes(answer.body))["detail"]
    assert detail == "door.0: Input should be 'api' or 'kafka'; since: must be a date and time"


@pytest.mark.parametrize(
    "number", ["0", "1764482400", "-1.5", "+2.", "2.6e-260", "2E9", "1_000", "inf", "nan", " 5", "20261130"]
)
def test_no_number_in_whatever_spelling_is_taken_for_a_moment(number: str) -> None:
    with pytest.raises(ValidationError, match="must be a date and time as in RFC 3339"):
        TypeAdapter(Moment).validate_python(number)
