"""What the master holds, from its footer: columns, types, rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.dataset_limits import DatasetLimits
from service.adapters.polars.inspection import inspect


def inspect_master(*, master: str, limits: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return {columns: name → type in the contract's words, rows, bytes}.

    `limits` are DatasetLimits by name. Raises NeverRetry `unreadable_dataset`, TryLater `file_error`.
    """
    found = inspect(Path(master), DatasetLimits(**(limits or {})))
    return {"columns": dict(found.columns), "rows": found.rows, "bytes": found.bytes}
