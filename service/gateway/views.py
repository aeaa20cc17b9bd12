"""What a request looks like over HTTP: its state, each step with its time, figures, verdict and links.

A worker looks the same on its page and in `laurel workers --json`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from domain.asked_request import AskedRequest
from domain.faults import Fault, stored_faults
from domain.fleet import is_silent
from domain.judged import Judged
from domain.lifecycle import NEXT_STEP, State, Step
from domain.ports.workers import WORKER, HeardProcess
from domain.run import Run, TransitionRecord
from domain.run_form import RunForm
from domain.run_record import RunRecord
from domain.values import VersionTriple
from service.lifecycle.mlflow_pages import run_page, version_page


class View(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class StepView(View):
    """One step: when it began and ended, in seconds too. `state` of one that failed says so."""

    step: Step = Field(description="The step.")
    state: Literal["done", "running", "waiting", "failed", "rejected"] = Field(
        description="How it came out, or what it does."
    )
    began_at: datetime = Field(description="When it began.")
    ended_at: datetime | None = Field(description="When it ended.")
    seconds: float | None = Field(description="How long it took.")
    attempts: int | None = Field(None, description="Of the step at hand: how often it was begun.")


class VerdictView(View):
    """What the promotion gate said, and why; `metric` decided, and both models' figures are by it."""

    decision: str = Field(description="What the gate said.")
    metric: str | None = Field(description="The metric that decided.")
    candidate: float | None = Field(description="The candidate's figure by it.")
    champion: float | None = Field(description="The champion's figure by it.")
    reasons: tuple[str, ...] = Field(description="Why, in sentences.")
    checks: tuple[Mapping[str, object], ...] = Field(description="Each check with its result.")


class FailureView(View):
    """Why a run ended REJECTED or FAILED: a code, a sentence, and each fault with what is allowed."""

    reason: str = Field(description="A code for machines.")
    message: str = Field(description="A sentence for people.")
    faults: tuple[Fault, ...] = Field((), description="Each fault, and what is allowed.")


class LinksView(View):
    """Where more is."""

    self: str = Field(description="This request.")
    events: str = Field(description="Its progress as server-sent events.")
    mlflow_run: str | None = Field(None, description="Its MLflow run.")
    mlflow_version: str | None = Field(None, description="The version that it registered.")


class RequestView(RunForm):
    """One training request, and its run in the form that all of Laurel has for one."""

    request_id: str = Field(description="The request's id.")
    door: str = Field(description="How it came: `api`, `dag` or `kafka`.")
    asked_by: str | None = Field(description="Who asked.")
    asked_at: datetime = Field(description="When it was asked for.")
    payload: Mapping[str, object] = Field(description="What was asked for.")
    versions: VersionTriple | None = Field(description="The same as `triple`.")
    metrics: Mapping[str, Mapping[str, object]] = Field(
        description="The candidate's metrics, by the part of the data."
    )
    champion: Mapping[str, object] | None = Field(description="The champion that it was compared with.")
    verdict: VerdictView | None = Field(description="What the gate said.")
    failure: FailureView | None = Field(description="Why it was rejected or failed.")
    model_version: int | None = Field(description="The same as `version`.")
    links: LinksView = Field(description="Its own pages and those of MLflow.")


class WholeRequestView(RequestView):
    """The same with each step."""

    steps: tuple[StepView, ...] = Field(description="Each step that was begun, in order.")


class PageView(View):
    """One page of requests; `next` leads to the page after it."""

    training_requests: tuple[RequestView, ...] = Field(description="The requests of this page.")
    total: int = Field(description="How many there are altogether.")
    limit: int = Field(description="At most so many on a page.")
    offset: int = Field(description="So many were passed over.")
    next: str | None = Field(description="The next page; null on the last one.")


class Viewer:
    """Shows requests; links into MLflow begin with `tracking_uri`."""

    def __init__(self, model_name: str, tracking_uri: str) -> None:
        self._model = model_name
        self._mlflow = tracking_uri

    def request(self, asked: AskedRequest) -> RequestView:
        """Show one in a list."""
        return RequestView.of(self._model, asked.run, **self._fields(asked))

    def whole(self, asked: AskedRequest, history: Sequence[TransitionRecord]) -> WholeRequestView:
        """Show one alone."""
        steps = () if asked.run is None else tuple(steps_of(asked.run, history))
        return WholeRequestView.of(self._model, asked.run, **self._fields(asked), steps=steps)

    def _fields(self, asked: AskedRequest) -> dict[str, Any]:
        run = asked.run
        record = run.record if run else RunRecord({})
        decided, champion = record.decided, record.champion
        candidate = record.evaluated.candidate if record.evaluated else {}
        return {
            "request_id": asked.request_id,
            "door": asked.door,
            "asked_by": asked.asked_by,
            "asked_at": asked.asked_at,
            "payload": asked.payload,
            "versions": record.triple,
            "metrics": {name: score.metrics for name, score in candidate.items()},
            "champion": champion.model_dump(mode="json") if champion else None,
            "verdict": _verdict(record),
            "failure": _failure(run) if run and run.ended else None,
            "model_version": decided.version if decided else None,
            "links": self._links(asked.request_id, record),
        }

    def _links(self, request_id: str, record: RunRecord) -> LinksView:
        here = path_of(request_id)
        opened, version = record.opened, record.decided and record.decided.version
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


def _verdict(record: RunRecord) -> VerdictView | None:
    judged = Judged.of_run(record)
    if record.decided is None or judged is None:
        return None
    verdict = record.decided.verdict.model_dump(mode="json")
    return VerdictView(**{**verdict, **judged.model_dump()})


def _failure(run: Run) -> FailureView | None:
    if run.failure is None or run.state not in {State.FAILED, State.REJECTED}:
        return None
    faults = stored_faults(run.failure.facts)
    return FailureView(reason=run.failure.reason, message=run.failure.message, faults=faults)


class WorkerView(View):
    """One worker of any model. `silent`: it hangs, was killed, or cannot reach the run store."""

    worker: str = Field(description="Its name.")
    model_name: str = Field(description="The model that it works for.")
    state: Literal["living", "silent"] = Field(description="`silent`: nothing was heard of it for 30 s.")
    host: str = Field(description="The machine that it runs on.")
    pid: int = Field(description="Its process there.")
    version: str = Field(description="The release of Laurel that it runs.")
    started_at: datetime = Field(description="When it started.")
    last_heard_at: datetime = Field(description="Its last sign of life.")
    silent_seconds: float = Field(description="How long ago that was.")
    runs: tuple[str, ...] = Field(description="The ids of the runs in hand.")


def worker_views(heard: Sequence[HeardProcess]) -> tuple[WorkerView, ...]:
    """Show the workers among the processes that were heard of."""
    return tuple(
        WorkerView(
            worker=one.name,
            model_name=one.model_name,
            state="silent" if is_silent(one) else "living",
            host=one.host,
            pid=one.pid,
            version=one.laurel_version,
            started_at=one.started_at,
            last_heard_at=one.heard_at,
            silent_seconds=round(one.silent_seconds, 1),
            runs=one.runs,
        )
        for one in heard
        if one.role == WORKER
    )
