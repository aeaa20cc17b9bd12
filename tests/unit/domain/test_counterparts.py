"""What does not fit between the ledger and its counterparts, and what only looks so."""

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.counterparts import Agreement, Announced, Comparison, Counterparts, compare, first_told_otherwise
from domain.ledger import Cause, LedgerEntry, next_entry, recovery_entry
from domain.models import RegisteredVersion

OURS, THEIRS = "our-ledger", "their-ledger"
AT = datetime(2026, 1, 1, tzinfo=UTC)
LEFT_BY = {"actor": "a test", "at": AT, "reasons": ("a reason",)}


def entry(head: LedgerEntry | None, version: int, run_id: str | None = None) -> LedgerEntry:
    return next_entry("price", head, version=version, cause=Cause.GATE, mlflow_run_id=run_id, **LEFT_BY)


ONE = entry(None, 1, "run-1")
TWO = entry(ONE, 2, "run-2")
RECOVERY = recovery_entry("price", ONE, highest=5, version=3, **LEFT_BY)


def held(version: int, generation: object = None, run_id: str | None = None) -> RegisteredVersion:
    tags = {} if generation is None else {"laurel.generation": str(generation)}
    return RegisteredVersion(version=version, source="", mlflow_run_id=run_id, tags=tags)


def told(of: LedgerEntry, **facts: Any) -> Announced:
    said = {"generation": of.generation, "version": of.version, "entry_hash": of.hash, "ledger_id": OURS}
    return Announced.model_validate(said | facts)


def found(**said: Any) -> Comparison:
    """Compare a world that fits but for what is said."""
    fits = {
        "ledger_id": OURS,
        "head": TWO,
        "marked": OURS,
        "head_version": held(2, 2, "run-2"),
        "alias_version": held(2, 2, "run-2"),
        "announced": told(TWO),
        "there": TWO,
    }
    return compare(Counterparts.model_validate(fits | said))


FITS: dict[str, dict[str, Any]] = {
    "all sides": {},
    "a model that nobody has marked yet": {"marked": None},
    "an announcement of an older Laurel": {"announced": told(TWO, entry_hash=None, ledger_id=None)},
    "an older announcement": {"announced": told(ONE), "there": ONE},
    "a person's choice, an earlier version": {"alias_version": held(1, 1, "run-1")},
    "a person's choice, a version without a generation": {"alias_version": held(9)},
    "a tag that is no generation": {"alias_version": held(9, "99999999999999999999")},
    "a tag with another script's digits": {"alias_version": held(9, "९")},
    "no alias": {"alias_version": None},
    "a candidate that a person chose": {"alias_version": held(3, 3), "alias_is_candidate": True},
    "a version of which neither side knows the run": {"head_version": held(2)},
    "what was announced before a recovery": {
        "head": RECOVERY,
        "head_version": held(3),
        "announced": told(TWO, ledger_id=THEIRS),
        "there": None,
        "accepted": 6,
    },
}
DIFFERS: dict[str, tuple[dict[str, Any], Agreement, int]] = {
    "the registry lacks the head": ({"head_version": None}, Agreement.HEAD_MISSING, 2),
    "another run's version": ({"head_version": held(2, 2, "run-9")}, Agreement.HEAD_MISSING, 2),
    "a later generation was announced": ({"announced": told(TWO, generation=7)}, Agreement.LEDGER_BEHIND, 7),
    "the alias is a later generation": ({"alias_version": held(5, 4)}, Agreement.LEDGER_BEHIND, 4),
    "another deployment's model": ({"marked": THEIRS}, Agreement.ANOTHER_LEDGER, 2),
    "another deployment's announcement": (
        {"marked": None, "announced": told(TWO, ledger_id=THEIRS, generation=4)},
        Agreement.ANOTHER_LEDGER,
        4,
    ),
    "another content": ({"announced": told(TWO, entry_hash="f" * 64)}, Agreement.LEDGER_BROKEN, 2),
    "another version": (
        {"announced": told(TWO, version=8, entry_hash=None, ledger_id=None)},
        Agreement.LEDGER_BROKEN,
        2,
    ),
    "an announced entry that is gone": ({"announced": told(ONE), "there": None}, Agreement.LEDGER_BROKEN, 1),
    "the store's own audit": ({"broken": 1}, Agreement.LEDGER_BROKEN, 1),
    "another content of the recovery": (
        {
            "head": RECOVERY,
            "head_version": held(3),
            "announced": told(RECOVERY, entry_hash="f" * 64),
            "there": RECOVERY,
            "accepted": 6,
        },
        Agreement.LEDGER_BROKEN,
        6,
    ),
}


@pytest.mark.parametrize("said", FITS.values(), ids=FITS.keys())
def test_what_is_usual_fits(said: dict[str, Any]) -> None:
    assert found(**said).agreement is Agreement.OK, found(**said).message


@pytest.mark.parametrize(("said", "agreement", "seen"), DIFFERS.values(), ids=DIFFERS.keys())
def test_what_does_not_fit_is_told_with_both_numbers_and_the_way_out(
    said: dict[str, Any], agreement: Agreement, seen: int
) -> None:
    comparison = found(**said)
    assert (comparison.agreement, comparison.seen, comparison.fits) == (agreement, seen, False)
    assert str(comparison.ledger) in comparison.message
    assert str(seen) in comparison.message
    assert "`laurel ledger accept --reason …`" in comparison.message


def test_a_topic_without_an_announcement_does_not_anchor_and_raises_no_alarm() -> None:
    comparison = found(announced=None, there=None)
    assert (comparison.agreement, comparison.fits) == (Agreement.NOT_ANCHORED, True)


def test_an_empty_ledger_on_an_empty_registry_fits() -> None:
    assert compare(Counterparts(ledger_id=OURS, head=None)).fits


@pytest.mark.parametrize(
    ("announced", "first"),
    [
        ([told(ONE), told(TWO)], None),
        ([told(TWO), told(ONE, entry_hash="f" * 64)], 1),
        ([told(ONE, version=7), told(TWO, version=8)], 1),
        ([told(TWO, generation=9)], None),  # above the head: forgotten, and not changed
        ([], None),
    ],
)
def test_the_oldest_announcement_that_differs_is_named(announced: list[Announced], first: int | None) -> None:
    difference = first_told_otherwise(announced, [ONE, TWO])
    assert (difference[0].generation if difference else None) == first


def test_what_was_said_before_a_recovery_was_accepted_with_it() -> None:
    lost = [told(ONE, version=9), told(TWO), told(RECOVERY)]
    assert first_told_otherwise(lost, [ONE, RECOVERY]) is None
    assert first_told_otherwise([*lost, told(RECOVERY, version=9)], [ONE, RECOVERY]) is not None
