"""What a person should know about a split that goes on all the same, or that may not be made so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from domain.errors import NeverRetry
from domain.fates import LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.run_warnings import SMALL_REFERENCE_ROWS, RunWarning
from domain.split_rules import GeographicSplit, Locality, SplitRules
from service.tasks.reference import Reference

_MOST_TOLD: Final = 20  # localities: an event has its limit


@dataclass(frozen=True)
class Oddities:
    """Test localities that no row has, with the nearest that one has; the form of date that periods have."""

    localities: Mapping[Locality, object]
    period_form: str | None


def refuse_unknown_localities(rules: SplitRules, oddities: Oddities) -> None:
    """A reference is made once for ever: a misspelt locality would train for ever.

    Raises NeverRetry `locality_without_rows`.
    """
    if isinstance(rules, GeographicSplit) and oddities.localities:
        raise NeverRetry(
            "locality_without_rows",
            f"{_unknown(rules, oddities)}. The reference is made now, and stays: correct test_localities",
            **_facts(rules, oddities),
        )


def split_warnings(
    rules: SplitRules,
    rows: Mapping[str, int],
    fates: RowFates,
    reference: Reference,
    oddities: Oddities,
) -> Iterator[RunWarning]:
    """Each warning about a split; `rows` are those of each part by the rules."""
    yield from _of_the_rules(rules, rows, oddities)
    yield from _of_the_rows(rules, fates)
    yield from _of_the_reference(reference)


def _of_the_rules(rules: SplitRules, rows: Mapping[str, int], oddities: Oddities) -> Iterator[RunWarning]:
    if isinstance(rules, GeographicSplit) and oddities.localities:
        message = f"{_unknown(rules, oddities)}: it holds nothing back"
        facts = _facts(rules, oddities)
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
            "moving_test_period are subtracted from it as from any number, so that the windows are not those "
            "that were meant; count periods by one from a fixed date instead",
            facts={"column": rules.periodic_column, "form": oddities.period_form},
        )


def _unknown(rules: GeographicSplit, oddities: Oddities) -> str:
    said = [
        repr(name) if near is None else f"{name!r} (the nearest that one has is {near!r})"
        for name, near in islice(oddities.localities.items(), _MOST_TOLD)
    ]
    more = len(oddities.localities) - len(said)
    told = ", ".join(said) + (f" and {more} more" if more else "")
    return f"no row has the {rules.geographic_column} {told}, which split {rules.version} names as a test"


def _facts(rules: GeographicSplit, oddities: Oddities) -> dict[str, object]:
    told = islice(oddities.localities.items(), _MOST_TOLD)
    return {
        "column": rules.geographic_column,
        "count": len(oddities.localities),
        "localities": [{"locality": name, "nearest": near} for name, near in told],
    }


def _of_the_rows(rules: SplitRules, fates: RowFates) -> Iterator[RunWarning]:
    if unknown := fates.unused[NO_PERIOD]:
        yield RunWarning(
            code="rows_without_period",
            message=f"{unknown} rows without {rules.periodic_column} are used for nothing",
            facts={"rows": unknown, "column": rules.periodic_column},
        )
    if late := fates.unused[LATE_FOR_REFERENCE]:
        yield RunWarning(
            code="late_rows",
            message=f"{late} rows would stand in the reference, but came when it was made already: they are "
            "used for nothing; a new split version would take them in",
            facts={"rows": late},
        )


def _of_the_reference(reference: Reference) -> Iterator[RunWarning]:
    rows = reference.file.rows
    if rows < SMALL_REFERENCE_ROWS:
        yield RunWarning(
            code="small_reference",
            message=f"the reference has {rows} rows: with fewer than {SMALL_REFERENCE_ROWS}, luck decides "
            "which model is better",
            facts={"rows": rows, "least": SMALL_REFERENCE_ROWS},
        )
    if reference.gone:
        yield RunWarning(
            code="reference_keys_left_master",
            message=f"{reference.gone} of {rows} reference rows have a key that the master does not have: "
            "they were removed, or their keys are spelled otherwise now",
            facts={"rows": reference.gone, "of": rows},
        )
    if reference.unchecked:
        yield RunWarning(
            code="reference_unchecked",
            message="the reference was adopted as it is: whether the rules would have made it cannot be told "
            f"without the column {', '.join(map(repr, reference.unchecked))}",
            facts={"columns": list(reference.unchecked), "rows": rows},
        )
