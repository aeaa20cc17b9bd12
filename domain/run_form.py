"""One form of a run for programs: the same names at the command line, over HTTP and in events."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from domain.faults import Fault, stored_faults
from domain.judged import Judged
from domain.lifecycle import State
from domain.run import Run
from domain.run_record import RunRecord
from domain.run_warnings import RunWarning
from domain.values import VersionTriple


class RunForm(BaseModel):
    """A run, flat. What is not known yet is null."""

    model_config = ConfigDict(frozen=True, defer_build=True, protected_namespaces=())

    model_name: str = Field(description="The registered model.")
    run_id: str | None = Field(description="Its run's id; null until a worker has read it.")
    state: State = Field(description="How far it is.")
    ended: bool = Field(description="True in one of the four ends.")
    ended_at: datetime | None = Field(description="When it ended.")
    mlflow_run_id: str | None = Field(description="Its MLflow run.")
    triple: VersionTriple | None = Field(description="The resolved versions; null until they are known.")
    metric: str | None = Field(description="The metric that decides.")
    candidate_metric: float | None = Field(description="The candidate's figure by it.")
    champion_metric: float | None = Field(description="The champion's figure by it.")
    decision: str | None = Field(description="What the gate said.")
    reasons: tuple[str, ...] | None = Field(description="Why it said so, in sentences.")
    version: int | None = Field(description="The version that it registered.")
    generation: int | None = Field(description="Its generation, when it was promoted.")
    reason: str | None = Field(description="Why it ended without a verdict, or waits: a code for machines.")
    message: str | None = Field(description="The same in a sentence for people.")
    faults: tuple[Fault, ...] | None = Field(description="Each fault of a request, and what is allowed.")
    warnings: tuple[RunWarning, ...] = Field(description="What a person should know.")
    waiting_on: str | None = Field(description="The service that it waits for.")
    pruned_at: datetime | None = Field(
        description="Since when no more than its verdict is kept; null of a run that is whole."
    )

    @classmethod
    def of(cls, model_name: str, run: Run | None, **more: object) -> Self:
        """Read it from a run, or from a request without one. `more` are a subclass's fields."""
        record = run.record if run else RunRecord({})
        judged, decided = Judged.of_run(record), record.decided
        failure = run.failure if run else None
        fields = {
            "model_name": model_name,
            "run_id": run and run.run_id,
            "state": run.state if run else State.REQUESTED,
            "ended": run is not None and run.ended,
            "ended_at": run.updated_at if run and run.ended else None,
            "mlflow_run_id": run and run.mlflow_run_id,
            "triple": record.triple,
            "metric": judged and judged.metric,
            "candidate_metric": judged and judged.candidate,
            "champion_metric": judged and judged.champion,
            "decision": decided and decided.verdict.decision.value,
            "reasons": decided and decided.verdict.reasons,
            "version": decided and decided.version,
            "generation": decided and decided.generation,
            "reason": failure and failure.reason,
            "message": failure and failure.message,
            "faults": stored_faults(failure.facts) or None if failure else None,
            "warnings": record.warnings,
            "waiting_on": run and run.waiting_on,
            "pruned_at": record.pruned and record.pruned.at,
        }
        return cls.model_validate(fields | more)
