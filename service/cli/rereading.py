"""`laurel requests`: what Kafka still holds of requests that a restored run store has lost."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from config.needs import KAFKA, STORE
from service.cli.console import AsJson, print_json, say
from service.cli.lazy import Group
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.record import Record
    from service.lifecycle.reread import Reread

app = typer.Typer(
    cls=Group,
    help="Requests that Kafka still holds and a restored run store has lost.",
    no_args_is_help=True,
    add_completion=False,
)

_PLACE: Final = re.compile(r"(?:([0-9]{1,9})/)?([0-9]{1,18})")
Since = Annotated[
    str,
    typer.Option(
        metavar="TIME|OFFSET",
        help="A time (2026-11-29T02:00, your time zone unless it names one), an offset of every partition, "
        "or PARTITION/OFFSET.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be stored, and store nothing.")]


class Beginning(NamedTuple):
    """Where reading begins."""

    from_ms: int | None = None
    from_offset: int = 0
    partition: int | None = None


@app.callback()
def requests() -> None:
    """Requests that Kafka still holds and a restored run store has lost."""


@app.command()
def reread(*, since: Since, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Read requests again that came since then, and store those that the run store does not know.

    A known request is left alone; the others run, under new run ids. Try it with --dry-run first. Nothing is
    committed, and workers may run meanwhile.
    """
    settings, begins = read_settings(KAFKA, STORE), _beginning(since)
    done = run(_reread(settings, begins, dry_run=dry_run), settings)
    if as_json:
        print_json(_facts(since, done, dry_run=dry_run))
        return
    would = "would be stored" if dry_run else "stored"
    for request in done.new:
        say(f"{would}: {request.coordinates} {dict(request.payload)}", hang=2)
    counts = ", ".join(f"{count} {word}" for word, count in sorted(done.counts.items()))
    say(f"{counts or 'no record'} since {since}{'; this was a dry run' if dry_run else ''}", style="bold")


def _beginning(text: str) -> Beginning:
    if (place := _PLACE.fullmatch(text)) is not None:
        partition = None if place[1] is None else int(place[1])
        return Beginning(from_offset=int(place[2]), partition=partition)
    from_ms = _milliseconds(text)
    if from_ms is None or from_ms < 0:  # Kafka gives negative times a meaning of their own
        raise typer.BadParameter(
            "a time as 2026-11-29T02:00 or 2026-11-29T02:00+01:00, an offset as 1150, or a partition and an "
            "offset as 0/1150",
            param_hint="--since",
        )
    return Beginning(from_ms=from_ms)


def _milliseconds(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


async def _reread(settings: Settings, begins: Beginning, *, dry_run: bool) -> Reread:
    from service.lifecycle.reading import open_reading
    from service.lifecycle.reread import reread as read_again

    async with open_reading(settings) as reading, aclosing(_records(settings, begins)) as records:
        return await read_again(
            records,
            reading.store,
            model_name=settings.mlflow_model_name,
            max_bytes=settings.kafka.max_request_bytes,
            dry_run=dry_run,
        )


async def _records(settings: Settings, begins: Beginning) -> AsyncGenerator[Record, None]:
    from domain.events import REQUEST_TOPIC
    from service.adapters.kafka.foreign import as_record
    from service.adapters.kafka.reading import read_to_the_end
    from service.lifecycle.settings_values import kafka_connection

    connection = kafka_connection(settings)
    async with aclosing(read_to_the_end(connection, [REQUEST_TOPIC], **begins._asdict())) as records:
        async for raw in records:
            yield as_record(raw)


def _facts(since: str, done: Reread, *, dry_run: bool) -> dict[str, object]:
    return {
        "since": since,
        "dry_run": dry_run,
        "counts": done.counts,
        "new": [
            {
                "coordinates": str(request.coordinates),
                "identity": request.identity,
                "payload": dict(request.payload),
            }
            for request in done.new
        ],
    }
