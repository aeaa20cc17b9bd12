"""How `laurel demo` tells its story on a screen, and what stands at its end."""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from rich.status import Status

from config.settings import Settings
from config.topics import EVENT_TOPICS
from domain.announcement import generation_facts
from domain.run import Run
from service.adapters.kafka.requests import ReadEvent, read_events
from service.cli.champions import CHAMPION_COLUMNS, champion_row
from service.cli.console import err, out, print_table, say
from service.cli.following import doing
from service.cli.formatting import EVENT_COLOURS, RUN_COLUMNS, event_facts, event_line, run_facts, run_row
from service.cli.status import print_status
from service.lifecycle.reading import Reading, open_reading
from service.lifecycle.settings_values import kafka_connection
from service.local.demo.api_client import open_gateway
from service.local.demo.replicas import open_replicas
from service.local.demo.stage import Stage
from service.local.demo.story import Story
from service.rollout.convergence_status import read_status

_POLL_SECONDS: Final = 0.1
_PLOT_SECONDS: Final = 60.0
_SILENT_SECONDS: Final = 5.0


class Teller:
    """The narrator on a screen: chapters and sentences, and what the run does now.

    On a terminal that is a line that lives; elsewhere a line after each few seconds of silence.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._screen = err if quiet else out
        self._status = Status("", console=self._screen.rich) if self._screen.is_live else None
        self._spoke = time.monotonic()

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

    def chapter(self, number: int, title: str, words: str) -> None:
        """Begin a chapter, and say what its words mean."""
        if self._status:
            self._status.update("")
        self._say(f"{number}. {title}", style="bold cyan", hang=3)
        self._say(f"   ({words})", style="dim", hang=4)

    def tell(self, text: str) -> None:
        """Say what happened."""
        self._say(f"   {text}", hang=5)

    def follow(self, run: Run) -> None:
        """Show what a run does now."""
        if not run.ended:
            self.show(f"run {run.run_id[:8]}: {doing(run)}")

    def show(self, text: str) -> None:
        """Show what is going on."""
        if self._status:
            self._status.update(text)
        elif time.monotonic() - self._spoke > _SILENT_SECONDS:
            self._say(f"   … {text}", style="dim", hang=5)

    def _say(self, text: str, *, style: str = "", hang: int) -> None:
        self._spoke = time.monotonic()
        say(text, style=style, on=self._screen, hang=hang)


async def told(
    stage: Stage, settings: Settings, gateway_url: str, token: str, *, quiet: bool
) -> dict[str, object]:
    """Play the story, print what came of it, and return that; `quiet` keeps standard output free."""
    model = settings.mlflow_model_name
    async with (
        open_reading(settings) as reading,
        open_replicas(settings, reading.outbox) as replicas,
        open_gateway(gateway_url, token) as gateway,
    ):
        with Teller(quiet=quiet) as teller:
            await Story(stage, settings, reading, replicas, gateway, teller).play()
            await _plots_drawn(reading, settings, teller)
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
        "events": [event_facts(event) for event in ours],
        "runs": [run_facts(run).model_dump(mode="json") for run in runs],
        "champions": [generation_facts(entry) for entry in entries],
        "status": status.facts(),
    }


async def _plots_drawn(reading: Reading, settings: Settings, teller: Teller) -> None:
    """Wait for the pictures, which no promotion waits for."""
    until = time.monotonic() + _PLOT_SECONDS
    while await reading.store.ended_without(settings.mlflow_model_name, "pictures", 1):
        teller.show("the plots are being drawn")
        await asyncio.sleep(_POLL_SECONDS)
        if time.monotonic() > until:
            raise TimeoutError("the plots were not drawn in time")


def _print_events(events: list[ReadEvent]) -> None:
    say("events, as an ordinary consumer reads them back from Kafka", style="bold")
    for event in events:
        say(f"   {event_line(event)}", style=EVENT_COLOURS.get(event.coordinates.topic, ""), hang=17)
