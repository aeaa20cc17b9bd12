"""Whether the servers serve the champion: what each should serve, what it says, and the judgement."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from domain.ledger import LedgerEntry
from domain.values import Value


class Replica(Value):
    """One address behind a configured URL. `problem` says why a name has no address at all."""

    url: str
    address: str | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        """The URL, and after '#' the address that its host name was resolved to."""
        return f"{self.url}#{self.address}" if self.address else self.url


class RolloutTarget(Value):
    """What every replica should serve. `promotion_id` is the id of the `model.promoted` that says so.

    `digest` seals the model's files; None where the ledger does not know it.
    """

    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    promoted_at: datetime | None = None
    promotion_id: str
    correlation_id: str | None = None
    digest: str | None = None


class Served(Value):
    """What a replica says that it serves; a server that is not Laurel's knows no generation and no digest."""

    version: int | None
    generation: int | None = None
    run_id: str | None = None
    digest: str | None = None
    stale: bool = False


class ServedForm(BaseModel):
    """What a replica serves, in the form that all of Laurel has for it."""

    model_config = ConfigDict(frozen=True, defer_build=True, protected_namespaces=())

    served_version: int | None = Field(None, description="The registered version that it serves.")
    served_generation: int | None = Field(None, description="Its generation; null where it knows none.")
    mlflow_run_id: str | None = Field(None, description="The MLflow run that trained it.")


class ReplicaForm(ServedForm):
    """One replica, and what it serves."""

    replica: str = Field(description="Its name: its url, and its address where the url stands for several.")
    url: str = Field(description="The configured address of the inference server.")
    address: str | None = Field(description="Its IP address; null where its name has none.")

    @classmethod
    def of(cls, replica: Replica, served: Served | None, **more: object) -> Self:
        """Put a look into it. `more` are a subclass's fields."""
        fields = {
            "replica": replica.name,
            "url": replica.url,
            "address": replica.address,
            "served_version": served and served.version,
            "served_generation": served and served.generation,
            "mlflow_run_id": served and served.run_id,
        }
        return cls.model_validate(fields | more)


ProblemReason = Literal[
    "unresolved",  # the name has no address
    "unreachable",  # no connection, or it broke
    "no_answer",  # not in time
    "unauthorized",  # the token is not taken
    "bad_answer",  # an answer, but none that we understand
    "no_model",  # it answers, and has no model yet
    "reload_refused",  # it says why it does not load
    "unloadable_model",  # no process can load the champion: it goes on with what it has
    "conflict",  # it serves a later generation than it was asked for, or the alias has not followed yet
    "not_served",  # it said that it reloaded, or nothing, and serves something else
]


class Problem(Value):
    """Why a replica does not serve what it should."""

    reason: ProblemReason
    detail: str


class ReplicaState(StrEnum):
    """What a replica's answer comes to."""

    SERVING = "serving"
    NO_GENERATION = "no generation"  # serves the champion's version and knows no generation
    STALE = "stale"  # serves the champion from its own cache: it could not ask the registry
    BEHIND = "behind"
    AHEAD = "ahead"
    NO_MODEL = "no model"
    UNKNOWN = "unknown"  # it answers, and does not say what it serves
    UNREACHABLE = "unreachable"


class ReplicaObservation(Value):
    """One look at a replica: what it serves, or the problem; both, when it serves something else."""

    served: Served | None = None
    problem: Problem | None = None

    def serves(self, wanted: RolloutTarget) -> bool:
        """True when that is what every replica should serve."""
        served = self.served
        if served is None or served.version != wanted.version or self.is_of_other_files(wanted):
            return False
        return served.generation in {None, wanted.generation}

    def is_of_other_files(self, wanted: RolloutTarget) -> bool:
        """True when both sides know the digest, and it differs: a restored registry uses numbers again."""
        served = self.served.digest if self.served else None
        return None not in {served, wanted.digest} and served != wanted.digest

    def is_ahead_of(self, wanted: RolloutTarget) -> bool:
        """True when it serves a later generation than is wanted."""
        return self.served is not None and (self.served.generation or 0) > wanted.generation

    def why_not(self, wanted: RolloutTarget) -> Problem:
        """Why it does not serve that, if nothing else is known then what it serves instead."""
        if self.problem is not None:
            return self.problem
        served = self.served or Served(version=None)
        serves = f"version {served.version}, generation {served.generation}"
        if self.is_ahead_of(wanted):
            return Problem(reason="conflict", detail=f"it serves {serves}: later than the ledger's head")
        if served.version == wanted.version and self.is_of_other_files(wanted):
            serves = f"other files as version {served.version}: their digest is {served.digest}"
        return Problem(reason="not_served", detail=f"it serves {serves}")

    @property
    def answered(self) -> bool:
        """True when something answered in time, whatever it said."""
        return self.problem is None or self.problem.reason not in _SILENT


_SILENT: Final = frozenset({"unresolved", "unreachable", "no_answer"})


def replica_state(observation: ReplicaObservation, wanted: RolloutTarget | None) -> ReplicaState:
    """Put a look into one word; without a champion, no replica that has a model is behind."""
    served = observation.served
    if served is None:
        return ReplicaState.UNKNOWN if observation.answered else ReplicaState.UNREACHABLE
    if served.version is None:
        return ReplicaState.NO_MODEL
    if wanted is None or observation.serves(wanted):
        return _of_a_server_in_place(served)
    return ReplicaState.AHEAD if observation.is_ahead_of(wanted) else ReplicaState.BEHIND


def _of_a_server_in_place(served: Served) -> ReplicaState:
    if served.stale:
        return ReplicaState.STALE
    return ReplicaState.NO_GENERATION if served.generation is None else ReplicaState.SERVING


def lag(served: Served | None, entries: Sequence[LedgerEntry]) -> int | None:
    """How many generations a replica is behind the ledger; None when that cannot be told.

    A server without generations is taken to serve the newest one of its version; a server without a model is
    behind all of them.
    """
    if served is None or not entries:
        return None
    head = entries[-1].generation
    if served.generation is not None:
        return head - served.generation
    if served.version is None:
        return head
    known = [entry.generation for entry in entries if entry.version == served.version]
    return head - known[-1] if known else None
