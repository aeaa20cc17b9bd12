"""`laurel rollback`: the way back to an earlier generation, at three in the morning too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import CONFIG, KAFKA, MLFLOW, STORE
from domain.wording import iso_time
from service.cli.console import AsJson, Exit, fail, print_json, say
from service.cli.reading import read_settings, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.ledger import LedgerEntry
    from service.promotion.rollback import RollbackPlan, RolledBack

app = typer.Typer(add_completion=False)

To = Annotated[
    int | None,
    typer.Option(
        "--to",
        metavar="GENERATION",
        min=1,
        help="The generation to return to. Default: the newest earlier one that every server has served.",
    ),
]
Why = Annotated[str, typer.Option(help="Why, for the record.")]
By = Annotated[str | None, typer.Option(metavar="WHO", help="Who decided. Default: your user name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")]


@app.command()
def rollback(
    *, to: To = None, reason: Why, by: By = None, dry_run: DryRun = False, as_json: AsJson = False
) -> None:
    """Return production to an earlier generation: one entry of the ledger, which everything follows.

    Nothing is trained. Without --to it is the newest earlier generation whose files are whole and that every
    inference server has served; what cannot be returned to is named before anything changes. While MLflow
    is away the entry is made all the same, and a worker moves the alias when MLflow is back.

    The exit code is 1 when nothing was changed, and 3 when a service is away: the last line says whether the
    entry is made, and the alias does not follow yet. To say it again makes no second entry. Your user name
    and machine are kept, as not proven.
    """
    from service.cli.acting import REPEAT, required_reason

    reason = required_reason(reason)
    settings = read_settings(KAFKA, MLFLOW, STORE, *(() if dry_run else (CONFIG,)))
    if dry_run:
        _show_plan(run_quietly(_planned(settings, to), settings), as_json=as_json)
        return
    done = run_quietly(_rolled_back(settings, to, reason, by), settings, away=REPEAT)
    _show_done(done, as_json=as_json)
    if done.unshown:
        made = f"generation {done.entry.generation} is made"
        fail(Exit.AWAY, f"{made}, and a worker moves the alias to it when that is possible: {done.unshown}")


async def _planned(settings: Settings, to: int | None) -> RollbackPlan:
    from service.cli.acting import acting
    from service.lifecycle.workbench import open_world, rollback_in

    async with open_world(settings, acting("laurel rollback")) as world:
        return await rollback_in(world, settings).plan(to)


async def _rolled_back(settings: Settings, to: int | None, reason: str, by: str | None) -> RolledBack:
    import uuid

    from service.cli.acting import acting, decider
    from service.lifecycle.preflight import require_roots
    from service.lifecycle.workbench import open_world, rollback_in
    from service.promotion.rollback import RollbackOrder

    require_roots({"CONFIG_ROOT": settings.config_root})
    order = RollbackOrder(to, reason, decider(by).told, str(uuid.uuid4()))
    async with open_world(settings, acting("laurel rollback")) as world:
        return await rollback_in(world, settings).roll_back(order)


def _show_plan(plan: RollbackPlan, *, as_json: bool) -> None:
    if as_json:
        _print(plan)
        return
    _say_plan(plan)
    say(f"nothing was changed; without --dry-run this becomes generation {plan.head.generation + 1}")


def _show_done(done: RolledBack, *, as_json: bool) -> None:
    if as_json:
        _print(done)
        return
    if done.plan is not None:
        _say_plan(done.plan)
    say(f"this is generation {done.entry.generation}; `laurel status --watch` shows each server follow")


def _print(what: RollbackPlan | RolledBack) -> None:
    from service.gateway.decision_views import RollbackView

    print_json(RollbackView.of(what).model_dump(mode="json"))


def _say_plan(plan: RollbackPlan) -> None:
    say(f"from {_told(plan.head)}")
    for refused in plan.refused:
        say(f"past {refused.told}", style="yellow")
    say(f"back to {_told(plan.target)}", style="bold")
    if plan.doubt:
        say(f"although {plan.doubt}", style="yellow")
    if plan.unchecked:
        say(
            f"MLflow was not asked whether it holds that version: {plan.unchecked}. A worker moves the alias "
            "when MLflow answers",
            style="yellow",
        )


def _told(entry: LedgerEntry) -> str:
    since = iso_time(entry.at)
    return f"generation {entry.generation}: version {entry.version}, {entry.cause.value}, of {since}"
