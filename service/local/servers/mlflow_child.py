"""The MLflow server's process: waits for its database, brings the schema up to date once, then serves.

Run as ``python -m service.local.servers.mlflow_child PORT STAMP_FILE``. The database is named in the variable
``MLFLOW_BACKEND_STORE_URI`` and not in an argument, which every user of the machine could read.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from service.local.servers.databases import connect

_DATABASE_WAIT_SECONDS = 60
_GARBAGE = 20_000  # objects before the collector looks: a request makes thousands, and no cycles
_UVICORN_OPTIONS = "--no-access-log --log-level warning --timeout-graceful-shutdown 3"


def main() -> None:
    """Serve until told to stop."""
    port, stamp = int(sys.argv[1]), Path(sys.argv[2])
    cli = _load()
    url = os.environ["MLFLOW_BACKEND_STORE_URI"]
    _wait_for_database(url)
    if not stamp.exists():
        cli(["db", "upgrade", url], standalone_mode=False)
        stamp.touch()
    _serve_in_this_process()
    cli(["server", *_server_arguments(port)], standalone_mode=False)


def _load() -> Callable[..., object]:
    """MLflow's command line, loaded as fast and as small as can be."""
    sys.modules["polars"] = None  # type: ignore[assignment]  # MLflow does without it, and saves 30 MB
    gc.disable()  # nothing of what is loaded is garbage: a sixth of the time
    # before mlflow.server, which arms its host check only when it sees a server's package loaded
    import uvicorn  # noqa: F401, PLC0415 - see above
    from mlflow.cli import cli  # noqa: PLC0415 - only without the garbage collector

    gc.freeze()
    gc.set_threshold(_GARBAGE)
    gc.enable()
    command: Callable[..., object] = cli
    return command


def _server_arguments(port: int) -> list[str]:
    return [
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--serve-artifacts", "--allowed-hosts", f"127.0.0.1:{port},localhost:{port}"),
        *("--uvicorn-opts", _UVICORN_OPTIONS),
    ]


def _serve_in_this_process() -> None:
    """Let ``mlflow server`` run uvicorn here, not in a child that would load everything a second time.

    The name is private to MLflow. Should a version drop it, nothing is replaced and the command line works
    as shipped, with one process and 200 MB more.
    """
    import mlflow.server as mlflow_server  # noqa: PLC0415 - loaded after the settings above

    mlflow_server._exec_cmd = _run_uvicorn  # noqa: SLF001 - see the docstring


def _run_uvicorn(command: Sequence[str], *, extra_env: dict[str, str], **_: object) -> None:
    from uvicorn.main import main as uvicorn_main  # noqa: PLC0415 - loaded after MLflow

    os.environ.update(extra_env)
    after_module = command.index("uvicorn") + 1
    uvicorn_main(args=list(command[after_module:]), standalone_mode=False)
    sys.exit(0)


def _wait_for_database(url: str) -> None:
    """Return when the database answers; the server before us may still be starting."""
    deadline = time.monotonic() + _DATABASE_WAIT_SECONDS
    while True:
        try:
            connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
