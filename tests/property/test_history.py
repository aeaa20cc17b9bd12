"""Who reigned when: for every moment the ledger says what a replay of the announcements says."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.announcement import model_promoted
from domain.events import ModelPromoted
from domain.history import Reign
from domain.ledger import LedgerEntry, recovery_entry
from tests.contract.stores import following
from tests.kit.reigns import reigning_at, reigns_of, replayed

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
MODEL = "price"


def after(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


@st.composite
def ledgers(draw: st.DrawFn) -> list[LedgerEntry]:
    """Clocks may be behind, moments equal, and a recovery leaves numbers out."""
    entries: list[LedgerEntry] = []
    for seconds in draw(st.lists(st.integers(0, 60), max_size=12)):
        head = entries[-1] if entries else None
        if draw(st.booleans()):
            entries.append(following(head, MODEL, version=draw(st.integers(1, 3)), at=after(seconds)))
        else:
            highest = (head.generation if head else 0) + draw(st.integers(0, 5))
            entries.append(
                recovery_entry(
                    MODEL, head, highest=highest, version=1, reasons=("a",), actor="b", at=after(seconds)
                )
            )
    return entries


moments = st.integers(-5, 65).map(after)


@given(ledgers(), moments, st.randoms(use_true_random=False))
def test_the_ledger_and_a_replay_of_the_announcements_agree_for_every_moment(
    entries: list[LedgerEntry], at: datetime, chance: object
) -> None:
    told = [model_promoted(entry, "ledger") for entry in entries]
    told += told[: len(told) // 2]  # a repeat says the same again
    chance.shuffle(told)  # type: ignore[attr-defined] # it is random.Random
    reign = reigning_at(reigns_of(entries), at)

    assert replayed(map(moment_of, told), at) == (None if reign is None else reign.entry.generation)


def moment_of(event: ModelPromoted) -> tuple[int, datetime, int]:
    return event.generation, datetime.fromisoformat(event.promoted_at), event.generation


@given(ledgers())
def test_reigns_follow_each_other_without_a_gap(entries: list[LedgerEntry]) -> None:
    reigns = reigns_of(entries)

    assert [reign.entry for reign in reigns] == entries
    assert [reign.until for reign in reigns] == [*(reign.since for reign in reigns[1:]), None][: len(reigns)]
    assert all(reign.since >= reign.entry.at and reign.seconds(after(999)) >= 0 for reign in reigns)


@given(ledgers(), moments)
def test_of_all_reigns_at_most_one_holds_a_moment(entries: list[LedgerEntry], at: datetime) -> None:
    def holds(reign: Reign) -> bool:
        return reign.since <= at and (reign.until is None or at < reign.until)

    found = [reign for reign in reigns_of(entries) if holds(reign)]
    assert found == [one for one in (reigning_at(reigns_of(entries), at),) if one is not None]
