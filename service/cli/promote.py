"""`laurel promote`: a person decides otherwise than the gate, and that stands on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import CONFIG, KAFKA, MLFLOW, STORE
from service.cli.console import AsJson, Exit, fail, print_json, say
from service.cli.reading import read_settings, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.run import Run
    from service.lifecycle.run_ports import RunPorts
    from service.promotion.promoting import PersonPromoted

app = typer.Typer(add_completion=False)

_LARGEST_VERSION: Final = 7  # digits; an id of a run that has digits alone is longer

Subject = Annotated[
    str, typer.Argument(metavar="VERSION|RUN", help="A registered version's number, or a run's id.")
]
Why = Annotated[str, typer.Option(help="Why, for the record.")]
By = Annotated[str | None, typer.Option(metavar="WHO", help="Who decided. Default: your user name.")]


@app.command()
def promote(subject: Subject, *, reason: Why, by: By = None, as_json: AsJson = False) -> None:
    """Promote a registered version, or the model of a run that the gate has declined.

    It becomes a generation with the cause `override`, your reason and what the gate had said. A model that
    Laurel did not make is promoted only if ALLOW_FOREIGN_CHAMPION is set.

    The exit code is 1 when nothing was changed, and 3 when a service is away: the last line says whether the
    entry is made, and the alias does not follow yet. To say it again makes no second entry. Your user name
    and machine are kept, as not proven.
    """
    from service.cli.acting import REPEAT, required_reason

    reason = required_reason(reason)
    settings = read_settings(KAFKA, MLFLOW, STORE, CONFIG)
    done = run_quietly(_promoted(settings, subject, reason, by), settings, away=REPEAT)
    entry = done.entry
    if as_json:
        from service.gateway.decision_views import PromotionView

        print_json(PromotionView.of(done).model_dump(mode="json"))
    else:
        say(f"version {entry.version} is champion as generation {entry.generation}", style="bold")
        say(f"{entry.reasons[-1]}; `laurel status --watch` shows each server follow")
    if done.unshown:
        made = f"generation {entry.generation} is made"
        fail(Exit.AWAY, f"{made}, and a worker moves the alias to it when that is possible: {done.unshown}")


async def _promoted(settings: Settings, text: str, reason: str, by: str | None) -> PersonPromoted:
    import uuid

    from service.cli.acting import acting, decider
    from service.lifecycle.preflight import require_roots
    from service.lifecycle.workbench import open_world, promotion_in
    from service.promotion.promoting import PromotionOrder

    require_roots({"CONFIG_ROOT": settings.config_root})
    async with open_world(settings, acting("laurel promote")) as world:
        subject = await _subject(world, text, settings)
        order = PromotionOrder(subject, reason, decider(by).told, str(uuid.uuid4()))
        return await promotion_in(world, settings).promote(order)


async def _subject(world: RunPorts, text: str, settings: Settings) -> int | Run:
    from service.cli.runs import one_run

    if text.isdecimal() and len(text) <= _LARGEST_VERSION:
        return int(text)
    return await one_run(world.store, text, settings)
