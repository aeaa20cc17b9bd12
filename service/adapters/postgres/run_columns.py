"""The columns that a run is read from, with as many of its outputs as the reader needs."""

from typing import Final

from sqlalchemy import ARRAY, JSON, ColumnElement, Text, bindparam, case, cast, func, select
from sqlalchemy.sql.selectable import FromClause

from domain.lifecycle import Step
from domain.run_record import PRUNED
from service.adapters.postgres.run_reads import COLUMNS
from service.adapters.postgres.tables import run_outputs, runs

_as_json: Final = cast(run_outputs.c.output, JSON)
# A part of JSON is read only where no \\u0000 stands, which a text may hold.
_readable: Final = cast(func.replace(run_outputs.c.output, r"\u0000", r"\u0001"), JSON)
# The versions come first in what we write; to read all of it for them takes most of a list's time.
_first_triple: Final = cast(
    func.substring(func.left(run_outputs.c.output, 300), r'^\{"triple":(\{[^{}]*\})'), JSON
)
_HAS_WARNINGS: Final = run_outputs.c.output.like('%"warnings":[{%')
_LISTED: Final = (
    *("open_run", "compared", PRUNED),
    *(step.value for step in (Step.RESOLVE, Step.SPLIT, Step.EVALUATE, Step.DECIDE)),
)


def _at(field: str) -> ColumnElement[object]:
    return _readable.op("->")(field)


def run_columns(source: FromClause = runs) -> list[ColumnElement[object]]:
    """What a run is read from: its row, and those of its outputs whose names are not in `known`.

    A worker holds the outputs that it was given before, and they can be large.
    """
    known = bindparam("known", type_=ARRAY(Text))
    return _columns(source, _as_json, run_outputs.c.name != func.all(known))


def listed_columns() -> list[ColumnElement[object]]:
    """What a run is read from for a list: of the configuration the versions, of the split its warnings."""
    short = {
        Step.RESOLVE.value: func.json_build_object("triple", func.coalesce(_first_triple, _at("triple"))),
        Step.SPLIT.value: func.json_build_object(
            "statistics", func.json_build_object("warnings", _at("statistics").op("->")("warnings"))
        ),
    }
    name = run_outputs.c.name
    output = case(short, value=name, else_=_as_json)
    return _columns(runs, output, name.in_(_LISTED), (name != Step.SPLIT.value) | _HAS_WARNINGS)


def _columns(
    source: FromClause, output: ColumnElement[object], *wanted: ColumnElement[bool]
) -> list[ColumnElement[object]]:
    outputs = (
        select(cast(func.json_object_agg(run_outputs.c.name, output), Text))
        .where(run_outputs.c.run_id == source.c.run_id, *wanted)
        .correlate(source)
        .scalar_subquery()
    )
    return [*(source.c[name] for name in COLUMNS), outputs.label("outputs")]
