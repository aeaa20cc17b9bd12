"""`laurel up`: everything on this machine, until Ctrl-C."""

import os
import secrets
import shlex
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import LaurelError
from service.cli.console import AsJson, fail, print_json, say
from service.cli.reading import exit_of
from service.cli.world_file import HOME, MOST_REPLICAS, Home, PortBase

app = typer.Typer(add_completion=False)


@app.command()
def up(
    *,
    home: Home = HOME,
    port_base: PortBase = None,
    replicas: Annotated[
        int, typer.Option(min=0, max=MOST_REPLICAS, help="Inference servers to start as well.")
    ] = 0,
    api: Annotated[bool, typer.Option("--api", help="Start the HTTP API as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, PostgreSQL, MLflow, a worker and the reload listener here, until Ctrl-C.

    An address in the environment (KAFKA_BOOTSTRAP_SERVERS, DATABASE_URL, MLFLOW_TRACKING_URI) is used instead
    of starting that server, unless it is one of this folder's last start. Without CONFIG_ROOT in the
    environment the Ames example is looked after.
    """
    from service.cli.local import (
        forget_former_start,
        places,
        print_places,
        running,
        until_something_ends,
        write_environment,
    )

    forget_former_start(home)
    environment = {**_environment(home), **_keys(home)}
    if replicas:
        environment["INFERENCE_INTERNAL_TOKEN"] = _secret("INFERENCE_INTERNAL_TOKEN")
    if api:
        environment |= _gateway_credentials()
    with running(home / "servers", environment, port_base, replicas=replicas, api=api) as laurel:
        env = write_environment(laurel, home)
        if as_json:
            print_json(places(laurel, env) | {"environment_file": str(env)})
        else:
            print_places(places(laurel, env))
            say("running; Ctrl-C ends everything. To request a training, in another terminal:", style="green")
            say(f"  . {shlex.quote(str(env))}; laurel request --watch", style="green")
        until_something_ends(laurel)


def _secret(name: str) -> str:
    """What the user set, or one for this start; `env` tells it to commands in another terminal."""
    return os.environ.get(name) or secrets.token_urlsafe(24)


def _keys(home: Path) -> dict[str, str]:
    """What models are signed with and checked by: what the user set, or a pair of this world's own."""
    names = ("SIGNING__KEY_FILE", "INFERENCE__VERIFICATION_KEY_FILE")
    given = {name: os.environ[name] for name in names if os.environ.get(name)}
    if given:
        return given
    from service.adapters.cryptography.ed25519 import ensure_key_pair

    try:
        pair = ensure_key_pair((home / "keys").absolute())
    except LaurelError as error:
        fail(exit_of(error), error.message)
    return dict(zip(names, map(str, pair), strict=True))


def _gateway_credentials() -> dict[str, str]:
    return {
        "API__TOKENS": os.environ.get("API__TOKENS") or f"local/ask+operate:{secrets.token_urlsafe(24)}",
        "API__BASIC_USER": os.environ.get("API__BASIC_USER") or "laurel",
        "API__BASIC_PASSWORD": _secret("API__BASIC_PASSWORD"),
    }


def _environment(home: Path) -> dict[str, str]:
    """Roots and names: what the user set, or those of the example, which is made when it is not there."""
    from service.local.demo.stage import Stage

    stage = Stage((home / "example").absolute())
    given = {name: os.environ[name] for name in ("CONFIG_ROOT", "DATA_ROOT") if os.environ.get(name)}
    if "CONFIG_ROOT" in given:
        return given
    if not stage.master.exists():
        stage.set_up()
        stage.deliver_all_sales()
    names = {"MLFLOW_EXPERIMENT": "ames", "MLFLOW_MODEL_NAME": "ames_price"}
    ours = {name: os.environ.get(name) or value for name, value in names.items()}
    return {"CONFIG_ROOT": str(stage.config_root), "DATA_ROOT": str(stage.data_root)} | given | ours
