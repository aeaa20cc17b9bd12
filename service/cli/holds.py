"""`laurel hold` and `laurel release`: nothing is promoted meanwhile; and who said so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import STORE
from service.cli.console import AsJson, print_json, say
from service.cli.moments import MOMENT, moment
from service.cli.reading import read_settings, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.hold import PromotionHold
    from service.lifecycle.looking import StoreLook
    from service.promotion.holding import PromotionHolding

app = typer.Typer(add_completion=False)

Until = Annotated[
    datetime | None,
    typer.Option(
        metavar="TIME", parser=moment, help=f"When it ends by itself: {MOMENT}. Default: at `laurel release`."
    ),
]
By = Annotated[str | None, typer.Option(metavar="WHO", help="Who decided. Default: your user name.")]


@app.command()
def hold(
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    until: Until = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Hold promotions: candidates are trained and judged, and none becomes champion.

    One that would have been promoted ends DECLINED with the verdict HELD. A rollback is not held. There is
    one hold at a time: while one stands, another is refused with exit code 1. Your user name and machine are
    kept, as not proven.
    """
    from service.cli.acting import required_reason

    reason = required_reason(reason)
    settings = read_settings(STORE)
    _show(run_quietly(_held(settings, reason, until, by), settings), as_json=as_json)


@app.command()
def release(
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Release promotions: the hold that stands is over.

    What was declined meanwhile stays declined. The exit code is 1 when promotions are not held. Your user
    name and machine are kept, as not proven.
    """
    from service.cli.acting import required_reason

    why = None if reason is None else required_reason(reason)
    settings = read_settings(STORE)
    _show(run_quietly(_released(settings, why, by), settings), as_json=as_json)


def say_hold(hold: PromotionHold | None) -> None:
    """Say that promotions are held, where they are."""
    if hold is not None:
        say(hold.told, style="yellow")


def hold_facts(hold: PromotionHold | None) -> dict[str, object] | None:
    """A hold for programs; None where there is none."""
    from service.gateway.bar_views import HoldView

    return None if hold is None else HoldView.of(hold).model_dump(mode="json")


async def active_hold(look: StoreLook, settings: Settings) -> PromotionHold | None:
    """The hold that stands now. Raises TryLater."""
    from service.adapters.postgres.bar_reads import PostgresHoldReads

    return await PostgresHoldReads(look.rows, settings.mlflow_model_name).active()


def _show(hold: PromotionHold, *, as_json: bool) -> None:
    if as_json:
        print_json(hold_facts(hold))
    else:
        say(hold.told if hold.ending is None else f"{hold.ending.told} ({hold.told})")


async def _held(settings: Settings, reason: str, until: datetime | None, by: str | None) -> PromotionHold:
    from service.cli.acting import decider

    async with _holding(settings) as holding:
        return await holding.hold(reason, until, decider(by))


async def _released(settings: Settings, reason: str | None, by: str | None) -> PromotionHold:
    from service.cli.acting import decider

    async with _holding(settings) as holding:
        return await holding.release(reason, decider(by))


@asynccontextmanager
async def _holding(settings: Settings) -> AsyncIterator[PromotionHolding]:
    from service.adapters.postgres.holds import PostgresHolds
    from service.lifecycle.reading import open_reading
    from service.promotion.holding import PromotionHolding

    async with open_reading(settings) as reading:
        database, model = reading.database, settings.mlflow_model_name
        yield PromotionHolding(model, PostgresHolds(database, model), database.clock)
