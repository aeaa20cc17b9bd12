"""What a request looks like over HTTP: its state, each step with its time, figures, verdict and links."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from domain.asked_request import AskedRequest
from domain.faults import Fault
from domain.lifecycle import NEXT_STEP, State, Step
from domain.run import Run, TransitionRecord
from domain.run_warnings import RunWarning, warnings_in
from domain.version_triple import VersionTriple
from service.mlflow_pages import run_page, version_page


class View(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class StepView(View):
    """One step: when it began and ended, in seconds too. `state` of one that failed says so."""

    step: Step
    state: Literal["done", "running", "waiting", "failed", "rejected"]
    began_at: datetime
    ended_at: datetime | None
    seconds: float | None
    attempts: int | None = None


class VerdictView(View):
    """What the promotion gate said, and why."""

    decision: str
    reasons: tuple[str, ...]
    checks: tuple[Mapping[str, Any], ...]


class FailureView(View):
    """Why a run ended REJECTED or FAILED: a code, a sentence, and each fault with what is allowed."""

    reason: str
    message: str
    faults: tuple[Fault, ...] = ()


class LinksView(View):
    """Where more is."""

    self: str
    events: str
    mlflow_run: str | None = None
    mlflow_version: str | None = None


class RequestView(View):
    """One training request. `versions` are the resolved ones, null until they are known."""

    request_id: str
    run_id: str | None
    state: State
    ended: bool
    door: str
    asked_by: str | None
    asked_at: datetime
    ended_at: datetime | None
    waiting_on: str | None
    payload: Mapping[str, Any]
    versions: VersionTriple | None
    metrics: Mapping[str, Mapping[str, Any]]
    champion: Mapping[str, Any] | None
    verdict: VerdictView | None
    failure: FailureView | None
    warnings: tuple[RunWarning, ...]
    model_version: int | None
    generation: int | None
    mlflow_run_id: str | None
    links: LinksView


class WholeRequestView(RequestView):
    """The same with each step."""

    steps: tuple[StepView, ...]


class PageView(View):
    """One page of requests; `next` is the way to the one behind it."""

    training_requests: tuple[RequestView, ...]
    total: int
    limit: int
    offset: int
    next: str | None


class Viewer:
    """Shows requests; links into MLflow begin with `tracking_uri`."""

    def __init__(self, model_name: str, tracking_uri: str) -> None:
        self._model = model_name
        self._mlflow = tracking_uri

    def request(self, asked: AskedRequest) -> RequestView:
        """Show one in a list."""
        return RequestView(**self._fields(asked))

    def whole(self, asked: AskedRequest, history: Sequence[TransitionRecord]) -> WholeRequestView:
        """Show one alone."""
        steps = () if asked.run is None else tuple(steps_of(asked.run, history))
        return WholeRequestView(**self._fields(asked), steps=steps)

    def _fields(self, asked: AskedRequest) -> dict[str, Any]:
        run = asked.run
        outputs: Mapping[str, Any] = run.outputs if run else {}
        decided = outputs.get(Step.DECIDE, {})
        evaluated = outputs.get(Step.EVALUATE, {})
        return {
            "request_id": asked.request_id,
            "run_id": run.run_id if run else None,
            "state": run.state if run else State.REQUESTED,
            "ended": bool(run and run.ended),
            "door": asked.door,
            "asked_by": asked.asked_by,
            "asked_at": asked.asked_at,
            "ended_at": run.updated_at if run and run.ended else None,
            "waiting_on": run.waiting_on if run else None,
            "payload": asked.payload,
            "versions": outputs.get(Step.RESOLVE, {}).get("triple"),
            "metrics": {name: score["metrics"] for name, score in evaluated.get("candidate", {}).items()},
            "champion": (decided or evaluated).get("champion"),
            "verdict": decided.get("verdict"),
            "failure": _failure(run) if run and run.ended else None,
            "warnings": warnings_in(outputs),
            "model_version": decided.get("version"),
            "generation": decided.get("generation"),
            "mlflow_run_id": run.mlflow_run_id if run else None,
            "links": self._links(asked, decided.get("version")),
        }

    def _links(self, asked: AskedRequest, version: int | None) -> LinksView:
        here = path_of(asked.request_id)
        opened = asked.run.outputs.get("open_run", {}) if asked.run else {}
        return LinksView(
            self=here,
            events=f"{here}/events",
            mlflow_run=run_page(self._mlflow, opened) if opened else None,
            mlflow_version=version_page(self._mlflow, self._model, version) if version else None,
        )


def path_of(request_id: str) -> str:
    """Where a request is shown."""
    return f"/training-requests/{quote(request_id, safe='')}"


def steps_of(run: Run, history: Sequence[TransitionRecord]) -> Iterator[StepView]:
    """Each step that was begun, in order: one begins where the one before it ended."""
    began = run.requested_at
    for passed in history:
        state: Literal["done", "failed", "rejected"] = "done"
        if passed.to_state in {State.FAILED, State.REJECTED}:
            state = "failed" if passed.to_state is State.FAILED else "rejected"
        yield StepView(
            step=NEXT_STEP[passed.from_state],
            state=state,
            began_at=began,
            ended_at=passed.at,
            seconds=(passed.at - began).total_seconds(),
        )
        began = passed.at
    if not run.ended:
        yield StepView(
            step=run.next_step,
            state="waiting" if run.waiting_on or run.owner is None else "running",
            began_at=began,
            ended_at=None,
            seconds=None,
            attempts=run.attempts,
        )


def _failure(run: Run) -> FailureView | None:
    if run.failure is None or run.state not in {State.FAILED, State.REJECTED}:
        return None
    faults = tuple(run.failure.facts.get("faults", ()))
    return FailureView(reason=run.failure.reason, message=run.failure.message, faults=faults)
