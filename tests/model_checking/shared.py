"""What processes share, as one hashable value, and what each question does to it."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from domain.errors import GenerationTaken, IllegalTransition, LeaseLost, PromotionBarred, TryLater
from domain.ledger import FIRST_HASH, Cause, LedgerEntry
from tests.model_checking.asking import Question
from tests.model_checking.programs import ERRORS, triple_of

BY_HAND: Final = frozenset({Cause.OVERRIDE, Cause.ADOPTED})


class RunRow(NamedTuple):
    """A run of the run store: who may write, how far it is, which generation it made."""

    fence: int = 0
    state: str = "EVALUATED"
    generation: int = 0


class Record(NamedTuple):
    """An alias write that was recorded; `minded` while its writer will close it, or it may still land."""

    number: int
    version: int
    writer: str
    minded: bool = True


class Shared(NamedTuple):
    """Everything outside of the processes.

    `ledger` holds numbers of entries (see `Entries`), `announced` how many generations were announced,
    `records` the open records of alias writes, `opened` how many there ever were, `on_the_way` number and
    version of writes whose sender no longer waits for the answer. `chosen` is a person's version while it
    stands and was a clear choice, `moves` all that persons have set. `used` is the highest generation that
    was announced before the ledger was restored. `failed` are the runs whose failure was announced. `held`:
    promotions are; `was_held`: they have been; a store that is not `guarded` does not look at that.
    """

    ledger: tuple[int, ...] = ()
    announced: int = 0
    alias: int | None = None
    defaults: int = 0
    records: tuple[Record, ...] = ()
    opened: int = 0
    on_the_way: tuple[tuple[int, int], ...] = ()
    runs: tuple[tuple[int, RunRow], ...] = ()
    chosen: int | None = None
    moves: tuple[int, ...] = ()
    used: int = 0
    failed: tuple[int, ...] = ()
    held: bool = False
    was_held: bool = False
    guarded: bool = True


class Answer(NamedTuple):
    """How a question is answered: what the process gets, and what is then shared.

    `given` is hashable; `Entries.value` turns it into what the code expects. `wrong` says which promise is
    broken by this very step.
    """

    given: Any
    shared: Shared
    note: str = ""
    wrong: str = ""


class Entries:
    """Ledger entries by number, so that states stay small and hashable."""

    def __init__(self) -> None:
        self._entries: list[LedgerEntry] = []
        self._numbers: dict[str, int] = {}
        self._known: dict[int, int] = {}  # by identity, since hashing one takes long

    def number(self, entry: LedgerEntry) -> int:
        """The number of an entry, the same for equal ones."""
        if id(entry) in self._known:
            return self._known[id(entry)]
        found = self._numbers.setdefault(entry.hash, len(self._entries))
        if found == len(self._entries):
            self._entries.append(entry)
            self._known[id(entry)] = found
        return found

    def __getitem__(self, number: int) -> LedgerEntry:
        return self._entries[number]

    def value(self, given: Any) -> Any:
        """What a process gets for a hashable answer."""
        match given:
            case ("entry", number):
                return self._entries[number]
            case ("entries", numbers):
                return [self._entries[number] for number in numbers]
            case ("triple", version):
                return triple_of(version)
            case _:
                return given


@dataclass(frozen=True)
class Raised:
    """An answer that is an error of the product."""

    name: str

    def error(self) -> Exception:
        """The error itself."""
        kinds = {
            "taken": GenerationTaken("generation_taken", "another was first"),
            "barred": PromotionBarred("promotions_held", "promotions are held"),
            "lost": LeaseLost("lease_lost", "another worker owns the run"),
            "away": TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow"),
            "out_of_turn": IllegalTransition("generation_out_of_turn", "the one before is not announced"),
        }
        return kinds[self.name]


Effect = Callable[[Shared, Any, Entries], Answer]
EFFECTS: Final[dict[str, Effect]] = {}


def effect(name: str) -> Callable[[Effect], Effect]:
    """Register what a question does."""

    def keep(how: Effect) -> Effect:
        EFFECTS[name] = how
        return how

    return keep


def answer(shared: Shared, question: Question, entries: Entries) -> Answer:
    """Answer a question as an honest server would."""
    return EFFECTS[question.name](shared, question.about, entries)


@effect("head")
def _head(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(("entry", shared.ledger[-1]) if shared.ledger else None, shared)


@effect("entries")
def _all_entries(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(("entries", shared.ledger), shared)


@effect("unannounced")
def _unannounced(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(("entries", shared.ledger[shared.announced :]), shared)


@effect("announce")
def _announce(shared: Shared, generation: int, entries: Entries) -> Answer:
    place = 1 + [entries[number].generation for number in shared.ledger].index(generation)
    if place <= shared.announced:
        return Answer(None, shared)
    if place > shared.announced + 1:
        return Answer(Raised("out_of_turn"), shared, wrong="a generation was announced out of turn")
    return Answer(None, shared._replace(announced=place))


@effect("highest")
def _highest(shared: Shared, _about: object, entries: Entries) -> Answer:
    return Answer(entries[shared.ledger[-1]].generation if shared.ledger else 0, shared)


@effect("append")
def _append(shared: Shared, number: int, entries: Entries) -> Answer:
    entry = entries[number]
    if entry.previous_hash != (entries[shared.ledger[-1]].hash if shared.ledger else FIRST_HASH):
        return Answer(Raised("taken"), shared)
    chosen = None if shared.chosen == entry.version else shared.chosen
    after = shared._replace(ledger=(*shared.ledger, number), chosen=chosen)
    note = f"generation {entry.generation} ({entry.cause})"
    return Answer(None, after, note, _wrong_entry(shared, entry, entries))


def _wrong_entry(shared: Shared, entry: LedgerEntry, entries: Entries) -> str:
    if entry.generation <= shared.used:
        return f"generation {entry.generation} was announced before, and is used again"
    if entry.cause is Cause.ROLLBACK and entries[shared.ledger[-1]].cause is Cause.ROLLBACK:
        return "two persons who meant one step made two"
    if entry.cause in {Cause.RECOVERY, Cause.ROLLBACK}:
        return ""
    if entry.cause in BY_HAND:
        recorded = Counter(entries[old].version for old in shared.ledger if entries[old].cause in BY_HAND)
        if recorded[entry.version] >= Counter(shared.moves)[entry.version]:
            return f"an override to version {entry.version} was recorded that no person made"
    elif shared.ledger and ERRORS[entry.version] >= ERRORS[entries[shared.ledger[-1]].version]:
        return f"version {entry.version} was promoted over a better one"
    return ""


@effect("open_record")
def _open(shared: Shared, about: tuple[int, str], _entries: Entries) -> Answer:
    record = Record(shared.opened, *about)
    after = shared._replace(records=(*shared.records, record), opened=shared.opened + 1)
    return Answer(record.number, after)


@effect("close_record")
def _close(shared: Shared, number: int, _entries: Entries) -> Answer:
    return Answer(None, shared._replace(records=tuple(one for one in shared.records if one.number != number)))


@effect("settled")
def _settled(shared: Shared, _about: object, _entries: Entries) -> Answer:
    """By the assumption on time, an old record is one that nobody minds."""
    return Answer(tuple(one.number for one in shared.records if not one.minded), shared)


@effect("is_open")
def _is_open(shared: Shared, version: int, _entries: Entries) -> Answer:
    return Answer(any(one.version == version for one in shared.records), shared)


@effect("traffic")
def _traffic(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer((shared.opened, len(shared.records)), shared)


@effect("read_alias")
def _read_alias(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(shared.alias, shared)


@effect("set_alias")
def _set_alias(shared: Shared, about: tuple[int, str], _entries: Entries) -> Answer:
    return Answer(None, shared._replace(alias=about[0], chosen=None))


def sent(shared: Shared, about: tuple[int, str]) -> Shared:
    """An alias write goes its way without its sender."""
    version, worker = about
    flying = {number for number, _ in shared.on_the_way}
    own = [one.number for one in shared.records if (one.version, one.writer) == (version, worker)]
    number = next(number for number in reversed(own) if number not in flying)
    return shared._replace(on_the_way=(*shared.on_the_way, (number, version)))


def landed(shared: Shared, number: int, version: int) -> Shared:
    """A write without a sender has arrived; what a person had set is gone."""
    left = tuple(one for one in shared.on_the_way if one[0] != number)
    return _unminded(shared, {number})._replace(alias=version, chosen=None, on_the_way=left)


def forgotten(shared: Shared, worker: str) -> Shared:
    """A worker died, or dropped what it was about: what it had recorded is minded only while it flies."""
    flying = {number for number, _ in shared.on_the_way}
    return _unminded(shared, {one.number for one in shared.records if one.writer == worker} - flying)


def _unminded(shared: Shared, numbers: set[int]) -> Shared:
    records = tuple(one._replace(minded=False) if one.number in numbers else one for one in shared.records)
    return shared._replace(records=records)


@effect("read_defaults")
def _read_defaults(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(("triple", shared.defaults), shared)


@effect("write_defaults")
def _write_defaults(shared: Shared, version: int, _entries: Entries) -> Answer:
    return Answer(None, shared._replace(defaults=version))


@effect("claim")
def _claim(shared: Shared, version: int, _entries: Entries) -> Answer:
    row = run_of(shared, version)
    if row.state != "FAILED":  # nobody claims what has ended
        row = row._replace(fence=row.fence + 1)
    return Answer((row.fence, row.state, row.generation), _with_run(shared, version, row))


@effect("holds")
def _holds(shared: Shared, fence: int, _entries: Entries) -> Answer:
    return Answer(run_of(shared, 1).fence == fence, shared)


@effect("held")
def _held(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(shared.held, shared)


@effect("hold")
def _hold(shared: Shared, _about: object, _entries: Entries) -> Answer:
    """A repeat, after an answer that was lost, finds its own."""
    after = shared._replace(held=True, was_held=True)
    return Answer(after.held, after, note="held")


@effect("release")
def _release(shared: Shared, _about: object, _entries: Entries) -> Answer:
    return Answer(shared.held, shared._replace(held=False), note="released")


@effect("read_run")
def _read_run(shared: Shared, version: int, _entries: Entries) -> Answer:
    return Answer(run_of(shared, version)[:2], shared)


@effect("cancel")
def _cancel(shared: Shared, about: tuple[int, int, str], _entries: Entries) -> Answer:
    version, fence, state = about
    row = run_of(shared, version)
    if (row.fence, row.state) == (fence + 1, "FAILED"):  # an earlier try, or another person
        return Answer(None, shared)
    if (row.fence, row.state) != (fence, state):
        return Answer(Raised("lost"), shared)
    ended = _with_run(shared, version, row._replace(fence=fence + 1, state="FAILED"))
    wrong = "a run that was promoted was cancelled" if row.generation else ""
    return Answer(None, ended._replace(failed=(*shared.failed, version)), "cancelled", wrong)


@effect("commit_evaluated")
def _commit_evaluated(shared: Shared, about: tuple[int, int], _entries: Entries) -> Answer:
    return _committed(shared, about, "TRAINED", "EVALUATED")


@effect("commit_verdict")
def _commit_verdict(shared: Shared, about: tuple[int, int, int | None], entries: Entries) -> Answer:
    version, fence, number = about
    row = run_of(shared, version)
    if row.fence != fence or row.state != "EVALUATED":
        return Answer(Raised("lost"), shared)
    if number is None:
        return Answer(None, _with_run(shared, version, row._replace(state="DECLINED")), note="declined")
    added = _append(shared, number, entries)
    if isinstance(added.given, Raised):
        return added
    if shared.held:
        barred = Answer(Raised("barred"), shared)
        return barred if shared.guarded else added._replace(wrong="promoted while promotions were held")
    promoted = row._replace(state="PROMOTED", generation=entries[number].generation)
    return added._replace(shared=_with_run(added.shared, version, promoted))


@effect("commit_persisted")
def _commit_persisted(shared: Shared, about: tuple[int, int], _entries: Entries) -> Answer:
    return _committed(shared, about, "PROMOTED", "COMPLETED")


def _committed(shared: Shared, about: tuple[int, int], before: str, after: str) -> Answer:
    version, fence = about
    row = run_of(shared, version)
    if row.fence != fence or row.state != before:
        return Answer(Raised("lost"), shared)
    return Answer(None, _with_run(shared, version, row._replace(state=after)))


def run_of(shared: Shared, version: int) -> RunRow:
    """The row of the run that makes a version."""
    return dict(shared.runs)[version]


def _with_run(shared: Shared, version: int, row: RunRow) -> Shared:
    runs: Mapping[int, RunRow] = {**dict(shared.runs), version: row}
    return shared._replace(runs=tuple(sorted(runs.items())))
