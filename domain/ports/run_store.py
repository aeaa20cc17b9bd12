"""Where every run is: requests that came in, who works on them, and how far they are.

The narrower ports are for those who only look.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from domain.announcement import Announcement
from domain.asked_request import Ask, AskedRequest, Claim
from domain.ledger import LedgerEntry
from domain.lifecycle import Outcome, State
from domain.request import ReceivedRequest
from domain.run import Failure, Run, TransitionRecord
from domain.run_record import PastWaits
from domain.values import Value


class RunReads(Protocol):
    """Reads runs. Raises TryLater with `waiting_on="postgres"` when the database does not answer."""

    async def get(self, run_id: str) -> Run | None:
        """Read one run."""

    async def find(self, text: str) -> Sequence[Run]:
        """Runs whose request identity or MLflow run id is `text`, of whichever model; newest first."""

    async def search(self, text: str) -> Sequence[Run]:
        """Runs with an id that begins with `text` (run, request, correlation, MLflow run), newest first.

        At most 100: for people.
        """

    async def recent(
        self, model_name: str, limit: int, states: Sequence[State] = (), *, unfinished: bool = False
    ) -> Sequence[Run]:
        """Newest requests first."""

    async def history(self, run_id: str) -> Sequence[TransitionRecord]:
        """A run's transitions in order."""


NOT_STORABLE: Final = "not_storable"  # the value itself is what the store cannot hold, now or ever


class Added(StrEnum):
    """What became of a request that was offered."""

    NEW = "new"
    KNOWN = "known"  # the same identity and the same payload: nothing to do
    CONFLICT = "conflict"  # the same identity with another payload: the first one stands


class RunStore(RunReads, Protocol):
    """The run store. Every write of state holds only for the claim's fence.

    Each call raises TryLater with `waiting_on="postgres"` when the database does not answer; after an unclear
    commit it reads back before it says anything.
    """

    async def add(self, request: ReceivedRequest) -> Added:
        """Store a request unless its identity is there already, and wake a runner. Safe to repeat.

        Raises NeverRetry `not_storable` when the request itself is at fault, other errors when it is not.
        """

    async def claim(self, model_name: str, worker: str, lease_seconds: float) -> Run | None:
        """Take the oldest runnable run: not ended, no living lease, and its time to wait is over.

        The fence grows by one with each claim.
        """

    async def renew(self, run: Run, lease_seconds: float) -> None:
        """Prolong the lease by the database's clock. Raises LeaseLost."""

    async def release(self, run: Run) -> None:
        """Give the lease and the attempt back so that another worker may go on at once.

        A lost lease is not an error.
        """

    async def release_all(self, worker: str) -> int:
        """Give back every lease that an earlier life of this worker held; return how many."""

    async def begin(self, run: Run) -> Run:
        """Count one more start of the next step, before it starts. Raises LeaseLost."""

    async def keep(self, run: Run, name: str, output: Mapping[str, Any]) -> Run:
        """Keep what was done early under `name` in the outputs, without a transition. Raises LeaseLost.

        `open_run` also sets `mlflow_run_id`, once.
        """

    async def advance(
        self,
        run: Run,
        outcome: Outcome,
        *,
        output: Mapping[str, Any] | None = None,
        announcements: Sequence[Announcement] = (),
        entry: LedgerEntry | None = None,
        failure: Failure | None = None,
        waits: PastWaits | None = None,
    ) -> Run:
        """Commit a transition with its history row, its output, its announcements and its ledger entry.

        `waits`, if given, takes the place of what is known of the run's waits.

        One transaction: all or nothing. An end gives the lease back. Raises LeaseLost when the fence or the
        state is not the row's any more, GenerationTaken when the entry's generation exists, PromotionBarred
        when promotions are held or the recipe is quarantined.
        """

    async def cancel(self, run: Run, failure: Failure, announcements: Sequence[Announcement]) -> Run:
        """End a run FAILED, even one that is held, with its history row and announcements; wake its holder.

        One transaction: all or nothing, and the lease is over with it. Raises LeaseLost when the run is not
        in the state, or not under the fence, that `run` says, IllegalTransition where that may not be.
        """

    async def wait_for_cancelling(self, seen: int | None) -> int:
        """Return when any run was cancelled since `seen`, and what is seen now; None: from now on."""

    async def postpone(self, run: Run, seconds: float, failure: Failure, *, waiting_on: str | None) -> None:
        """Let the run wait and give the lease back; `waiting_on` and since when are kept for people to see.

        With `waiting_on` the attempt that `begin` counted is given back. Raises LeaseLost.
        """

    async def note_waiting(self, run: Run, failure: Failure | None, *, waiting_on: str | None) -> None:
        """Show that the run waits in place, lease held, and since when; None ends it. Raises LeaseLost."""

    async def wait_for_work(self, timeout_seconds: float) -> None:
        """Return when something was added or became runnable, or when the time is over."""

    async def ended_without(self, model_name: str, job: str, limit: int) -> Sequence[Run]:
        """Ended runs for which the chore (`pictures`, `status`) is still to be done, oldest first."""

    async def job_done(self, run_id: str, job: str) -> None:
        """Record that a chore is done. Safe to repeat."""

    async def recorded_as(self, run_id: str, mlflow_run_id: str) -> None:
        """Set the MLflow run of an ended run that has none: its record was made late. Safe to repeat."""


class RequestFilter(Value):
    """Which requests to list. `states` empty: all. Times, inclusive, are of the asking, end and last change.

    A run that goes on has no end, and lies in no span of ends.
    """

    states: tuple[State, ...] = ()
    interfaces: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    updated_since: datetime | None = None
    updated_until: datetime | None = None
    newest_first: bool = True


class AskedRequests(Protocol):
    """The requests of one model. Each call raises TryLater when the database does not answer."""

    async def claim(self, ask: Ask) -> Claim | None:
        """Keep an ask under its id before it is sent, unless the id is known; say what is known of it.

        None when the id is that of another request's run: under it people look for that one.
        """

    async def left_unclear(self, ask: Ask, within_seconds: float, in_hand_seconds: float) -> str | None:
        """The id of an equal ask of the same caller whose answer was that nothing is known of it.

        One that nobody answered at all, and that is older than `in_hand_seconds`, counts as well.
        """

    async def note_unclear(self, request_id: str) -> None:
        """Keep that its caller cannot know: perhaps Kafka has the request. Safe to repeat."""

    async def acknowledge(self, request_id: str, unclear_at: datetime | None) -> None:
        """Keep that Kafka has the request; a repeat settles what it saw unclear. Safe to repeat."""

    async def get(self, request_id: str) -> AskedRequest | None:
        """Read one request, by the id that it got when it came in, or by its run's id."""

    async def page(
        self, wanted: RequestFilter, limit: int, offset: int
    ) -> tuple[Sequence[AskedRequest], int]:
        """Read so many requests after the first `offset`, and how many there are in all."""


class SeenModel(Value):
    """A model, and when one of its workers was last known to live."""

    model_name: str
    last_seen: datetime


class ModelsSeen(Protocol):
    """Knows the workers of all models. Raises TryLater."""

    async def seen(self) -> Sequence[SeenModel]:
        """The models with workers, those that were seen last first; a few of them."""
