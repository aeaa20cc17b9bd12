"""What `laurel up` and `laurel demo` share: the whole real thing on one machine, from start to end.

How far the start is shows a table that lives on a terminal; elsewhere a line for each change or silence. What
somebody set, by environment or `.env`, goes on to the processes that start.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import typer
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from config.inference_settings import InferenceSettings
from config.misspelt import former_names
from config.settings import Settings, settings_with
from domain.errors import LaurelError, Stop
from service.adapters.mlflow.experiments import Experiments
from service.cli.console import Exit, err, fail, say
from service.cli.reading import exit_of, faults_in, say_cautions
from service.cli.world_file import MOST_REPLICAS, PORTS, forget_own_addresses, write_world_file
from service.lifecycle.mlflow_pages import experiment_page, model_page
from service.lifecycle.registry import open_mlflow
from service.local.laurel import AWAITS_A_CHAMPION, LocalLaurel, LocalOptions
from service.local.servers.stack import Addresses, Ports

_DONE: Final = frozenset({"ready", AWAITS_A_CHAMPION})


class StartProgress:
    """Called with who does what; a context manager while things start, and in lines afterwards."""

    def __init__(self, silent_seconds: float = 5.0) -> None:
        self._silent_seconds = silent_seconds
        self._began = time.monotonic()
        self._phases: dict[str, tuple[str, float]] = {}
        self._spinners: dict[str, Spinner] = {}
        self._lock = threading.Lock()
        self._spoke = threading.Event()
        self._over = threading.Event()
        self._live = Live(console=err.rich, get_renderable=self._table) if err.is_live else None

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def __enter__(self) -> Self:
        """Begin to show it."""
        self._began = time.monotonic()
        if self._live:
            self._live.start()
        else:
            threading.Thread(target=self._break_silence, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._over.set()
        live, self._live = self._live, None
        if live:
            live.stop()

    def __call__(self, who: str, what: str, _seconds: float) -> None:
        """Show what `who` does now."""
        with self._lock:
            self._phases[who] = (what, self.seconds)
        if self._live is None:
            self._line(who, what)

    def _break_silence(self) -> None:
        """Say what is still awaited whenever nothing else was said for a while."""
        while not self._over.wait(self._silent_seconds):
            with self._lock:
                awaited = [who for who, (what, _) in self._phases.items() if what not in _DONE]
            if not self._spoke.is_set() and awaited:
                self._line("…", f"still waiting for {', '.join(awaited)}")
            self._spoke.clear()

    def _line(self, who: str, what: str) -> None:
        self._spoke.set()
        say(f"{self.seconds:6.1f} s  {who:<16} {what}", style="dim", on=err)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            for who, (what, seconds) in self._phases.items():
                ready = what in _DONE
                mark = Text("✓", style="green") if ready else self._spinners.setdefault(who, Spinner("dots"))
                since = seconds if ready else self.seconds
                table.add_row(mark, who, Text(what, style="green" if ready else ""), f"{since:5.1f} s")
        return table


def given_settings() -> dict[str, str]:
    """Every setting that is given, as it was written; the environment wins.

    A path is absolute: its reader may stand in another folder.
    """
    written = _written()
    known = {name: value for kind in (Settings, InferenceSettings) for name, value in _known(kind)}
    return {name: _absolute(text, value) for name, value in known.items() if (text := written.get(name))}


def _written() -> Mapping[str, str | None]:
    sources = (DotEnvSettingsSource(Settings), EnvSettingsSource(Settings))
    return {name.upper(): text for source in sources for name, text in source.env_vars.items()}


def _known(kind: type[BaseSettings]) -> Iterator[tuple[str, object]]:
    """Each setting's name with the value in force; None where faults leave it unknown."""
    values: BaseModel | None = None
    with suppress(ValidationError):
        values = kind()
    yield from ((former.name, None) for former in former_names(kind))
    for name, field in kind.model_fields.items():
        value = getattr(values, name, None)
        if not isinstance(field.default, BaseModel):
            yield name.upper(), value
            continue
        for member in type(field.default).model_fields:
            yield f"{name}__{member}".upper(), getattr(value, member, None)


def _absolute(text: str, value: object) -> str:
    whole = str(Path(text).absolute())
    return whole if str(value) == whole else text


_POLL_SECONDS: Final = 0.2
DEFAULT_INFERENCE_PORT: Final = 18082
DEFAULT_API_PORT: Final = 18084
_FIXES: Final = {
    "port_taken": "--port-base N takes N to N+5",
    "runs_already": "--home OTHER --port-base N",
}


@contextmanager
def running(
    folder: Path,
    environment: Mapping[str, str],
    port_base: int | None,
    *,
    replicas: int = 0,
    api: bool = False,
    new_model: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[LocalLaurel]:
    """Start it all below `folder`, and end it all, whatever happens; errors become sentences.

    `meanwhile` is called in a thread while the roles start.
    """
    options = replace(
        _options(folder.absolute(), {**given_settings(), **environment}, port_base),
        inference_ports=_inference_ports(port_base)[:replicas],
        api_port=_api_port(port_base) if api else None,
        new_model=new_model,
        meanwhile=meanwhile,
    )
    _require_usable(options)
    progress = StartProgress()
    try:
        with ExitStack() as stack:
            stack.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _interrupt))
            with progress:
                laurel = stack.enter_context(LocalLaurel(options, progress))
                laurel.wait_for_gateway()
            yield laurel
    except LaurelError as error:
        fix = _FIXES.get(error.reason, "")
        fail(exit_of(error), f"{error.message}: {fix}" if fix else error.message)
    except KeyboardInterrupt:
        say("ended; nothing is left running", on=err)
        raise typer.Exit(Exit.INTERRUPTED) from None


def _options(folder: Path, environment: Mapping[str, str], port_base: int | None) -> LocalOptions:
    external = Addresses(
        bootstrap_servers=os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or None,
        database_url=os.environ.get("DATABASE_URL") or None,
        tracking_uri=os.environ.get("MLFLOW_TRACKING_URI") or None,
    )
    if port_base is None:
        return LocalOptions(folder=folder, environment=environment, external=external)
    return LocalOptions(
        folder=folder,
        environment=environment,
        external=external,
        ports=Ports(kafka=port_base, postgres=port_base + 2, mlflow=port_base + 3),
        worker_port=port_base + 4,
        listener_port=port_base + 5,
    )


def _inference_ports(port_base: int | None) -> tuple[int, ...]:
    first = DEFAULT_INFERENCE_PORT if port_base is None else port_base + PORTS - MOST_REPLICAS - 1
    return tuple(range(first, first + MOST_REPLICAS))


def _api_port(port_base: int | None) -> int:
    return DEFAULT_API_PORT if port_base is None else port_base + PORTS - 1


def _require_usable(options: LocalOptions) -> None:
    """Refuse settings with faults before anything starts; addresses that are still to come do not count."""
    external = options.external
    addresses = {
        "kafka_bootstrap_servers": external.bootstrap_servers or "localhost:1",
        "database_url": external.database_url or "postgresql://localhost/laurel",
        "mlflow_tracking_uri": external.tracking_uri or "http://localhost",
    }
    try:
        given = {name.lower(): value for name, value in options.environment.items()}
        settings = settings_with(**given | addresses)
    except ValidationError as error:
        for name, fault in faults_in(error, Settings).items():
            say(f"{name}: {fault}", style="red", on=err)
        fail(Exit.USAGE, "the settings in the environment are not usable")
    say_cautions(settings)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def until_something_ends(laurel: LocalLaurel) -> None:
    """Return never: Ctrl-C ends it, or the end of a component, which is reported."""
    while not (ended := laurel.ended()):
        time.sleep(_POLL_SECONDS)
    raise Stop("part_died", f"{', '.join(ended)} ended unexpectedly; logs are in {laurel.world.folder}")


def write_environment(laurel: LocalLaurel, home: Path) -> Path:
    """Write down what commands in another terminal need; return where."""
    return write_world_file(laurel.environment, home, laurel.own_addresses)


def forget_former_start(home: Path) -> None:
    """Start the servers of the last start again, although this terminal has loaded their addresses."""
    if names := forget_own_addresses(home):
        said = "this terminal holds addresses of the last start here, whose servers are started again"
        say(f"laurel: {said}: {', '.join(names)}", style="yellow", on=err)


def places(laurel: LocalLaurel, env: Path | None = None) -> dict[str, str]:
    """Where everything is."""
    settings = laurel.settings
    found = {
        "MLflow": f"{_experiment(settings)}  (experiment {settings.mlflow_experiment})",
        "models": model_page(settings.mlflow_tracking_uri, settings.mlflow_model_name),
        "Kafka": settings.kafka_bootstrap_servers,
        "worker": f"http://127.0.0.1:{laurel.environment['HTTP__WORKER_PORT']}/health/ready, /metrics",
        "listener": f"http://127.0.0.1:{laurel.environment['HTTP__LISTENER_PORT']}/health/ready, /metrics",
        **({"inference": ", ".join(settings.inference_servers)} if laurel.replicas else {}),
        **({"api": f"{laurel.gateway_url}/docs"} if laurel.gateway else {}),
        "config": str(settings.config_root),
        "files": str(settings.data_root),
        "logs": str(laurel.world.folder),
    }
    if laurel.world.mlflow:
        found["plots"] = (
            f"{laurel.world.mlflow.folder / 'artifacts'}  (in MLflow: each run's artifacts, evaluation)"
        )
    return found | ({"settings": f". {env}   (for commands in another terminal)"} if env else {})


def _experiment(settings: Settings) -> str:
    """The experiment's page. It is made now if there is none yet: the first run would make it."""
    try:
        return experiment_page(settings.mlflow_tracking_uri, asyncio.run(_experiment_id(settings)))
    except LaurelError:
        return settings.mlflow_tracking_uri  # which page it is can be said by MLflow alone


async def _experiment_id(settings: Settings) -> str:
    async with open_mlflow(settings) as rest:
        return await Experiments(rest, settings.mlflow_experiment).id()


def print_places(found: Mapping[str, str]) -> None:
    """Print them in two columns."""
    for name, place in found.items():
        say(f"  {name:<9} {place}")
