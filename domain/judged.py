"""By which metric a run is judged, and both models' figures by it: the one place where they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from domain.ledger import LedgerEntry
from domain.metrics import DEFAULT_METRIC, GateMetric, gate_metrics
from domain.promotion_checks import Champion
from domain.values import Value

if TYPE_CHECKING:
    from domain.run_record import RunRecord

_SHORT: Final = 100  # a smaller figure needs its decimals


class Judged(Value):
    """The metric that decides, with the candidate's and the champion's figure; None where there is none."""

    metric: str
    candidate: float | None = None
    champion: float | None = None

    @classmethod
    def of_run(cls, record: RunRecord) -> Self | None:
        """Read it from what a run's steps left; None of a run that was not scored."""
        metric = metric_of(record)
        if metric is None:
            return None
        candidate, champion = record.candidate, record.champion
        return cls(
            metric=metric,
            candidate=candidate.number(metric) if candidate else None,
            champion=champion.score.number(metric) if isinstance(champion, Champion) else None,
        )

    @classmethod
    def of_event(cls, data: Mapping[str, Any]) -> Self | None:
        """Read it from an event that carries scores; one of an earlier release tells no metric."""
        metric = data.get("metric") or DEFAULT_METRIC
        if not data.get("candidate"):
            return None
        candidate, champion = (_number(data.get(who), metric) for who in ("candidate", "champion"))
        return cls(metric=metric, candidate=candidate, champion=champion)

    @classmethod
    def of_entry(cls, entry: LedgerEntry) -> Self | None:
        """Read it from a generation; None of one that no gate has judged."""
        if entry.policy is None or entry.candidate_score is None:
            return None
        metric, before = entry.policy.metric, entry.champion_score
        champion = before.number(metric) if before else None
        return cls(metric=metric, candidate=entry.candidate_score.number(metric), champion=champion)

    def __str__(self) -> str:
        """Read as "mae 19033.72, champion 20114.10"."""
        return f"{self.metric} {figure(self.candidate)}, champion {figure(self.champion)}"


def metric_of(record: RunRecord) -> GateMetric | None:
    """The metric that a run is, or was, judged by; None of a run that was not scored.

    What Laurel 0.1.0 left names it in the verdict's first check alone: "the candidate has mae 0.2".
    """
    told = record.compared.metric if record.compared else None
    if told is not None or (record.evaluated is None and record.decided is None):
        return told
    checks = record.decided.verdict.checks if record.decided else ()
    said = {word for check in checks[:1] for word in check.detail.split()}
    return next((metric for metric in gate_metrics() if metric in said), DEFAULT_METRIC)


def figure(value: float | None) -> str:
    """A metric in a line or a cell."""
    if value is None:
        return "none"
    return f"{value:.5f}" if abs(value) < _SHORT else f"{value:.2f}"


def _number(score: Mapping[str, Any] | None, metric: str) -> float | None:
    """Raise TypeError for a text, though it may look like a number: no schema allows one."""
    found = None if not score else score.get("metrics", {}).get(metric)
    if isinstance(found, str):
        raise TypeError(f"{metric} is {found!r}, not a number")
    return found
