"""What commands say of the workers of a model, and of the requests that wait for them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, NamedTuple

from config.settings import Settings
from config.topics import requests_group
from domain.errors import LaurelError
from domain.events import REQUEST_TOPIC
from domain.fleet import Fleet, fleet_of, is_silent, span
from domain.ports.workers import WORKER, HeardProcess, Waiting, Workers
from domain.record import Record
from domain.request import ReceivedRequest
from handlers.training_requested import read_request
from service.adapters.kafka.foreign import as_record
from service.adapters.kafka.reading import read_unread, readers_in
from service.cli.console import err, masked, say
from service.cli.findings import Finding
from service.lifecycle.looking import open_look
from service.lifecycle.settings_values import kafka_connection

_SECONDS: Final = 10.0
_MOST: Final = 10_000  # records that are read to count requests of one model among those of all


class Unread(NamedTuple):
    """Requests that Kafka has and no worker has stored; `at_least` where there are more than are counted."""

    requests: int
    at_least: bool = False

    @property
    def told(self) -> str:
        """Say how many."""
        least = "at least " if self.at_least else ""
        one = self.requests == 1
        return f"{least}{self.requests or 'no'} request{'' if one else 's'} {'is' if one else 'are'} unread"


class Look(NamedTuple):
    """One look at a model's fleet; `unread` is None while Kafka does not answer."""

    fleet: Fleet
    waiting: Waiting
    unread: Unread | None
    hung: tuple[HeardProcess, ...] = ()  # of the other roles

    @property
    def told_waiting(self) -> str:
        """Say what waits, in a sentence."""
        waiting = self.waiting
        oldest = f" (the oldest for {span(waiting.oldest_unclaimed_seconds)})" if waiting.unclaimed else ""
        runs = "run waits" if waiting.unclaimed == 1 else "runs wait"
        said = [self.unread.told] if self.unread else []
        said.append(f"{waiting.unclaimed or 'no'} {runs} for a worker{oldest}")
        said.append(f"{waiting.held} in hand")
        said += [f"{waiting.put_off} put off"] if waiting.put_off else []
        return ", ".join(said)

    def facts(self) -> dict[str, object]:
        """The same as JSON."""
        fleet, waiting = self.fleet, self.waiting
        return {
            "works": fleet.works,
            "message": fleet.told,
            "living": [worker.name for worker in fleet.living],
            "silent": [worker.name for worker in fleet.silent],
            "other_models": list(fleet.elsewhere),
            "unread_requests": self.unread and self.unread.requests,
            "unclaimed_runs": waiting.unclaimed,
            "runs_in_hand": waiting.held,
            "runs_put_off": waiting.put_off,
            "oldest_unclaimed_seconds": waiting.oldest_unclaimed_seconds,
        }


async def look_at_fleet(settings: Settings, workers: Workers, *, asks_kafka: bool = True) -> Look:
    """Take a look; what Kafka knows is left out while it does not answer. Raises TryLater."""
    model = settings.mlflow_model_name
    asking = _asked_of_kafka(settings) if asks_kafka else _nothing_asked()
    heard, waiting, asked = await asyncio.gather(workers.heard(), workers.waiting(model), asking)
    readers, unread = asked
    hung = tuple(one for one in heard if one.role != WORKER and one.model_name == model and is_silent(one))
    return Look(fleet_of(model, heard, waiting, readers), waiting, unread, hung)


async def _nothing_asked() -> tuple[int, None]:
    return 0, None


async def fleet_findings(settings: Settings, *, asks_kafka: bool = True) -> list[Finding]:
    """What the doctor says: does anybody work for the model, and what waits."""
    try:
        async with open_look(settings) as opened:
            look = await look_at_fleet(settings, opened.workers, asks_kafka=asks_kafka)
    except LaurelError as error:
        return [Finding("workers", ok=False, found=error.message, fix="`laurel workers` lists them")]
    fleet = look.fleet
    warns = fleet.works and not fleet.is_whole
    return [
        Finding("workers", ok=fleet.works, found=fleet.told, fix=fleet.advice, warns=warns),
        Finding("requests", ok=True, found=look.told_waiting),
        *map(_hung, look.hung),
    ]


def _hung(process: HeardProcess) -> Finding:
    """It may have been killed on purpose, or hang: so it is not a fault."""
    silent = span(process.silent_seconds)
    found = f"{process.name}, pid {process.pid} on {process.host}, is silent for {silent}"
    return Finding(process.role, ok=True, found=found, fix="end it if it hangs; start it", warns=True)


async def _asked_of_kafka(settings: Settings) -> tuple[int, Unread | None]:
    connection, group = kafka_connection(settings), requests_group(settings.mlflow_model_name)
    try:
        async with asyncio.timeout(_SECONDS):
            return await asyncio.gather(readers_in(connection, group), _unread(settings))
    except (LaurelError, TimeoutError) as error:
        why = error.message if isinstance(error, LaurelError) else f"no answer within {_SECONDS:g} s"
        say(f"unread requests were not counted: {masked(why, settings)}", on=err)
        return 0, None


async def _unread(settings: Settings) -> Unread:
    """Count this model's among them: others' requests stand in the same topic."""
    read = found = 0
    async with aclosing(_records(settings)) as records:
        async for record in records:
            read += 1
            found += _is_ours(record, settings)
            if read == _MOST:
                return Unread(found, at_least=True)
    return Unread(found)


async def _records(settings: Settings) -> AsyncGenerator[Record, None]:
    connection, group = kafka_connection(settings), requests_group(settings.mlflow_model_name)
    async with aclosing(read_unread(connection, group, REQUEST_TOPIC)) as records:
        async for raw in records:
            yield as_record(raw)


def _is_ours(record: Record, settings: Settings) -> bool:
    """What names another model is not, and what cannot be read asks for nothing."""
    model, limit = settings.mlflow_model_name, settings.kafka.max_request_bytes
    return isinstance(read_request(record, model_name=model, max_bytes=limit), ReceivedRequest)
