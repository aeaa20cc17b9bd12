"""`laurel request` and `laurel watch`: ask for a training, and follow what happens."""

import os
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from config.settings import Settings
from config.topics import EVENT_TOPICS
from domain.events import REQUEST_TOPIC
from domain.lifecycle import State
from domain.run import Run
from service.adapters.kafka.requests import ReadEvent, SentRequest, publish_request, read_events
from service.app import open_reading
from service.cli.console import AsJson, Exit, fail, print_json, print_json_line, say
from service.cli.following import Lines, followed
from service.cli.reading import read_settings, run
from service.cli.shown import EVENT_COLOURS, event_line, run_facts, verdict_line
from service.mlflow_pages import pages_of
from service.settings_values import kafka_connection

_SOURCE: Final = "/laurel/cli"
_STORED_SECONDS: Final = 30.0

Version = Annotated[str | None, typer.Option(help="Default: what production uses.", metavar="N")]

app = typer.Typer(add_completion=False)


@app.command()
def request(
    *,
    split_version: Version = None,
    feature_version: Version = None,
    model_version: Version = None,
    reason: Annotated[str | None, typer.Option(help="Why, for whoever asks later.")] = None,
    requested_by: Annotated[str | None, typer.Option(help="Who asks; default: the user's name.")] = None,
    request_id: Annotated[str | None, typer.Option(help="The same id again is the same request.")] = None,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the run to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a training request, and return once Kafka has acknowledged it.

    With --watch the exit code says how the run ended: 0 COMPLETED or DECLINED, 1 REJECTED or FAILED,
    3 no worker took it. Ctrl-C ends the watching only; the run goes on.
    """
    settings = read_settings()
    payload = {
        "model_name": settings.mlflow_model_name,
        "split_version": split_version,
        "feature_version": feature_version,
        "model_version": model_version,
        "reason": reason,
        "requested_by": requested_by or os.environ.get("USER"),
    }
    given = {name: value for name, value in payload.items() if value is not None}
    ended = run(_ask(settings, given, request_id, follow=follow, as_json=as_json), settings)
    if ended is not None and ended.state in {State.REJECTED, State.FAILED}:
        raise typer.Exit(Exit.NO)


async def _ask(
    settings: Settings, payload: Mapping[str, Any], request_id: str | None, *, follow: bool, as_json: bool
) -> Run | None:
    sent = await publish_request(
        kafka_connection(settings),
        REQUEST_TOPIC,
        payload,
        model_name=settings.mlflow_model_name,
        source=_SOURCE,
        event_id=request_id,
    )
    if not as_json:
        say(f"asked for: {sent.event_id} at {sent.coordinates}")
    ended = await _followed(settings, sent, quiet=as_json) if follow else None
    if as_json:
        facts = {"request_id": sent.event_id, "identity": sent.identity, "coordinates": str(sent.coordinates)}
        print_json(facts | ({"run": run_facts(ended)} if ended else {}))
    return ended


async def _followed(settings: Settings, sent: SentRequest, *, quiet: bool) -> Run:
    async with open_reading(settings) as reading:
        with Lines(quiet=quiet) as lines:
            ended = await followed(
                reading.store,
                settings.mlflow_model_name,
                sent.identity,
                lines.tell,
                stored_within=_STORED_SECONDS,
            )
    if ended is None:
        fail(Exit.AWAY, "the request is in Kafka, but no worker has stored it yet; is one running?")
    if not quiet:
        bad = ended.state in {State.REJECTED, State.FAILED}
        say(verdict_line(ended), style="red" if bad else "", hang=2)
        for name, page in pages_of(ended, settings.mlflow_tracking_uri):
            say(f"{name}: {page}", style="dim")
        say(f"all about it: laurel show {ended.run_id[:8]}", style="dim")
    return ended


@app.command()
def watch(
    *,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest event.")] = False,
    follow: Annotated[bool, typer.Option(help="Wait for more, until Ctrl-C.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print what Laurel announces, as any consumer would read it.

    With --json each event is one line.
    """
    settings = read_settings()
    run(_watch(settings, from_start=from_start, follow=follow, as_json=as_json), settings)


async def _watch(settings: Settings, *, from_start: bool, follow: bool, as_json: bool) -> None:
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
    if as_json:
        topic = event.coordinates.topic
        problem = {"problem": event.problem.model_dump()} if event.problem else {}
        facts = {"topic": topic, "attributes": dict(event.attributes), "data": event.data}
        print_json_line(facts | problem)
    else:
        say(event_line(event), style=EVENT_COLOURS.get(event.coordinates.topic, ""), hang=14)
