"""What the children are made of: values that the composition root chooses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from domain.model_types import preloaded_modules

# Modules that are imported before the first fork. Importing one must start no thread and do no native work.
PRELOAD: Final = (
    "polars",
    "sklearn.compose",
    "sklearn.impute",
    "sklearn.pipeline",
    *preloaded_modules(),
    "skops.io",
    "pyarrow.parquet",
    "pyarrow.pandas_compat",
    # What DVC and fsspec import with their first call.
    "dvc_data.hashfile.db.local",
    "dvc_data.hashfile.state",
    "dvc_data.json_compat",
    "fsspec.implementations.memory",
    "service.lifecycle.steps.check_model_job",
    "service.models.fetch",
    "service.lifecycle.steps.split_job",
    "service.lifecycle.steps.evaluate_job",
    "service.lifecycle.steps.train_job",
    "service.models.upload",
    "service.models.verify",
    "service.lifecycle.steps.version_job",
    "service.lifecycle.steps.warm_up_job",
)

# Nothing may start a thread when it is imported, and what a task has freed goes back to the kernel.
_FORK_SAFE: Final = {
    "OPENBLAS_NUM_THREADS": "1",  # its pool starts when numpy is imported
    "MKL_NUM_THREADS": "1",
    # A thread that waits for others sleeps: where it spins, a fit beside other work takes ten times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Polars' allocator, which keeps some of what was freed, for each of its arenas.
    "_RJEM_MALLOC_CONF": "background_thread:false,narenas:1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # pyarrow's
    "MIMALLOC_PURGE_DELAY": "0",  # pyarrow's other one, which keeps what was freed
    # The C library's own, which would keep what is smaller than the largest array that was ever freed.
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    # Polars would spill to disk, and the thread that deletes spilled files is not there after a fork.
    "POLARS_OOC_MEMORY_BUDGET_MB": "1000000000",
}


@dataclass(frozen=True)
class ForkSettings:
    """How the fork parent and its children start.

    `warm_up` is a task ("package.module:function") that each child runs first, with `warm_up_arguments`.
    A child that holds more than `recycle_bytes` after a task is replaced. `ready_seconds` bounds the preload,
    the fork and the warm-up, each.
    """

    preload: tuple[str, ...] = PRELOAD
    warm_up: str | None = None
    warm_up_arguments: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    recycle_bytes: int = 1 << 30
    ready_seconds: float = 60.0
    omp_threads: int = 1
    polars_threads: int = 2
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    log_level: str = "INFO"

    def variables(self) -> dict[str, str]:
        """Return the environment variables that must be set before anything is imported."""
        threads = {"OMP_NUM_THREADS": str(self.omp_threads), "POLARS_MAX_THREADS": str(self.polars_threads)}
        return {**self.environment, **threads, **_FORK_SAFE}
