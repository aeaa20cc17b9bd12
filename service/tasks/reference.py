"""The reference set: made once per split version, then adopted and never rewritten."""

from pathlib import Path

from domain.data_contract import DataContract
from domain.dataset_limits import DatasetLimits
from domain.datasets import DatasetFile
from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema
from domain.split_rules import REFERENCE
from service.adapters.files.split_parts import digest_of
from service.adapters.polars.contract_check import observe
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.polars.overlap import find_overlap
from service.adapters.polars.splitting import Plan


def is_there(path: Path) -> bool:
    """True when something has the reference's name, be it a dangling link."""
    return path.exists() or path.is_symlink()


def adopted_reference(
    path: Path,
    expected: str | None,
    plan: Plan,
    contract: DataContract,
    features: FeatureSchema,
    limits: DatasetLimits,
) -> DatasetFile:
    """Take the reference that is there, if it is the one recorded (`expected`) and fits this run.

    Raises NeverRetry `reference_digest_mismatch`, `unreadable_dataset`, `empty_reference`, `data_contract`,
    `train_reference_overlap`.
    """
    digest, size = digest_of(REFERENCE, path, expected)
    check_header(path, limits)
    dataset = open_dataset(path, limits)
    if not dataset.rows:
        raise NeverRetry("empty_reference", f"the reference {path} has no row", path=str(path), rows=0)
    _check_contract(dataset, contract, features)
    _check_overlap(plan, dataset, contract)
    return DatasetFile(path=str(path), sha256=digest, bytes=size, rows=dataset.rows)


def _check_contract(dataset: Dataset, contract: DataContract, features: FeatureSchema) -> None:
    """Check what a model is judged by: key, target and features. Other columns may be as they are."""
    needed = {*contract.primary_key, contract.target, *features.columns}
    columns = {name: rule for name, rule in contract.columns.items() if name in needed}
    judged = contract.model_copy(update={"columns": columns, "deduplication": None})
    violations = observe(dataset, judged).violations
    if violations:
        said = "; ".join(f"{broken['column']}: {broken['rule']} ({broken['count']})" for broken in violations)
        raise NeverRetry(
            "data_contract",
            f"the reference breaks data contract {contract.version}: {said}"[:2000],
            where=REFERENCE,
            path=str(dataset.path),
            contract=contract.version,
            rows=dataset.rows,
            violations=violations,
        )


def _check_overlap(plan: Plan, reference: Dataset, contract: DataContract) -> None:
    overlap = find_overlap(plan, reference, contract)
    if not overlap:
        return
    raise NeverRetry(
        "train_reference_overlap",
        f"{overlap.by_key + overlap.by_content} rows of the reference {reference.path} would train: "
        f"{overlap.by_key} by their key, {overlap.by_content} by their content under another key",
        by_key=overlap.by_key,
        by_content=overlap.by_content,
        sample_keys=overlap.sample_keys,
    )
