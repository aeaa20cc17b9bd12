"""What of the machine this process may use: processors and memory, within its control groups.

Both versions of control groups are read. A container may see its group at the root of a mount, or below the
path that the kernel names; a limit may stand at any level above the process, so all of them count.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_MOUNTS: Final = "sys/fs/cgroup"
_ROOT: Final = Path("/")


def processors(root: Path = _ROOT) -> int:
    """How many processors this process may keep busy: its affinity, within every quota; at least one."""
    quotas = [*_version_two_quotas(root), *_version_one_quotas(root)]
    return max(1, int(min([len(os.sched_getaffinity(0)), *quotas])))


def memory_bytes(root: Path = _ROOT) -> int:
    """How many bytes this process and those in its groups may hold: the machine's, within every limit."""
    limits = [*_numbers(root, "", "memory.max"), *_numbers(root, "memory", "memory.limit_in_bytes")]
    return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])


def _version_two_quotas(root: Path) -> Iterator[float]:
    for group in _groups(root, ""):
        with contextlib.suppress(OSError, ValueError):  # "max" is no limit
            quota, period = map(int, (group / "cpu.max").read_text().split())
            yield quota / period


def _version_one_quotas(root: Path) -> Iterator[float]:
    for group in _groups(root, "cpu"):
        with contextlib.suppress(OSError, ValueError):
            quota = int((group / "cpu.cfs_quota_us").read_text())
            if quota > 0:  # -1 is no limit
                yield quota / int((group / "cpu.cfs_period_us").read_text())


def _numbers(root: Path, controller: str, name: str) -> Iterator[int]:
    for group in _groups(root, controller):
        with contextlib.suppress(OSError, ValueError):
            yield int((group / name).read_text())


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's group and of all above it; without a controller, of version two."""
    mounts = root / _MOUNTS
    for line in _memberships(root):
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        mount = next((mounts / one for one in (controllers, controller) if (mounts / one).is_dir()), mounts)
        group = mount / path.lstrip("/")
        yield from (mount, *(above for above in (group, *group.parents) if mount in above.parents))


def _memberships(root: Path) -> list[str]:
    try:
        return (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
