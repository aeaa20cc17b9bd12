"""`laurel up` and `laurel demo`: the whole real thing on a laptop."""

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from config.settings import Settings, settings_with
from config.topics import EVENT_TOPICS
from domain.errors import LaurelError
from service.adapters.files.atomic import AtomicFiles
from service.adapters.kafka.requests import ReadEvent, read_events
from service.app import Reading, open_reading
from service.cli.console import Exit, err, fail, out, print_table
from service.cli.shown import RUN_COLUMNS, event_line, run_row
from service.demo.stage import Stage
from service.demo.story import Story
from service.embedded.world import Addresses
from service.local_laurel import LocalLaurel, LocalOptions
from service.settings_values import kafka_connection

_HOME: Final = Path(".laurel")
_LOOK_SECONDS: Final = 0.2
_PICTURE_SECONDS: Final = 60.0

Home = Annotated[Path, typer.Option(help="Where servers, data and logs are kept.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("demo", rich_help_panel="Try it")(demo)
    app.command("up", rich_help_panel="Try it")(up)


def up(*, home: Home = _HOME) -> None:
    """Start Kafka, PostgreSQL, MLflow, a worker and the reload listener here, until Ctrl-C.

    An address in the environment (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL, MLFLOW_TRACKING_URI) is used instead
    of starting that server. Without CONFIG_ROOT and DATA_ROOT the Ames example is looked after.
    """
    stage = Stage((home / "example").absolute())
    if "CONFIG_ROOT" not in os.environ and not stage.config_root.exists():
        stage.set_up()
        stage.deliver_all_sales()
    roots = {"CONFIG_ROOT": str(stage.config_root), "DATA_ROOT": str(stage.data_root)}
    names = (
        {"MLFLOW_EXPERIMENT": "ames", "MLFLOW_MODEL_NAME": "ames_price"}
        if "CONFIG_ROOT" not in os.environ
        else {}
    )
    environment = {name: os.environ.get(name, value) for name, value in (roots | names).items()}
    with _running(home, environment) as laurel:
        _print_addresses(laurel, home)
        out.print(
            "[green]running[/]; `laurel request --watch` in another terminal asks for a training; Ctrl-C ends"
        )
        _until_something_ends(laurel)


def demo(
    *,
    home: Home = _HOME,
    keep: Annotated[bool, typer.Option(envvar="KEEP", help="Leave it all running at the end.")] = False,
) -> None:
    """Play the whole life of a model on real Kafka, PostgreSQL, MLflow and DVC, with the Ames house sales."""
    began = time.monotonic()
    name = f"ames_{time.strftime('%Y%m%d_%H%M%S')}"
    stage = Stage((home / "demo" / name).absolute())
    stage.set_up()
    environment = {
        "CONFIG_ROOT": str(stage.config_root),
        "DATA_ROOT": str(stage.data_root),
        "MLFLOW_EXPERIMENT": name,
        "MLFLOW_MODEL_NAME": name,
    }
    with _running(home, environment) as laurel:
        settings = _settings(laurel)
        try:
            asyncio.run(_play(stage, settings))
        except (LaurelError, TimeoutError) as error:
            fail(
                Exit.NO, f"the story did not go as it should: {error or 'no end in time'}; logs are in {home}"
            )
        _print_places(laurel, stage, settings)
        out.print(f"[green]done[/] in {time.monotonic() - began:.1f} s")
        if keep:
            _print_addresses(laurel, home)
            out.print("it is left running; Ctrl-C ends it")
            _until_something_ends(laurel)


@contextmanager
def _running(home: Path, environment: dict[str, str]) -> Iterator[LocalLaurel]:
    external = Addresses(
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        database_url=os.environ.get("DATABASE_URL"),
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI"),
    )
    options = LocalOptions(folder=(home / "servers").absolute(), environment=environment, external=external)
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()

    def progress(who: str, what: str, _: float) -> None:
        err.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {who:<16} {what}")

    try:
        with LocalLaurel(options, progress) as laurel:
            yield laurel
    except LaurelError as error:
        fail(Exit.USAGE, error.message)
    except KeyboardInterrupt:
        err.print("ended; nothing is left running")
        raise typer.Exit(Exit.INTERRUPTED) from None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _settings(laurel: LocalLaurel) -> Settings:
    return settings_with(
        **{name.lower(): value for name, value in laurel.environment.items() if "__" not in name}
    )


async def _play(stage: Stage, settings: Settings) -> None:
    async with open_reading(settings) as reading:
        await Story(stage, settings, reading, out.print).play()
        await _pictures_drawn(reading, settings)
        events = read_events(kafka_connection(settings), EVENT_TOPICS)
        ours = [event async for event in events if event.key == settings.mlflow_model_name]
        _print_events(ours)
        runs = await reading.store.recent(settings.mlflow_model_name, 100)
        print_table("runs, newest first", RUN_COLUMNS, map(run_row, runs))


async def _pictures_drawn(reading: Reading, settings: Settings) -> None:
    """Wait for the pictures, which no promotion waits for."""
    out.print("[dim]the pictures are being drawn, now that the worker is idle[/]")
    until = time.monotonic() + _PICTURE_SECONDS
    while await reading.store.ended_without(settings.mlflow_model_name, "pictures", 1):
        await asyncio.sleep(_LOOK_SECONDS)
        if time.monotonic() > until:
            raise TimeoutError


def _print_events(events: list[ReadEvent]) -> None:
    out.print("[bold]events, as an ordinary consumer reads them back[/]")
    for event in sorted(events, key=lambda found: found.coordinates.timestamp_ms):
        out.print(f"   {event_line(event)}", soft_wrap=True)


def _print_places(laurel: LocalLaurel, stage: Stage, settings: Settings) -> None:
    page = laurel.world.addresses.tracking_uri
    out.print(
        f"[bold]MLflow[/]   {page} (experiment {settings.mlflow_experiment}; plots are its runs' artifacts)"
    )
    out.print(f"[bold]files[/]    {stage.data_root}")
    out.print(f"[bold]config[/]   {stage.config_root}")
    out.print(f"[bold]logs[/]     {laurel.world.folder}")


def _print_addresses(laurel: LocalLaurel, home: Path) -> None:
    path = (home / "env").absolute()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in laurel.environment.items()]
    AtomicFiles().replace(path, ("\n".join(lines) + "\n").encode())
    out.print(f"for commands in another terminal: [bold]. {path}[/]", soft_wrap=True)


def _until_something_ends(laurel: LocalLaurel) -> None:
    while not (ended := laurel.ended()):
        time.sleep(_LOOK_SECONDS)
    fail(Exit.AWAY, f"{', '.join(ended)} ended without being asked; logs are in {laurel.world.folder}")
