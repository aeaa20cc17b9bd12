"""`laurel status`: who is champion, and whether every inference server serves it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Final

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
    out,
    print_json,
    print_json_line,
    print_table,
    say,
)
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.counterparts import Comparison
    from domain.hold import PromotionHold
    from service.cli.fleet import Look as FleetLook
    from service.lifecycle.looking import StoreLook
    from service.rollout.convergence_status import ConvergenceStatus, ReplicaStatus

app = typer.Typer(add_completion=False)

_AGAIN_SECONDS: Final = 1.0
REPLICA_COLUMNS: Final = (
    Column("server"),
    Column("address", spare=1),
    Column("state"),
    Column("generation", "figure"),
    Column("version", "figure"),
    Column("behind by", "figure"),
    Column("last error", "text"),
)

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Repeat each second, until Ctrl-C.")]


@app.command()
def status(*, watch: Watch = False, as_json: AsJson = False) -> None:
    """Show the champion, and whether every inference server serves it.

    Also say whether the model has workers, and how many requests wait; `laurel doctor` judges that.

    The exit code is 0 only if all serve the head of the ledger, 1 if one does not or if registry and topic do
    not agree with the ledger or the alias does not name the champion, 4 when there is no champion yet or no
    server is configured. A server that knows no generation is judged by its version.
    --watch --json prints one document a line.
    """
    from service.cli.agreement import agreement_facts
    from service.cli.holds import hold_facts, say_hold
    from service.cli.ledger import end

    settings = read_settings(STORE, *(() if watch else (KAFKA, MLFLOW)))
    if watch:
        run(_watch(settings, as_json=as_json), settings)
    found, agreement, fleet, gap, hold = run(_status(settings), settings)
    if as_json:
        compared_facts = {"agreement": agreement_facts(agreement), "alias_differs": gap}
        compared_facts["hold"] = hold_facts(hold)
        print_json(found.facts() | compared_facts | {"workers": fleet.facts()})
    else:
        print_status(found)
        say_hold(hold)
        say(fleet.fleet.told, style="" if fleet.fleet.is_whole else "yellow")
        say(fleet.told_waiting)
    if agreement is not None:
        end(agreement, as_json=as_json)
    if gap:
        fail(Exit.NO, gap)
    raise typer.Exit(exit_of_status(found))


def print_status(found: ConvergenceStatus) -> None:
    """Print the champion and the table of replicas."""
    from domain.judged import Judged, figure

    champion = found.champion
    if champion is None:
        say(f"{found.model_name} has no champion yet", style="bold")
    else:
        since = iso_time(champion.at)
        what = f"version {champion.version}, generation {champion.generation}, since {since}"
        say(f"champion of {found.model_name}: {what}", style="bold")
        if judged := Judged.of_entry(champion):
            before = figure(judged.champion)
            say(f"it won by {judged.metric} {figure(judged.candidate)}; the champion before: {before}")
    if not found.replicas:
        say("no inference server is configured: set INFERENCE_API_URL")
        return
    serving = sum(replica.serves_head for replica in found.replicas)
    title = f"{serving} of {len(found.replicas)} inference servers serve it"
    print_table(title, REPLICA_COLUMNS, map(replica_row, found.replicas))


def replica_row(replica: ReplicaStatus) -> tuple[object, ...]:
    """One replica in a table."""
    return (
        replica.url,
        replica.address,
        replica.state.value,
        replica.generation,
        replica.version,
        replica.lag,
        replica.error,
    )


def exit_of_status(found: ConvergenceStatus) -> Exit:
    """The exit code that a status means."""
    if found.champion is None or not found.replicas:
        return Exit.NOT_FOUND
    return Exit.DONE if found.converged else Exit.NO


@asynccontextmanager
async def _looking(
    settings: Settings,
) -> AsyncIterator[tuple[Callable[[], Awaitable[ConvergenceStatus]], StoreLook]]:
    from service.adapters.postgres.told_events import PostgresToldEvents
    from service.lifecycle.looking import open_look
    from service.rollout.convergence_status import read_status
    from service.rollout.replica_clients import open_servers

    async with open_look(settings) as opened, open_servers(settings) as servers:
        model = settings.mlflow_model_name
        told = PostgresToldEvents(opened.rows, model)
        yield lambda: read_status(opened.ledger, told, servers, model), opened


async def _status(
    settings: Settings,
) -> tuple[ConvergenceStatus, Comparison | None, FleetLook, str | None, PromotionHold | None]:
    import asyncio

    from service.cli.agreement import compared, if_possible
    from service.cli.fleet import look_at_fleet
    from service.cli.holds import active_hold

    async with _looking(settings) as (look, opened):
        comparing = if_possible(compared(settings), settings)
        fleet = look_at_fleet(settings, opened.workers)
        hold = active_hold(opened, settings)
        return await asyncio.gather(look(), comparing, fleet, _gap(opened, settings), hold)


async def _gap(opened: StoreLook, settings: Settings) -> str | None:
    from domain.counterparts import alias_gap
    from service.lifecycle.registry import open_registry

    with suppress(TryLater):  # that it is away is said beside
        async with open_registry(settings) as registry:
            named = await registry.alias_version(settings.mlflow_model_name)
        head = await opened.ledger.head(settings.mlflow_model_name)
        return alias_gap(head, named, settings.mlflow.alias, opened.clock.now())
    return None


async def _watch(settings: Settings, *, as_json: bool) -> None:
    import asyncio

    from service.cli.holds import active_hold

    async with _looking(settings) as (look, opened):
        while True:
            try:
                found, hold = await asyncio.gather(look(), active_hold(opened, settings))
            except TryLater as error:
                say(masked(error.message, settings), style="red", on=err)
            else:
                _redraw(found, hold, as_json=as_json)
            await asyncio.sleep(_AGAIN_SECONDS)


def _redraw(found: ConvergenceStatus, hold: PromotionHold | None, *, as_json: bool) -> None:
    from service.cli.holds import hold_facts, say_hold

    if as_json:
        print_json_line(found.facts() | {"hold": hold_facts(hold)})
        return
    if out.is_live:
        out.clear()
    print_status(found)
    say_hold(hold)
