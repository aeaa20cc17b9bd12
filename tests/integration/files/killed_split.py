"""Split a small master again and again, killed at the first call, the second, … of an operation.

`python -m tests.integration.files.killed_split FOLDER OPERATION` works in FOLDER/1, FOLDER/2, …, and prints
by which signal each attempt ended; the last one, of which the call did not come, ends by none (0). Each
attempt is a fork of this process, which has imported the data engine but never used it.
"""

import os
import shutil
import sys
from pathlib import Path

from domain.datasets import DatasetLimits
from service.adapters.files.atomic import AtomicFiles
from service.adapters.polars import repeats
from service.lifecycle.steps.split_job import run_split
from tests.harm.faulty_operations import NthFault, sigkill
from tests.worlds.split_jobs import small_job


def main() -> None:
    """Do what the module says."""
    folder, operation = Path(sys.argv[1]), sys.argv[2]
    nth, signal_number = 0, 1
    while signal_number > 0:
        nth += 1
        shutil.copytree(folder / "processed", folder / str(nth) / "processed")
        signal_number = _attempt(folder / str(nth), operation, nth)
        sys.stdout.write(f"{signal_number}\n")


def _attempt(folder: Path, operation: str, nth: int) -> int:
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
    try:
        repeats.HELD = 2  # so that six keys are spilled
        job = small_job(folder, limits=DatasetLimits(in_memory_cells=0))
        run_split(job, AtomicFiles(NthFault(operation, nth, sigkill).operations))
        os._exit(0)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
