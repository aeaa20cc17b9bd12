"""`laurel repair`: a champion that plain MLflow readers cannot read becomes a version that they can."""

import sys
from typing import Annotated, Any

import structlog
import typer

from config.settings import Settings
from service.app import open_world
from service.cli.console import AsJson, Exit, err, fail, print_json, say
from service.cli.reading import read_settings, run
from service.repair import Repair, Repaired
from service.roots import require_roots
from service.settings_values import mlflow_access

app = typer.Typer(add_completion=False)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@app.command()
def repair(*, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Make an older Laurel's champion readable for others: the same model as a new, complete version.

    No stored file is changed. The new version is of the same run; it becomes the next generation, with the
    cause `repair`, and is announced. A second run finds nothing to do. The exit code is 1 for a champion that
    Laurel did not make, 4 when there is no champion.
    """
    settings = read_settings()
    # Standard output is for the answer alone.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    done = run(_repaired(settings, dry_run=dry_run), settings)
    if as_json:
        print_json(_facts(settings, done, dry_run=dry_run))
    elif done is not None:
        say(_sentence(done, dry_run=dry_run))
    _end(settings, done)


async def _repaired(settings: Settings, *, dry_run: bool) -> Repaired | None:
    if not dry_run:
        require_roots({"CONFIG_ROOT": settings.config_root})
    async with open_world(settings, "laurel repair") as world:
        job = Repair(world, mlflow_access(settings))
        return await (job.examine() if dry_run else job.repair())


def _facts(settings: Settings, done: Repaired | None, *, dry_run: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"model": settings.mlflow_model_name, "dry_run": dry_run, "champion": None}
    if done is None:
        return facts
    condition, added = done.condition, done.added
    return facts | {
        "champion": {
            "version": done.head.version,
            "generation": done.head.generation,
            "made_by_laurel": condition.ours,
            "lacks": list(condition.lacks),
            "source_astray": condition.astray or None,
        },
        "needed": condition.needs_repair,
        "added": added and {"version": added.version, "generation": added.generation},
        "not_shown_yet": done.unshown or None,
    }


def _sentence(done: Repaired, *, dry_run: bool) -> str:
    condition, added = done.condition, done.added
    if added is not None:
        return f"{condition.told}; version {added.version} takes its place as generation {added.generation}"
    if not condition.needs_repair:
        return f"nothing to repair: {condition.told}"
    would = f"would take its place as generation {done.head.generation + 1}"
    return f"{condition.told}; a new version of the same run {would}" if dry_run else condition.told


def _end(settings: Settings, done: Repaired | None) -> None:
    if done is None:
        say(f"{settings.mlflow_model_name} has no champion: there is nothing to repair", on=err)
        raise typer.Exit(Exit.NOT_FOUND)
    if not done.condition.ours:
        fail(
            Exit.NO,
            f"version {done.head.version} was not made by Laurel, which can complete its own models only; "
            "request a training, and promote what it makes",
        )
    if done.unshown:
        fail(Exit.AWAY, f"the generation is recorded; a worker brings the alias to it: {done.unshown}")
