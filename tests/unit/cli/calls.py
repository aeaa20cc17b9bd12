"""Calling the command line as a shell does, in this process."""

import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

import service.cli

KEPT = frozenset({"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "PYTEST_CURRENT_TEST"})


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Laurel:
    """Calls `laurel` with an environment of its own."""

    def __init__(
        self, capsys: pytest.CaptureFixture[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._capsys = capsys
        self._environment = environment or {}

    def __call__(self, *arguments: object, **variables: str) -> Ended:
        """Run it to its end; an error that gets out of it fails the test."""
        with pytest.MonkeyPatch.context() as patched:
            for name in set(os.environ) - KEPT:
                patched.delenv(name)
            for name, value in {**self._environment, **variables}.items():
                patched.setenv(name, value)
            patched.setattr("sys.argv", ["laurel", *map(str, arguments)])
            patched.setattr(logging, "lastResort", logging.lastResort)
            self._capsys.readouterr()
            seldom = gc.get_threshold()
            with pytest.raises(SystemExit) as ended:
                service.cli.main()
            gc.set_threshold(*seldom)  # what a command may leave lying about, a test process may not
            gc.unfreeze()
        written = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), written.out, written.err)


def spoken(arguments: list[str], **variables: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and what that process had imported at its end."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: sys.stderr.write('\\n' + json.dumps(list(sys.modules))))\n"
        "import service.cli; service.cli.main()"
    )
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", code, *arguments],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))
