"""`laurel repair`: a champion that plain MLflow readers cannot read becomes a version that they can."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import CONFIG, KAFKA, MLFLOW, STORE
from service.cli.console import AsJson, Exit, err, fail, print_json, say
from service.cli.reading import read_settings, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from service.promotion.repair import Repaired

app = typer.Typer(add_completion=False)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and change nothing.")]


@app.command()
def repair(*, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make an older Laurel's champion readable for others: the same model as a new, complete version.

    No stored file is changed. The new version is of the same run; it becomes the next generation, with the
    cause `repair`, and is announced. A second run finds nothing to do. The exit code is 1 for a champion that
    Laurel did not make, 4 when there is no champion.
    """
    settings = read_settings(KAFKA, MLFLOW, STORE, *(() if dry_run else (CONFIG,)))
    done = run_quietly(_repaired(settings, dry_run=dry_run), settings)
    if as_json:
        print_json(_facts(settings, done, dry_run=dry_run))
    elif done is not None:
        say(_sentence(done, dry_run=dry_run))
    _end(settings, done)


async def _repaired(settings: Settings, *, dry_run: bool) -> Repaired | None:
    from service.cli.acting import acting
    from service.lifecycle.preflight import require_roots
    from service.lifecycle.settings_values import mlflow_access
    from service.lifecycle.workbench import open_world, repair_in

    if not dry_run:
        require_roots({"CONFIG_ROOT": settings.config_root})
    async with open_world(settings, acting("laurel repair")) as world:
        job = repair_in(world, mlflow_access(settings))
        return await (job.examine() if dry_run else job.repair())


def _facts(settings: Settings, done: Repaired | None, *, dry_run: bool) -> dict[str, object]:
    from domain.announcement import generation_facts

    facts: dict[str, object] = {"model": settings.mlflow_model_name, "dry_run": dry_run, "champion": None}
    if done is None:
        return facts
    condition, added = done.condition, done.added
    return facts | {
        "champion": {
            **generation_facts(done.head),
            "made_by_laurel": condition.ours,
            "lacks": list(condition.lacks),
            "source_astray": condition.astray or None,
        },
        "needed": condition.needs_repair,
        "added": added and generation_facts(added),
        "not_shown_yet": done.unshown or None,
    }


def _sentence(done: Repaired, *, dry_run: bool) -> str:
    condition, added = done.condition, done.added
    if added is not None:
        return f"{condition.told}; version {added.version} replaces it as generation {added.generation}"
    if not condition.needs_repair:
        return f"nothing to repair: {condition.told}"
    would = f"would replace it as generation {done.head.generation + 1}"
    return f"{condition.told}; a new version of the same run {would}" if dry_run else condition.told


def _end(settings: Settings, done: Repaired | None) -> None:
    if done is None:
        say(f"{settings.mlflow_model_name} has no champion: there is nothing to repair", on=err)
        raise typer.Exit(Exit.NOT_FOUND)
    if not done.condition.ours:
        fail(
            Exit.NO,
            f"version {done.head.version} was not made by Laurel, which can complete only its own models; "
            "train and promote another model",
        )
    if done.unshown:
        fail(Exit.AWAY, f"the generation is recorded; a worker moves the alias to it: {done.unshown}")
