"""A released version from its wheel, in this environment."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole

WHEEL: Final = Path(__file__).parents[1] / "released" / "laurel_lifecycle-0.1.0-py3-none-any.whl"
_WARM_UP: Final = 'warm_up="service.tasks.warm_up:warm_up",'
_DRAWS_NOTHING: Final = '\n\ndef _png(*_: object) -> bytes:\n    return b"a dot"\n'
CAUSES: Final = frozenset({"gate", "override", "adopted", "rollback"})  # that it knows in the ledger


def unpacked(folder: Path) -> dict[str, str]:
    """Unpack 0.1.0 there; return what makes Python take Laurel from there alone."""
    with zipfile.ZipFile(WHEEL) as wheel:
        wheel.extractall(folder)
    _make_it_cheap(folder / "service")
    # Python would put the folder that it is started in, this checkout, before everything.
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


def _make_it_cheap(service: Path) -> None:
    """Let its children start without a warm-up and draw nothing, as ours do in all worlds."""
    settings = service / "settings_values.py"
    text = settings.read_text(encoding="utf-8")
    assert _WARM_UP in text
    settings.write_text(text.replace(_WARM_UP, "warm_up=None,"), encoding="utf-8")
    with (service / "adapters" / "matplotlib" / "pictures.py").open("a", encoding="utf-8") as pictures:
        pictures.write(_DRAWS_NOTHING)


class Released:
    """A worker of 0.1.0 under a name of its own; its code comes from the wheel alone."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.name = "released"
        self._code = folder / "code"
        only_there = unpacked(self._code)
        port = free_port()
        own = {"WORKER__ID": self.name, "HTTP__WORKER_PORT": str(port)}
        self._environment = {**environment, **own, **only_there}
        self.role = EmbeddedRole("worker", folder / "role", port, self._environment)

    def stop(self) -> None:
        """SIGSTOP."""
        os.kill(self._pid, signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        os.kill(self._pid, signal.SIGCONT)

    def carried(self) -> set[str]:
        """The runs that it brought to their ends."""
        return carried(self.role.log)

    def code_of(self, *modules: str) -> list[Path]:
        """The files that it takes modules of ours from."""
        told = "; ".join(f"print(__import__({module!r}).__file__)" for module in modules)
        return [Path(line) for line in self._python("-c", told).stdout.splitlines()]

    def laurel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Its own command line."""
        return self._python("-m", "service.cli", *arguments)

    @property
    def folder(self) -> Path:
        """Where its code is."""
        return self._code

    @property
    def _pid(self) -> int:
        assert self.role.pid is not None
        return self.role.pid

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self._environment}
        return subprocess.run(  # noqa: S603 - our own code
            (sys.executable, *arguments), env=environment, capture_output=True, text=True, check=False
        )


def carried(log: Path) -> set[str]:
    """The runs whose ends a worker's log tells."""
    return {str(line["run"]) for line in _lines(log) if line.get("event") == "run_ended"}


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            yield json.loads(line)
