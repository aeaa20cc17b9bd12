"""Which date a run has: the one that named it, else that of the asking."""

import pytest

from service.gateway.dag.views import run_shape
from tests.kit.lives import ASKED_AT, asked


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("manual__2026-02-01T06:00:00+00:00", "2026-02-01T06:00:00+00:00"),
        ("manual__2026-02-01T06:00:00.5+01:00", "2026-02-01T05:00:00.500000+00:00"),
        ("manual__nightly", ASKED_AT.isoformat()),
        ("manual__0001-01-01T00:00:00+01:00", ASKED_AT.isoformat()),
        ("nightly-2026-02-01", ASKED_AT.isoformat()),
    ],
)
def test_a_run_that_was_named_by_its_date_has_it(name: str, date: str) -> None:
    shown = run_shape(asked(None, request_id=name), "dag").model_dump(mode="json")

    assert shown["logical_date"] == shown["execution_date"] == date
