"""Taking a request in: claimed in the run store, sent to Kafka, acknowledged; in this order."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from domain.announcement import Announcement
from domain.asked_request import GATEWAY_SOURCE, Ask, Claim, ask_faults, request_record
from domain.errors import NeverRetry, TryLater
from domain.faults import Fault
from domain.ports.run_store import AskedRequests
from service.adapters.postgres.rows import dump_sorted_json

log = structlog.get_logger("laurel.api")

# So long an equal ask without an id is taken for the repeat of one that Kafka gave no answer to.
_REPEATED_WITHIN_SECONDS: Final = 600.0
# The caller also waits for the run store; it would not wait for what takes longer altogether.
_ANSWER_TIMES: Final = 1.125
# A claim that is older, and still without an answer, is in nobody's hands any more: its process died.
_IN_HAND_TIMES: Final = 4.0


class Publishes(Protocol):
    """Returns once Kafka has acknowledged; raises TryLater, NeverRetry."""

    async def publish(self, announcement: Announcement) -> None:
        """Send one record. Safe to repeat."""


class Unusable(NeverRetry):
    """The request cannot be taken in as it is; `faults` names all that can be seen at once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(faults[0].code, "; ".join(fault.message for fault in faults))
        self.faults = faults


class IdConflict(NeverRetry):
    """The id came before, with another payload, or is another run's: the first one stands."""


class TooSlow(TryLater):
    """Nobody waits any longer; what was begun may have been done."""


class Unanswered(TryLater):
    """Kafka, or the run store, did not answer: repeating under `request_id` is safe."""

    def __init__(self, error: TryLater, request_id: str) -> None:
        super().__init__(error.reason, error.message, waiting_on=error.waiting_on)
        self.request_id = request_id


@dataclass(frozen=True)
class Taken:
    """A request that Kafka has.

    `was_there`: it was requested before, and answered; so this does not repeat a request without an answer.
    """

    request_id: str
    was_there: bool = False


class Asking:
    """Takes requests in for one model."""

    def __init__(
        self, requests: AskedRequests, publisher: Publishes, *, model_name: str, send_seconds: float
    ) -> None:
        self._requests = requests
        self._publisher = publisher
        self._model = model_name
        self._send_seconds = send_seconds
        self._to_note: set[str] = set()  # left unclear while the run store was away

    async def ask(
        self, payload: Mapping[str, object], *, door: str, asked_by: str, request_id: str | None = None
    ) -> Taken:
        """Return once Kafka has the request. The same id is the same request.

        Raises Unusable, IdConflict, and Unanswered when a repeat under its id is safe.
        """
        named = {"requested_by": asked_by, **payload, "model_name": self._model}
        if faults := ask_faults(payload, request_id, self._model):
            raise Unusable(faults)
        ask = Ask(request_id=request_id or str(uuid.uuid4()), payload=named, door=door, asked_by=asked_by)
        deadline = asyncio.get_running_loop().time() + _ANSWER_TIMES * self._send_seconds
        if request_id is None:
            async with self._until(deadline):
                ask = await self._repeated(ask)
        try:
            async with self._until(deadline):
                return await self._take(ask)
        except TooSlow as error:
            self._to_note.add(ask.request_id)
            raise Unanswered(error, ask.request_id) from error

    @asynccontextmanager
    async def answering(self, request_id: str) -> AsyncIterator[None]:
        """A caller that gets no answer because of what happens within may repeat. Raises Unanswered."""
        try:
            yield
        except TryLater as error:
            await self._note_unclear(request_id)
            raise Unanswered(error, request_id) from error

    @asynccontextmanager
    async def _until(self, deadline: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except TimeoutError as error:
            seconds = _ANSWER_TIMES * self._send_seconds
            raise TooSlow("too_slow", f"the run store and Kafka took more than {seconds:g} s") from error

    async def _repeated(self, ask: Ask) -> Ask:
        """The ask under the id of an equal one that had no answer, so that it does not become two."""
        for request_id in tuple(self._to_note):
            await self._requests.note_unclear(request_id)
            self._to_note.discard(request_id)
        in_hand = _IN_HAND_TIMES * self._send_seconds
        known = await self._requests.left_unclear(ask, _REPEATED_WITHIN_SECONDS, in_hand)
        return ask if known is None else ask.model_copy(update={"request_id": known})

    async def _take(self, ask: Ask) -> Taken:
        try:
            claim = await self._requests.claim(ask)
        except TryLater as error:
            raise Unanswered(error, ask.request_id) from error
        if claim is None:
            raise IdConflict("id_conflict", f"{ask.request_id} is the id of another run; choose another one")
        if dump_sorted_json(claim.payload) != dump_sorted_json(ask.payload):
            raise IdConflict("id_conflict", f"{ask.request_id} came before with another payload; it stands")
        if claim.acknowledged and claim.unclear_at is None:
            return Taken(ask.request_id, was_there=True)
        async with self.answering(ask.request_id):
            await self._settle(ask, claim)
        log.info("asked", request_id=ask.request_id, door=ask.door, asked_by=ask.asked_by)
        return Taken(ask.request_id)

    async def _settle(self, ask: Ask, claim: Claim) -> None:
        if not claim.acknowledged:
            await self._send(ask, claim)
        await self._requests.acknowledge(ask.request_id, claim.unclear_at)

    async def _note_unclear(self, request_id: str) -> None:
        try:
            await self._requests.note_unclear(request_id)
        except TryLater:
            self._to_note.add(request_id)

    async def _send(self, ask: Ask, claim: Claim) -> None:
        record = request_record(
            ask.request_id,
            dump_sorted_json(ask.payload),
            model_name=self._model,
            source=GATEWAY_SOURCE,
            at=claim.asked_at,
        )
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._publisher.publish(record)
        except TimeoutError as error:
            message = f"Kafka did not acknowledge the request within {self._send_seconds:g} s"
            raise TryLater("kafka_unavailable", message, waiting_on="kafka") from error
