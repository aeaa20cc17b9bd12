"""An event reaches the channels once it could be read, is this model's, and is to be told."""

import json
from collections.abc import Collection
from typing import Any

import pytest

from domain.errors import TryLater
from domain.events import TrainingFailed
from domain.notice_subjects import SUBJECTS, Subject
from domain.notices import Notice, Wording
from domain.record import Record
from domain.request import Coordinates
from handlers.handled import Handled
from handlers.notice import TOLD, TOPICS, on_notice
from tests.kit.told_events import told_announcement, told_event


def came(
    topic: str, value: bytes, headers: tuple[tuple[str, bytes | None], ...] = (), *, offset: int = 7
) -> Record:
    place = Coordinates(topic=topic, partition=0, offset=offset, timestamp_ms=1_700_000_000_000)
    return Record(coordinates=place, key=None, value=value, headers=headers)


def announced(subject: Subject, model: str = "price", **changes: Any) -> Record:
    made = told_announcement(subject, model, f"id of {subject}", **changes)
    headers = tuple((name, text.encode()) for name, text in made.headers.items())
    return came(made.topic, made.body.encode(), headers)


async def take(record: Record, subjects: Collection[Subject] = SUBJECTS) -> tuple[Handled, list[Notice]]:
    heard: list[Notice] = []

    async def tell(notice: Notice) -> None:
        heard.append(notice)

    handled = await on_notice(
        record, tell=tell, wording=Wording(), subjects=subjects, model_name="price", max_bytes=100_000
    )
    return handled, heard


@pytest.mark.parametrize("subject", SUBJECTS)
async def test_each_subject_is_told_under_the_events_own_id(subject: Subject) -> None:
    handled, (notice,) = await take(announced(subject))
    assert (handled.outcome, handled.facts["subject"]) == ("told", subject)
    assert (notice.event_id, notice.subject) == (f"id of {subject}", subject)


def test_each_subject_comes_from_a_topic_that_can_be_read() -> None:
    assert set(TOPICS) == set(SUBJECTS)
    assert set(TOPICS.values()) == set(TOLD)


async def test_of_what_is_not_to_be_told_nobody_hears() -> None:
    asked: tuple[Subject, ...] = ("overridden",)
    handled, heard = await take(announced("promoted"), asked)
    assert (handled.outcome, heard) == ("skipped", [])
    handled, heard = await take(announced("overridden"), asked)
    assert (handled.outcome, len(heard)) == ("told", 1)


async def test_another_models_event_concerns_nobody_here() -> None:
    handled, heard = await take(announced("failed", model="rent"))
    assert (handled.outcome, handled.facts, heard) == ("skipped", {"model_name": "rent"}, [])


async def test_a_record_without_an_id_is_told_from_others_by_its_place() -> None:
    body = told_event("failed").model_dump_json().encode()
    ids = {
        (await take(came(TrainingFailed.topic, body, offset=offset)))[1][0].event_id for offset in (7, 7, 8)
    }
    assert ids == {"training.failed/0/7@1700000000000", "training.failed/0/8@1700000000000"}


async def test_fields_of_a_later_version_are_ignored() -> None:
    body = json.dumps(told_event("failed").model_dump(mode="json") | {"colour": "green"}).encode()
    assert (await take(came(TrainingFailed.topic, body)))[0].outcome == "told"


async def test_what_cannot_be_read_is_unreadable_with_its_reason() -> None:
    for bad, reason in (
        (came(TrainingFailed.topic, b"nonsense"), "not_json"),
        (came(TrainingFailed.topic, b"{}"), "bad_event"),
        (came(TrainingFailed.topic, b'{"a": "' + b"x" * 100_000 + b'"}'), "too_large"),
        (announced("failed").model_copy(update={"value": None}), "empty"),
    ):
        handled, heard = await take(bad)
        assert (handled.outcome, handled.facts["reason"], heard) == ("unreadable", reason, [])


async def test_while_the_store_is_away_the_record_comes_again() -> None:
    async def tell(_: Notice) -> None:
        raise TryLater("postgres_unavailable", "no answer", waiting_on="postgres")

    with pytest.raises(TryLater):
        await on_notice(
            announced("failed"),
            tell=tell,
            wording=Wording(),
            subjects=SUBJECTS,
            model_name="price",
            max_bytes=100_000,
        )
