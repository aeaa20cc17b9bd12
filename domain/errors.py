"""Errors, sorted by the reaction that they ask for.

An error carries a reason code from a closed vocabulary (dashboards and readers of events count by it), a
sentence for a person, and its facts as plain JSON values. A reaction is a class, so that `except` says what
will be done; the vendor's own error stays its cause.
"""

from collections.abc import Mapping
from typing import Any


class LaurelError(Exception):
    """A failure that Laurel understands.

    `reason` is a code such as `disk_full`; `message` says what is wrong, what was allowed and what to do;
    `facts` are JSON values. None of them ever holds a secret.
    """

    def __init__(self, reason: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts: Mapping[str, Any] = facts

    def __reduce__(self) -> tuple[object, ...]:
        """Cross a process boundary whole: a child's failure is the worker's to sort."""
        return (_rebuild, (type(self), self.reason, self.message, dict(self.facts)))


class NeverRetry(LaurelError):
    """Doing it again cannot help: the step has failed."""


class ModelUnusable(NeverRetry):
    """A model that cannot be loaded, trusted or scored. For a champion: INCONCLUSIVE."""


class TryLater(LaurelError):
    """Doing it again may help. `waiting_on` names the outside service that has to come back.

    With `waiting_on` the run waits, visibly, within a budget of time; without it (a child that died) each
    attempt is counted and a few are enough.
    """

    @property
    def waiting_on(self) -> str | None:
        """The service that is missing ("mlflow", "kafka", "disk" …), None when an attempt was spent."""
        value = self.facts.get("waiting_on")
        return None if value is None else str(value)


class Stop(LaurelError):
    """The process itself cannot go on and must end with this message (a newer schema, a wrong setting)."""


class LeaseLost(LaurelError):
    """Another worker owns the run now: what this one did changes nothing and must stop."""


class IllegalTransition(LaurelError):
    """The transition table is silent about this: a defect of ours, never an event of the world."""


class GenerationTaken(LaurelError):
    """Another promoter was first: judge again against the new head of the ledger."""


class PromotionBarred(LaurelError):
    """A hold or a quarantine began while the gate decided: judge again, and find it."""


def _rebuild(kind: type[LaurelError], reason: str, message: str, facts: dict[str, object]) -> LaurelError:
    return kind(reason, message, **facts)
