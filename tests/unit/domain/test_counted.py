"""A sentence has the plural that fits its number."""

import pytest

from domain.wording import byte_count, counted


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 entries were"), (1, "1 entry was"), (2, "2 entries were")]
)
def test_the_noun_fits_the_number(number: int, expected: str) -> None:
    assert counted(number, "entry was", "entries were") == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1 << 20, "1048576 bytes (1 MiB)"),
        ((1 << 20) + 1, "1048577 bytes (1.0 MiB)"),
        (300_000, "300000 bytes (293.0 KiB)"),
        (5 << 30, "5368709120 bytes (5 GiB)"),
    ],
)
def test_a_size_is_exact_and_in_the_unit_that_people_read(number: int, expected: str) -> None:
    assert byte_count(number) == expected
