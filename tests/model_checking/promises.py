"""What must hold when every process is done, nothing is on its way, and a reconciler has looked."""

from collections.abc import Iterator

from tests.model_checking.programs import ERRORS
from tests.model_checking.shared import Entries, Shared


def wrong_at_rest(shared: Shared, entries: Entries) -> Iterator[str]:
    """Say what is broken."""
    for version, row in shared.runs:
        if row.state not in {"COMPLETED", "DECLINED", "FAILED"}:
            yield f"the run of version {version} was left {row.state}"
        if shared.failed.count(version) != (row.state == "FAILED"):
            yield f"the run of version {version} is {row.state}, and its failure was announced otherwise"
        if row.state == "FAILED" and version in {entries[number].version for number in shared.ledger}:
            yield f"version {version} of a cancelled run is in the ledger"
    if shared.announced != len(shared.ledger):
        yield f"{len(shared.ledger) - shared.announced} generations were never announced"
    if shared.chosen is not None:
        yield f"a person chose version {shared.chosen}, and the ledger is silent"
    if not shared.moves and not shared.was_held:
        yield from _best_lost(shared)
    if shared.ledger:
        yield from _head_not_shown(shared, entries)


def _best_lost(shared: Shared) -> Iterator[str]:
    """Where no person meddles, the best that anybody made is champion."""
    made = [version for version, row in shared.runs if row.state != "FAILED"]
    best = min(made, key=ERRORS.__getitem__, default=shared.alias)
    if shared.alias != best:
        yield f"version {best} is the best, and the alias shows {shared.alias}"


def _head_not_shown(shared: Shared, entries: Entries) -> Iterator[str]:
    head = entries[shared.ledger[-1]]
    if shared.alias != head.version:
        yield f"the alias shows {shared.alias}, the head of the ledger is {head.version}"
    if head.triple is not None and shared.defaults != head.triple.model_version:
        yield f"the defaults are those of {shared.defaults}, the head is {head.version}"
