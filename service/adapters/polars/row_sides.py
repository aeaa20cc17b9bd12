"""Where each row of the master stands by the rules alone, whatever rows the reference holds."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import polars as pl

from domain.datasets import HELD_BACK_OUTSIDE, LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.split_rule import REFERENCE, TRAIN

SIDE: Final = "standing"


class RowSide(IntEnum):
    """Each row has one. A row that JUDGES may stand in the reference, one that TESTS in a moving test."""

    TRAINS = 0
    JUDGES_AND_TESTS = 1
    JUDGES = 2
    TESTS = 3
    NO_PERIOD = 4
    OUTSIDE = 5


Counts = Mapping[RowSide, int]


def side_of(predicates: Mapping[str, pl.Expr], period: pl.Expr) -> pl.Expr:
    """The number of each row's standing."""
    tests = [rule for part, rule in predicates.items() if part not in {TRAIN, REFERENCE}]
    tested = pl.any_horizontal(tests) if tests else pl.lit(value=False)
    judges = predicates[REFERENCE]
    first_that_holds = {
        RowSide.TRAINS: predicates[TRAIN],
        RowSide.JUDGES_AND_TESTS: judges & tested,
        RowSide.JUDGES: judges,
        RowSide.TESTS: tested,
        RowSide.NO_PERIOD: period.is_null(),
    }
    found = pl.lit(RowSide.OUTSIDE.value, dtype=pl.Int8)
    for side, rule in reversed(first_that_holds.items()):
        found = pl.when(rule).then(pl.lit(side.value, dtype=pl.Int8)).otherwise(found)
    return found


def counts_of(side: pl.Expr) -> list[pl.Expr]:
    """How many rows stand where; `read_counts` reads them."""
    return [(side == one.value).sum().alias(f"{SIDE} {one.name}") for one in RowSide]


def read_counts(row: Mapping[str, int]) -> Counts:
    """What `counts_of` counted, in a row of the answer."""
    return {one: row[f"{SIDE} {one.name}"] for one in RowSide}


def made_reference(master: Counts) -> Counts:
    """The rows of a reference that is made now: all that may stand in it."""
    judging = {RowSide.JUDGES_AND_TESTS, RowSide.JUDGES}
    return {one: master[one] if one in judging else 0 for one in RowSide}


def fates_of(master: Counts, reference: Counts) -> RowFates:
    """The fates of the master's rows; `reference` are those of them that the reference holds."""
    left = {one: master[one] - reference[one] for one in RowSide}
    return RowFates(
        train=left[RowSide.TRAINS],
        reference=sum(reference.values()),
        tests=left[RowSide.JUDGES_AND_TESTS] + left[RowSide.TESTS],
        unused={
            LATE_FOR_REFERENCE: left[RowSide.JUDGES],
            NO_PERIOD: left[RowSide.NO_PERIOD],
            HELD_BACK_OUTSIDE: left[RowSide.OUTSIDE],
        },
    )
