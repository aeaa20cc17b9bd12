"""`laurel quarantine`: what the gate does not promote again, and how a person allows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import STORE
from domain.wording import iso_time
from service.cli.console import AsJson, Column, print_json, print_table, say
from service.cli.holds import By
from service.cli.lazy import Group
from service.cli.reading import read_settings, run, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.quarantine import Quarantine

app = typer.Typer(
    cls=Group,
    help="What was rolled back from, and is not promoted again.",
    no_args_is_help=True,
    add_completion=False,
)

QUARANTINE_COLUMNS: Final = (
    Column("generation", "figure"),
    Column("version", "figure"),
    Column("versions", spare=1),
    Column("since"),
    Column("by", spare=2),
    Column("lifted", spare=3),
    Column("why", "text"),
)
_MOST: Final = 100


@app.command("list")
def list_all(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what the gate does not promote again: generation, recipe, who rolled back from it and why."""
    settings = read_settings(STORE)
    found = run(_listed(settings, everything=everything), settings)
    if as_json:
        print_json(list(map(quarantine_facts, found)))
    elif not found:
        say(f"nothing of {settings.mlflow_model_name} is quarantined")
    else:
        title = f"quarantines of {settings.mlflow_model_name}, newest first"
        print_table(title, QUARANTINE_COLUMNS, map(quarantine_row, found))


@app.command()
def lift(
    generation: Annotated[
        int, typer.Argument(metavar="GENERATION", min=1, help="The generation, as `list` shows it.")
    ],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Let the gate promote a generation's model, and its recipe, again.

    The exit code is 1 when that generation is not quarantined. Your user name and machine are kept, as not
    proven.
    """
    from service.cli.acting import REPEAT, required_reason

    reason = required_reason(reason)
    settings = read_settings(STORE)
    lifted = run_quietly(_lifted(settings, generation, reason, by), settings, away=REPEAT)
    if as_json:
        print_json(quarantine_facts(lifted))
    else:
        say(f"lifted: {lifted.told}")


def quarantine_row(quarantine: Quarantine) -> tuple[object, ...]:
    """One quarantine in a table."""
    recipe, lifted = quarantine.recipe, quarantine.lift
    triple = recipe.triple if recipe else None
    return (
        quarantine.generation,
        quarantine.version,
        f"s{triple.split_version} f{triple.feature_version} m{triple.model_version}" if triple else None,
        iso_time(quarantine.at),
        quarantine.actor,
        f"{iso_time(lifted.at)} by {lifted.actor.told}: {lifted.reason}" if lifted else None,
        quarantine.reason,
    )


def quarantine_facts(quarantine: Quarantine) -> dict[str, object]:
    """A quarantine for programs."""
    from service.gateway.bar_views import QuarantineView

    return QuarantineView.of(quarantine).model_dump(mode="json")


async def _listed(settings: Settings, *, everything: bool) -> Sequence[Quarantine]:
    from service.adapters.postgres.bar_reads import PostgresQuarantineReads
    from service.lifecycle.looking import open_look

    async with open_look(settings) as look:
        reads = PostgresQuarantineReads(look.rows, settings.mlflow_model_name)
        return await (reads.all(_MOST) if everything else reads.active())


async def _lifted(settings: Settings, generation: int, reason: str, by: str | None) -> Quarantine:
    from service.adapters.postgres.quarantines import PostgresQuarantines
    from service.cli.acting import decider
    from service.lifecycle.reading import open_reading
    from service.promotion.quarantining import Lifting

    async with open_reading(settings) as reading:
        database, model = reading.database, settings.mlflow_model_name
        lifting = Lifting(model, PostgresQuarantines(database, model), database.clock)
        return await lifting.lift(generation, reason, decider(by))
