"""What a run's record keeps as files: the whole of what was decided on, readable without Laurel."""

import json
from collections.abc import Mapping

from domain.datasets import DatasetHashes, SplitParts
from domain.judged import Judged, metric_of
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_record import RunRecord
from domain.tracker_limits import long_values
from service.lifecycle.steps.open_run import opening_tags
from service.lifecycle.steps.record_end import failure_tags, verdict_tags
from service.lifecycle.steps.version import digest_tags

FOLDER = "laurel"


def record_texts(run: Run) -> dict[str, str]:
    """Texts by path below the run's artifacts; what a run did not come to is left out."""
    record = run.record
    found: dict[str, object] = {
        **_configuration(record.resolved),
        "contract_report": _contract_report(run, record.split),
        "dataset_statistics": record.split.statistics if record.split else None,
        "manifest": _manifest(record.versioned),
        "verdict": _verdict(record),
        "failure": run.failure.model_dump(mode="json") if run.failure else None,
        "long_values": _long_values(run) or None,
    }
    return {f"{FOLDER}/{name}.json": _text(content) for name, content in found.items() if content is not None}


def _configuration(resolved: ResolvedConfig | None) -> dict[str, object]:
    if resolved is None:
        return {}
    whole = resolved.model_dump(mode="json")
    return {"resolved_config": whole, "feature_schema": whole["features"]}


def _manifest(hashes: DatasetHashes | None) -> Mapping[str, object] | None:
    return {"sha256": hashes.manifest, "dvc": hashes.files} if hashes else None


def _verdict(record: RunRecord) -> Mapping[str, object] | None:
    judged = Judged.of_run(record)
    if record.decided is None:
        return None
    judged_by = judged.model_dump(mode="json") if judged else None
    return {**record.decided.model_dump(mode="json"), "judged_by": judged_by}


def _long_values(run: Run) -> Mapping[str, object]:
    """What stands in the record's params and tags as a pointer only."""
    record = run.record
    if record.resolved is None:
        return {}
    tags = {**opening_tags(run, record.resolved), **_later_tags(run, record)}
    return long_values(record.resolved.model.model.params, tags)


def _later_tags(run: Run, record: RunRecord) -> Mapping[str, str]:
    """The tags of the steps that the run came to."""
    return {
        **(digest_tags(record.versioned) if record.versioned else {}),
        **(verdict_tags(record.decided, metric_of(record)) if record.decided else {}),
        **(failure_tags(run, run.failure) if run.failure else {}),
    }


def _contract_report(run: Run, split: SplitParts | None) -> Mapping[str, object] | None:
    """The report of a run that passed, or the violations that ended it."""
    if split is not None:
        return split.contract_report
    broken = run.failure is not None and run.failure.reason == "data_contract"
    return dict(run.failure.facts) if run.failure and broken else None


def _text(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
