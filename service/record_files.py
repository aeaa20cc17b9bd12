"""What a run's record keeps as files: the whole of what was decided on, readable without Laurel."""

import json
from collections.abc import Mapping
from typing import Any

from domain.lifecycle import Step
from domain.run import Run

FOLDER = "laurel"


def record_texts(run: Run) -> dict[str, str]:
    """Texts by path below the run's artifacts; what a run did not come to is left out."""
    split, version = run.outputs.get(Step.SPLIT), run.outputs.get(Step.VERSION)
    resolved, decided = run.outputs.get(Step.RESOLVE), run.outputs.get(Step.DECIDE)
    found: dict[str, Mapping[str, Any] | None] = {
        "resolved_config": resolved,
        "feature_schema": resolved and resolved["features"],
        "contract_report": _contract_report(run, split),
        "dataset_statistics": split and split["statistics"],
        "manifest": version and {"sha256": version["manifest"], "dvc": version["files"]},
        "verdict": decided,
        "failure": run.failure.model_dump(mode="json") if run.failure else None,
    }
    return {f"{FOLDER}/{name}.json": _text(content) for name, content in found.items() if content is not None}


def _contract_report(run: Run, split: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The report of a run that passed, or the violations that ended it."""
    if split is not None:
        return dict(split["contract_report"])
    broken = run.failure is not None and run.failure.reason == "data_contract"
    return dict(run.failure.facts) if run.failure and broken else None


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
