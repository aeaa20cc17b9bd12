"""What `laurel config check` does: a linter for the configuration files, and for a master beside them."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from config.linter_settings import LinterSettings
from config.needs import PURPOSES, STORE
from config.settings import Settings
from config.sparing import is_set
from domain.errors import NeverRetry, TryLater
from domain.faults import Fault
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions
from service.adapters.files.config_families import FileConfigFamilies
from service.cli.configuration import config_families, fault_line, faults_and_versions
from service.cli.console import Column, Exit, err, fail, print_json, print_table, say
from service.cli.reading import misspelt_in, read_as, renamed_in, settings_or_none
from service.cli.world_file import found_world


@dataclass(frozen=True)
class MasterCheck:
    """A master beside the default versions: what is wrong with it, and what each model definition says."""

    file: str
    rows: int
    faults: Sequence[str]
    models: Mapping[int, Sequence[str]]
    default_model: int

    @property
    def well(self) -> bool:
        """True when the default model could learn from it."""
        return not self.faults and not self.models[self.default_model]

    @property
    def usable(self) -> list[int]:
        """The model versions that could learn from it."""
        return [version for version, faults in self.models.items() if not faults]


def checked(folder: Path | None, master: Path | None, *, as_json: bool) -> None:
    """Check, print, and end with an exit code that a pipeline understands."""
    settings = read_as(LinterSettings, LinterSettings, "the settings are not usable")
    for caution in (*misspelt_in(Settings), *renamed_in(Settings)):
        say(f"laurel: {caution}", style="yellow", on=err)
    root = folder or settings.config_root
    if root is None:
        fail(Exit.USAGE, f"CONFIG_ROOT is not set: {PURPOSES['config_root']}; name the folder{found_world()}")
    families = config_families(root)
    try:
        faults, versions, _ = asyncio.run(
            faults_and_versions(families, None if folder else _with_run_store())
        )
        questions = [*families.questions(settings.gate.metric)]
    except TryLater as error:
        fail(Exit.NO, f"{error.message}; let this user read it")
    found = None if master is None else asyncio.run(_master_check(families, master, versions["models"]))
    if found is not None:
        versions = {**versions, "models": found.usable}
    if as_json:
        told = {"faults": faults, "questions": questions}
        print_json(
            {name: [one.model_dump() for one in ones] for name, ones in told.items()}
            | {"versions": versions, "folder": str(root)}
            | ({"master": asdict(found) if found else None} if master else {})
        )
    else:
        _print(root, faults, questions, versions, found)
        if master and found is None:
            say(f"{master} was not checked: correct the default versions first", style="yellow")
    if faults or (found is not None and not found.well):
        raise typer.Exit(Exit.NO)


def _with_run_store() -> Settings | None:
    """For contracts that were used already: their formats are kept as they are. Asked where it is known."""
    settings = settings_or_none()
    return settings if settings is not None and is_set(settings, STORE) else None


async def _master_check(
    families: FileConfigFamilies, master: Path, versions: Sequence[int]
) -> MasterCheck | None:
    """None when the default versions have faults: then there is nothing to hold the master against."""
    from service.lifecycle.steps.check_master_job import check_master

    try:
        defaults = await _resolved(families)
    except NeverRetry:
        return None
    if defaults is None:
        return None
    named = [(version, await _resolved(families, version)) for version in versions]
    models = {version: config.model for version, config in named if config}
    try:
        found = check_master(master, defaults, models)
    except NeverRetry as error:
        fail(Exit.NO, error.message)
    return MasterCheck(str(master), *found, default_model=defaults.triple.model_version)


async def _resolved(families: FileConfigFamilies, model_version: int | None = None) -> ResolvedConfig | None:
    """The default versions, with this model; None for a fault in them."""
    found = await families.resolve(AskedVersions(model_version=model_version))
    return found if isinstance(found, ResolvedConfig) else None


def _print(
    root: Path,
    faults: Sequence[Fault],
    questions: Sequence[Fault],
    versions: Mapping[str, Sequence[int]],
    found: MasterCheck | None,
) -> None:
    below = f"{_from_here(root)}{os.sep}"
    rows = [(family, ", ".join(map(str, usable)) or "none") for family, usable in versions.items()]
    print_table(f"usable in {root}", (Column("family"), Column("versions", "text")), rows)
    for fault in faults:
        say(fault_line(fault, below), style="red")
    for question in questions:
        say(f"question: {fault_line(question, below)}", style="yellow")
    if not faults:
        say("every file is usable", style="green")
    if found is not None:
        _print_master(found)


def _print_master(found: MasterCheck) -> None:
    for fault in found.faults:
        say(f"{found.file}: {fault}", style="red")
    for version, faults in found.models.items():
        style = "red" if version == found.default_model else "yellow"
        for fault in faults:
            say(f"{found.file}: models/v{version}.yaml cannot learn from it: {fault}", style=style)
    if found.well:
        say(f"{found.file}: {found.rows} rows satisfy the data contract", style="green")


def _from_here(root: Path) -> str:
    """The folder as an editor or a pipeline finds it."""
    here = Path.cwd()
    return str(root.absolute().relative_to(here) if root.absolute().is_relative_to(here) else root)
