"""`laurel dead-letters`: what could not be read, whole, and back with it once the cause is mended."""

from typing import Annotated

import typer

from domain.events import DEAD_LETTER_TOPIC
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letter_format import DeadLetter
from service.adapters.kafka.dead_letter_reader import (
    list_dead_letters,
    requeue_dead_letter,
    show_dead_letter,
)
from service.cli.console import AsJson, out, print_json, print_table, read_settings, run
from service.settings_values import kafka_connection

app = typer.Typer(help="Records that could not be read.", no_args_is_help=True)

Place = Annotated[
    str, typer.Argument(metavar="PARTITION/OFFSET", help="Where the dead letter stands, as `list` shows it.")
]


@app.command("list")
def list_all(*, as_json: AsJson = False) -> None:
    """List all dead letters: where, why, and what they were."""
    settings = read_settings()
    letters = run(_all(kafka_connection(settings)), settings)
    if as_json:
        print_json([letter.as_json() for letter in letters])
        return
    rows = [
        (
            f"{letter.place.partition}/{letter.place.offset}",
            letter.why.reason,
            letter.why.detail,
            str(letter.record.coordinates),
            len(letter.record.value or b""),
        )
        for letter in letters
    ]
    print_table(DEAD_LETTER_TOPIC, ("place", "reason", "detail", "came from", "bytes"), rows)


@app.command()
def show(place: Place) -> None:
    """Print one dead letter whole, as JSON: bytes, headers, coordinates and reason."""
    settings = read_settings()
    partition, offset = _numbers(place)
    letter = run(show_dead_letter(kafka_connection(settings), DEAD_LETTER_TOPIC, partition, offset), settings)
    print_json(letter.as_json())


@app.command()
def requeue(place: Place, *, as_json: AsJson = False) -> None:
    """Send one back to where it came from, as it was. Twice is once: its identity stays."""
    settings = read_settings()
    sent_to = run(_requeue(kafka_connection(settings), *_numbers(place)), settings)
    if as_json:
        print_json({"requeued_to": str(sent_to)})
    else:
        out.print(f"requeued to {sent_to}")


async def _all(connection: KafkaConnection) -> list[DeadLetter]:
    return [letter async for letter in list_dead_letters(connection, DEAD_LETTER_TOPIC)]


async def _requeue(connection: KafkaConnection, partition: int, offset: int) -> object:
    letter = await show_dead_letter(connection, DEAD_LETTER_TOPIC, partition, offset)
    return await requeue_dead_letter(connection, letter)


def _numbers(place: str) -> tuple[int, int]:
    partition, slash, offset = place.partition("/")
    if not (slash and partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter("a place looks like 0/17, partition and offset")
    return int(partition), int(offset)
