"""A body is refused by its size before it becomes objects."""

import json

import pytest

from service.runtime.web.problems import ProblemDetails
from service.serving.predictor import Limits, refuse_oversize
from tests.worlds.served_models import ROW, open_stage, served_model

MOST = 1000
MEGABYTE = 1 << 20
LIMITS = Limits(max_rows=MOST, max_body_bytes=16 * MEGABYTE, refuses_unknown=True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" + b"[]," * MEGABYTE + b"[]]", "too_many_rows"),
        (b" [" + b"{}," * MEGABYTE + b"{}]", "too_many_rows"),
        (b"[" + b"1," * MEGABYTE + b"1]", "too_many_rows"),
        (b"[" + b'"",' * MEGABYTE, "too_many_rows"),
        (b'{"a":[' + b"[]," * MEGABYTE + b"[]]}", "row_too_large"),
        (b'[{"a":[' + b"{}," * MEGABYTE, "row_too_large"),
        (b"[" + (b"[" + b"[]," * 900 + b"[]],") * 999 + b"[]]", "row_too_large"),
        (b"{" + b",".join(b'"a%d":1' % number for number in range(300_000)) + b"}", "row_too_large"),
        (b"[" + b"{" + b",".join(b'"a%d":1' % number for number in range(10_002)) + b"}]", "row_too_large"),
        (b'{"a":[' + b"[]," * 1000 + b"[]]}", "row_too_large"),
    ],
    ids=[
        *("lists", "objects", "numbers", "texts", "in a row", "in a listed row", "in each", "fields"),
        *("one field too many", "one list too many"),
    ],
)
async def test_what_would_become_many_objects_is_refused(body: bytes, reason: str) -> None:
    async with open_stage(served_model(), limits=LIMITS) as stage:
        answer = await stage.client.post("/predict", content=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    assert len(answer.content) < 1000


def test_as_many_rows_as_are_allowed_pass_whatever_their_texts_hold() -> None:
    rows = [{f"column_{number}": '[{,\\"' for number in range(300)}] * MOST
    refuse_oversize(json.dumps(rows).encode(), MOST)
    refuse_oversize(json.dumps({"a": "[," * 2000}).encode(), MOST)
    with pytest.raises(ProblemDetails):
        refuse_oversize(json.dumps([*rows, {}]).encode(), MOST)


async def test_one_row_of_nothing_but_faults_is_answered_with_the_first_of_them() -> None:
    async with open_stage(served_model(), limits=LIMITS) as stage:
        answer = await stage.predict({**ROW, **{f"other_{number}": 1 for number in range(5000)}})
    assert len(answer.json()["errors"]) == 1000


async def test_faults_that_each_tell_a_long_list_are_fewer() -> None:
    values = [f"a value with a long name {number}" for number in range(5000)]
    columns = {"key": {"type": "int"}, "price": {"type": "float"}}
    columns["kind"] = {"type": "string", "allowed_values": values}  # type: ignore[dict-item] # no text
    model = served_model(columns=columns, features={"kind": {"type": "categorical", "encoding": "onehot"}})
    async with open_stage(model, limits=LIMITS) as stage:
        answer = await stage.predict([{"kind": "none"}] * 1000)
    assert answer.status_code == 422
    assert len(answer.content) < 2 * MEGABYTE
