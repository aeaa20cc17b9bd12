"""How `laurel demo` tells its story on a screen, and what stands at its end."""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

from rich.status import Status

from config.settings import Settings
from config.topics import EVENT_TOPICS
from domain.run import Run
from service.adapters.kafka.requests import ReadEvent, read_events
from service.app import Reading, open_reading
from service.cli.champions import CHAMPION_COLUMNS, champion_row
from service.cli.console import err, out, print_table, say
from service.cli.following import doing
from service.cli.shown import EVENT_COLOURS, RUN_COLUMNS, event_line, run_facts, run_row
from service.cli.status import print_status
from service.convergence_status import read_status
from service.demo.door import open_door
from service.demo.replicas import open_replicas
from service.demo.stage import Stage
from service.demo.story import Story
from service.settings_values import kafka_connection

_LOOK_SECONDS: Final = 0.1
_PICTURE_SECONDS: Final = 60.0


class Teller:
    """The narrator on a screen: chapters and sentences, and on a terminal what the run does now."""

    def __init__(self, *, quiet: bool) -> None:
        self._screen = err if quiet else out
        self._status = Status("", console=self._screen) if self._screen.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to show life."""
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._status:
            self._status.stop()

    def chapter(self, number: int, title: str) -> None:
        """Begin a chapter."""
        say(f"{number}. {title}", style="bold cyan", on=self._screen, hang=3)

    def tell(self, text: str) -> None:
        """Say what happened."""
        say(f"   {text}", on=self._screen, hang=5)

    def follow(self, run: Run) -> None:
        """Show what a run does now."""
        if not run.ended:
            self.show(f"run {run.run_id[:8]}: {doing(run)}")

    def show(self, text: str) -> None:
        """Show what is going on."""
        if self._status:
            self._status.update(text)


async def told(stage: Stage, settings: Settings, door_url: str, token: str, *, quiet: bool) -> dict[str, Any]:
    """Play the story, print what came of it, and return that; `quiet` keeps standard output free."""
    model = settings.mlflow_model_name
    async with (
        open_reading(settings) as reading,
        open_replicas(settings, reading.outbox) as replicas,
        open_door(door_url, token) as door,
    ):
        with Teller(quiet=quiet) as teller:
            await Story(stage, settings, reading, replicas, door, teller).play()
            teller.show("the pictures are being drawn")
            await _pictures_drawn(reading, settings)
        events = [event async for event in read_events(kafka_connection(settings), EVENT_TOPICS)]
        ours = [event for event in events if event.key == model]
        ours.sort(key=lambda event: event.coordinates.timestamp_ms)
        runs = list(await reading.store.recent(model, 100))[::-1]
        entries = list(await reading.ledger.entries(model))
        status = await read_status(reading.ledger, reading.outbox, replicas.servers, model)
    if not quiet:
        _print_events(ours)
        print_table("runs", RUN_COLUMNS, map(run_row, runs))
        print_table("champions", CHAMPION_COLUMNS, map(champion_row, entries))
        print_status(status)
    return {
        "events": [_event_facts(event) for event in ours],
        "runs": [run_facts(run) for run in runs],
        "champions": [entry.model_dump(mode="json") for entry in entries],
        "status": status.facts(),
    }


async def _pictures_drawn(reading: Reading, settings: Settings) -> None:
    """Wait for the pictures, which no promotion waits for."""
    until = time.monotonic() + _PICTURE_SECONDS
    while await reading.store.ended_without(settings.mlflow_model_name, "pictures", 1):
        await asyncio.sleep(_LOOK_SECONDS)
        if time.monotonic() > until:
            raise TimeoutError("the pictures were not drawn in time")


def _print_events(events: list[ReadEvent]) -> None:
    say("events, as an ordinary consumer reads them back from Kafka", style="bold")
    for event in events:
        say(f"   {event_line(event)}", style=EVENT_COLOURS.get(event.coordinates.topic, ""), hang=17)


def _event_facts(event: ReadEvent) -> dict[str, Any]:
    return {"topic": event.coordinates.topic, "attributes": dict(event.attributes), "data": event.data}
