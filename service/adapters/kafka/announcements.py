"""Port `Announcements` on the topic `model.promoted`."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from aiokafka import ConsumerRecord
from pydantic import ValidationError

from domain.counterparts import Announced
from domain.events import ModelPromoted
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.foreign import as_text, object_in
from service.adapters.kafka.reading import read_last, read_to_the_end

_FIRST_LOOK: Final = 64  # records of each partition; a look that finds nothing is followed by a longer one
_FIELDS: Final = frozenset(Announced.model_fields)


class KafkaAnnouncements:
    """Reads without a group and without commits; a record that is none of ours says nothing."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection

    async def newest(self, model_name: str) -> Announced | None:
        """Look at the ends of the partitions first: the topic is kept for ever."""
        count, whole = _FIRST_LOOK, False
        while not whole:
            records, whole = await read_last(self._connection, ModelPromoted.topic, count)
            told = [found for raw in records if (found := _announced(raw, model_name))]
            if told:
                return max(told, key=lambda found: found.generation)
            count *= 16
        return None

    async def all(self, model_name: str) -> Sequence[Announced]:
        """Read the topic from its beginning."""
        async with aclosing(read_to_the_end(self._connection, [ModelPromoted.topic])) as records:
            return [found async for raw in records if (found := _announced(raw, model_name))]


def _announced(raw: ConsumerRecord, model_name: str) -> Announced | None:
    said = object_in(raw.value) if as_text(raw.key) == model_name else None
    if said is None or said.get("model_name") != model_name:
        return None
    try:
        return Announced.model_validate({name: said[name] for name in _FIELDS & said.keys()})
    except ValidationError:  # anyone may write there; the listener reports it
        return None
