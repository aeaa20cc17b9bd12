"""What the promotion gate says about a candidate, and why."""

from enum import StrEnum

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
    """The decision with every check that led to it; `reasons` are sentences for a person."""

    decision: Decision
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()
