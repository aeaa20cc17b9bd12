"""`laurel dead-letters`: what could not be read, whole, and back with it once the cause is corrected."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from config.needs import KAFKA
from domain.errors import NeverRetry
from service.cli.console import AsJson, Column, Exit, fail, masked, print_json, print_table, say
from service.cli.lazy import Group
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from service.adapters.kafka.connection import KafkaConnection
    from service.adapters.kafka.dead_letter_format import DeadLetter

T = TypeVar("T")

_ANSWERS = {"unknown_dead_letter": Exit.NOT_FOUND, "not_requeued": Exit.NO}
DEAD_LETTER_COLUMNS: Final = (
    Column("place"),
    Column("reason"),
    Column("records", "figure", spare=3),
    Column("bytes", "figure", spare=2),
    Column("came from", spare=1),
    Column("detail", "text"),
)
_PLACE = re.compile(r"([0-9]{1,9})/([0-9]{1,18})")

app = typer.Typer(
    cls=Group, help="Records that could not be read.", no_args_is_help=True, add_completion=False
)

Place = Annotated[
    str, typer.Argument(metavar="PARTITION/OFFSET", help="The dead letter's place, as `list` shows it.")
]


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List all dead letters: where, why, and what they were."""
    from domain.events import DEAD_LETTER_TOPIC
    from service.lifecycle.settings_values import kafka_connection

    settings = read_settings(KAFKA, model=False)
    letters = run(_all(kafka_connection(settings)), settings)
    if as_json:
        print_json([letter.as_json() for letter in letters])
        return
    rows = [
        (
            f"{letter.place.partition}/{letter.place.offset}",
            letter.why.reason,
            letter.several.records if letter.several else 1,
            len(letter.record.value or b""),
            str(letter.record.coordinates),
            letter.why.detail,
        )
        for letter in letters
    ]
    print_table(DEAD_LETTER_TOPIC, DEAD_LETTER_COLUMNS, rows)


@app.command()
def show(place: Place, *, as_json: AsJson = False) -> None:  # noqa: ARG001 - it is JSON anyway
    """Print one dead letter whole, as JSON: bytes, headers, coordinates and reason."""
    from domain.events import DEAD_LETTER_TOPIC
    from service.adapters.kafka.dead_letters import show_dead_letter
    from service.lifecycle.settings_values import kafka_connection

    settings = read_settings(KAFKA, model=False)
    partition, offset = _numbers(place)
    asked = show_dead_letter(kafka_connection(settings), DEAD_LETTER_TOPIC, partition, offset)
    print_json(_found(asked, settings).as_json())


@app.command()
def requeue(place: Place, *, as_json: AsJson = False) -> None:
    """Send one to the topic of requests, as it was. Twice is once: its identity stays.

    One that stands for several records cannot be sent; one that keeps only the start of its record is sent
    while the record itself is still in that topic. `list --json` says which, under `requeue`.
    """
    from service.lifecycle.settings_values import kafka_connection

    settings = read_settings(KAFKA, model=False)
    sent_to = _found(_requeue(kafka_connection(settings), *_numbers(place)), settings)
    if as_json:
        print_json({"requeued_to": str(sent_to)})
    else:
        say(f"requeued to {sent_to}")


def _found(work: Coroutine[object, object, T], settings: Settings) -> T:
    async def looked() -> T:
        try:
            return await work
        except NeverRetry as error:
            if error.reason not in _ANSWERS:
                raise
            fail(_ANSWERS[error.reason], masked(error.message, settings))

    return run(looked(), settings)


async def _all(connection: KafkaConnection) -> list[DeadLetter]:
    from domain.events import DEAD_LETTER_TOPIC
    from service.adapters.kafka.dead_letters import list_dead_letters

    return [letter async for letter in list_dead_letters(connection, DEAD_LETTER_TOPIC)]


async def _requeue(connection: KafkaConnection, partition: int, offset: int) -> object:
    from domain.events import DEAD_LETTER_TOPIC, REQUEST_TOPIC
    from service.adapters.kafka.dead_letters import requeue_dead_letter, show_dead_letter

    letter = await show_dead_letter(connection, DEAD_LETTER_TOPIC, partition, offset)
    return await requeue_dead_letter(connection, letter, REQUEST_TOPIC)


def _numbers(place: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise typer.BadParameter("a place looks like 0/17, partition and offset")
    return int(found[1]), int(found[2])
