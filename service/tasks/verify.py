"""Verify: a package loads from its files alone, and still says what it said."""

import time
from collections.abc import Mapping
from typing import Any

from domain.errors import ModelUnusable
from service.tasks.golden_rows import disagreements
from service.tasks.model_folder import ModelFolder
from service.tasks.model_memory import MEMORY


def verify(*, model_folder: str, manifest: Mapping[str, str]) -> dict[str, Any]:
    """Load a package of ours from the disk, whatever this process holds, and ask for its golden rows.

    The answer holds `golden_rows` (their number), `model_digest` and `seconds`; the process holds the model
    afterwards. Raises ModelUnusable: `model_digest_mismatch`, `untrusted_type`, `unloadable_model`,
    `cannot_predict`, `smoke_test_failed`.
    """
    started = time.perf_counter()
    folder = ModelFolder(model_folder, manifest)
    model = folder.load()
    golden = folder.travelling("golden_rows")
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
