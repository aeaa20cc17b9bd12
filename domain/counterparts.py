"""The ledger beside its counterparts: what registry, alias and topic say of the generations that were used.

A restored backup, or another deployment on the same registry and topics, shows here before anything is
appended.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from domain.ledger import Cause, LedgerEntry
from domain.models import RegisteredVersion
from domain.values import Sha256, Value

ALL_AGREE: Final = "registry and topic agree with the ledger"
_ACCEPT: Final = "`laurel ledger accept --reason …`"
_WAY_OUT: Final = (
    "If a backup was restored, restore the other side to the same moment too; "
    f"else {_ACCEPT} continues above every number that was used"
)


class Announced(Value):
    """What is known to have been said of one generation. Laurel 0.1.0 said neither hash nor ledger."""

    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    entry_hash: Sha256 | None = None
    ledger_id: str | None = None


class Counterparts(Value):
    """What each side says.

    `broken` is the store's own audit. `marked` names the ledger that the registered model belongs to.
    `head_version` and `alias_version` are as the registry holds them, None where it holds none;
    `alias_is_candidate` is true for a version that a run of this store registered and that did not win.
    `announced` is the newest that is known to be announced, `there` the ledger's own entry of that
    generation. `accepted` is the newest recovery's generation: a person has looked at what was said before.
    """

    ledger_id: str
    head: LedgerEntry | None
    broken: int | None = None
    marked: str | None = None
    head_version: RegisteredVersion | None = None
    alias_version: RegisteredVersion | None = None
    alias_is_candidate: bool = False
    announced: Announced | None = None
    there: LedgerEntry | None = None
    accepted: int = 0

    @property
    def generation(self) -> int:
        """The head's; 0 for an empty ledger."""
        return self.head.generation if self.head else 0


class Agreement(StrEnum):
    """How the sides stand to each other; all but the first two stop promotions."""

    OK = "ok"
    NOT_ANCHORED = "not_anchored"  # the topic holds no announcement of this model
    HEAD_MISSING = "head_missing"
    LEDGER_BEHIND = "ledger_behind"
    ANOTHER_LEDGER = "another_ledger"
    LEDGER_BROKEN = "ledger_broken"


FITS: Final = frozenset({Agreement.OK, Agreement.NOT_ANCHORED})


class Comparison(Value):
    """The first thing that does not fit, as a sentence with its way out, and the numbers it is about.

    `ledger` is the head's generation, `seen` what the other side says: a generation, or for `head_missing`
    the version that the alias names. `marked` is true when the registered model names its ledger.
    """

    agreement: Agreement
    message: str
    ledger: int
    seen: int
    marked: bool

    @property
    def fits(self) -> bool:
        """True when something may be appended."""
        return self.agreement in FITS


def compare(said: Counterparts) -> Comparison:
    """Hold the ledger against what each side says."""
    for rule in _RULES:
        for found in rule(said):
            return found
    if said.announced is None:
        message = "model.promoted holds no announcement of this model, so the ledger is not anchored there"
        return _found(said, Agreement.NOT_ANCHORED, message, 0)
    message = f"generation {said.generation}: {ALL_AGREE}"
    return _found(said, Agreement.OK, message, said.announced.generation)


def compare_unregistered(said: Counterparts) -> Comparison:
    """Hold the ledger against what was announced alone: the registry does not answer."""
    for rule in _WITHOUT_REGISTRY:
        for found in rule(said):
            return found
    seen = said.announced.generation if said.announced else 0
    return _found(said, Agreement.OK, f"generation {said.generation}: the topic agrees with the ledger", seen)


def first_told_otherwise(
    announced: Sequence[Announced], entries: Sequence[LedgerEntry]
) -> tuple[Announced, LedgerEntry | None] | None:
    """The oldest announcement that the ledger does not hold as it was said, beside what it holds.

    What was said before the newest recovery was accepted with it, and what is above the head is not meant.
    """
    held = {entry.generation: entry for entry in entries}
    begins = max((entry.generation for entry in entries if entry.cause is Cause.RECOVERY), default=1)
    for told in sorted(announced, key=lambda one: one.generation):
        there = held.get(told.generation)
        if begins <= told.generation <= max(held, default=0) and not (there and _same(told, there)):
            return told, there
    return None


def _another_ledger(said: Counterparts) -> Iterator[Comparison]:
    told = said.announced
    owners = [("the registered model", said.marked)]
    if told is not None and told.generation > said.accepted:
        owners.append(("the newest model.promoted", told.ledger_id))
    for what, owner in owners:
        if owner not in {None, said.ledger_id}:
            seen = told.generation if told else 0
            message = (
                f"{what} belongs to the ledger {owner} (generation {seen} was announced), and this database "
                f"holds the ledger {said.ledger_id}, whose head is generation {said.generation}: another "
                "deployment manages this model. Set another MLFLOW_MODEL_NAME, or that deployment's "
                f"DATABASE_URL; if that database is lost, {_ACCEPT} takes the model over"
            )
            yield _found(said, Agreement.ANOTHER_LEDGER, message, seen)


def _broken(said: Counterparts) -> Iterator[Comparison]:
    if said.broken is not None:
        message = (
            f"the promotion ledger is broken at generation {said.broken}, and its head is generation "
            f"{said.generation}: an entry was changed or removed. Restore the table as a whole; {_ACCEPT} "
            "continues without removed entries, but never on a changed one"
        )
        yield _found(said, Agreement.LEDGER_BROKEN, message, said.broken)


def _behind_the_topic(said: Counterparts) -> Iterator[Comparison]:
    told = said.announced
    if told is not None and told.generation > said.generation:
        yield _forgotten(said, f"generation {told.generation} was announced", told.generation)


def _behind_the_registry(said: Counterparts) -> Iterator[Comparison]:
    shown = said.alias_version
    if shown is not None and shown.generation > said.generation and not said.alias_is_candidate:
        what = f"the alias names version {shown.version}, which is generation {shown.generation}"
        yield _forgotten(said, what, shown.generation)


def _forgotten(said: Counterparts, what: str, seen: int) -> Comparison:
    message = (
        f"{what}, and the head of the ledger is generation {said.generation}: the ledger lacks "
        f"promotions. {_WAY_OUT}"
    )
    return _found(said, Agreement.LEDGER_BEHIND, message, seen)


def _announced_otherwise(said: Counterparts) -> Iterator[Comparison]:
    told = said.announced
    if told is None or told.generation < said.accepted or (said.there and _same(told, said.there)):
        return
    there = f"another entry, of version {said.there.version}" if said.there else "nothing there"
    message = (
        f"the promotion ledger is broken at generation {told.generation}: version {told.version} was "
        f"announced under that number, the ledger holds {there}, and its head is generation "
        f"{said.generation}. {_WAY_OUT}"
    )
    yield _found(said, Agreement.LEDGER_BROKEN, message, told.generation)


def _same(told: Announced, entry: LedgerEntry) -> bool:
    return told.version == entry.version and told.entry_hash in {None, entry.hash}


def _head_missing(said: Counterparts) -> Iterator[Comparison]:
    head, held = said.head, said.head_version
    if head is None or (held is not None and _is_of(held, head)):
        return
    whose = "does not hold it" if held is None else f"holds one of another run there, {held.mlflow_run_id}"
    shown = said.alias_version.version if said.alias_version else 0
    message = (
        f"the ledger's head, generation {head.generation}, is version {head.version}; the registry {whose}, "
        f"and its alias names {f'version {shown}' if shown else 'none'}. Restore that version. {_WAY_OUT}"
    )
    yield _found(said, Agreement.HEAD_MISSING, message, shown)


def _is_of(held: RegisteredVersion, head: LedgerEntry) -> bool:
    """By its run, as far as both sides name one."""
    return None in {held.mlflow_run_id, head.mlflow_run_id} or held.mlflow_run_id == head.mlflow_run_id


def _found(said: Counterparts, agreement: Agreement, message: str, seen: int) -> Comparison:
    marked = said.marked is not None
    return Comparison(agreement=agreement, message=message, ledger=said.generation, seen=seen, marked=marked)


_RULES: Final[tuple[Callable[[Counterparts], Iterator[Comparison]], ...]] = (
    _another_ledger,
    _broken,
    _behind_the_topic,
    _behind_the_registry,
    _announced_otherwise,
    _head_missing,
)
_WITHOUT_REGISTRY: Final = (_another_ledger, _broken, _behind_the_topic, _announced_otherwise)


# A worker moves the alias within milliseconds of the entry; while MLflow is away it takes longer.
_FOLLOWS_WITHIN: Final = timedelta(seconds=30)


def alias_gap(head: LedgerEntry | None, named: int | None, alias: str, now: datetime) -> str | None:
    """Say that the alias names another version than the head, or none; None while it is just following."""
    if head is None or named == head.version or now - head.at < _FOLLOWS_WITHIN:
        return None
    says = f"names version {named}" if named else "does not exist"
    return (
        f"the alias {alias!r} {says}, and the ledger's head is version {head.version} (generation "
        f"{head.generation}): a running worker records a person's move, or brings the alias back, within "
        "WORKER__RECONCILE_SECONDS. `laurel doctor` says whether one runs"
    )
