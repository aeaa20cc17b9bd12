"""Version: the datasets' bytes into DVC, their hashes and the run's parameters into the record."""

import json
from collections.abc import Mapping

from domain.datasets import DatasetHashes, SplitParts, dataset_inputs
from domain.models import OpenedRun
from domain.ports.experiment_tracker import ExperimentTracker
from domain.resolved_config import ResolvedConfig
from service.runtime.provenance import Provenance


async def record_datasets(
    opened: OpenedRun,
    config: ResolvedConfig,
    parts: SplitParts,
    hashes: DatasetHashes,
    tracker: ExperimentTracker,
    provenance: Provenance,
) -> None:
    """Log parameters, figures and lineage of the data, and the datasets; a repeat logs the same."""
    await tracker.log(
        opened.mlflow_run_id,
        params=dataset_params(config, parts, hashes),
        metrics=dataset_metrics(parts),
        tags=lineage_tags(hashes, provenance) | warning_tags(parts),
    )
    inputs = tuple(dataset_inputs(config.contract, parts, hashes))
    await tracker.log_inputs(opened.mlflow_run_id, inputs)


def dataset_params(config: ResolvedConfig, parts: SplitParts, hashes: DatasetHashes) -> dict[str, object]:
    """The parameters that the user's tools read, under their names."""
    return {
        "split_version": config.triple.split_version,
        "feature_version": config.triple.feature_version,
        "model_version": config.triple.model_version,
        "reference_created": parts.reference_created,
        "dvc_master_hash": hashes.dvc_master_hash,
        "dvc_split_hash": hashes.dvc_split_hash,
        "dvc_reference_hash": hashes.dvc_reference_hash,
        "model_type": config.model.model.type,
        **config.model.model.params,
    }


def dataset_metrics(parts: SplitParts) -> dict[str, float]:
    """Rows of every part and of every fate, and how long the split took in seconds."""
    tests: Mapping[str, float] = {f"{name}_rows": part.rows for name, part in parts.optional_tests.items()}
    fates = parts.fates.by_name if parts.fates else {}
    return {
        "master_rows": parts.master.rows,
        "train_rows": parts.train.rows,
        "reference_rows": parts.reference.rows,
        "optional_test_count": len(parts.optional_tests),
        "split_duration": parts.seconds,
        **tests,
        **{f"fate_{name}_rows": rows for name, rows in fates.items()},
    }


def warning_tags(parts: SplitParts) -> dict[str, str]:
    """The codes of the split's warnings; the sentences stand on the model card."""
    codes = dict.fromkeys(warning.code for warning in parts.told_warnings)
    return {"laurel.warnings": ", ".join(codes)} if codes else {}


def lineage_tags(hashes: DatasetHashes, provenance: Provenance) -> dict[str, str]:
    """Digests over all bytes, and the code and libraries that did the work."""
    return {
        **digest_tags(hashes),
        "laurel.code_version": provenance.code_version,
        "laurel.environment": json.dumps(
            {"python": provenance.python_version, **provenance.packages}, sort_keys=True
        ),
    }


def digest_tags(hashes: DatasetHashes) -> dict[str, str]:
    """Both digests of each part by its name, as JSON."""
    return {
        "laurel.manifest": json.dumps(hashes.manifest, sort_keys=True),
        "laurel.dvc": json.dumps(hashes.files, sort_keys=True),
    }
