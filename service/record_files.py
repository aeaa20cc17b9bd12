"""What a run's record keeps as files: the whole of what was decided on, readable without Laurel."""

import json
from collections.abc import Mapping
from typing import Any

from domain.datasets import DatasetHashes
from domain.lifecycle import Step
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.tracker_limits import long_values
from service.steps.open_run import opening_tags
from service.steps.outputs import Decided
from service.steps.record import failure_tags, verdict_tags
from service.steps.version import digest_tags

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
        "long_values": _long_values(run) or None,
    }
    return {f"{FOLDER}/{name}.json": _text(content) for name, content in found.items() if content is not None}


def _long_values(run: Run) -> Mapping[str, Any]:
    """What stands in the record's params and tags as a pointer only."""
    if Step.RESOLVE not in run.outputs:
        return {}
    config = ResolvedConfig.model_validate(run.outputs[Step.RESOLVE])
    return long_values(config.model.model.params, {**opening_tags(run, config), **_later_tags(run)})


def _later_tags(run: Run) -> Mapping[str, str]:
    """The tags of the steps that the run came to."""
    hashes, decided = run.outputs.get(Step.VERSION), run.outputs.get(Step.DECIDE)
    return {
        **(digest_tags(DatasetHashes.model_validate(hashes)) if hashes else {}),
        **(verdict_tags(Decided.model_validate(decided)) if decided else {}),
        **(failure_tags(run, run.failure) if run.failure else {}),
    }


def _contract_report(run: Run, split: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The report of a run that passed, or the violations that ended it."""
    if split is not None:
        return dict(split["contract_report"])
    broken = run.failure is not None and run.failure.reason == "data_contract"
    return dict(run.failure.facts) if run.failure and broken else None


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
