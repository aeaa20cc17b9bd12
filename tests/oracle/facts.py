"""What the oracle looks at: one snapshot of everything that Laurel leaves behind, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

Triple = tuple[int, int, int]  # feature, model, split version


class Violation(NamedTuple):
    """A promise that is broken: which (I1 …), by what, and how."""

    invariant: str
    about: str
    message: str


class Coordinates(NamedTuple):
    """Where a record stands in Kafka, and since when."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True)
class Record:
    """A record of a topic, byte for byte."""

    coordinates: Coordinates
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None

    @property
    def topic(self) -> str:
        return self.coordinates.topic


class Kind(StrEnum):
    """What a test sent: something to answer, something that cannot be read, or another model's."""

    VALID = "valid"
    BAD = "bad"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Sent:
    """A record that a test produced and saw acknowledged."""

    record: Record
    kind: Kind


@dataclass(frozen=True)
class RunRow:
    """A row of `laurel.runs`; `outputs` is JSON by step name, `coordinates` the text of its first record."""

    run_id: str
    identity: str
    coordinates: str | None
    state: str
    fence: int
    mlflow_run_id: str | None
    failure: Mapping[str, Any] | None
    outputs: Mapping[str, Any]


class Transition(NamedTuple):
    """A row of `laurel.run_transitions`."""

    run_id: str
    seq: int
    from_state: str
    to_state: str
    fence: int


@dataclass(frozen=True)
class OutboxRow:
    """A row of `laurel.outbox`."""

    seq: int
    event_id: str
    run_id: str | None
    topic: str
    key: str
    headers: Mapping[str, str]
    body: str
    sent: bool


class LedgerRow(NamedTuple):
    """A row of `laurel.promotion_ledger`; `content` is the text that is sealed."""

    generation: int
    version: int
    cause: str
    previous_hash: str
    hash: str
    content: str


class FirstUse(NamedTuple):
    """A row of `laurel.first_uses`."""

    kind: str
    name: str
    digest: str


@dataclass(frozen=True)
class TrackedRun:
    """A run in MLflow, as its REST API shows it."""

    mlflow_run_id: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RegisteredVersion:
    """A version in MLflow's registry; `files` are the artifacts of its source, empty when there are none."""

    version: int
    mlflow_run_id: str | None
    tags: Mapping[str, str]
    files: frozenset[str]


class Commit(NamedTuple):
    """An offset that the group had committed when somebody looked; samples are in the order of looking."""

    partition: int
    offset: int


class Edit(NamedTuple):
    """A file that a test changed on purpose."""

    path: str


@dataclass
class Did:
    """What the test did to the world: every fault, and everything that a person might do."""

    declared: list[str] = field(default_factory=list)
    fired: list[str] = field(default_factory=list)
    alias_moves: list[int] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)
    recoveries: list[int] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)


@dataclass(frozen=True)
class World:
    """One snapshot. Committed offsets were read first and rows after them, since rows only grow.

    `live` are the topics as read amid the faults, `late` as read afterwards from the beginning. `files` maps
    paths to sha256, `temporaries` to their age in seconds, `parts` the data files to their rows' digests.
    `active` are samples of `active_config.yaml`, the first one from before anything ran. `outputs` is text
    that left a process. `rescored` is the test's own score by (version, dataset digest). `earlier` are
    snapshots that were taken before this one. `longest_write_seconds` is how old a temporary file may become
    before it counts as left behind: a large write takes its time.
    """

    model_name: str
    sent: tuple[Sent, ...] = ()
    runs: tuple[RunRow, ...] = ()
    history: tuple[Transition, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    ledger: tuple[LedgerRow, ...] = ()
    first_uses: tuple[FirstUse, ...] = ()
    live: tuple[Record, ...] = ()
    late: tuple[Record, ...] = ()
    commits: tuple[Commit, ...] = ()
    ends: Mapping[int, int] = field(default_factory=dict)
    tracked: tuple[TrackedRun, ...] = ()
    versions: tuple[RegisteredVersion, ...] = ()
    alias: int | None = None
    active: tuple[bytes, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    temporaries: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    config_root: str = ""
    data_root: str = ""
    outputs: Mapping[str, bytes] = field(default_factory=dict)
    canaries: tuple[str, ...] = ()
    rescored: Mapping[tuple[int, str], Mapping[str, float]] = field(default_factory=dict)
    did: Did = field(default_factory=Did)
    earlier: tuple["World", ...] = ()
    longest_write_seconds: float = 3600.0
