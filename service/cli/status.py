"""`laurel status`: who is champion, and whether every inference server serves it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer

from config.settings import Settings
from domain.counterparts import Comparison
from domain.errors import TryLater
from service.app import open_reading
from service.cli.agreement import agreement_facts, compared, if_possible
from service.cli.console import (
    AsJson,
    Column,
    Exit,
    err,
    local_time,
    masked,
    out,
    print_json,
    print_json_line,
    print_table,
    say,
)
from service.cli.ledger import end
from service.cli.reading import read_settings, run
from service.convergence_status import ConvergenceStatus, ReplicaStatus, read_status
from service.listener import open_servers

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

Look = Callable[[], Awaitable[ConvergenceStatus]]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Look again each second, until Ctrl-C.")]


@app.command()
def status(*, watch: Watch = False, as_json: AsJson = False) -> None:
    """Say who is champion, and whether every inference server serves it.

    The exit code is 0 only if all serve the head of the ledger, 1 if one does not or if registry and topic do
    not agree with the ledger, 4 when there is no
    champion yet or no server is configured. A server that knows no generation is judged by its version.
    --watch --json prints one document a line.
    """
    settings = read_settings()
    if watch:
        run(_watch(settings, as_json=as_json), settings)
    found, agreement = run(_status(settings), settings)
    if as_json:
        print_json(found.facts() | {"agreement": agreement_facts(agreement)})
    else:
        print_status(found)
    if agreement is not None:
        end(agreement)
    raise typer.Exit(exit_of_status(found))


def print_status(found: ConvergenceStatus) -> None:
    """Print the champion and the table of replicas."""
    champion = found.champion
    if champion is None:
        say(f"{found.model_name} has no champion yet", style="bold")
    else:
        since = local_time(champion.at)
        what = f"version {champion.version}, generation {champion.generation}, since {since}"
        say(f"champion of {found.model_name}: {what}", style="bold")
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
async def _looking(settings: Settings) -> AsyncIterator[Look]:
    async with open_reading(settings) as reading, open_servers(settings) as servers:
        yield lambda: read_status(reading.ledger, reading.outbox, servers, settings.mlflow_model_name)


async def _status(settings: Settings) -> tuple[ConvergenceStatus, Comparison | None]:
    async with _looking(settings) as look:
        return await asyncio.gather(look(), if_possible(compared(settings), settings))


async def _watch(settings: Settings, *, as_json: bool) -> None:
    async with _looking(settings) as look:
        while True:
            try:
                found = await look()
            except TryLater as error:
                say(masked(error.message, settings), style="red", on=err)
            else:
                _redraw(found, as_json=as_json)
            await asyncio.sleep(_AGAIN_SECONDS)


def _redraw(found: ConvergenceStatus, *, as_json: bool) -> None:
    if as_json:
        print_json_line(found.facts())
        return
    if out.is_terminal:
        out.clear()
    print_status(found)
