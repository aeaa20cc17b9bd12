"""Requests that a restored run store has lost are found in Kafka and stored once."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import typer

from domain.errors import NeverRetry
from domain.ports.run_store import NOT_STORABLE
from domain.record import Record
from service.cli.rereading import Beginning, _beginning
from service.lifecycle.reread import Reread, reread, tell_what_may_be_lost
from tests.kit.builders import MODEL
from tests.kit.records import binary, record
from tests.worlds.stage import Stage, fails


async def _read(*records: Record) -> AsyncIterator[Record]:
    for one in records:
        yield one


async def read_again(stage: Stage, *records: Record, dry_run: bool) -> Reread:
    return await reread(_read(*records), stage.store, model_name=MODEL, max_bytes=100_000, dry_run=dry_run)


RECORDS = (
    binary({"model_version": 1}, id="stored"),
    binary({"model_version": 2}, id="lost"),
    binary({"model_version": 2}, id="lost"),
    binary({"model_version": 3}, id="lost"),
    binary({"model_version": 9}, id="stored"),
    binary({"model_name": "another"}, id="theirs"),
    record(b"{"),
    record(b'{"model_version": 4}', offset=8),
)
COUNTS = {"known": 2, "new": 2, "conflict": 2, "another model": 1, "unreadable": 1}


async def test_a_dry_run_says_what_would_be_stored_and_stores_nothing(stage: Stage) -> None:
    await read_again(stage, RECORDS[0], dry_run=False)
    said = await read_again(stage, *RECORDS, dry_run=True)
    assert (said.counts, len(stage.memory.runs)) == (COUNTS, 1)
    done = await read_again(stage, *RECORDS, dry_run=False)
    assert (done.counts, done.new, len(stage.memory.runs)) == (COUNTS, said.new, 3)
    again = await read_again(stage, *RECORDS, dry_run=False)
    assert (again.counts["known"], again.new, len(stage.memory.runs)) == (4, [], 3)


async def test_what_the_store_can_never_hold_is_counted_and_the_rest_is_stored(stage: Stage) -> None:
    fails("add", stage, NeverRetry(NOT_STORABLE, "a letter that its encoding lacks"))
    done = await read_again(stage, *RECORDS[:2], dry_run=False)
    assert done.counts == {"unreadable": 1, "new": 1}


async def test_any_other_refusal_ends_it(stage: Stage) -> None:
    fails("add", stage, NeverRetry("postgres_refused", "a trigger"))
    with pytest.raises(NeverRetry, match="a trigger"):
        await read_again(stage, RECORDS[0], dry_run=False)


def test_the_start_says_up_to_how_many_are_lost(logs: list[MutableMapping[str, Any]]) -> None:
    tell_what_may_be_lost({0: 1200, 1: 8, 2: 3}, {0: 1150, 1: 7, 2: 9, 3: 4})
    (told,) = logs
    assert (told["partition"], told["committed"], told["newest_stored"], told["up_to"]) == (0, 1200, 1150, 49)
    assert "offset 1,200 is committed, the newest stored record is 1,150" in told["message"]
    assert "`laurel requests reread --since 0/1151 --dry-run`" in told["message"]


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("1150", Beginning(from_offset=1150)),
        ("0/1150", Beginning(from_offset=1150, partition=0)),
        ("2026-11-29T02:00+01:00", Beginning(from_ms=1_795_914_000_000)),
        ("2026-11-29T01:00:00Z", Beginning(from_ms=1_795_914_000_000)),
    ],
)
def test_a_beginning_is_a_time_an_offset_or_a_place(text: str, begins: Beginning) -> None:
    assert _beginning(text) == begins


@pytest.mark.parametrize(
    "text", ["", "yesterday", "1969-12-31T00:00Z", "-1", "1/2/3", "0001-01-01T00:00", "٣", "1" * 30, "1.5"]
)
def test_what_is_no_beginning_is_told_what_one_looks_like(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="a time as 2026-11-29T02:00"):
        _beginning(text)
