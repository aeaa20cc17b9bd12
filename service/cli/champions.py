"""`laurel champion`: who is production, since when and why, and who was before."""

import typer

from config.settings import Settings
from domain.counterparts import Agreement
from domain.errors import TryLater
from domain.ledger import LedgerEntry
from service.app import Reading, open_reading
from service.cli.agreement import agreement_facts, audited, if_possible
from service.cli.console import (
    AsJson,
    Column,
    Exit,
    err,
    fail,
    local_time,
    masked,
    print_json,
    print_table,
    say,
)
from service.cli.ledger import end
from service.cli.reading import read_settings, run
from service.mlflow_pages import version_page

app = typer.Typer(add_completion=False)

CHAMPION_COLUMNS = (
    Column("generation", "figure"),
    Column("version", "figure"),
    Column("cause"),
    Column("since"),
    Column("run", spare=1),
    Column("why", "text"),
)


@app.command()
def champion(*, as_json: AsJson = False) -> None:
    """Say who is champion, since when and why, and who was before.

    The ledger is checked against registry and topic; the exit code is 1 when it is broken or does not fit,
    4 when there is no champion yet.
    """
    settings = read_settings()
    entries, alias, problem, broken = run(_champions(settings), settings)
    found = None if problem else run(if_possible(audited(settings), settings), settings)
    if found is not None and found.agreement is Agreement.LEDGER_BROKEN:
        broken = found.seen
    if as_json:
        print_json(
            {
                "model": settings.mlflow_model_name,
                "alias_version": alias,
                "broken_at": broken,
                "agreement": agreement_facts(found),
                "generations": [entry.model_dump(mode="json") for entry in entries],
            }
        )
    else:
        _print(settings, entries, alias, problem)
    if broken is None and found is not None:
        end(found)
    _end(settings, entries, broken, problem)


async def _champions(settings: Settings) -> tuple[list[LedgerEntry], int | None, str, int | None]:
    """The entries, the alias's version or why it is not known, and where the ledger is broken in itself."""
    async with open_reading(settings) as reading:
        entries = list(await reading.ledger.entries(settings.mlflow_model_name))
        broken = await reading.ledger.first_broken_generation(settings.mlflow_model_name)
        alias, problem = await _alias(reading, settings)
        return entries, alias, problem, broken


async def _alias(reading: Reading, settings: Settings) -> tuple[int | None, str]:
    """The version that the alias names, and why it is not known: the ledger can be told all the same."""
    try:
        return await reading.registry.alias_version(settings.mlflow_model_name), ""
    except TryLater as error:
        return None, masked(error.message, settings)


def champion_row(entry: LedgerEntry) -> tuple[object, ...]:
    """One generation in a table."""
    return (
        entry.generation,
        entry.version,
        entry.cause.value,
        local_time(entry.at),
        (entry.run_id or "")[:8],
        entry.reasons[0],
    )


def _print(settings: Settings, entries: list[LedgerEntry], alias: int | None, problem: str) -> None:
    title = f"champions of {settings.mlflow_model_name}, newest first"
    print_table(title, CHAMPION_COLUMNS, map(champion_row, reversed(entries)))
    if not problem:
        names = f"names version {alias}" if alias else "does not exist"
        say(f"the registry's alias {settings.mlflow.alias!r} {names}")
    if alias:
        page = version_page(settings.mlflow_tracking_uri, settings.mlflow_model_name, alias)
        say(f"its page: {page}", style="dim")


def _end(settings: Settings, entries: list[LedgerEntry], broken: int | None, problem: str) -> None:
    if broken is not None:
        fail(
            Exit.NO,
            f"the ledger's chain is broken at generation {broken}: an entry was changed or removed, and "
            "promotions stop; `laurel ledger status` tells what registry and topic hold",
        )
    if problem:
        fail(Exit.AWAY, f"the alias {settings.mlflow.alias!r} is not known: {problem}")
    if not entries:
        say("there is no champion yet", on=err)
        raise typer.Exit(Exit.NOT_FOUND)
