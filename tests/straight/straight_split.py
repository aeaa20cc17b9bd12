"""The split rules once more, straight from their description, in pandas: what the product is held against.

Nothing here imports the product. Each function takes the master and a split file's content, and returns the
rows of each part by position: train, reference, and every optional test, the empty ones included.
"""

from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.straight.straight_xxh64 import xxh64

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def straight_split(master: pd.DataFrame, rules: Mapping[str, Any]) -> dict[str, list[int]]:
    """Say which rows of `master`, by position, belong to each part."""
    strategies = {"geographic": _geographic, "hash": _hash, "temporal": _temporal}
    masks = strategies[rules["split_strategy"]](master, rules)
    return {name: np.flatnonzero(mask).tolist() for name, mask in masks.items()}


def straight_fates(
    master: pd.DataFrame, rules: Mapping[str, Any], judging: Container[Any] | None = None, key: str = "key"
) -> dict[str, int]:
    """Count what becomes of each row; `judging` are the keys of a reference that was there already."""
    parts = straight_split(master, rules)
    fate = pd.Series("held_back_outside", index=range(len(master)))
    fate[np.isnan(_periods(master, rules))] = "no_period"
    fate.iloc[parts["reference"]] = "late_for_reference"
    for name in parts.keys() - {"train", "reference"}:
        fate.iloc[parts[name]] = "tests"
    keys = master[key].tolist()
    made = set(parts["reference"])
    held = [place in made if judging is None else one in judging for place, one in enumerate(keys)]
    fate[held] = "reference"
    fate.iloc[parts["train"]] = "train"
    names = ("train", "reference", "tests", "late_for_reference", "no_period", "held_back_outside")
    return {name: int((fate == name).sum()) for name in names}


def _geographic(master: pd.DataFrame, rules: Mapping[str, Any]) -> dict[str, Mask]:
    held_back = master[rules["geographic_column"]].isin(rules["test_localities"]).to_numpy(bool)
    period = _periods(master, rules)
    return {
        "train": ~held_back,
        "reference": held_back & _within(period, rules["reference_test_period"]),
        **{name: held_back & recent for name, recent in _recent(period, rules).items()},
    }


def _hash(master: pd.DataFrame, rules: Mapping[str, Any]) -> dict[str, Mask]:
    keys = master[list(rules["key_columns"])].itertuples(index=False)
    positions = [key_position(rules.get("salt", ""), key) for key in keys]
    # In whole numbers: a fraction such as 0.1 is exact in decimal and not as a float.
    held_back = np.array(
        [position * 10**6 < round(rules["test_fraction"] * 10**6) * 2**64 for position in positions], bool
    )
    period = _periods(master, rules)
    inside = rules.get("reference_test_period")
    return {
        "train": ~held_back,
        "reference": held_back & (_within(period, inside) if inside else True),
        **{name: held_back & recent for name, recent in _recent(period, rules).items()},
    }


def key_position(salt: str, key: tuple[Any, ...]) -> int:
    """XXH64, seed 0, of netstrings: the salt, then each value as UTF-8 text or decimal digits."""
    texts = [salt, *(value if isinstance(value, str) else str(int(value)) for value in key)]
    encoded = [text.encode() for text in texts]
    return xxh64(b"".join(b"%d:%s," % (len(text), text) for text in encoded))


def _temporal(master: pd.DataFrame, rules: Mapping[str, Any]) -> dict[str, Mask]:
    period = _periods(master, rules)
    first, last = rules["reference_test_period"]["min"], rules["reference_test_period"].get("max", np.inf)
    before, after = period < first, period > last
    train = before | after if rules.get("rows_after") == "train" else before
    return {
        "train": train,
        "reference": (period >= first) & (period <= last),
        **{name: recent & ~train for name, recent in _recent(period, rules).items()},
    }


def _periods(master: pd.DataFrame, rules: Mapping[str, Any]) -> Floats:
    if rules.get("periodic_column") is None:
        return np.full(len(master), np.nan)
    return np.asarray(master[rules["periodic_column"]].to_numpy(dtype="float64", na_value=np.nan))


def _within(period: Floats, inside: Mapping[str, float]) -> Mask:
    return (period >= inside["min"]) & (period <= inside["max"])


def _recent(period: Floats, rules: Mapping[str, Any]) -> dict[str, Mask]:
    durations = (rules.get("moving_test_period") or {}).get("durations", [])
    known = period[~np.isnan(period)]
    latest = known.max() if len(known) else np.nan
    return {f"recent_{d}_{rules['periodic_column']}": period > latest - d for d in durations}
