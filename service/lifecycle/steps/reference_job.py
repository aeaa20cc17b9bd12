"""The reference set: made once per split version, then adopted and never rewritten."""

from dataclasses import dataclass
from pathlib import Path

from domain.compatibility import fits
from domain.data_contract import DataContract
from domain.datasets import DatasetFile, DatasetLimits
from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema
from domain.split_rule import REFERENCE, SplitRule
from service.adapters.files.split_parts import digest_of
from service.adapters.polars.contract_check import observe, sentence
from service.adapters.polars.frames import Dataset, open_dataset
from service.adapters.polars.inspection import check_header
from service.adapters.polars.oddities import rows_below_zero, rows_outside
from service.adapters.polars.overlap import Overlap, find_overlap
from service.adapters.polars.splitting import Counts, Plan, made_reference


@dataclass(frozen=True)
class ReferenceAdoption:
    """What a reference is held against; `expected` is the digest recorded at its first use."""

    plan: Plan
    rules: SplitRule
    contract: DataContract
    features: FeatureSchema
    limits: DatasetLimits
    expected: str | None


@dataclass(frozen=True)
class Reference:
    """The file that judges, beside the master.

    `in_master` are the master's rows in it, by where they stand; `gone` its rows whose key the master has not
    (any more); `below_zero` those with a target below 0; `unchecked` the columns without which nobody can
    tell whether its rows may stand in it by the rules.
    """

    file: DatasetFile
    created: bool
    in_master: Counts
    gone: int
    below_zero: int
    unchecked: tuple[str, ...] = ()


def is_there(path: Path) -> bool:
    """True when something has the reference's name, be it a dangling link."""
    return path.exists() or path.is_symlink()


def created_reference(file: DatasetFile, plan: Plan) -> Reference:
    """Tell of a reference that the plan made just now."""
    return Reference(
        file, created=True, in_master=made_reference(plan.counts), gone=0, below_zero=plan.below_zero
    )


def adopted_reference(path: Path, adoption: ReferenceAdoption) -> Reference:
    """Take the reference that is there, if it is the one recorded (`expected`) and fits this run.

    One that was not used before must also be what the rules would have made: another model, or another
    hand, may have left it. Raises NeverRetry `reference_digest_mismatch`, `unreadable_dataset`,
    `empty_reference`, `data_contract`, `train_reference_overlap`, `reference_rule_mismatch`.
    """
    digest, size = digest_of(REFERENCE, path, adoption.expected)
    check_header(path, adoption.limits)
    dataset = open_dataset(path, adoption.limits)
    if not dataset.rows:
        raise NeverRetry("empty_reference", f"the reference {path} has no row", path=str(path), rows=0)
    contract = adoption.contract
    _check_contract(dataset, contract, adoption.features)
    overlap = find_overlap(adoption.plan, dataset, contract)
    _refuse_overlap(dataset, overlap)
    unchecked = () if adoption.expected else _check_rules(dataset, adoption)
    return Reference(
        file=DatasetFile(path=str(path), sha256=digest, bytes=size, rows=dataset.rows),
        created=False,
        in_master=overlap.in_master,
        gone=dataset.rows - sum(overlap.in_master.values()),
        below_zero=rows_below_zero(dataset, contract.target),
        unchecked=unchecked,
    )


def _check_contract(dataset: Dataset, contract: DataContract, features: FeatureSchema) -> None:
    """Check what a model is judged by: key, target and features. Other columns may be as they are."""
    needed = {*contract.primary_key, contract.target, *features.columns}
    columns = {name: rule for name, rule in contract.columns.items() if name in needed}
    judged = contract.model_copy(update={"columns": columns, "deduplication": None})
    violations = observe(dataset, judged).violations
    if violations:
        said = "; ".join(map(sentence, violations))
        raise NeverRetry(
            "data_contract",
            f"the reference breaks data contract {contract.version}: {said}"[:2000],
            where=REFERENCE,
            path=str(dataset.path),
            contract=contract.version,
            rows=dataset.rows,
            violations=violations,
        )


def _refuse_overlap(reference: Dataset, overlap: Overlap) -> None:
    if not overlap:
        return
    raise NeverRetry(
        "train_reference_overlap",
        f"{overlap.by_key + overlap.by_content} rows of the reference {reference.path} would be trained on: "
        f"{overlap.by_key} by their key, {overlap.by_content} by their content under another key",
        by_key=overlap.by_key,
        by_content=overlap.by_content,
        sample_keys=overlap.sample_keys,
    )


def _check_rules(reference: Dataset, adoption: ReferenceAdoption) -> tuple[str, ...]:
    """Refuse rows that the rules would not put there; return the columns without which nobody can tell."""
    rules, contract = adoption.rules, adoption.contract
    kinds = reference.kinds
    lacking = tuple(
        name
        for name in rules.reference_columns
        if name not in kinds or not fits(kinds[name], contract.columns[name].type)
    )
    if lacking:
        return lacking
    outside, keys = rows_outside(reference, rules, contract)
    if outside:
        raise NeverRetry(
            "reference_rule_mismatch",
            f"{outside} of {reference.rows} rows of the reference {reference.path} do not belong in it by "
            f"split {rules.version}: it was made by other rules, perhaps for another model in the same "
            "DATA_ROOT; put the right file there, or move this one away, or use a new split version",
            path=str(reference.path),
            split=rules.version,
            rows=outside,
            of=reference.rows,
            sample_keys=keys,
        )
    return ()
