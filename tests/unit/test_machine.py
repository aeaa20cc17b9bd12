"""What a process may use of its machine is what its control groups leave it, in both of their versions."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from service.processes.machine import memory_bytes, processors

MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


def machine(root: Path, groups: str, files: Mapping[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, 16, id="no quota: the affinity"),
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "400000 100000\n"}, 4, id="version two"),
        pytest.param(
            "0::/a/b\n",
            {"a/cpu.max": "250000 100000\n", "a/b/cpu.max": "max 100000\n"},
            2,
            id="a group above: half a processor is none",
        ),
        pytest.param("0::/\n", {"cpu.max": "50000 100000\n"}, 1, id="a container's root, less than one"),
        pytest.param(
            "4:cpu,cpuacct:/docker/x\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            3,
            id="version one, at the root of its mount",
        ),
        pytest.param(
            "1:cpu:/x\n0::/\n",
            {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"},
            16,
            id="version one without a quota",
        ),
    ],
)
def test_processors_are_the_affinity_within_every_quota(
    groups: str, files: Mapping[str, str], expected: int, tmp_path: Path
) -> None:
    assert processors(machine(tmp_path, groups, files)) == expected


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/a\n", {"a/memory.max": "max\n"}, MEMORY, id="no limit: the machine's"),
        pytest.param("0::/a\n", {"a/memory.max": "1000000\n", "memory.max": "900000\n"}, 900_000, id="two"),
        pytest.param("7:memory:/x\n", {"memory/x/memory.limit_in_bytes": "5000\n"}, 5000, id="one"),
        pytest.param(
            "7:memory:/x\n",
            {"memory/x/memory.limit_in_bytes": "9223372036854771712\n"},
            MEMORY,
            id="version one without a limit",
        ),
    ],
)
def test_memory_is_the_machines_within_every_limit(
    groups: str, files: Mapping[str, str], expected: int, tmp_path: Path
) -> None:
    assert memory_bytes(machine(tmp_path, groups, files)) == expected


def test_without_control_groups_the_machine_itself_counts(tmp_path: Path) -> None:
    assert (processors(tmp_path), memory_bytes(tmp_path)) == (16, MEMORY)
