"""Who was champion when, and why, as the commands tell it; none of them imports what takes long."""

import json
from datetime import timedelta
from functools import partial

import pytest

from service.cli.console import Exit
from tests.contract.stores import Stores, following
from tests.integration.cli.stories import left, promote_twice, refuse
from tests.unit.cli.calls import Laurel, spoken

FIRST = following(None, "any").at
SLOW = {"sqlalchemy", "prometheus_client", "aiokafka", "polars", "numpy"}


async def promote_later(stores: Stores, model: str) -> None:
    """A third generation, an hour after the others."""
    head = await stores.ledger.head(model)
    later = FIRST + timedelta(hours=1)
    await stores.ledger.append(following(head, model, version=1, at=later, reasons=("back to the first",)))


@pytest.fixture(autouse=True)
def ledger(environment: dict[str, str], model: str) -> None:
    """Three generations and a rejected request."""
    url = environment["DATABASE_URL"]
    left(url, model, partial(promote_twice, model=model))
    left(url, model, partial(promote_later, model=model))
    left(url, model, partial(refuse, model=model, identity="event:/a nightly"))


def test_the_history_is_told_newest_first_and_in_pages(laurel: Laurel) -> None:
    told = laurel("history")
    page = laurel("history", "--limit", "2", "--json").json
    rest = laurel("history", "--before", "2", "--json").json

    assert told.out.index("back to the first") < told.out.index("reason 2") < told.out.index("reason 1")
    assert [(one["generation"], one["version"], one["cause"]) for one in page] == [
        (3, 1, "rollback"),
        (2, 2, "rollback"),
    ]
    assert (page[0]["until"], page[1]["reigned_seconds"]) == (None, 3600)
    assert page[1]["until"] == page[0]["since"]
    assert [one["generation"] for one in rest] == [1]
    assert "older ones: laurel history --before 2" in laurel("history", "--limit", "2").out
    since = (FIRST + timedelta(minutes=30)).isoformat()
    assert [one["generation"] for one in laurel("history", "--since", since, "--json").json] == [3, 2]


def test_who_reigned_at_a_moment_is_told_with_since_and_until(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    told = laurel("champion", "--at", (FIRST + timedelta(minutes=5)).isoformat())
    before = laurel("champion", "--at", "2025-12-31 23:59", "--json")
    local, _ = spoken(["champion", "--at", "2026-01-02 04:10", "--json"], **environment, TZ="Etc/GMT-1")

    assert told.out.startswith(f"2026-01-02 03:09:05Z: version 2 (generation 2) of {model}\n")
    assert "since     2026-01-02 03:04:05Z" in told.out
    assert "until     2026-01-02 04:04:05Z" in told.out
    assert (before.code, before.json["champion"]) == (Exit.NOT_FOUND, None)
    assert json.loads(local)["champion"]["generation"] == 2
    assert laurel("champion", "--at", "now").code == Exit.USAGE


def test_the_first_line_says_why_it_was_promoted_or_not(laurel: Laurel) -> None:
    promoted, version, rejected = (laurel("explain", id_) for id_ in ("2", "v1", "nightly"))

    assert promoted.out.startswith(
        "Version 2 was made champion again by a rollback (generation 2): reason 2\n"
    )
    assert version.out.startswith("Version 1 was made champion again by a rollback (generation 3)")
    assert "version 1 was also generation 1" in version.out
    assert rejected.out.startswith("Not promoted: the request was rejected: models/v9.yaml does not exist\n")
    assert laurel("explain", "nightly", "--json").json["promoted"] is False
    missing = laurel("explain", "nobody")
    assert missing.code == Exit.NOT_FOUND
    assert "no generation, version, run or request" in missing.err


def test_two_models_are_compared(laurel: Laurel) -> None:
    told = laurel("compare", "1", "2")
    found = laurel("compare", "1", "nightly", "--json").json

    assert told.out.startswith("a  generation 1, version 1\nb  generation 2, version 2\n")
    assert "rows that trained both: unknown" in told.out
    assert (found["a"]["generation"], found["b"]["generation"]) == (1, None)


@pytest.mark.parametrize(
    "words",
    [["history"], ["champion", "--at", "2026-01-03"], ["explain", "2"], ["compare", "1", "2"]],
    ids=" ".join,
)
def test_they_import_no_library_that_takes_long(words: list[str], environment: dict[str, str]) -> None:
    told, modules = spoken(words, **environment)

    assert told
    assert "psycopg" in modules
    assert not modules & SLOW
