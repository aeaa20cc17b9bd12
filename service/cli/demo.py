"""`laurel demo`: the whole life of a model, told on the real parts."""

from __future__ import annotations

import secrets
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from domain.errors import LaurelError, TryLater
from service.cli.console import AsJson, Exit, err, fail, masked, print_json, say
from service.cli.reading import exit_of
from service.cli.world_file import HOME, MOST_REPLICAS, Home, PortBase

if TYPE_CHECKING:
    from service.local.demo.stage import Stage
    from service.local.laurel import LocalLaurel

app = typer.Typer(add_completion=False)

_ANNOUNCED: Final = (
    "seven chapters on real servers: about a minute on two cores, 2.3 GB of memory while it lasts, 0.15 GB "
    "of disk below .laurel; the first start also downloads the broker (45 MB). Ctrl-C ends it at any time"
)


@app.command()
def demo(
    *,
    home: Home = HOME,
    port_base: PortBase = None,
    keep: Annotated[
        bool, typer.Option(envvar="KEEP", help="Leave everything running at the end, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Play a model's life on the real servers, with the Ames house sales.

    Six chapters with a model of their own, so that an earlier demo is not in the way; at the end the events
    are read back from Kafka. An address in the environment (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL,
    MLFLOW_TRACKING_URI) is used instead of starting that server, unless it is one of this folder's last
    start.
    """
    from service.cli.local import forget_former_start, running, until_something_ends, write_environment
    from service.local.demo.stage import Stage

    forget_former_start(home)
    began = time.monotonic()
    say(_ANNOUNCED, on=err, hang=0)
    name = f"ames_{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(2)}"
    stage = Stage((home / "demo" / name).absolute())
    stage.set_up()
    environment = {
        "CONFIG_ROOT": str(stage.config_root),
        "DATA_ROOT": str(stage.data_root),
        "MLFLOW_EXPERIMENT": name,
        "MLFLOW_MODEL_NAME": name,
        "INFERENCE_INTERNAL_TOKEN": secrets.token_urlsafe(24),
        "API__TOKENS": f"demo:{(token := secrets.token_urlsafe(24))}",
    }
    servers = home / "demo" / "servers"
    with running(
        servers,
        environment,
        port_base,
        replicas=MOST_REPLICAS,
        api=True,
        new_model=True,
        meanwhile=_load,
    ) as laurel:
        told = _told(laurel, stage, token, quiet=as_json)
        seconds = round(time.monotonic() - began, 1)
        env = write_environment(laurel, home) if keep else None
        _print_end(laurel, env, told, seconds, as_json=as_json)
        if keep:
            until_something_ends(laurel)


def _load() -> None:
    """Import what the story needs, which takes a second or two.

    Not before nobody else imports: two threads in the same packages can see half of one.
    """
    for module in ("service.cli.demo_output", "service.adapters.polars.deliveries"):
        import_module(module)


def _told(laurel: LocalLaurel, stage: Stage, token: str, *, quiet: bool) -> dict[str, object]:
    import asyncio

    from service.cli.demo_output import told

    settings = laurel.settings
    try:
        return asyncio.run(told(stage, settings, laurel.gateway_url, token, quiet=quiet))
    except (LaurelError, TimeoutError) as error:
        code = exit_of(error) if isinstance(error, TryLater) else Exit.NO
        why = masked(str(error), settings) or "no end in time"
        fail(code, f"the story did not go as expected: {why}; logs are in {laurel.world.folder}")


def _print_end(
    laurel: LocalLaurel, env: Path | None, told: dict[str, object], seconds: float, *, as_json: bool
) -> None:
    from service.cli.local import places, print_places

    where = places(laurel, env)
    if as_json:
        print_json(told | {"places": where, "seconds": seconds})
        return
    say("where everything is", style="bold")
    print_places(where)
    say(f"done in {seconds} s", style="green")
    if env:
        say("everything is left running; Ctrl-C ends it", style="green")
    else:
        say("KEEP=1 leaves it running, for a look around in MLflow")
