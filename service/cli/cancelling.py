"""`laurel cancel` and `laurel retry`: call a run off, and ask again for what a run was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import KAFKA, STORE
from service.cli.console import AsJson, Exit, fail, print_json, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.run import Run
    from service.adapters.kafka.requests import SentRequest

app = typer.Typer(add_completion=False)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id or its beginning, or its MLflow run.")]


@app.command()
def cancel(
    run_id: RunId,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    as_json: AsJson = False,
) -> None:
    """Cancel a run before it is evaluated: it ends FAILED, with the reason `cancelled`.

    That is announced, as any failure is. Its worker stops within about a second; a run that waits, or whose
    worker hangs, ends as well. From EVALUATED on it is refused with exit code 1. Your user name and machine
    are kept, as not proven.
    """
    from domain.request import LONGEST_REASON, no_text
    from service.cli.formatting import run_facts

    if reason is not None and len(reason) > LONGEST_REASON:
        fail(Exit.USAGE, f"nothing was cancelled: {no_text('reason', LONGEST_REASON)}")
    settings = read_settings(STORE)
    ended = run(_cancelled(settings, run_id, reason), settings)
    if as_json:
        print_json(run_facts(ended).model_dump(mode="json"))
    elif ended.failure:
        say(f"run {ended.run_id} has ended {ended.state.value}: {ended.failure.message}")


async def _cancelled(settings: Settings, text: str, reason: str | None) -> Run:
    from service.cli.acting import this_user
    from service.cli.runs import one_run
    from service.lifecycle.cancel import Cancelling
    from service.lifecycle.reading import open_reading

    async with open_reading(settings) as reading:
        found = await one_run(reading.store, text, settings)
        cancelling = Cancelling(reading.store, reading.database.clock, settings.kafka.max_event_bytes)
        return await cancelling.cancel(found, this_user(), reason)


@app.command()
def retry(
    run_id: RunId,
    *,
    reason: Annotated[str | None, typer.Option(help="Default: the reason of the first request.")] = None,
    as_json: AsJson = False,
) -> None:
    """Repeat the request of an ended run, in a new request that names it.

    The versions are those that were asked for: what was left open is filled from production, as it is now.
    """
    settings = read_settings(KAFKA, STORE)
    old, sent = run(_asked_again(settings, run_id, reason), settings)
    if as_json:
        print_json(sent.facts() | {"retry_of": old.run_id})
        return
    say(f"published request {sent.event_id} ({sent.coordinates}), a retry of run {old.run_id}")
    say(f"follow it: laurel show {sent.event_id}", style="dim")


async def _asked_again(settings: Settings, text: str, reason: str | None) -> tuple[Run, SentRequest]:
    from domain.run_actions import retry_payload
    from service.cli.acting import this_user
    from service.cli.requests import published
    from service.cli.runs import one_run
    from service.lifecycle.reading import open_reading

    async with open_reading(settings) as reading:
        old = await one_run(reading.store, text, settings)
    payload = retry_payload(old, this_user().name, reason)
    _require_usable(payload)
    return old, await published(settings, payload)


def _require_usable(payload: dict[str, object]) -> None:
    from domain.request import read_payload
    from service.cli.configuration import fault_line

    read = read_payload(payload)
    if isinstance(read, list):
        said = "; ".join(map(fault_line, read))
        fail(Exit.USAGE, f"what the run was asked for cannot be asked for: {said}")
