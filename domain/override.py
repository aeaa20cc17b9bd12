"""What is seen of a move of the alias by hand: the registry keeps no trace of it, so the ledger does."""

from collections.abc import Iterator
from typing import Final

from domain.ledger import LedgerEntry
from domain.models import RecordedRun, RegisteredVersion
from domain.wording import plain

_OURS: Final = "laurel."
_MOST_TAGS: Final = 5
_NAME, _TEXT = 40, 80  # characters of a tag's name, and of what people wrote
_RUN_TAGS: Final = {"mlflow.user": "of the user", "mlflow.runName": "named", "mlflow.source.name": "made by"}


def seen_of_override(
    head: LedgerEntry, version: RegisteredVersion, run: RecordedRun | None
) -> tuple[str, ...]:
    """Say it in sentences, the move first; no tag of Laurel's own, and of others' only so many."""
    moved = f"the alias was pointed at version {version.version} by hand"
    before = f"before, the champion was version {head.version} (generation {head.generation})"
    return (moved, before, *_told_version(version), *_told_run(version, run))


def _told_version(version: RegisteredVersion) -> Iterator[str]:
    if version.registered_by:
        yield f"version {version.version} was registered by {plain(version.registered_by, _TEXT)}"
    theirs = sorted(name for name in version.tags if not name.startswith(_OURS))
    told = [f"{plain(name, _NAME)}={plain(version.tags[name], _TEXT)}" for name in theirs[:_MOST_TAGS]]
    if told:
        more = f" and {len(theirs) - _MOST_TAGS} more" if len(theirs) > _MOST_TAGS else ""
        yield f"its tags: {', '.join(told)}{more}"


def _told_run(version: RegisteredVersion, run: RecordedRun | None) -> Iterator[str]:
    if version.mlflow_run_id is None:
        yield "it names no MLflow run"
        return
    known = [
        f"{what} {plain(text, _TEXT)}"
        for name, what in _RUN_TAGS.items()
        if run is not None and (text := run.tags.get(name))
    ]
    there = ", ".join(known) if run is not None else "which MLflow does not have"
    yield f"its MLflow run is {plain(version.mlflow_run_id, _TEXT)}{f', {there}' if there else ''}"
