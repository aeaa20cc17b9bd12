"""Taking over what is there: what each thing that was found is to the records, and the first generation."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from domain.ledger import Cause, LedgerEntry, next_entry
from domain.values import Sha256, Value, VersionTriple


class FindingStatus(StrEnum):
    """What a found thing is to the records."""

    NEW = "new"  # would be recorded
    ADDED = "recorded now"
    KEPT = "recorded before"
    DIFFERS = "differs"  # from its first use: nothing is overwritten
    UNUSABLE = "unusable"  # not recorded
    NONE = "none"  # there is nothing to record


class FoundFile(Value):
    """A file whose first use is recorded by its digest; `sha256` is None for one that could not be read.

    `kind` and `name` are those of `domain.ports.dataset_files`; `file` says where it lies.
    """

    kind: str
    name: str
    file: str
    sha256: Sha256 | None = None
    faults: tuple[str, ...] = ()
    note: str = ""


class JudgedFile(Value):
    """A found file beside the record of its first use; `why` is a sentence for a person."""

    found: FoundFile
    status: FindingStatus
    why: str = ""


class FoundChampion(Value):
    """What the alias names, as the registry tells it.

    `name` is the artifact's, `saved_with` MLflow's serialization format or loader. `lacks` are fields that
    the version's run does not carry, `triple` and `mlflow_run_id` what it does. `model_digest` seals its
    files, if a tag says so. `problem` says why the version cannot be a champion at all.
    """

    version: int
    ours: bool = False
    name: str = ""
    saved_with: str = ""
    lacks: tuple[str, ...] = ()
    triple: VersionTriple | None = None
    mlflow_run_id: str | None = None
    model_digest: str | None = None
    problem: str | None = None


class JudgedChampion(Value):
    """Today's champion beside the ledger; the notes say what will come of its being adopted."""

    found: FoundChampion | None
    status: FindingStatus
    why: str
    notes: tuple[str, ...] = ()


def adopted_entry(
    model_name: str,
    version: int,
    *,
    actor: str,
    at: datetime,
    triple: VersionTriple | None = None,
    mlflow_run_id: str | None = None,
    model_digest: str | None = None,
) -> LedgerEntry:
    """The generation of a version that was in production before Laurel: the first one.

    Without a triple, because its run has none, the defaults stay as they are.
    """
    return next_entry(
        model_name,
        None,
        version=version,
        cause=Cause.ADOPTED,
        triple=triple,
        mlflow_run_id=mlflow_run_id if triple else None,
        reasons=(f"version {version} was in production before Laurel",),
        actor=actor,
        at=at,
        model_digest=model_digest,
    )


def judge_file(found: FoundFile, known: str | None) -> JudgedFile:
    """Hold a found file against the digest of its first use; None: it has none yet."""
    if known is not None and found.sha256 != known:
        now = f"is now {found.sha256}" if found.sha256 else "cannot be read now"
        why = (
            f"its sha256 was {known} at its first use, and {now}; "
            "restore the file, or give the new content its own version"
        )
        return JudgedFile(found=found, status=FindingStatus.DIFFERS, why="; ".join([why, *found.faults]))
    if found.faults:
        return JudgedFile(found=found, status=FindingStatus.UNUSABLE, why="; ".join(found.faults))
    return JudgedFile(
        found=found, status=FindingStatus.NEW if known is None else FindingStatus.KEPT, why=found.note
    )


def judge_champion(
    found: FoundChampion | None, head: LedgerEntry | None, *, alias: str, allow_foreign: bool
) -> JudgedChampion:
    """Say what adopting means: an empty ledger gets its first entry, any other keeps its head."""
    if head is not None:
        why = f"generation {head.generation} is version {head.version} ({head.cause.value})"
        notes = tuple(_beside_the_head(found, head, alias))
        return JudgedChampion(found=found, status=FindingStatus.KEPT, why=why, notes=notes)
    if found is None:
        why = (
            f"the alias {alias!r} does not exist, so there is no champion; "
            "the first model that passes the gate will be generation 1"
        )
        return JudgedChampion(found=None, status=FindingStatus.NONE, why=why)
    if found.problem is not None:
        why = (
            f"the alias {alias!r} names version {found.version}, which cannot be used: {found.problem}; "
            f"point the alias at a complete version, or delete the alias, then run this again"
        )
        return JudgedChampion(found=found, status=FindingStatus.UNUSABLE, why=why)
    why = f"version {found.version} as generation 1"
    notes = (*_foreign_notes(found, allow_foreign=allow_foreign), *_field_notes(found))
    return JudgedChampion(found=found, status=FindingStatus.NEW, why=why, notes=notes)


def _beside_the_head(found: FoundChampion | None, head: LedgerEntry, alias: str) -> Sequence[str]:
    if found is None:
        return [f"the alias {alias!r} is gone: a running worker points it at version {head.version} again"]
    if found.version == head.version:
        return []
    differs = f"the alias {alias!r} names version {found.version}"
    return [f"{differs}: a running worker says why, and records an override if a person moved it"]


def _foreign_notes(found: FoundChampion, *, allow_foreign: bool) -> Sequence[str]:
    if found.ours:
        return []
    made = f"version {found.version} was not made by Laurel (saved with {found.saved_with})"
    if allow_foreign:
        return [f"{made}: it is scored by mlflow.pyfunc in a child process, as the settings allow"]
    only = "it is scored only with ALLOW_FOREIGN_CHAMPION=true, since loading it runs its code"
    return [f"{made}: {only}; until then every verdict is INCONCLUSIVE and the champion stays"]


def _field_notes(found: FoundChampion) -> Sequence[str]:
    notes = []
    if found.lacks:
        notes.append(f"its run lacks {', '.join(found.lacks)}: it is adopted unchanged, the defaults stay")
    if found.triple is not None:
        said = ", ".join(f"{name} {value}" for name, value in found.triple.model_dump().items())
        notes.append(f"its run has {said}: a worker writes them into active_config.yaml")
    if found.name != "model":
        named = f"its artifact is named {found.name!r}, not 'model'"
        notes.append(f"{named}: runs:/<id>/model does not resolve, but the version itself does")
    return notes
