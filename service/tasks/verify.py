"""Verify: a package loads from its files alone, still says what it said, and a server would serve it so."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from domain.errors import ModelUnusable
from domain.manifest import seal
from service.adapters.sklearn.fitting import predict
from service.tasks.golden_rows import GOLDEN, disagreements
from service.tasks.model_folder import ModelFolder
from service.tasks.model_memory import MEMORY, LoadedModel
from service.tasks.servable import require_servable

_BESIDE: Final = ThreadPoolExecutor(1)
_begun: dict[str, Future[dict[str, Any]]] = {}  # one at the most, by the package's digest


def begin_to_verify(model_folder: str, manifest: Mapping[str, str]) -> None:
    """Verify in a thread, while this process waits for a server; `verify` is asked for the outcome."""
    digest = seal(manifest)
    if digest not in _begun:
        _begun.clear()
        _begun[digest] = _BESIDE.submit(_verify, model_folder, manifest)


def verify(*, model_folder: str, manifest: Mapping[str, str]) -> dict[str, Any]:
    """Load a package of ours from the disk, whatever this process holds, and ask for its golden rows.

    The answer holds `golden_rows` (their number), `model_digest` and `seconds`; the process holds the model
    afterwards. Raises ModelUnusable: `model_digest_mismatch`, `untrusted_type`, `unloadable_model`,
    `cannot_predict`, `not_servable`, `smoke_test_failed`.
    """
    begun = _begun.pop(seal(manifest), None)
    return _verify(model_folder, manifest) if begun is None else begun.result()


def _verify(model_folder: str, manifest: Mapping[str, str]) -> dict[str, Any]:
    started = time.perf_counter()
    folder = ModelFolder(model_folder, manifest)
    pipeline, schema = folder.open()
    model = LoadedModel(partial(predict, pipeline), schema.features.columns, schema)
    golden = folder.travelling(GOLDEN)
    require_servable(folder, schema, pipeline)
    if wrong := disagreements(golden, model.predict):
        raise ModelUnusable(
            "smoke_test_failed", f"the model does not say what it said when it was made: {'; '.join(wrong)}"
        )
    MEMORY.keep(folder.digest, model)
    return {
        "golden_rows": len(golden["rows"]),
        "model_digest": folder.digest,
        "seconds": time.perf_counter() - started,
    }
