"""Following a run: each state with its time, what it waits for, and a sign of life in between.

Of a request that nobody has read it says for which model it is, and who might read it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from rich.status import Status

from config.settings import Settings
from domain.errors import TryLater
from domain.events import DEAD_LETTER_TOPIC
from domain.lifecycle import NEXT_STEP, State
from domain.ports.run_store import ModelsSeen, RunStore, SeenModel
from domain.run import Run
from domain.wording import iso_time
from service.adapters.kafka.dead_letters import list_dead_letters
from service.adapters.kafka.requests import SentRequest
from service.cli.console import Exit, clock_time, err, fail, out, say
from service.lifecycle.settings_values import kafka_connection

_POLL_SECONDS: Final = 0.1
UNREAD_SECONDS: Final = 10.0  # a worker reads a request in milliseconds

Tell = Callable[[Run], None]
Unread = Callable[[], Awaitable[None]]


async def followed(
    store: RunStore,
    model_name: str,
    identity: str,
    tell: Tell,
    *,
    stored_within: float,
    unread: Unread | None = None,
) -> Run | None:
    """Tell of a request's run whenever something about it changed; return it at its end.

    None when no worker has stored the request within that many seconds. `unread` is called once, after
    `UNREAD_SECONDS` of them.
    """
    began, seen = time.monotonic(), None
    while True:
        found = await run_of(store, model_name, identity)
        if found is not None and seen != (now := (found.state, found.waiting_on, found.attempts)):
            seen = now
            tell(found)
        if found is not None and found.ended:
            return found
        waited = time.monotonic() - began
        if found is None and waited > stored_within:
            return None
        if found is None and unread is not None and waited > UNREAD_SECONDS:
            await unread()
            unread = None
        await asyncio.sleep(_POLL_SECONDS)


async def run_of(store: RunStore, model_name: str, identity: str) -> Run | None:
    """The run of a request; another model may have had one of the same identity."""
    return next((run for run in await store.find(identity) if run.model_name == model_name), None)


class Lines:
    """A line for each change, and on a terminal what is being done now."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._state: State | None = None
        self._waiting_on: str | None = None
        show_life = out.is_live and not quiet
        self._status = Status("waiting for a worker to take it", console=out.rich) if show_life else None

    def __enter__(self) -> Self:
        """Begin to show life."""
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._status:
            self._status.stop()

    def tell(self, run: Run) -> None:
        """Print what has changed, and show what the run does next."""
        if self._quiet:
            return
        if run.state is not self._state:
            self._state = run.state
            say(state_line(run))
        if run.waiting_on != self._waiting_on:
            self._waiting_on = run.waiting_on
            say(
                f"{'':26}waits for {run.waiting_on}{_why(run)}" if run.waiting_on else f"{'':26}goes on",
                style="yellow",
            )
        if self._status and not run.ended:
            self._status.update(doing(run))


def state_line(run: Run) -> str:
    """When a run came to its state, and how long after the request."""
    at = run.requested_at if run.state is State.REQUESTED else run.updated_at
    after = (at - run.requested_at).total_seconds()
    return f"{clock_time(at)}  {run.state.value:<10}  {after:7.2f} s  run {run.run_id[:8]}"


def doing(run: Run) -> str:
    """What a run does now."""
    if run.waiting_on:
        return f"waits for {run.waiting_on}"
    again = f" (attempt {run.attempts})" if run.attempts > 1 else ""
    return f"{NEXT_STEP[run.state].value.replace('_', ' ')}{again}"


def _why(run: Run) -> str:
    since = f" since {iso_time(run.waiting_since)}" if run.waiting_since else ""
    return f"{since}: {run.failure.message}" if run.failure else since


class UnreadRequest:
    """A request that Kafka has and the run store has not."""

    def __init__(self, sent: SentRequest, settings: Settings) -> None:
        self._sent = sent
        self._settings = settings

    async def tell(self, models: ModelsSeen) -> None:
        """Say which model was asked for, and which models somebody works on."""
        await self.refuse_set_aside()
        model = self._settings.mlflow_model_name
        say(
            f"nobody has read this request of model {model!r} (MLFLOW_MODEL_NAME) for {UNREAD_SECONDS:g} s; "
            f"{told_models(await models.seen())}",
            style="yellow",
            on=err,
        )

    async def refuse_set_aside(self) -> None:
        """End with the reason if a worker has made a dead letter of it."""
        connection, sent = kafka_connection(self._settings), self._sent.coordinates
        letters = list_dead_letters(connection, DEAD_LETTER_TOPIC, from_ms=sent.timestamp_ms)
        with suppress(TryLater):
            async for letter in letters:
                if letter.record.coordinates == sent:
                    place = f"{letter.place.partition}/{letter.place.offset}"
                    why = f"{letter.why.reason}: {letter.why.detail}"
                    shows = f"`laurel dead-letters show {place}` shows it in full"
                    fail(Exit.NO, f"the request was set aside as dead letter {place}: {why}; {shows}")


def told_models(seen: Sequence[SeenModel]) -> str:
    """The models with workers, each with the last sign of life."""
    if not seen:
        return "the run store knows no worker of any model: start one with `laurel worker`"
    named = ", ".join(f"{one.model_name!r} (last seen {iso_time(one.last_seen)})" for one in seen)
    return f"workers were seen of: {named}"
