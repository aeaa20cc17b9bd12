"""The rule by which a candidate becomes champion, as a value and a pure decision."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, model_validator

from domain.comparison import NOTHING_COMPARED, Compared
from domain.metrics import DEFAULT_METRIC, METRICS, Direction, GateMetric
from domain.promotion_checks import (
    ENOUGH_GAIN,
    SAW_REFERENCE,
    Champion,
    NoChampion,
    UnreadableChampion,
    gate_checks,
)
from domain.score import Score
from domain.values import Value
from domain.verdict import Decision, Verdict

_DECLINES: Final = frozenset({"candidate_has_a_number", "another_model", ENOUGH_GAIN})


class PromotionPolicy(Value):
    """Promote when `metric` on the reference set gets better by more than `minimum_effect`, in its unit.

    `name` says which way is better. The default effect, 0, is "strictly better".
    """

    name: Direction = METRICS[DEFAULT_METRIC].direction
    metric: GateMetric = DEFAULT_METRIC
    minimum_effect: float = Field(default=0.0, ge=0.0)

    @model_validator(mode="before")
    @classmethod
    def _named_by_its_metric(cls, policy: Any) -> Any:
        metric = policy.get("metric") if isinstance(policy, Mapping) else None
        return policy if metric not in METRICS else {"name": METRICS[metric].direction, **policy}


def decide(
    policy: PromotionPolicy,
    candidate: Score,
    champion: Champion | NoChampion | UnreadableChampion,
    compared: Compared = NOTHING_COMPARED,
) -> Verdict:
    """Say what to do and why; the caller does it. Whatever cannot be known is never "better"."""
    checks = gate_checks(policy.metric, policy.minimum_effect, candidate, champion, compared)
    failed = next((check for check in checks if not check.passed), None)
    saw = [check.detail for check in checks if check.name == SAW_REFERENCE and compared.champion_trained_rows]
    if failed is None:
        decision = Decision.PROMOTE
    else:
        decision = Decision.DECLINE if failed.name in _DECLINES else Decision.INCONCLUSIVE
    reasons = ((failed or checks[-1]).detail, *saw)
    return Verdict(decision=decision, reasons=reasons, checks=checks, metric=policy.metric)
