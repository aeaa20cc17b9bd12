"""Asks the bare predictor, a process in which nothing of ours can be imported, for predictions."""

import asyncio
import json
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tests.others import bare_predictor


async def served(
    models: Sequence[str], rows: pd.DataFrame, folder: Path, tracking_uri: str
) -> list[dict[str, Any]]:
    """Load each model URI by plain MLflow and predict `rows`, in bulk and one by one."""
    plain = [{name: _json(value) for name, value in row.items()} for row in rows.to_dict("records")]
    jobs = [{"model": model, "rows": plain} for model in models]
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        bare_predictor.__file__,
        str(file),
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    answers: list[dict[str, Any]] = json.loads(said.splitlines()[-1])
    return answers


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
