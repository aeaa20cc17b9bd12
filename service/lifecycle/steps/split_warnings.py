"""What a person should know about a split that goes on all the same, or that may not be made so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from domain.datasets import LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.errors import NeverRetry
from domain.run_warnings import SMALL_REFERENCE_ROWS, RunWarning
from domain.split_rule import Locality, SplitRule
from domain.wording import counted
from service.lifecycle.steps.reference_job import Reference

_MOST_TOLD: Final = 20  # localities: an event has its limit


@dataclass(frozen=True)
class Oddities:
    """Test localities that no row has, with the nearest that one has; the form of date that periods have."""

    localities: Mapping[Locality, object]
    period_form: str | None


def refuse_unknown_localities(rules: SplitRule, oddities: Oddities) -> None:
    """A reference is made once for ever: a misspelt locality would train for ever.

    Raises NeverRetry `locality_without_rows`.
    """
    if rules.localities and oddities.localities:
        column = rules.localities.column
        raise NeverRetry(
            "locality_without_rows",
            f"{_unknown(rules, column, oddities)}. The reference is made now, and stays: correct "
            "test_localities",
            **_facts(column, oddities),
        )


def split_warnings(
    rules: SplitRule,
    rows: Mapping[str, int],
    fates: RowFates,
    reference: Reference,
    oddities: Oddities,
) -> Iterator[RunWarning]:
    """Each warning about a split; `rows` are those of each part by the rules."""
    yield from _of_the_rules(rules, rows, oddities)
    yield from _of_the_rows(rules, fates)
    yield from _of_the_reference(reference)


def _of_the_rules(rules: SplitRule, rows: Mapping[str, int], oddities: Oddities) -> Iterator[RunWarning]:
    if rules.localities and oddities.localities:
        column = rules.localities.column
        message = f"{_unknown(rules, column, oddities)}: it holds nothing back"
        facts = _facts(column, oddities)
        yield RunWarning(code="locality_without_rows", message=message, facts=facts)
    for name, duration in rules.moving_tests:
        if not rows[name]:
            message = f"optional test {name} is skipped: no row is that recent"
            facts = {"test": name, "duration": duration}
            yield RunWarning(code="moving_test_empty", message=message, facts=facts)
    if oddities.period_form is not None:
        yield RunWarning(
            code="period_is_a_date",
            message=f"{rules.periodic_column} looks like {oddities.period_form}: the durations of "
            "moving_test_period are subtracted as from any number, which gives other windows than intended; "
            "number periods consecutively from a fixed date instead",
            facts={"column": rules.periodic_column, "form": oddities.period_form},
        )


def _unknown(rules: SplitRule, column: str, oddities: Oddities) -> str:
    said = [
        repr(name) if near is None else f"{name!r} (the nearest that one has is {near!r})"
        for name, near in islice(oddities.localities.items(), _MOST_TOLD)
    ]
    more = len(oddities.localities) - len(said)
    told = ", ".join(said) + (f" and {more} more" if more else "")
    return f"no row has the {column} {told}, which split {rules.version} names as a test"


def _facts(column: str, oddities: Oddities) -> dict[str, object]:
    told = islice(oddities.localities.items(), _MOST_TOLD)
    return {
        "column": column,
        "count": len(oddities.localities),
        "localities": [{"locality": name, "nearest": near} for name, near in told],
    }


def _of_the_rows(rules: SplitRule, fates: RowFates) -> Iterator[RunWarning]:
    if unknown := fates.unused[NO_PERIOD]:
        yield RunWarning(
            code="rows_without_period",
            message=f"not used: {counted(unknown, 'row', 'rows')} without {rules.periodic_column}",
            facts={"rows": unknown, "column": rules.periodic_column},
        )
    if late := fates.unused[LATE_FOR_REFERENCE]:
        yield RunWarning(
            code="late_rows",
            message=f"not used: {counted(late, 'row', 'rows')} that would be in the reference, but came "
            "after it was made; a new split version would take them in",
            facts={"rows": late},
        )


def _of_the_reference(reference: Reference) -> Iterator[RunWarning]:
    rows = reference.file.rows
    if rows < SMALL_REFERENCE_ROWS:
        yield RunWarning(
            code="small_reference",
            message=f"the reference has {rows} rows: with fewer than {SMALL_REFERENCE_ROWS}, chance decides "
            "which model is better",
            facts={"rows": rows, "least": SMALL_REFERENCE_ROWS},
        )
    if reference.gone:
        yield RunWarning(
            code="reference_keys_left_master",
            message=f"{reference.gone} of {rows} reference rows have keys that the master lacks: "
            "they were removed, or their keys are spelled differently now",
            facts={"rows": reference.gone, "of": rows},
        )
    if reference.unchecked:
        yield RunWarning(
            code="reference_unchecked",
            message="the reference was adopted unchanged: whether it follows the rules cannot be checked "
            f"without the column {', '.join(map(repr, reference.unchecked))}",
            facts={"columns": list(reference.unchecked), "rows": rows},
        )
