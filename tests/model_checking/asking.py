"""Ports that do nothing but say what is asked of them, so that a search decides when and how it is answered.

A coroutine of the product that uses them stops at each question. Questions whose answer depends on nobody
else (a log line, a tag, the clock) are answered at once.
"""

from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from domain.announcement import Announcement
from domain.counterparts import Announced
from domain.hold import HoldEnding, PromotionHold
from domain.ledger import RECENT, LedgerEntry
from domain.lifecycle import Outcome, State
from domain.lifecycle import advance as next_state
from domain.models import LoggedModel, RegisteredModel, RegisteredVersion
from domain.package_tags import MANIFEST_TAG
from domain.points import Point
from domain.promotion_checks import PromotionPolicy
from domain.quarantine import Quarantine
from domain.run import Failure, Run
from domain.run_actions import CANCELLED, Actor
from domain.values import VersionTriple
from service.lifecycle.run_ports import RunPorts
from service.runtime.metrics import Metrics
from service.runtime.provenance import Provenance

MODEL = "price"
LEDGER_ID = "a-ledger"
A_PERSON = Actor(name="a person", door="api", proven=True)
THE_HOLD = PromotionHold(
    hold_id="the hold", model_name=MODEL, reason="audit", actor=A_PERSON, at=datetime(2026, 1, 1, tzinfo=UTC)
)


class Question(NamedTuple):
    """One atomic access to what processes share; `about` is hashable."""

    name: str
    about: Any = None


class Ask:
    """Awaiting it hands the question to whoever drives the coroutine, and returns the answer."""

    def __init__(self, name: str, about: Any = None) -> None:
        self.question = Question(name, about)

    def __await__(self) -> Generator[Question, Any, Any]:
        return (yield self.question)


class AskingPort:
    """Knows whose it is, and nothing else."""

    def __init__(self, worker: str = "") -> None:
        self._worker = worker


class AskingLedger(AskingPort):
    async def head(self, _model: str) -> LedgerEntry | None:
        return cast("LedgerEntry | None", await Ask("head"))

    async def identity(self) -> str:
        return LEDGER_ID

    async def first_broken_generation(self, _model: str, **_how: bool) -> None:
        """The database keeps what it was given."""

    async def highest(self, _model: str) -> int:
        return cast("int", await Ask("highest"))

    async def append(self, entry: LedgerEntry, **_quarantined: object) -> None:
        await Ask("append", entry)

    async def entries(self, _model: str) -> Sequence[LedgerEntry]:
        return cast("Sequence[LedgerEntry]", await Ask("entries"))

    async def last(self, model: str, count: int = RECENT) -> Sequence[LedgerEntry]:
        return (await self.entries(model))[-count:]

    async def entry(self, _model: str, generation: int) -> LedgerEntry | None:
        return next((one for one in await self.entries(_model) if one.generation == generation), None)

    async def of_version(self, _model: str, version: int) -> LedgerEntry | None:
        return next((one for one in reversed(await self.entries(_model)) if one.version == version), None)

    async def replica_reports(self, _model: str, _generation: int) -> Sequence[Announcement]:
        """There are no servers."""
        return []

    async def unannounced(self, _model: str) -> Sequence[LedgerEntry]:
        return cast("Sequence[LedgerEntry]", await Ask("unannounced"))

    async def announce(self, entry: LedgerEntry, _announcement: Announcement) -> None:
        await Ask("announce", entry.generation)


class AskingAliasWrites(AskingPort):
    async def open(self, _model: str, version: int, writer: str) -> int:
        return cast("int", await Ask("open_record", (version, writer)))

    async def close(self, number: int) -> None:
        await Ask("close_record", number)

    async def is_open(self, _model: str, version: int) -> bool:
        return cast("bool", await Ask("is_open", version))

    async def traffic(self, _model: str) -> tuple[int, int]:
        return cast("tuple[int, int]", await Ask("traffic"))

    async def settled(self, _model: str, _seconds: float) -> Sequence[int]:
        return cast("Sequence[int]", await Ask("settled"))


class AskingRegistry(AskingPort):
    async def alias_version(self, _model: str) -> int | None:
        return cast("int | None", await Ask("read_alias"))

    async def registered(self, _model: str) -> RegisteredModel:
        """It is this ledger's; no version is tagged with a generation, so the alias says nothing of any."""
        return RegisteredModel(alias_version=None, ledger_id=LEDGER_ID)

    async def highest_generation(self, _model: str) -> int:
        return 0

    async def mark(self, _model: str, _ledger_id: str) -> None:
        """It is this ledger's already."""

    async def version(self, _model: str, version: int) -> RegisteredVersion:
        """Every version is there, whole and for ever, and says all of itself."""
        return RegisteredVersion(version=version, source="", mlflow_run_id=None, tags={MANIFEST_TAG: "{}"})

    async def resolved(self, _model: str, version: RegisteredVersion) -> RegisteredVersion:
        return version

    async def look(self, _version: RegisteredVersion) -> None:
        """It has its files."""

    async def set_alias(self, _model: str, version: int) -> None:
        await Ask("set_alias", (version, self._worker))

    async def tag_version(self, _model: str, _version: int, _tags: object, **_how: object) -> None:
        """A tag is nobody else's business."""

    async def register(
        self, _model: str, model: LoggedModel, _run: str, _tags: object, **_how: object
    ) -> RegisteredVersion:
        """One version for one source, whoever asks."""
        number = int(model.model_id)
        return RegisteredVersion(version=number, source="", mlflow_run_id=None, tags={})


class AskingConfig(AskingPort):
    async def holds(self, _triple: VersionTriple) -> bool:
        return True

    async def defaults(self) -> VersionTriple:
        return cast("VersionTriple", await Ask("read_defaults"))

    async def write_defaults(self, triple: VersionTriple) -> None:
        await Ask("write_defaults", triple.model_version)


class AskingRuns(AskingPort):
    """The run store as the command that cancels sees it; a run says what an announcement needs of it."""

    async def get(self, run_id: str) -> Run:
        fence, state = await Ask("read_run", int(run_id))
        return run_seen(run_id, fence, state)

    async def cancel(self, run: Run, _failure: Failure, _announcements: object) -> Run:
        next_state(run.state, Outcome.CANCELLED)
        await Ask("cancel", (int(run.run_id), run.fence, run.state.value))
        return run_seen(run.run_id, run.fence + 1, State.FAILED.value)


def run_seen(run_id: str, fence: int, state: str) -> Run:
    """A run of which only fence and state matter; one that has failed here was cancelled."""
    failure = Failure(reason=CANCELLED, message="cancelled") if state == State.FAILED else None
    return Run(
        run_id=run_id,
        model_name=MODEL,
        identity=run_id,
        payload={},
        correlation_id=run_id,
        causation_id=None,
        state=State(state),
        fence=fence,
        owner=None,
        attempts=0,
        mlflow_run_id=None,
        outputs={},
        failure=failure,
        waiting_on=None,
        waiting_since=None,
        requested_at=StoppedClock().now(),
        updated_at=StoppedClock().now(),
    )


class NoRuns(AskingPort):
    """The run store as one sees it who asks for a generation's recipe."""

    async def get(self, _run_id: str) -> None:
        return None

    async def find(self, _mlflow_run_id: str) -> Sequence[Run]:
        return ()


class NoHolds(AskingPort):
    """Nobody holds promotions in this story."""

    async def active(self) -> PromotionHold | None:
        return None


class AskingHolds(AskingPort):
    """Holds are all one: a story has one person who holds, and perhaps one who releases."""

    async def active(self) -> PromotionHold | None:
        return THE_HOLD if await Ask("held") else None

    open = active

    async def ended_by(self, _ending_id: str) -> PromotionHold | None:
        return None

    async def begin(self, hold: PromotionHold, _announcement: Announcement) -> PromotionHold | None:
        return hold if await Ask("hold") else None

    async def end(
        self, hold: PromotionHold, _ending: HoldEnding, _announcement: Announcement
    ) -> PromotionHold | None:
        return hold if await Ask("release") else None


class NoQuarantines(AskingPort):
    """Nothing was rolled away from."""

    async def active(self) -> Sequence[Quarantine]:
        return ()


class ConstantAnchor(AskingPort):
    """What was announced before a restore does not change while the processes run."""

    broken: int | None = None

    def __init__(self, announced: Announced | None) -> None:
        super().__init__()
        self._announced = announced

    async def newest(self, _model: str = MODEL) -> Announced | None:
        return self._announced

    async def read(self) -> None:
        """It was read before."""

    async def all(self, _model: str) -> Sequence[Announced]:
        return [] if self._announced is None else [self._announced]

    def saw(self, _head: LedgerEntry) -> None:
        """Every process here lives less long than a ledger that is restored."""


class StoppedClock(AskingPort):
    """Time is no part of the protocol."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


class NotingPoints:
    """A crash between two questions is the same crash wherever it is; which points lie there is noted."""

    def __init__(self) -> None:
        self.passed_points: set[Point] = set()

    async def at(self, point: Point) -> None:
        self.passed_points.add(point)


def asking_world(
    worker: str, points: NotingPoints, announced: Announced | None = None, *, may_be_held: bool = False
) -> RunPorts:
    """A world of one worker in which every port only asks; of holds only where somebody may hold."""
    ports: dict[str, Any] = dict.fromkeys(RunPorts.__dataclass_fields__)
    ports.update(
        model_name=MODEL,
        worker=worker,
        policy=PromotionPolicy(),
        provenance=Provenance(code_version="0", python_version="3", packages={}),
        ledger=AskingLedger(),
        alias_writes=AskingAliasWrites(),
        store=NoRuns(worker),
        registry=AskingRegistry(worker),
        holds=AskingHolds(worker) if may_be_held else NoHolds(worker),
        quarantines=NoQuarantines(worker),
        config=AskingConfig(),
        clock=StoppedClock(),
        points=points,
        metrics=Metrics(),
        anchor=ConstantAnchor(announced),
    )
    return RunPorts(**ports)
