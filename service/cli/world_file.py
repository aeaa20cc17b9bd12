"""Where `laurel up` and `laurel demo` keep things, and the file by which other terminals find them."""

import os
import shlex
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from domain.wording import iso_time
from service.adapters.files.atomic import AtomicFiles

HOME: Final = Path(".laurel")
ENVIRONMENT: Final = "env"  # the file in there that other terminals read
MOST_REPLICAS: Final = 2
PORTS: Final = 7 + MOST_REPLICAS  # Kafka takes two

Home = Annotated[Path, typer.Option(help="Where servers, data and logs are kept.")]
PortBase = Annotated[
    int | None,
    typer.Option(
        envvar="PORT_BASE",
        min=1024,
        max=32767 - PORTS,
        metavar="N",
        help="Take the ports N and N+1 (Kafka), N+2 (PostgreSQL), N+3 (MLflow), N+4 (worker), N+5 (reload "
        "listener), N+6 and N+7 (inference), N+8 (HTTP API) instead of 19092, 19093, 15432, 15000 and 18080 "
        "to 18084.",
    ),
]


_OWN: Final = "# Addresses of servers that it started, and starts again next time: "


def write_world_file(settings: Mapping[str, str], home: Path, own: Collection[str] = ()) -> Path:
    """Write it for this user only, since it holds secrets.

    `own` are the settings that hold addresses of servers that the world started itself.
    """
    path = (home / ENVIRONMENT).absolute()
    path.touch(mode=0o600)
    path.chmod(0o600)
    with AtomicFiles().draft(path) as draft:
        draft.copy_mode(path)
        draft.write(("\n".join(_lines(settings, path, own)) + "\n").encode())
        draft.replace()
    return path


def _lines(settings: Mapping[str, str], path: Path, own: Collection[str]) -> Iterator[str]:
    at = iso_time(datetime.now(tz=UTC))
    yield f"# The settings of the Laurel that runs in {path.parent}, written at {at} by `laurel up`."
    yield f"# Load them in a terminal (sh, bash, zsh), and `laurel` works there: . {shlex.quote(str(path))}"
    yield "# The file holds secrets: only this user may read it."
    if own:
        yield f"{_OWN}{' '.join(own)}"
    folder = str(_commands())
    within = shlex.quote(f":{folder}:")
    yield f'case ":$PATH:" in *{within}*) ;; *) export PATH={shlex.quote(folder)}:"$PATH" ;; esac'
    yield from (f"export {name}={shlex.quote(value)}" for name, value in settings.items())


def _commands() -> Path:
    """The folder of the `laurel` that runs."""
    called = Path(sys.argv[0]).absolute()
    return called.parent if called.name == "laurel" else Path(sysconfig.get_path("scripts"))


def forget_own_addresses(home: Path) -> list[str]:
    """Take the addresses of this world's own servers out of the environment once they have ended.

    A terminal that has loaded the world's file holds them. Returns the names of the settings.
    """
    own = {} if _runs(home) else _own_addresses(home / ENVIRONMENT)
    found = [name for name, address in own.items() if os.environ.get(name) == address]
    for name in found:
        del os.environ[name]
    return found


def _own_addresses(path: Path) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8")
        words = [word.partition("=") for word in shlex.split(text, comments=True)]
    except (OSError, ValueError):  # another user's, or nothing that was written here
        return {}
    named = next((line for line in text.splitlines() if line.startswith(_OWN)), _OWN)
    own = named.removeprefix(_OWN).split()
    return {name: address for name, _, address in words if name in own}


def found_world() -> str:
    """Say how to load the settings of a world that runs in the present folder; empty without one."""
    path = HOME / ENVIRONMENT
    if not _runs(HOME):
        return ""
    return f"; found {path.absolute()} of a running `laurel up`: load it with `. {path}`"


def _runs(home: Path) -> bool:
    """True while a world that has written its file runs in a folder."""
    from service.local.servers.folder import FolderLock

    folders = (home / "servers", home / "demo" / "servers")
    try:
        return (home / ENVIRONMENT).exists() and any(
            FolderLock(folder, "world").is_held() for folder in folders
        )
    except OSError:  # another user's: nothing for us
        return False
