"""The promotion gate: its checks, each pure, the first that fails decides; the verdict; the policy.

A later gate (a paired test over the reference rows, say) adds its checks here and its knobs to the policy.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, model_validator

from domain.comparison import NOTHING_COMPARED, SAME_RELATIVE, Compared
from domain.metrics import DEFAULT_METRIC, METRICS, Direction, GateMetric, Score
from domain.values import Value


class Decision(StrEnum):
    """PROMOTE alone changes production; the others end the run DECLINED.

    HELD and QUARANTINED would have been PROMOTE: a person said that nothing, or not this one, is promoted.
    """

    PROMOTE = "PROMOTE"
    DECLINE = "DECLINE"
    INCONCLUSIVE = "INCONCLUSIVE"
    HELD = "HELD"
    QUARANTINED = "QUARANTINED"


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


_ANOTHER_CHAMPION: Final = "point the alias at a version that has one, or use the other GATE__METRIC"
ENOUGH_GAIN: Final = "gain_above_minimum_effect"
SAW_REFERENCE: Final = "champion_on_the_reference"  # it tells, and decides nothing


class Champion(Value):
    """The holder of the alias, scored on the reference bytes now."""

    version: int
    generation: int
    score: Score


class NoChampion(Value):
    """The registry itself said that there is no alias, and the ledger is empty."""


class UnreadableChampion(Value):
    """There is a champion, or there may be one, but it could not be read, loaded or scored.

    `generation` is the head of the ledger that it was tried for, None when not even that is known.
    """

    why: str
    generation: int | None = None


def gate_checks(
    metric: str,
    minimum_effect: float,
    candidate: Score,
    champion: Champion | NoChampion | UnreadableChampion,
    compared: Compared,
) -> tuple[Check, ...]:
    """Run the checks in order and stop after the first that fails."""
    done: list[Check] = []
    for check in _checks(metric, minimum_effect, candidate, champion, compared):
        done.append(check)
        if not check.passed:
            break
    return tuple(done)


def _checks(
    metric: str,
    minimum_effect: float,
    candidate: Score,
    champion: Champion | NoChampion | UnreadableChampion,
    compared: Compared,
) -> Iterator[Check]:
    yield _has_a_number("candidate", candidate, metric)
    if unfit := unfit_metric(metric, compared.targets_below_zero, candidate.rows):
        yield Check(name="metric_fits", passed=False, detail=unfit)
    if isinstance(champion, UnreadableChampion):
        yield Check(
            name="champion_readable", passed=False, detail=f"the champion cannot be judged: {champion.why}"
        )
    elif isinstance(champion, NoChampion):
        yield Check(name="first_champion", passed=True, detail="there is no champion yet: the first one")
    else:
        yield _same_bytes(candidate, champion.score)
        yield _has_a_number("champion", champion.score, metric)
        yield Check(name=SAW_REFERENCE, passed=True, detail=_saw(champion, compared))
        if compared.same_predictions:
            yield Check(name="another_model", passed=False, detail=_same_model(champion, compared))
        yield _gain(metric, minimum_effect, candidate, champion)


def _has_a_number(who: str, score: Score, metric: str) -> Check:
    number = score.number(metric)
    passed = METRICS[metric].is_usable(number)
    said = f"{metric} {number:.6g}" if passed else f"no usable {metric} (NaN, infinite, negative or missing)"
    way_out = "" if passed or who == "candidate" else f"; {_ANOTHER_CHAMPION}"
    return Check(name=f"{who}_has_a_number", passed=passed, detail=f"the {who} has {said}{way_out}")


def _same_bytes(candidate: Score, champion: Score) -> Check:
    passed = candidate.dataset_digest == champion.dataset_digest
    detail = (
        "both were scored on the same reference bytes"
        if passed
        else "the two were scored on different bytes: the reference changed in between; restore the "
        "file, and request the training again"
    )
    return Check(name="same_reference_bytes", passed=passed, detail=detail)


def _gain(metric: str, minimum_effect: float, candidate: Score, champion: Champion) -> Check:
    new, old = candidate.metrics[metric], champion.score.metrics[metric]
    gain = METRICS[metric].gain(new, old)
    detail = (
        f"reference {metric} {new:.6g} against {old:.6g} of the champion (version {champion.version}): "
        f"gain {gain:+.6g}, more than {minimum_effect:g} is needed"
    )
    return Check(name=ENOUGH_GAIN, passed=gain > minimum_effect, detail=detail)


def unfit_metric(metric: str, targets_below_zero: int, rows: int) -> str | None:
    """Say why a metric cannot tell a good model from a bad one on this reference; None when it can."""
    if not METRICS[metric].floors_at_zero or not targets_below_zero:
        return None
    return (
        f"{metric} does not fit these data (metric_unfit): {targets_below_zero} of {rows} reference rows "
        "have a target below 0, which it counts as 0; set GATE__METRIC=mae, or have the data contract say "
        "min: 0 for the target"
    )


def _saw(champion: Champion, compared: Compared) -> str:
    rows, number = champion.score.rows, compared.champion_trained_rows
    if number is None:
        return f"it is unknown how many of {rows} reference rows trained the champion"
    return f"{number} of {rows} reference rows trained the champion (version {champion.version})"


def _same_model(champion: Champion, compared: Compared) -> str:
    agrees = f"every prediction on the reference agrees within {SAME_RELATIVE:g} relative"
    new = compared.rows_without_effect
    if new is None:
        return f"the same model as version {champion.version}: {agrees}"
    return (
        f"same train part, same model as version {champion.version}: {agrees}; {new} new rows of the master "
        "had no effect"
    )


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
