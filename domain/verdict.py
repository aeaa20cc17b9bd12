"""What the promotion gate says about a candidate, and why."""

from enum import StrEnum

from pydantic import Field

from domain.metrics import GateMetric
from domain.values import Value


class Decision(StrEnum):
    """PROMOTE alone changes production; the other two end the run DECLINED."""

    PROMOTE = "PROMOTE"
    DECLINE = "DECLINE"
    INCONCLUSIVE = "INCONCLUSIVE"


class Check(Value):
    """One check of the gate: its name, what it would decide if it fails, and what it saw."""

    name: str
    passed: bool
    detail: str


class Verdict(Value):
    """The decision with every check that led to it; `reasons` are sentences for a person.

    `metric` is what the gate judged by. It is not in the stored text, where Laurel 0.1.0 refuses a field that
    it does not know, and so None in a verdict that was read back: `domain.judged` finds it.
    """

    decision: Decision
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    metric: GateMetric | None = Field(default=None, exclude=True)
