"""`laurel compare`: two models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import MLFLOW, STORE
from service.cli.console import AsJson, Column, print_json, print_table, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.model_comparison import ModelComparisonForm, OverlapForm, Side, SideForm
    from domain.story import DataForm

app = typer.Typer(add_completion=False)

_ID: Final = "A generation (12 or g12), a version (v12), or an id of a run or a request, or its beginning."
DIFFERENCE_COLUMNS: Final = (Column("place"), Column("a", "text"), Column("b", "text"))
DATA_COLUMNS: Final = (
    Column("data"),
    Column("same"),
    Column("rows of a", "figure"),
    Column("rows of b", "figure"),
    Column("sha256 of a"),
    Column("sha256 of b"),
)
METRIC_COLUMNS: Final = (
    Column("data"),
    Column("metric"),
    Column("a", "figure"),
    Column("b", "figure"),
    Column("b - a", "figure"),
    Column("sha256", spare=1),
)


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_ID)],
    b: Annotated[str, typer.Argument(metavar="B", help=_ID)],
    *,
    as_json: AsJson = False,
) -> None:
    """Compare two models: configuration, data, metrics on the same bytes, and shared training rows.

    Each is a generation, a version or a run. Shared rows are counted by their keys where DATA_ROOT or DVC's
    cache still holds both training parts.
    """
    settings = read_settings(MLFLOW, STORE)
    found = run(_compared(settings, a, b), settings)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)


async def _compared(settings: Settings, a: str, b: str) -> ModelComparisonForm:
    from domain.model_comparison import compared_models
    from service.cli.explaining import opened_explainer

    async with opened_explainer(settings) as (explainer, _):
        one, other = await explainer.side(a), await explainer.side(b)
    return compared_models(settings.mlflow_model_name, one, other, _overlap(settings, one, other))


def _overlap(settings: Settings, a: Side, b: Side) -> OverlapForm:
    """Count only what the digests leave open: it takes a library that is slow to import."""
    from domain.model_comparison import known_overlap

    known = known_overlap(a.record, b.record)
    if known.rows is not None or known.a is None or known.b is None:
        return known
    from service.lifecycle.steps.count_trained_job import counted_overlap
    from service.lifecycle.written_folders import dvc_folders

    return counted_overlap(known, a.record, b.record, dvc_folders(settings)[0])


def _print(found: ModelComparisonForm) -> None:
    for name, side in (("a", found.a), ("b", found.b)):
        say(f"{name}  {_named(side)}", style="bold")
    if found.configuration is None:
        say("their configurations cannot be compared")
    elif not found.configuration:
        say("their configurations are the same")
    else:
        rows = [(one.place, _told(one.a), _told(one.b)) for one in found.configuration]
        print_table("configuration", DIFFERENCE_COLUMNS, rows)
    if found.data:
        pairs = [(one.part, "yes" if one.same else "no", *_pair(one.a, one.b)) for one in found.data]
        print_table("data", DATA_COLUMNS, pairs)
    figures = [
        (one.dataset, one.metric, f"{one.a:.6g}", f"{one.b:.6g}", f"{one.b - one.a:+.3g}", one.sha256[:12])
        for one in found.metrics
    ]
    print_table("metrics on the same bytes", METRIC_COLUMNS, figures)
    overlap = found.training_overlap
    rows_told = "unknown" if overlap.rows is None else f"{overlap.rows} of {overlap.a} and {overlap.b}"
    say(f"rows that trained both: {rows_told}; {overlap.why}")
    for note in found.notes:
        say(note)


def _named(side: SideForm) -> str:
    known = [
        f"generation {side.generation}" if side.generation else "",
        f"version {side.version}" if side.version else "",
        f"run {side.run_id}" if side.run_id else "",
    ]
    return ", ".join(filter(None, known)) or side.name


def _pair(a: DataForm | None, b: DataForm | None) -> tuple[object, ...]:
    sides = (a, b)
    return (*(side and side.rows for side in sides), *(side and side.sha256[:12] for side in sides))


def _told(value: object) -> str:
    import json

    return "-" if value is None else json.dumps(value, ensure_ascii=False)
