"""Do contract, split and features fit together? Pure; all faults at once.

Each fault names the file by family and version (`splits/v3.yaml`) and the dotted place in it, so that the
reader of the file can add the line.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from domain.data_contract import ColumnRule, ColumnType, DataContract
from domain.faults import Fault
from domain.feature_schema import CategoricalSpec, FeatureSchema, FeatureSpec, NumericSpec
from domain.resolved_config import ResolvedConfig
from domain.split_rule import SplitRule

# Column types by name, as an engine reports them; a type outside of the contract's words is named as it is.
MasterColumns = Mapping[str, str]


def compatibility_faults(
    contract: DataContract, split: SplitRule | None, features: FeatureSchema | None
) -> list[Fault]:
    """Everything that does not fit; a part that could not be read (None) is left out.

    `contract` is the one that the split names, or, without a split, the one that the features name.
    """
    faults: list[Fault] = []
    if split is not None:
        faults += _split_faults(contract, split)
    if features is not None:
        faults += _feature_faults(contract, features)
    if split is not None and features is not None:
        faults += _pair_faults(split, features)
    return faults


def master_faults(config: ResolvedConfig, master: MasterColumns) -> list[Fault]:
    """Which contract columns the master lacks, or holds as another type.

    `master` maps each column to string, int, float, null (nothing but nulls) or an engine's own word. A float
    column may stand for an int one (integers with nulls are stored so); its values are checked later.
    """
    faults = []
    for name, rule in config.contract.columns.items():
        found = master.get(name)
        if found is None:
            faults.append(_column_fault("column_missing", name, "the master has no such column", rule.type))
        elif found not in _STANDS_FOR[rule.type]:
            message = f"the master has {found} there, the contract says {rule.type}"
            faults.append(_column_fault("column_type", name, message, rule.type))
    return faults


# What may stand in a file for each type of the contract.
_STANDS_FOR: Mapping[ColumnType, frozenset[str]] = {
    "string": frozenset({"string", "null"}),
    "int": frozenset({"int", "float", "null"}),
    "float": frozenset({"int", "float", "null"}),
}


def fits(found: str, expected: ColumnType) -> bool:
    """True when a stored column of type `found` may stand for a contract column of type `expected`."""
    return found in _STANDS_FOR[expected]


def _column_fault(code: str, name: str, message: str, allowed: str) -> Fault:
    return Fault(code=code, field=name, message=f"{name}: {message}", allowed=allowed)


def _split_faults(contract: DataContract, split: SplitRule) -> Iterator[Fault]:
    file = split.file
    for field, name in _split_columns(split):
        if name not in contract.columns:
            yield _no_column(file, field, name, contract)
    period = contract.columns.get(split.periodic_column or "")
    if period is not None and not period.is_number:
        message = f"{split.periodic_column} is type: string; a period is a number"
        yield Fault(
            code="bad_config", field="periodic_column", message=message, allowed="int, float", file=file
        )
    yield from split.faults(contract)


def _split_columns(split: SplitRule) -> Iterator[tuple[str, str]]:
    yield from split.named_columns
    if split.periodic_column is not None:
        yield "periodic_column", split.periodic_column


def _feature_faults(contract: DataContract, features: FeatureSchema) -> Iterator[Fault]:
    file = f"features/v{features.version}.yaml"
    yield from _name_faults(file, features)
    if features.data_contract != contract.version:
        return  # made for another contract, which is a fault of the pair: its columns say nothing here
    for name in features.split_columns:
        if name not in contract.columns:
            yield _no_column(file, "split_columns", name, contract)
    for name, spec in features.tabular_features.items():
        field = f"tabular_features.{name}"
        rule = contract.columns.get(name)
        if rule is None:
            yield _no_column(file, field, name, contract)
        else:
            message = _unfit(contract, name, rule, spec)
            if message is not None:
                yield Fault(code="bad_config", field=field, message=message, file=file)


def _name_faults(file: str, features: FeatureSchema) -> Iterator[Fault]:
    for name in features.tabular_features:
        if odd := _odd_name(name):
            message = f"the feature {name!r} has {odd}, and no model could be served with it"
            yield Fault(
                code="bad_config",
                field=f"tabular_features.{name}",
                message=message,
                allowed="a readable name; rename the column in master and data contract",
                file=file,
            )


def _odd_name(name: str) -> str | None:
    """What keeps a column's name from travelling to a server and back; None when it can."""
    if not name:
        return "an empty name"  # scikit-learn takes it for no column at all
    if not any(sign.isprintable() and not sign.isspace() for sign in name):
        return "a name without a visible character"
    if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in name):
        return "a name with a NUL or half a surrogate pair"
    return None


def _unfit(contract: DataContract, name: str, rule: ColumnRule, spec: FeatureSpec) -> str | None:
    if name == contract.target:
        return f"{name} is the target of data contract {contract.version}: it is never a feature"
    if rule.external_file:
        return f"{name} is an external file: carried, not trained on"
    if isinstance(spec, NumericSpec) and not rule.is_number:
        return f"{name} is type: string in the contract: a numeric feature needs int or float"
    if isinstance(spec, CategoricalSpec) and spec.order is not None:
        is_text = isinstance(spec.order[0], str)
        if is_text == rule.is_number:
            held = "text" if is_text else "numbers"
            return f"order holds {held}, and {name} is type: {rule.type} in the contract"
    return None


def _pair_faults(split: SplitRule, features: FeatureSchema) -> Iterator[Fault]:
    if split.data_contract != features.data_contract:
        message = (
            f"features {features.version} are made for data contract {features.data_contract}, "
            f"split {split.version} for {split.data_contract}"
        )
        yield Fault(
            code="contracts_differ",
            field="data_contract",
            message=message,
            allowed=f"features for data contract {split.data_contract}",
            file=f"features/v{features.version}.yaml",
        )


def _no_column(file: str, field: str, name: str, contract: DataContract) -> Fault:
    message = f"data contract {contract.version} has no column {name!r}"
    near = get_close_matches(name, contract.columns, n=3) or list(contract.columns)[:20]
    return Fault(code="column_missing", field=field, message=message, allowed=", ".join(near), file=file)
