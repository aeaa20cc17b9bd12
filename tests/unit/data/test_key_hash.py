"""The hash split can be repeated by anyone: its positions are a published hash of published bytes."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest

from domain.split_rules import HashSplit
from service.adapters.polars.splitting import positions
from tests.straight.straight_xxh64 import xxh64


def position(salt: str, *key: pl.Series) -> list[int | None]:
    rules = HashSplit(
        version=1,
        data_contract=1,
        split_strategy="hash",
        key_columns=tuple(f"k{place}" for place in range(len(key))),
        salt=salt,
        test_fraction=0.5,
    )
    frame = pl.DataFrame({f"k{place}": column for place, column in enumerate(key)})
    return frame.select(positions(rules.key_columns, rules.salt, frame.schema)).to_series().to_list()


def test_our_own_hash_meets_the_published_vectors() -> None:
    """So that what it is compared with below is the published hash."""
    published = {b"": 0xEF46DB3751D8E999, b"a": 0xD24EC4F1A98C6E5B, b"abc": 0x44BC2CF5AD770999}
    assert {data: xxh64(data) for data in published} == published


@pytest.mark.parametrize(
    ("salt", "key", "canonical"),
    [
        ("", ["a"], b"0:,1:a,"),
        ("spring", ["p-000001"], b"6:spring,8:p-000001,"),
        ("Ä", ["南", 7], "2:Ä,3:南,1:7,".encode()),
        ("", [-12, ""], b"0:,3:-12,0:,"),
        ("", ["1:a", ",2:bc,"], b"0:,3:1:a,6:,2:bc,,"),
        ("", ["k" * 40, 10**18], b"0:,40:" + b"k" * 40 + b",19:1" + b"0" * 18 + b","),
    ],
)
def test_positions_are_those_of_the_published_definition(
    salt: str, key: Sequence[Any], canonical: bytes
) -> None:
    """XXH64 with seed 0 of netstrings: no two keys have the same bytes."""
    assert position(salt, *(pl.Series([value]) for value in key)) == [xxh64(canonical)]


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.UInt32, pl.Int64, pl.UInt64, pl.Float64, pl.String, pl.Categorical]
)
def test_a_key_stays_where_it_is_when_its_column_is_stored_in_another_type(dtype: Any) -> None:
    """A file's types change with the library that wrote it; a row's side must not."""
    column = pl.Series([1, 20, 127])
    stored = (
        column.cast(pl.String).cast(dtype) if dtype in {pl.String, pl.Categorical} else column.cast(dtype)
    )
    assert position("s", stored) == position("s", column)
