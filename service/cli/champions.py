"""`laurel champion`: who is production, since when and why, and who was before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import KAFKA, MLFLOW, STORE
from domain.errors import TryLater
from domain.wording import iso_time
from service.cli.console import (
    AsJson,
    Column,
    Exit,
    err,
    fail,
    masked,
    print_json,
    print_table,
    say,
)
from service.cli.moments import MOMENT, moment
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.history import Reign
    from domain.hold import PromotionHold
    from domain.ledger import LedgerEntry
    from domain.ports.model_registry import ModelRegistry

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
def champion(
    *,
    at: Annotated[
        datetime | None,
        typer.Option(parser=moment, metavar="TIME", help=f"Say who reigned then instead: {MOMENT}."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="At most that many generations, the newest.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the champion, since when and why, and the champions before it.

    The ledger is checked against registry and topic; the exit code is 1 when it is broken or does not fit, or
    when the alias does not name the champion, 4 when there is no champion yet.
    """
    if at is not None:
        _tell_who_reigned(at, as_json=as_json)
    else:
        _tell_champions(limit, as_json=as_json)


def _tell_champions(limit: int, *, as_json: bool) -> None:
    from domain.announcement import generation_facts
    from domain.counterparts import Agreement
    from service.cli.agreement import agreement_facts, audited, if_possible
    from service.cli.holds import hold_facts, say_hold
    from service.cli.ledger import end

    settings = read_settings(KAFKA, MLFLOW, STORE)
    seen = run(_champions(settings, limit), settings)
    entries, alias, problem, broken = seen.entries, seen.alias, seen.problem, seen.broken
    found = None if problem else run(if_possible(audited(settings), settings), settings)
    if found is not None and found.agreement is Agreement.LEDGER_BROKEN:
        broken = found.seen
    if as_json:
        print_json(
            {
                "model": settings.mlflow_model_name,
                "alias_version": alias,
                "alias_differs": seen.gap,
                "broken_at": broken,
                "agreement": agreement_facts(found),
                "hold": hold_facts(seen.hold),
                "generations": [generation_facts(entry) for entry in entries],
            }
        )
    else:
        _print(settings, entries, alias, problem)
        say_hold(seen.hold)
    if broken is None and found is not None:
        end(found, as_json=as_json)
    _end(settings, entries, broken, problem)
    if seen.gap:
        fail(Exit.NO, seen.gap)


def _tell_who_reigned(at: datetime, *, as_json: bool) -> None:
    settings = read_settings(STORE)
    reign, now = run(_reigned(settings, at), settings)
    if as_json:
        from domain.history import ReignForm

        form = None if reign is None else ReignForm.of(reign, now).model_dump(mode="json")
        print_json({"model": settings.mlflow_model_name, "at": at.isoformat(), "champion": form})
    if reign is None:
        if at > now:
            fail(Exit.NOT_FOUND, "there is no champion yet")
        fail(Exit.NOT_FOUND, f"nobody was champion at {iso_time(at)}: the first came later")
    if at > now:
        say("laurel: that time has not come yet; this is the champion of now", style="yellow", on=err)
    if not as_json:
        _print_reign(settings, reign, at, now)


async def _reigned(settings: Settings, at: datetime) -> tuple[Reign | None, datetime]:
    from service.adapters.postgres.champion_history import PostgresChampionHistory
    from service.lifecycle.looking import open_look

    async with open_look(settings) as look:
        return await PostgresChampionHistory(look.rows, settings.mlflow_model_name).at(at), look.clock.now()


def _print_reign(settings: Settings, reign: Reign, at: datetime, now: datetime) -> None:
    from domain.fleet import span
    from service.cli.history import told_metric

    entry = reign.entry
    what = f"version {entry.version} (generation {entry.generation}) of {settings.mlflow_model_name}"
    say(f"{iso_time(at)}: {what}", style="bold")
    until = iso_time(reign.until) if reign.until else "now: it is the champion"
    lines = {
        "since": iso_time(reign.since),
        "until": until,
        "reigned": span(reign.seconds(now)),
        "what": entry.cause.value,
        "who": reign.requested_by or entry.actor,
        "metric": told_metric(reign),
        "why": "; ".join(entry.reasons),
    }
    for name, text in lines.items():
        if text:
            say(f"{name:<9} {text}", hang=10)


@dataclass(frozen=True)
class _Seen:
    """The entries, the alias's version or why it is not known, and where the ledger is broken in itself."""

    entries: list[LedgerEntry]
    alias: int | None
    problem: str
    broken: int | None
    gap: str | None
    hold: PromotionHold | None


async def _champions(settings: Settings, limit: int) -> _Seen:
    from domain.counterparts import alias_gap
    from service.cli.holds import active_hold
    from service.lifecycle.looking import open_look
    from service.lifecycle.registry import open_registry

    async with open_look(settings) as look, open_registry(settings) as registry:
        entries = list(await look.ledger.last(settings.mlflow_model_name, limit))
        broken = await look.ledger.first_broken_generation(settings.mlflow_model_name)
        alias, problem = await _alias(registry, settings)
        head, now = entries[-1] if entries else None, look.clock.now()
        gap = None if problem else alias_gap(head, alias, settings.mlflow.alias, now)
        return _Seen(entries, alias, problem, broken, gap, await active_hold(look, settings))


async def _alias(registry: ModelRegistry, settings: Settings) -> tuple[int | None, str]:
    """The version that the alias names, and why it is not known: the ledger can be told all the same."""
    try:
        return await registry.alias_version(settings.mlflow_model_name), ""
    except TryLater as error:
        return None, masked(error.message, settings)


def champion_row(entry: LedgerEntry) -> tuple[object, ...]:
    """One generation in a table; the reason of a first champion names no figure."""
    from domain.judged import Judged

    judged = Judged.of_entry(entry)
    figure = f"; {judged}" if judged and judged.champion is None else ""
    return (
        entry.generation,
        entry.version,
        entry.cause.value,
        iso_time(entry.at),
        (entry.run_id or "")[:8],
        f"{entry.reasons[0]}{figure}",
    )


def _print(settings: Settings, entries: list[LedgerEntry], alias: int | None, problem: str) -> None:
    from service.lifecycle.mlflow_pages import version_page

    title = f"champions of {settings.mlflow_model_name}, newest first"
    print_table(title, CHAMPION_COLUMNS, map(champion_row, reversed(entries)))
    if entries and entries[0].generation > 1:
        say("`laurel history` lists older ones too", style="dim")
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
            "promotions stop; `laurel ledger status` shows what registry and topic hold",
        )
    if problem:
        fail(Exit.AWAY, f"the alias {settings.mlflow.alias!r} is not known: {problem}")
    if not entries:
        say("there is no champion yet", on=err)
        raise typer.Exit(Exit.NOT_FOUND)
