"""`docker compose` on a project of its own, which is gone afterwards with its volumes."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from service.local.servers.ports import free_port

PROJECT: Final = Path(__file__).parents[2]
_BUILD_SECONDS: Final = 1800
_SECONDS: Final = 300


class Composed:
    """The containers of one project; commands run in it as a person would run them."""

    def __init__(self) -> None:
        self.name = f"laurel-test-{uuid.uuid4().hex[:8]}"
        ports = {name: str(free_port()) for name in ("KAFKA_PORT", "MLFLOW_PORT", "API_PORT")}
        self._environment = {**os.environ, **ports, "COMPOSE_PROJECT_NAME": self.name}
        self.mlflow_url = f"http://127.0.0.1:{ports['MLFLOW_PORT']}"
        self.api_url = f"http://127.0.0.1:{ports['API_PORT']}"

    def require_engine(self) -> None:
        """Fail at once, with the client's own words, where no engine answers."""
        self._run("docker", "version")

    def compose(self, *arguments: str, seconds: float = _SECONDS) -> str:
        """Run `docker compose …` and return what it printed; a failure shows all of it."""
        return self._run("docker", "compose", *arguments, seconds=seconds)

    def up(self, *arguments: str) -> None:
        """Start what is missing, and return when all of it is healthy."""
        self.compose("up", "--detach", "--wait", *arguments, seconds=_BUILD_SECONDS)

    def laurel(self, *arguments: str, service: str = "worker") -> str:
        """Run a command of Laurel in a container."""
        return self.compose("exec", "--no-TTY", service, "laurel", *arguments)

    def succeeds(self, service: str, *command: str) -> bool:
        """Say whether a command in a container ends with 0."""
        return self._done("docker", "compose", "exec", "--no-TTY", service, *command).returncode == 0

    def laurel_json(self, *arguments: str) -> Any:
        """Run one that prints JSON."""
        return json.loads(self.laurel(*arguments, "--json"))

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What the engine says of the containers, ended ones too."""
        ids = self.compose("ps", "--all", "--quiet", *services).split()
        found: list[dict[str, Any]] = json.loads(self._run("docker", "inspect", *ids))
        return found

    def _run(self, *command: str, seconds: float = _SECONDS) -> str:
        done = self._done(*command, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _done(self, *command: str, seconds: float = _SECONDS) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - a person's own engine, and words of this file
            command,
            cwd=PROJECT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


@contextmanager
def composed() -> Iterator[Composed]:
    """Build the image, bring everything up, and leave nothing behind."""
    world = Composed()
    world.require_engine()
    try:
        world.compose("build", seconds=_BUILD_SECONDS)
        world.up()
        yield world
    finally:
        world.compose("down", "--volumes", "--remove-orphans")
