"""Laurel's processes start warm in every test that does not ask for a cold start.

A role that a test starts through `EmbeddedRole`, and the fork parent of a worker inside a test, is a fork of
one process that has imported everything (`tests/kit/nursery.py`), and neither it nor its children warm up.
What starts cold: `laurel up`, `laurel demo`, the runbook's commands, and a test that takes the fixture
`cold_starts`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from service.adapters.postgres.dry_run import dry_run
from service.lifecycle import root
from service.lifecycle.settings_values import children_settings
from service.local.servers import process
from service.processes import fork_client
from service.processes.child_settings import PRELOAD, ForkSettings
from service.serving import loading_child
from tests.kit.nursery import children_settings_without_warm_up, no_rehearsal
from tests.kit.warm_starts import PROJECT, Nursery

_LAUREL: Final = (sys.executable, "-m", "service.cli")
_PRELOADED: Final = (PRELOAD, loading_child._PRELOAD)
_ALSO: Final = ("tests.chaos.worker", "tests.chaos.child_tasks")
_spawn = process.spawn
_launch = fork_client._launch


class _WarmStarts:
    """The nursery, opened by the first who wants a fork."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self._nursery: Nursery | None = None

    def nursery(self) -> Nursery:
        if self._nursery is None:
            assert self.folder is not None
            self._nursery = Nursery(self.folder, _ALSO)
        return self._nursery

    def spawn(self, command: process.Command) -> Any:
        """Start a command as `process.spawn` does; what takes its code from elsewhere starts cold."""
        is_ours = command.arguments[:3] == _LAUREL and command.environment.get("PYTHONPATH") == str(PROJECT)
        return self.nursery().role(command) if is_ours else _spawn(command)

    async def launch(self, settings: ForkSettings, control: int) -> Any:
        """Start a fork parent as `fork_client` does."""
        if settings.preload in _PRELOADED and settings.omp_threads == 1:
            return self.nursery().fork_parent(settings, control)
        return await _launch(settings, control)

    def close(self) -> None:
        if self._nursery is not None:
            self._nursery.close()


STARTS: Final = _WarmStarts()


async def laurel(*words: str, **environment: str) -> tuple[int, str, str]:
    """Run a command of `laurel` in a fork: its exit code, what it said, and its complaints."""
    return await STARTS.nursery().command(words, environment)


@pytest.fixture(scope="session", autouse=True)
def warm_starts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All starts are warm."""
    STARTS.folder = tmp_path_factory.mktemp("nursery")
    with _starting_by(STARTS.spawn, STARTS.launch, children_settings_without_warm_up, no_rehearsal):
        yield
    STARTS.close()


@pytest.fixture
def cold_starts() -> Iterator[None]:
    """Start from nothing, as on a user's machine."""
    with _starting_by(_spawn, _launch, children_settings, dry_run):
        yield


@contextmanager
def _starting_by(spawn: Any, launch: Any, settings: Any, rehearsal: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "spawn", spawn)
        patch.setattr(fork_client, "_launch", launch)
        patch.setattr(root, "children_settings", settings)
        patch.setattr(root, "dry_run", rehearsal)
        yield


@pytest.fixture(scope="session")
def nursery(warm_starts: None) -> Nursery:
    """What all warm processes are forks of."""
    del warm_starts
    return STARTS.nursery()
