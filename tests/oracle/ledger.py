"""I3: the ledger is a chain of generations, each of them earned, asked for, or done by a person."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.oracle.facts import LedgerRow, Violation, World
from tests.oracle.reading import canonical, sha256

_FIRST_HASH: Final = "0" * 64
_COLUMNS: Final = ("generation", "version", "cause", "previous_hash")


def ledger(world: World, *, at_rest: bool) -> Iterator[Violation]:
    """Walk the chain, judge every promotion again, and match what people did."""
    yield from _chain(world)
    for before in world.earlier:
        yield from _unchanged(before, world)
    entries = [json.loads(row.content) for row in sorted(world.ledger)]
    for number, entry in enumerate(entries):
        if entry["cause"] == "gate":
            yield from _earned(entry, entries[number - 1] if number else None)
            if at_rest:
                yield from _rescored(entry, world)
    yield from _by_hand(world, at_rest=at_rest)


def _chain(world: World) -> Iterator[Violation]:
    before: LedgerRow | None = None
    for row in sorted(world.ledger):
        about, content = f"generation {row.generation}", json.loads(row.content)
        number = before.generation + 1 if before else 1
        if row.generation != number and row.cause != "recovery":
            yield Violation("I3", about, f"generation {number} is missing")
        if row.cause == "recovery" and content.get("previous_generation") != (number - 1 or None):
            yield Violation("I3", about, "it names another generation before it than the ledger does")
        if row.previous_hash != (before.hash if before else _FIRST_HASH):
            yield Violation("I3", about, "it does not point to the entry before")
        if row.hash != sha256(canonical(content).encode()):
            yield Violation("I3", about, "its content does not have its hash")
        if row.content != canonical(content):
            yield Violation("I3", about, "its content is not written canonically")
        if any(content[name] != getattr(row, name) for name in _COLUMNS):
            yield Violation("I3", about, "its columns say something else than its content")
        if content.get("previous_version") != (before.version if before else None):
            yield Violation("I3", about, "it names another version before it than the ledger does")
        before = row


def _unchanged(before: World, world: World) -> Iterator[Violation]:
    now = {row.generation: row for row in world.ledger}
    for row in before.ledger:
        if now.get(row.generation) != row:
            yield Violation("I3", f"generation {row.generation}", "an entry that was seen has changed")


def _earned(entry: Mapping[str, Any], before: Mapping[str, Any] | None) -> Iterator[Violation]:
    about = f"generation {entry['generation']}"
    policy, candidate, champion = entry["policy"], entry["candidate_score"], entry.get("champion_score")
    new = _number(candidate, policy["metric"])
    if new is None:
        yield Violation("I3", about, "a model without a number was promoted")
    if before is None:
        if champion is not None:
            yield Violation("I3", about, "the first champion was judged against another")
        return
    if champion is None:
        yield Violation("I3", about, f"version {before['version']} was champion, and was not judged")
        return
    old = _number(champion, policy["metric"])
    if champion["dataset_digest"] != candidate["dataset_digest"]:
        yield Violation("I3", about, "the two were scored on different bytes")
    if old is None:
        yield Violation("I3", about, "it won against a champion without a number")
    elif new is not None and not old - new > policy["minimum_effect"]:
        yield Violation("I3", about, f"{new} is not better than {old} by {policy['minimum_effect']}")


def _number(score: Mapping[str, Any], metric: str) -> float | None:
    value = score["metrics"].get(metric)
    return float(value) if value is not None and math.isfinite(value) and value >= 0 else None


def _rescored(entry: Mapping[str, Any], world: World) -> Iterator[Violation]:
    judged = {entry["version"]: entry["candidate_score"]}
    if {"champion_score", "previous_version"} <= entry.keys():
        judged[entry["previous_version"]] = entry["champion_score"]
    for version, score in judged.items():
        own = world.rescored.get((version, score["dataset_digest"]), {})
        for metric, value in own.items():
            said = score["metrics"].get(metric, math.nan)
            if not math.isclose(said, value, rel_tol=1e-9):
                yield Violation("I3", f"version {version}", f"its {metric} is {value}, not {said}")


def _by_hand(world: World, *, at_rest: bool) -> Iterator[Violation]:
    for causes, done in (
        ({"override", "adopted"}, world.did.alias_moves),
        ({"rollback"}, world.did.rollbacks),
        ({"repair"}, world.did.repairs),
        ({"recovery"}, world.did.recoveries),
    ):
        recorded = Counter(row.version for row in world.ledger if row.cause in causes)
        for version in (recorded - Counter(done)).elements():
            yield Violation("I3", f"version {version}", f"{'/'.join(sorted(causes))}: nobody did that")
        if at_rest:
            for version in (Counter(done) - recorded).elements():
                yield Violation("I3", f"version {version}", "a person chose it, and the ledger is silent")
    for row in world.ledger:
        if row.cause == "adopted" and row.generation != 1:
            yield Violation("I3", f"generation {row.generation}", "only the first entry can be adopted")
        if row.cause == "repair":
            yield from _same_model(json.loads(row.content), world)


def _same_model(entry: Mapping[str, Any], world: World) -> Iterator[Violation]:
    """A repair changes what the files say, never whose model they are."""
    runs = {version.version: version.mlflow_run_id for version in world.versions}
    if entry.get("previous_version") is None:
        yield Violation("I3", f"generation {entry['generation']}", "there was nothing to repair")
    elif runs.get(entry["version"]) != runs.get(entry["previous_version"]):
        yield Violation(
            "I3", f"generation {entry['generation']}", "it is of another run than what it repairs"
        )
