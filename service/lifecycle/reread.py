"""Requests that Kafka still holds and the run store does not: found, and stored again."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.errors import NeverRetry
from domain.ports.run_store import NOT_STORABLE, Added, RunStore
from domain.record import Record, Unreadable
from domain.request import ReceivedRequest
from handlers.training_requested import AnotherModels, read_request
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)

UNREADABLE: Final = "unreadable"
_WORDS: Final = {Added.NEW: "new", Added.KNOWN: "known", Added.CONFLICT: "conflict"}


@dataclass
class Reread:
    """What became of each record: new, known, conflict, another model, unreadable; and the new requests."""

    counts: dict[str, int] = field(default_factory=dict)
    new: list[ReceivedRequest] = field(default_factory=list)

    def count(self, word: str) -> None:
        """Count one more record."""
        self.counts[word] = self.counts.get(word, 0) + 1


async def reread(
    records: AsyncIterable[Record], store: RunStore, *, model_name: str, max_bytes: int, dry_run: bool
) -> Reread:
    """Store what is not known. Safe to repeat, and beside workers: a request is known by its identity.

    What cannot be read is in the topic of dead letters since it was read first. Raises TryLater.
    """
    done, seen = Reread(), dict[str, ReceivedRequest]()
    async for record in records:
        read = read_request(record, model_name=model_name, max_bytes=max_bytes)
        if isinstance(read, AnotherModels | Unreadable):
            done.count("another model" if isinstance(read, AnotherModels) else UNREADABLE)
            continue
        word = await (_looked_up(read, store, seen) if dry_run else _stored(read, store))
        seen.setdefault(read.identity, read)
        done.count(word)
        if word == _WORDS[Added.NEW]:
            done.new.append(read)
    return done


async def _stored(request: ReceivedRequest, store: RunStore) -> str:
    try:
        return _WORDS[await store.add(request)]
    except NeverRetry as error:
        if error.reason != NOT_STORABLE:
            raise
        return UNREADABLE


async def _looked_up(request: ReceivedRequest, store: RunStore, seen: Mapping[str, ReceivedRequest]) -> str:
    of_it = (request.identity, request.model_name)
    stored = [run for run in await store.find(request.identity) if (run.identity, run.model_name) == of_it]
    first = stored[0] if stored else seen.get(request.identity)
    if first is None:
        return _WORDS[Added.NEW]
    return _WORDS[Added.KNOWN if first.payload == request.payload else Added.CONFLICT]


def tell_what_may_be_lost(committed: Mapping[int, int], stored: Mapping[int, int]) -> None:
    """Say at a start how far the topic was read and how far it is stored: a restored store lacks requests.

    What lies between may also be other models' records, repeats and dead letters; the command tells.
    """
    for partition, newest in stored.items():
        between = committed.get(partition, 0) - newest - 1
        if between > 0:
            log.warning(
                "requests_not_stored",
                partition=partition,
                committed=committed[partition],
                newest_stored=newest,
                up_to=between,
                message=f"offset {committed[partition]:,} is committed, the newest stored record is "
                f"{newest:,}: up to {between:,} requests may be lost; `laurel requests reread --since "
                f"{partition}/{newest + 1} --dry-run` lists them",
            )
