"""What a found thing is to the records, in sentences that a person can act on."""

from datetime import UTC, datetime

import pytest

from domain.adoption import (
    FindingStatus,
    FoundChampion,
    FoundFile,
    JudgedChampion,
    adopted_entry,
    judge_champion,
    judge_file,
)
from domain.ledger import Cause, LedgerEntry, next_entry

ONE, TWO = "1" * 64, "2" * 64
AT = datetime(2026, 1, 1, tzinfo=UTC)
OURS = FoundChampion(version=3, ours=True, name="model", saved_with="skops")
HEAD = adopted_entry("price", 3, actor="laurel adopt", at=AT)


def a_file(sha256: str | None = ONE, *faults: str) -> FoundFile:
    return FoundFile(kind="splits", name="v1", file="splits/v1.yaml", sha256=sha256, faults=faults)


def judged(
    found: FoundChampion | None, head: LedgerEntry | None = None, *, allow_foreign: bool = False
) -> JudgedChampion:
    return judge_champion(found, head, alias="prod", allow_foreign=allow_foreign)


@pytest.mark.parametrize(
    ("found", "known", "status"),
    [
        (a_file(), None, FindingStatus.NEW),
        (a_file(), ONE, FindingStatus.KEPT),
        (a_file(), TWO, FindingStatus.DIFFERS),
        (a_file(ONE, "no YAML"), None, FindingStatus.UNUSABLE),
        (a_file(ONE, "no YAML"), ONE, FindingStatus.UNUSABLE),
        (a_file(ONE, "no YAML"), TWO, FindingStatus.DIFFERS),
        (a_file(None, "it is missing"), None, FindingStatus.UNUSABLE),
        (a_file(None, "it is missing"), TWO, FindingStatus.DIFFERS),
    ],
)
def test_a_file_is_recorded_only_if_it_is_sound_and_new(
    found: FoundFile, known: str | None, status: FindingStatus
) -> None:
    answer = judge_file(found, known)
    assert answer.status is status
    assert all(fault in answer.why for fault in found.faults)


def test_what_differs_is_told_with_both_digests_and_what_to_do() -> None:
    why = judge_file(a_file(ONE), TWO).why
    assert ONE in why
    assert TWO in why
    assert "restore the file, or give the new content its own version" in why


def test_the_adopted_entry_begins_a_sound_chain_and_claims_no_triple() -> None:
    following = next_entry(
        "price", HEAD, version=4, cause=Cause.OVERRIDE, reasons=("by hand",), actor="worker", at=AT
    )
    assert (HEAD.cause, HEAD.generation, HEAD.version, HEAD.triple) == (Cause.ADOPTED, 1, 3, None)
    assert (following.generation, following.previous_hash) == (2, HEAD.hash)


def test_a_champion_of_ours_is_entered_without_a_word() -> None:
    answer = judged(OURS)
    assert (answer.status, answer.notes) == (FindingStatus.NEW, ())


def test_a_version_that_cannot_be_used_is_refused_with_what_to_do() -> None:
    answer = judged(OURS.model_copy(update={"problem": "it has no files"}))
    assert answer.status is FindingStatus.UNUSABLE
    assert "it has no files; point the alias at a complete version" in answer.why


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (OURS, None),
        (None, "the alias 'prod' is gone: a running worker points it at version 3 again"),
        (OURS.model_copy(update={"version": 4}), "the alias 'prod' names version 4"),
    ],
)
def test_a_ledger_that_has_a_head_keeps_it(found: FoundChampion | None, note: str | None) -> None:
    """What became of the alias is the worker's to settle: it knows of its own late writes."""
    answer = judged(found, HEAD)
    assert answer.status is FindingStatus.KEPT
    assert len(answer.notes) == (0 if note is None else 1)
    assert all(said.startswith(note or "") for said in answer.notes)
