"""The hash split can be repeated by anyone: its positions are a published hash of published bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.split_rules import HashSplit
from service.adapters.polars.key_hash import positions, xxh64_rows
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


@given(
    st.integers(1, 100).flatmap(
        lambda size: st.lists(st.binary(min_size=size, max_size=size), min_size=1, max_size=3)
    )
)
def test_keys_of_one_length_are_hashed_side_by_side_as_one_by_one(texts: list[bytes]) -> None:
    """Bit for bit: a row's side depends on it for ever."""
    length = len(texts[0])
    words = b"".join(text + bytes(-length % 8) for text in texts)
    matrix = np.frombuffer(words, np.uint8).reshape(len(texts), length + -length % 8)
    assert xxh64_rows(matrix, length).tolist() == [xxh64(text) for text in texts]


@settings(max_examples=8, deadline=None)
@given(
    texts=st.lists(st.text(max_size=12), min_size=1, max_size=12),
    numbers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12),
    salt=st.text(max_size=3),
    nulls=st.booleans(),
)
def test_few_layouts_and_many_have_the_positions_of_the_definition(
    texts: list[str],
    numbers: list[int],
    salt: str,
    nulls: bool,  # noqa: FBT001 - a case
) -> None:
    """Few keys again and again are hashed side by side, many that differ one after the other."""
    keys = [(text, number) for text in texts for number in numbers]
    for times in (1, 4_000 // len(keys) + 256):
        rows: list[tuple[str | None, int]] = [*keys] * times
        rows = [*rows, (None, 1)] if nulls else rows
        series = [pl.Series(values) for values in zip(*rows, strict=True)]
        expected = [xxh64(_canonical(salt, *key)) for key in keys] * times
        assert position(salt, *series) == ([*expected, None] if nulls else expected)


def _canonical(salt: str, text: str, number: int) -> bytes:
    encoded = [value.encode() for value in (salt, text, str(number))]
    return b"".join(b"%d:%b," % (len(value), value) for value in encoded)
