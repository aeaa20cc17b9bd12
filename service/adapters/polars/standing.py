"""Where each row of the master stands by the rules alone, whatever rows the reference holds."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import polars as pl

from domain.fates import HELD_BACK_OUTSIDE, LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.split_rules import REFERENCE, TRAIN

STANDING: Final = "standing"


class Standing(IntEnum):
    """Each row has one. A row that JUDGES may stand in the reference, one that TESTS in a moving test."""

    TRAINS = 0
    JUDGES_AND_TESTS = 1
    JUDGES = 2
    TESTS = 3
    NO_PERIOD = 4
    OUTSIDE = 5


Counts = Mapping[Standing, int]


def standing_of(predicates: Mapping[str, pl.Expr], period: pl.Expr) -> pl.Expr:
    """The number of each row's standing."""
    tests = [rule for part, rule in predicates.items() if part not in {TRAIN, REFERENCE}]
    tested = pl.any_horizontal(tests) if tests else pl.lit(value=False)
    judges = predicates[REFERENCE]
    first_that_holds = {
        Standing.TRAINS: predicates[TRAIN],
        Standing.JUDGES_AND_TESTS: judges & tested,
        Standing.JUDGES: judges,
        Standing.TESTS: tested,
        Standing.NO_PERIOD: period.is_null(),
    }
    found = pl.lit(Standing.OUTSIDE.value, dtype=pl.Int8)
    for standing, rule in reversed(first_that_holds.items()):
        found = pl.when(rule).then(pl.lit(standing.value, dtype=pl.Int8)).otherwise(found)
    return found


def counts_of(standing: pl.Expr) -> list[pl.Expr]:
    """How many rows stand where; `read_counts` reads them."""
    return [(standing == one.value).sum().alias(f"{STANDING} {one.name}") for one in Standing]


def read_counts(row: Mapping[str, int]) -> Counts:
    """What `counts_of` counted, in a row of the answer."""
    return {one: row[f"{STANDING} {one.name}"] for one in Standing}


def made_reference(master: Counts) -> Counts:
    """The rows of a reference that is made now: all that may stand in it."""
    judging = {Standing.JUDGES_AND_TESTS, Standing.JUDGES}
    return {one: master[one] if one in judging else 0 for one in Standing}


def fates_of(master: Counts, reference: Counts) -> RowFates:
    """The fates of the master's rows; `reference` are those of them that the reference holds."""
    left = {one: master[one] - reference[one] for one in Standing}
    return RowFates(
        train=left[Standing.TRAINS],
        reference=sum(reference.values()),
        tests=left[Standing.JUDGES_AND_TESTS] + left[Standing.TESTS],
        unused={
            LATE_FOR_REFERENCE: left[Standing.JUDGES],
            NO_PERIOD: left[Standing.NO_PERIOD],
            HELD_BACK_OUTSIDE: left[Standing.OUTSIDE],
        },
    )
