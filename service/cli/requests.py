"""`laurel request` and `laurel watch`: ask for a training, and follow what happens."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import KAFKA, STORE
from domain.lifecycle import State
from service.cli.console import AsJson, Exit, err, fail, print_json, print_json_line, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.run import Run
    from service.adapters.kafka.requests import ReadEvent, SentRequest

_STORED_SECONDS: Final = 30.0

Version = Annotated[str | None, typer.Option(help="Default: what production uses.", metavar="N")]

app = typer.Typer(add_completion=False)


@app.command()
def request(
    *,
    split_version: Version = None,
    feature_version: Version = None,
    model_version: Version = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="The requester; default: the user's name.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id again is the same request.")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a training request, and return once Kafka has acknowledged it.

    What the HTTP API would refuse is refused before anything is published, with exit code 2. `laurel show`
    takes the id that is printed. With --watch the exit code says how the run ended: 0 COMPLETED or DECLINED,
    1 REJECTED or FAILED, 3 no worker took it. Ctrl-C ends the watching only; the run goes on.
    """
    settings = read_settings(KAFKA, *((STORE,) if follow else ()))
    payload = {
        "model_name": settings.mlflow_model_name,
        "split_version": split_version,
        "feature_version": feature_version,
        "model_version": model_version,
        "reason": reason,
        "requested_by": requested_by or os.environ.get("USER"),
    }
    given = {name: value for name, value in payload.items() if value is not None}
    _refuse_unusable(given, request_id, settings.mlflow_model_name)
    ended = run(_ask(settings, given, request_id, follow=follow, as_json=as_json), settings)
    if ended is not None and ended.state in {State.REJECTED, State.FAILED}:
        raise typer.Exit(Exit.NO)


def _refuse_unusable(payload: Mapping[str, object], request_id: str | None, model_name: str) -> None:
    """End with every fault at once, before anything is published."""
    from domain.asked_request import ask_faults
    from service.cli.configuration import fault_line

    faults = ask_faults(payload, request_id, model_name)
    for fault in faults:
        say(fault_line(fault), style="red", on=err)
    if faults:
        fail(Exit.USAGE, "nothing was published: the request is invalid")


async def _ask(
    settings: Settings, payload: Mapping[str, object], request_id: str | None, *, follow: bool, as_json: bool
) -> Run | None:
    from service.cli.formatting import run_facts

    sent = await published(settings, payload, request_id)
    if not as_json:
        say(f"published request {sent.event_id} ({sent.coordinates})")
        if not follow:
            say(f"follow it: laurel show {sent.event_id}", style="dim")
    ended = await _followed(settings, sent, payload, quiet=as_json) if follow else None
    if as_json:
        print_json(sent.facts() | ({"run": run_facts(ended).model_dump(mode="json")} if ended else {}))
    return ended


async def published(
    settings: Settings, payload: Mapping[str, object], request_id: str | None = None
) -> SentRequest:
    """Send a request, and return once Kafka has acknowledged it. Raises TryLater."""
    from domain.asked_request import CLI_SOURCE
    from domain.events import REQUEST_TOPIC
    from service.adapters.kafka.requests import publish_request
    from service.lifecycle.settings_values import kafka_connection

    return await publish_request(
        kafka_connection(settings),
        REQUEST_TOPIC,
        payload,
        model_name=settings.mlflow_model_name,
        source=CLI_SOURCE,
        event_id=request_id,
    )


async def _followed(
    settings: Settings, sent: SentRequest, payload: Mapping[str, object], *, quiet: bool
) -> Run:
    from service.adapters.postgres.models_seen import PostgresModelsSeen
    from service.cli.following import Lines, UnreadRequest, followed
    from service.cli.formatting import known_pages, verdict_line
    from service.lifecycle.reading import open_reading

    unread = UnreadRequest(sent, settings)
    async with open_reading(settings) as reading:
        with Lines(quiet=quiet) as lines:

            def tell(run: Run) -> None:
                _refuse_anothers(run, payload, sent)
                lines.tell(run)

            ended = await followed(
                reading.store,
                settings.mlflow_model_name,
                sent.identity,
                tell,
                stored_within=_STORED_SECONDS,
                unread=partial(unread.tell, PostgresModelsSeen(reading.database)),
            )
    if ended is None:
        await unread.refuse_set_aside()
        nobody = f"no worker of model {settings.mlflow_model_name!r} has stored it yet"
        fail(Exit.AWAY, f"the request is in Kafka, but {nobody}; is one running?")
    if not quiet:
        bad = ended.state in {State.REJECTED, State.FAILED}
        say(verdict_line(ended), style="red" if bad else "", hang=2)
        for name, page in known_pages(ended, settings).items():
            say(f"{name}: {page}", style="dim")
        say(f"details: laurel show {ended.run_id[:8]}", style="dim")
    return ended


def _refuse_anothers(run: Run, payload: Mapping[str, object], sent: SentRequest) -> None:
    """The first request of an id stands: what is sent under it later is not what was asked for now."""
    if dict(run.payload) != payload:
        fail(
            Exit.NO,
            f"{sent.event_id} came before with another payload, which stands (run {run.run_id[:8]}): "
            "this one becomes a dead letter, id_conflict; use another id",
        )


@app.command()
def watch(
    *,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print Laurel's announcements, as any consumer would read them.

    With --json each event is one line.
    """
    settings = read_settings(KAFKA)
    run(_watch(settings, from_start=from_start, follow=follow, as_json=as_json), settings)


async def _watch(settings: Settings, *, from_start: bool, follow: bool, as_json: bool) -> None:
    from config.topics import EVENT_TOPICS
    from service.adapters.kafka.requests import read_events
    from service.lifecycle.settings_values import kafka_connection

    from_ms = None if from_start or not follow else int(time.time() * 1000)
    events = read_events(kafka_connection(settings), EVENT_TOPICS, from_ms=from_ms, follow=follow)
    ours = (event async for event in events if event.problem or event.key == settings.mlflow_model_name)
    if follow:
        async for event in ours:
            _print_event(event, as_json=as_json)
        return
    for event in sorted([event async for event in ours], key=lambda found: found.coordinates.timestamp_ms):
        _print_event(event, as_json=as_json)


def _print_event(event: ReadEvent, *, as_json: bool) -> None:
    from service.cli.formatting import EVENT_COLOURS, event_facts, event_line

    if as_json:
        problem = {"problem": event.problem.model_dump()} if event.problem else {}
        print_json_line(event_facts(event) | problem)
    else:
        say(event_line(event), style=EVENT_COLOURS.get(event.coordinates.topic, ""), hang=14)
