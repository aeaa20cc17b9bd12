"""The first step: check the master, and split it by the hash of its keys."""

from dataclasses import dataclass
from typing import Any

import polars as pl
import xxhash

from bench.steps.order import Request


@dataclass(frozen=True)
class Data:
    """The parts of a split."""

    master: pl.DataFrame
    train: pl.DataFrame
    reference: pl.DataFrame


def split(request: Request) -> Data:
    """Split the master; the reference is made once, and read from then on."""
    contract, rule = request.place.read("data_contracts/v1"), request.place.read("splits/v1")
    data = request.place.data
    master = pl.read_parquet(data / "processed" / "master.parquet")
    _check(master, contract)
    threshold = int(rule["test_fraction"] * 2**64)
    keys = master.select(_netstrings(rule)).to_series().to_list()
    is_test = pl.Series([xxhash.xxh64_intdigest(key) < threshold for key in keys])
    train = master.filter(~is_test)
    reference_path = data / "reference" / "tests" / "v1" / "test_reference.parquet"
    if not reference_path.exists():
        reference_path.parent.mkdir(parents=True)
        master.filter(is_test).write_parquet(reference_path, compression_level=1)
    reference = pl.read_parquet(reference_path)
    if not train.join(reference, on=contract["primary_key"], how="semi").is_empty():
        raise ValueError("a row stands in train and in the reference")
    train_path = data / "splits" / "v1" / "train.parquet"
    train_path.parent.mkdir(parents=True, exist_ok=True)
    train.write_parquet(train_path, compression_level=1)
    return Data(master, train, reference)


def _check(master: pl.DataFrame, contract: dict[str, Any]) -> None:
    """Count every broken rule in one pass."""
    broken: dict[str, pl.Expr] = {}
    for name, rule in contract["columns"].items():
        column = pl.col(name)
        if rule.get("non_nullable"):
            broken[f"{name}: null"] = column.is_null().sum()
        if "min" in rule:
            broken[f"{name}: min"] = (column < rule["min"]).sum()
        if "max" in rule:
            broken[f"{name}: max"] = (column > rule["max"]).sum()
        if "allowed_values" in rule:
            broken[f"{name}: allowed"] = (~column.is_in(rule["allowed_values"])).sum()
        if "format" in rule:
            broken[f"{name}: format"] = (~column.str.contains(f"^(?:{rule['format']})$")).sum()
    broken["key"] = pl.len() - pl.struct(contract["primary_key"]).n_unique()
    counts = master.select(**broken).row(0, named=True)
    if found := {name: count for name, count in counts.items() if count}:
        raise ValueError(f"the master breaks its contract: {found}")


def _netstrings(rule: dict[str, Any]) -> pl.Expr:
    pieces = [pl.lit(f"{len(rule['salt'])}:{rule['salt']},")]
    for name in rule["key_columns"]:
        text = pl.col(name).cast(pl.String)
        pieces += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text, pl.lit(",")]
    return pl.concat_str(pieces).cast(pl.Binary)
