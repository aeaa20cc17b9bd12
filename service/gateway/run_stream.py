"""A run's progress as server-sent events: each state once, what it waits for, and the end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Final

from fastapi.sse import ServerSentEvent

from domain.asked_request import AskedRequest
from domain.errors import TryLater
from domain.lifecycle import NEXT_STEP, State, Step
from domain.ports.run_store import AskedRequests, RunStore
from domain.run import Run, TransitionRecord
from service.gateway.views import View, Viewer
from service.runtime.web.problems import ProblemDetails

_POLL_SECONDS: Final = 0.2
_STEPS: Final = len(Step)


class ProgressView(View):
    """A run came to a state: it has done `done` of `steps`, and `next` begins now."""

    request_id: str
    run_id: str | None
    state: State
    at: datetime
    done: int
    steps: int = _STEPS
    next: Step | None
    waiting_on: str | None = None


class Streams:
    """How many streams there are, and whether they are to end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self.closing = False

    def close(self) -> None:
        """End every stream; a client comes back to another process with `Last-Event-ID`."""
        self.closing = True

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Take a place for as long as the block lasts. Raises Problem when all are taken."""
        if self._open >= self._most:
            detail = f"{self._most} streams are open, which is the limit"
            raise ProblemDetails(
                HTTPStatus.SERVICE_UNAVAILABLE, "too_many_streams", detail, {"Retry-After": "5"}
            )
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


class Progress:
    """Follows one request."""

    def __init__(self, requests: AskedRequests, runs: RunStore, viewer: Viewer, streams: Streams) -> None:
        self._requests = requests
        self._runs = runs
        self._viewer = viewer
        self._streams = streams

    async def follow(self, asked: AskedRequest, told: int) -> AsyncIterator[ServerSentEvent]:
        """Report each transition after number `told`, and the end; an outage is waited out."""
        seen: State | None = None
        history: Sequence[TransitionRecord] = ()
        waited: str | None = None
        if told < 0:
            yield _event("state", 0, _view(asked, State.REQUESTED, asked.asked_at, 0))
        while not self._streams.closing:
            try:
                asked = await self._requests.get(asked.request_id) or asked
                if asked.run and asked.run.state is not seen:
                    history, seen = await self._runs.history(asked.run.run_id), asked.run.state
            except TryLater:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            for passed in history[max(told, 0) :]:
                yield _event("state", passed.seq, _view(asked, passed.to_state, passed.at, passed.seq))
            told = max(told, len(history))
            if asked.run and asked.run.waiting_on != waited:
                waited = asked.run.waiting_on
                yield _event("waiting", told, _waiting(asked, asked.run, told))
            if _is_over(asked, history):
                yield ServerSentEvent(event="end", id=str(told), data=self._viewer.whole(asked, history))
                return
            await asyncio.sleep(_POLL_SECONDS)


def _is_over(asked: AskedRequest, history: Sequence[TransitionRecord]) -> bool:
    """The history is read after the run, so it may be ahead of it, and never behind."""
    return bool(asked.run and asked.run.ended and history)


def _event(name: str, number: int, view: ProgressView) -> ServerSentEvent:
    return ServerSentEvent(event=name, id=str(number), data=view)


def _view(
    asked: AskedRequest, state: State, at: datetime, done: int, waiting_on: str | None = None
) -> ProgressView:
    return ProgressView(
        request_id=asked.request_id,
        run_id=asked.run.run_id if asked.run else None,
        state=state,
        at=at,
        done=done,
        next=NEXT_STEP.get(state),
        waiting_on=waiting_on,
    )


def _waiting(asked: AskedRequest, run: Run, done: int) -> ProgressView:
    return _view(asked, run.state, run.waiting_since or run.updated_at, done, run.waiting_on)
