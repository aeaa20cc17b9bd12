"""`laurel adopt`: take over a registry, references and config files that were there before Laurel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from domain.errors import NeverRetry, Stop
from service.cli.console import AsJson, Column, Exit, err, fail, print_json, print_table, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.adoption import FindingStatus, JudgedFile
    from domain.values import VersionTriple
    from service.promotion.adoption import Adoption, TakenOver

app = typer.Typer(add_completion=False)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be recorded, and record nothing.")]

ADOPTED_COLUMNS: Final = (
    Column("what"),
    Column("name"),
    Column("standing"),
    Column("sha256", spare=1),
    Column("about it", "text"),
)
_WOULD_BE: Final = "would be recorded"
_SHORT: Final = 12  # digits of a digest, for a person


@app.command()
def adopt(*, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Take over an existing champion, its references and configuration.

    Nothing is changed but Laurel's own records, and a second run finds all of it recorded. The exit code is 1
    when something differs from its first use or cannot be used; an alias that names a version without usable
    files is refused, and then nothing is recorded.
    """
    settings = read_settings()
    seen, defaults = run(_taken_over(settings, dry_run=dry_run), settings)
    if as_json:
        print_json(_facts(settings, seen, defaults, dry_run=dry_run))
    else:
        _print(settings, seen, defaults, dry_run=dry_run)
    _end(seen, dry_run=dry_run)


async def _taken_over(settings: Settings, *, dry_run: bool) -> tuple[TakenOver, VersionTriple | str]:
    """Survey, and record; beside it the defaults, or why they are not known."""
    _require_folders({"CONFIG_ROOT": settings.config_root, "DATA_ROOT": settings.data_root})
    async with _adoption(settings) as adoption:
        try:
            defaults: VersionTriple | str = await adoption.config.defaults()
        except NeverRetry as error:
            defaults = error.message
        seen = await adoption.survey()
        return seen if dry_run else await adoption.record(seen), defaults


def _require_folders(roots: Mapping[str, Path]) -> None:
    """Only look: what is taken over may be mounted read-only. Raises Stop `root_unusable`."""
    missing = [f"{name}: {root} is not a directory" for name, root in roots.items() if not root.is_dir()]
    if missing:
        raise Stop("root_unusable", "; ".join([*missing, "mount it, or change the setting"]), roots=missing)


@asynccontextmanager
async def _adoption(settings: Settings) -> AsyncIterator[Adoption]:
    from service.adapters.files.data_layout import DataLayout
    from service.adapters.postgres.first_uses import PostgresFirstUses
    from service.cli.acting import acting
    from service.cli.configuration import config_families
    from service.lifecycle.reading import open_reading
    from service.lifecycle.settings_values import mlflow_access
    from service.lifecycle.workbench import open_world
    from service.promotion.adoption import Adoption

    async with open_reading(settings) as reading, open_world(settings, acting("laurel adopt")) as world:
        yield Adoption(
            model_name=settings.mlflow_model_name,
            alias=settings.mlflow.alias,
            ledger=reading.ledger,
            first_uses=PostgresFirstUses(reading.database, settings.mlflow_model_name),
            registry=reading.registry,
            tracker=reading.tracker,
            rest=reading.rest,
            access=mlflow_access(settings),
            config=config_families(settings.config_root),
            places=DataLayout(settings.data_root),
            clock=reading.database.clock,
            worker=world.worker,
            checks=world.checks,
            allow_foreign=settings.scores_foreign_champions,
        )


def _facts(
    settings: Settings, seen: TakenOver, defaults: VersionTriple | str, *, dry_run: bool
) -> dict[str, object]:
    from domain.values import VersionTriple

    known = isinstance(defaults, VersionTriple)
    return {
        "model": settings.mlflow_model_name,
        "alias": settings.mlflow.alias,
        "dry_run": dry_run,
        "refused": seen.refused,
        "champion": {**seen.champion.model_dump(mode="json"), "standing": seen.champion.status.value},
        "versions": {"all": seen.versions, "made_by_laurel": seen.own_versions},
        "defaults": defaults.model_dump() if isinstance(defaults, VersionTriple) else None,
        "defaults_fault": None if known else defaults,
        "files": [
            {**file.found.model_dump(mode="json"), "standing": file.status.value, "why": file.why}
            for file in seen.files
        ],
    }


def _print(settings: Settings, seen: TakenOver, defaults: VersionTriple | str, *, dry_run: bool) -> None:
    from domain.values import VersionTriple
    from domain.wording import counted

    model, champion = settings.mlflow_model_name, seen.champion
    versions = counted(seen.versions, "version", "versions")
    say(f"{model}: {versions} in the registry, {seen.own_versions} of them made by Laurel")
    if not seen.versions:
        say("  is that its name there? If not, correct MLFLOW_MODEL_NAME or MLFLOW_TRACKING_URI", hang=2)
    if isinstance(defaults, VersionTriple):
        said = ", ".join(f"{name} {value}" for name, value in defaults.model_dump().items())
        say(f"active_config.yaml: {said}")
    else:
        say(defaults, style="red")
    style = "red" if _is_red(champion.status) else ""
    say(f"champion: {_told(champion.status, dry_run=dry_run or seen.refused)}: {champion.why}", style=style)
    for note in champion.notes:
        say(f"  {note}", hang=2)
    rows = (_row(file, dry_run=dry_run or seen.refused) for file in seen.files)
    print_table(f"below {settings.config_root} and {settings.data_root}", ADOPTED_COLUMNS, rows)


def _is_red(status: FindingStatus) -> bool:
    from domain.adoption import FindingStatus

    return status in (FindingStatus.DIFFERS, FindingStatus.UNUSABLE)


def _told(status: FindingStatus, *, dry_run: bool) -> str:
    from domain.adoption import FindingStatus

    return _WOULD_BE if status is FindingStatus.NEW and dry_run else status.value


def _row(file: JudgedFile, *, dry_run: bool) -> tuple[object, ...]:
    found = file.found
    digest = (found.sha256 or "")[:_SHORT]
    return found.kind, found.name, _told(file.status, dry_run=dry_run), digest, file.why


def _end(seen: TakenOver, *, dry_run: bool) -> None:
    if seen.refused:
        fail(Exit.NO, f"nothing was recorded: {seen.champion.why}")
    statuses = [seen.champion.status, *(file.status for file in seen.files)]
    say(_summary(statuses, dry_run=dry_run), style="bold", on=err)
    if not seen.sound:
        fail(Exit.NO, "nothing that differs or cannot be used was changed; it is listed above")


def _summary(statuses: list[FindingStatus], *, dry_run: bool) -> str:
    from domain.adoption import FindingStatus
    from domain.wording import counted

    if dry_run:
        count = statuses.count(FindingStatus.NEW)
        entries = counted(count, "entry", "entries")
        return f"{entries} would be recorded; this was a dry run" if count else "nothing to record"
    count = statuses.count(FindingStatus.ADDED)
    if count:
        return f"{counted(count, 'entry was', 'entries were')} recorded"
    rest = "everything else" if any(map(_is_red, statuses)) else "everything"
    return f"nothing new: {rest} was recorded before"
