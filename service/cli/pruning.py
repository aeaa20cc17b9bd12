"""`laurel prune`: what nobody reads any more leaves PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import STORE
from service.cli.console import AsJson, print_json, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.ports.pruning import Pruned

app = typer.Typer(add_completion=False)


@app.command()
def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old rows of this model from PostgreSQL: announcements, and what declined runs left.

    Announcements of ended runs go RETENTION__EVENTS_DAYS after Kafka acknowledged them; what the steps of a
    run left that became no champion, RETENTION__OUTPUTS_DAYS after its end. Runs, their steps and verdicts,
    the ledger and whatever a generation names stay. It works in small batches beside running workers, and may
    be repeated.
    """
    settings = read_settings(STORE)
    found = run(_pruned(settings, dry_run=dry_run), settings)
    days = settings.retention.model_dump(include={"events_days", "outputs_days"})
    if as_json:
        counts = {name: pruned.model_dump() for name, pruned in found.items()}
        print_json({"model_name": settings.mlflow_model_name, "dry_run": dry_run, **days, **counts})
        return
    for name, pruned in found.items():
        what = "would go" if dry_run else "went"
        size = f"{pruned.bytes / 1e6:.1f} MB"
        age = f"older than {days[f'{name}_days']} days"
        say(f"{name:<8} {what}: {pruned.rows} rows of {pruned.runs} runs, {size}, {age}", hang=9)


async def _pruned(settings: Settings, *, dry_run: bool) -> dict[str, Pruned]:
    from service.adapters.postgres.pruning import PostgresPruning
    from service.lifecycle.looking import open_look

    kept = settings.retention
    async with open_look(settings) as look:
        pruning = PostgresPruning(look.rows, settings.mlflow_model_name)
        return {
            "events": await pruning.events(timedelta(days=kept.events_days), dry_run=dry_run),
            "outputs": await pruning.outputs(timedelta(days=kept.outputs_days), dry_run=dry_run),
        }
