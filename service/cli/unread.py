"""What is said of a request that nobody has read: for which model, and who might read it."""

from collections.abc import Sequence
from contextlib import suppress

from config.settings import Settings
from domain.errors import TryLater
from domain.events import DEAD_LETTER_TOPIC
from domain.ports.run_store import ModelsSeen, SeenModel
from service.adapters.kafka.dead_letters import list_dead_letters
from service.adapters.kafka.requests import SentRequest
from service.cli.console import Exit, err, fail, iso_time, say
from service.cli.following import UNREAD_SECONDS
from service.lifecycle.settings_values import kafka_connection


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
