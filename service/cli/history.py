"""`laurel history`: every champion with its time, who made it champion, and why; newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import STORE
from domain.wording import iso_time
from service.cli.console import AsJson, Column, Exit, err, print_json, print_table, say
from service.cli.moments import MOMENT, moment
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.history import Reign

app = typer.Typer(add_completion=False)

REIGN_COLUMNS: Final = (
    Column("generation", "figure"),
    Column("version", "figure"),
    Column("what"),
    Column("who", spare=3),
    Column("since"),
    Column("reigned", spare=1),
    Column("metric", spare=2),
    Column("why", "text"),
)


@app.command()
def history(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most that many, newest first.")] = 20,
    since: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="TIME", help=f"Only those that reigned then or later: {MOMENT}."),
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, metavar="GENERATION", help="Only generations before this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the champions: what, who, why, the gate's metric, and how long each reigned."""
    settings = read_settings(STORE)
    reigns, now = run(_history(settings, limit, before, since), settings)
    if as_json:
        from domain.history import ReignForm

        print_json([ReignForm.of(reign, now).model_dump(mode="json") for reign in reigns])
    else:
        title = f"champions of {settings.mlflow_model_name}, newest first"
        print_table(title, REIGN_COLUMNS, [reign_row(reign, now) for reign in reigns])
    if not reigns and since is None and before is None:
        say("there is no champion yet", on=err)
        raise typer.Exit(Exit.NOT_FOUND)
    if len(reigns) == limit and not as_json and reigns[-1].entry.generation > 1:
        say(f"older ones: laurel history --before {reigns[-1].entry.generation}", style="dim")


async def _history(
    settings: Settings, limit: int, before: int | None, since: datetime | None
) -> tuple[Sequence[Reign], datetime]:
    from service.adapters.postgres.champion_history import PostgresChampionHistory
    from service.lifecycle.looking import open_look

    async with open_look(settings) as look:
        reads = PostgresChampionHistory(look.rows, settings.mlflow_model_name)
        return await reads.page(limit, before=before, since=since), look.clock.now()


def reign_row(reign: Reign, now: datetime) -> tuple[object, ...]:
    """One generation in a table."""
    from domain.fleet import span

    entry = reign.entry
    return (
        entry.generation,
        entry.version,
        entry.cause.value,
        reign.requested_by or entry.actor,
        iso_time(reign.since),
        span(reign.seconds(now)) + ("" if reign.until else " so far"),
        told_metric(reign),
        entry.reasons[0],
    )


def told_metric(reign: Reign) -> str:
    """The gate's figure, and the one that it was held against."""
    from domain.judged import Judged, figure

    judged = Judged.of_entry(reign.entry)
    if judged is None:
        return ""
    before = "" if judged.champion is None else f" (before {figure(judged.champion)})"
    return f"{judged.metric} {figure(judged.candidate)}{before}"
