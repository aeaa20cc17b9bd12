"""What a look at a replica comes to."""

from pathlib import Path
from typing import get_args

import pytest

from domain.convergence import (
    Problem,
    ProblemReason,
    Replica,
    ReplicaObservation,
    ReplicaState,
    RolloutTarget,
    Served,
    lag,
    replica_state,
)
from domain.ledger import LedgerEntry
from tests.kit.builders import an_entry

WANTED = RolloutTarget(generation=3, version=5, promotion_id="p")


def ledger(*versions: int) -> list[LedgerEntry]:
    entries: list[LedgerEntry] = []
    for version in versions:
        entries.append(an_entry(entries[-1] if entries else None, version))
    return entries


@pytest.mark.parametrize(
    ("served", "is_served", "state"),
    [
        (Served(version=5, generation=3), True, ReplicaState.SERVING),
        (Served(version=5, generation=3, stale=True), True, ReplicaState.STALE),
        (Served(version=5), True, ReplicaState.NO_GENERATION),
        (Served(version=4), False, ReplicaState.BEHIND),
        (Served(version=4, generation=2), False, ReplicaState.BEHIND),
        (Served(version=4, generation=2, stale=True), False, ReplicaState.BEHIND),
        (Served(version=4, generation=3), False, ReplicaState.BEHIND),
        (Served(version=5, generation=2), False, ReplicaState.BEHIND),
        (Served(version=6, generation=4), False, ReplicaState.AHEAD),
        (Served(version=None), False, ReplicaState.NO_MODEL),
    ],
)
def test_generation_and_version_must_both_be_the_champions(
    *, served: Served, is_served: bool, state: ReplicaState
) -> None:
    observation = ReplicaObservation(served=served)
    assert (observation.serves(WANTED), replica_state(observation, WANTED)) == (is_served, state)


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("unresolved", ReplicaState.UNREACHABLE),
        ("unreachable", ReplicaState.UNREACHABLE),
        ("no_answer", ReplicaState.UNREACHABLE),
        ("unauthorized", ReplicaState.UNKNOWN),
        ("bad_answer", ReplicaState.UNKNOWN),
    ],
)
def test_silence_is_told_apart_from_an_answer_that_says_nothing(
    reason: ProblemReason, state: ReplicaState
) -> None:
    assert replica_state(ReplicaObservation(problem=Problem(reason=reason, detail="so")), WANTED) is state


def test_without_a_champion_whoever_has_a_model_is_in_place() -> None:
    assert (
        replica_state(ReplicaObservation(served=Served(version=5, generation=3)), None)
        is ReplicaState.SERVING
    )
    assert replica_state(ReplicaObservation(served=Served(version=None)), None) is ReplicaState.NO_MODEL


def test_the_lag_counts_generations_and_takes_a_server_without_them_by_its_newest_version() -> None:
    entries = ledger(5, 6, 5, 7)
    assert lag(Served(version=5, generation=1), entries) == 3
    assert lag(Served(version=5), entries) == 1
    assert lag(Served(version=7), entries) == 0
    assert lag(Served(version=None), entries) == 4
    assert lag(Served(version=99), entries) is None
    assert lag(Served(version=9, generation=6), entries) == -2
    assert lag(None, entries) is None
    assert lag(Served(version=5), []) is None


def test_a_replica_is_named_by_its_url_and_its_address() -> None:
    assert Replica(url="http://i:1", address="10.0.0.3").name == "http://i:1#10.0.0.3"
    assert Replica(url="http://10.0.0.3:1").name == "http://10.0.0.3:1"


def test_every_state_and_every_reason_is_explained() -> None:
    docs = Path(__file__).parents[3] / "docs"
    states, reasons = ((docs / name).read_text("utf-8") for name in ("convergence.md", "operations.md"))
    chapter = reasons.partition("### Replicas that do not serve the champion")[2].partition("\n###")[0]
    assert [state for state in ReplicaState if f"\n| {state.value} |" not in states] == []
    assert [reason for reason in get_args(ProblemReason) if f"\n| `{reason}` |" not in chapter] == []
