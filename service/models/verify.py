"""Verify: a package loads from its files alone, still says what it said, and a server would serve it so."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from domain.errors import ModelUnusable
from domain.job_results import VerifiedPackage
from domain.models import PackageFiles
from service.adapters.sklearn.fitting import predict
from service.models.golden_rows import GOLDEN, disagreements
from service.models.load import ModelFolder
from service.models.memory import MEMORY, LoadedModel
from service.models.servable import require_servable

_BESIDE: Final = ThreadPoolExecutor(1)
_begun: dict[str, Future[VerifiedPackage]] = {}  # one at the most, by the package's digest


def begin_to_verify(package: PackageFiles) -> None:
    """Verify in a thread, while this process waits for a server; `verify` is asked for the outcome."""
    if package.digest not in _begun:
        _begun.clear()
        _begun[package.digest] = _BESIDE.submit(_verify, package)


def verify(job: PackageFiles) -> VerifiedPackage:
    """Load a package of ours from the disk, whatever this process holds, and ask for its golden rows.

    The process holds the model afterwards. Raises ModelUnusable: `model_digest_mismatch`, `untrusted_type`,
    `unloadable_model`, `cannot_predict`, `not_servable`, `smoke_test_failed`.
    """
    begun = _begun.pop(job.digest, None)
    return _verify(job) if begun is None else begun.result()


def _verify(package: PackageFiles) -> VerifiedPackage:
    started = time.perf_counter()
    folder = ModelFolder(package.folder, package.manifest)
    pipeline, schema = folder.open()
    model = LoadedModel(partial(predict, pipeline), schema.features.columns, schema)
    golden = folder.travelling(GOLDEN)
    require_servable(folder, schema, pipeline)
    if wrong := disagreements(golden, model.predict):
        raise ModelUnusable(
            "smoke_test_failed", f"the model's predictions differ from those at training: {'; '.join(wrong)}"
        )
    MEMORY.keep(folder.digest, model)
    return VerifiedPackage(
        golden_rows=len(golden["rows"]),
        model_digest=folder.digest,
        seconds=time.perf_counter() - started,
    )
