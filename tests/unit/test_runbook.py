"""What the runbook has for the worst moment ends what it names, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kit.runbook import lines_of

_ROLE = "import signal, sys; print('up', flush=True); signal.pause()"


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Processes with the command lines that roles have."""
    program = tmp_path / "laurel"
    program.write_text(_ROLE)
    with ExitStack() as stack:
        started = {}
        for name in ("worker", "inference"):
            command = (sys.executable, str(program), name)
            role = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603
            stack.callback(role.kill)
            assert role.stdout is not None
            assert role.stdout.readline() == "up\n"
            started[name] = role
        yield started


def test_stop_everything_now_ends_the_workers_and_leaves_the_servers(
    roles: dict[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Only children of this test are looked at: the machine may run workers of others."""
    (tmp_path / "bin").mkdir()
    ours = tmp_path / "bin" / "pgrep"
    ours.write_text(f'#!/bin/sh\nexec /usr/bin/pgrep -P {os.getpid()} "$@"\n')
    ours.chmod(0o755)
    environment = {"PATH": f"{ours.parent}:{os.environ['PATH']}"}
    lines = lines_of("### Stop everything now")
    subprocess.run(("/bin/bash", "-e"), input=lines, env=environment, text=True, check=True)
    assert roles["worker"].wait(20) == -15
    assert roles["inference"].poll() is None
