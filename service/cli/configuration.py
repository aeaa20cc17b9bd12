"""`laurel config`: what is in force and where from, and whether every configuration file is usable."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from config.settings import Settings
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_definition import Estimator
from domain.resolved_config import ResolvedConfig
from domain.version_triple import AskedVersions
from service.adapters.files.config_families import FileConfigFamilies
from service.cli.console import AsJson, Exit, out, print_json, print_table, read_settings

app = typer.Typer(help="Settings and configuration files.", no_args_is_help=True)

_HIDDEN = "********"


@app.command("show")
def show(*, as_json: AsJson = False) -> None:
    """Print every setting in force and where it comes from; secrets are masked."""
    settings = read_settings()
    rows = list(settings_in_force(settings))
    if as_json:
        print_json([dict(zip(("name", "value", "from", "meaning"), row, strict=True)) for row in rows])
    else:
        print_table("settings", ("name", "value", "from", "meaning"), rows)


def settings_in_force(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Name, value, origin and meaning of every setting, flat, as the environment would name them."""
    yield from _group(settings, "")


def _group(group: BaseModel, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in type(group).model_fields.items():
        value, full = getattr(group, name), f"{prefix}{name}".upper()
        if isinstance(value, BaseModel):
            yield from _group(value, f"{full}__")
            continue
        came_from = "environment" if name in group.model_fields_set else "default"
        if field.default is PydanticUndefined:
            came_from = "environment"
        yield full, _shown(value), came_from, field.description or ""


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return _HIDDEN
    return "" if value is None else str(value)


@app.command("check")
def check(*, as_json: AsJson = False) -> None:
    """Check active_config.yaml and every file of the four families; name each fault with its line."""
    settings = read_settings()
    faults, versions = asyncio.run(config_faults(settings))
    if as_json:
        print_json({"faults": [fault.model_dump() for fault in faults], "versions": versions})
    else:
        rows = [(family, ", ".join(map(str, usable))) for family, usable in versions.items()]
        print_table("usable versions", ("family", "versions"), rows)
        for fault in faults:
            out.print(f"[red]{fault_line(fault)}[/]", soft_wrap=True)
    if faults:
        raise typer.Exit(Exit.NO)


async def config_faults(settings: Settings) -> tuple[Sequence[Fault], Mapping[str, Sequence[int]]]:
    """Every fault in the configuration files, and the versions that can be used."""
    families = FileConfigFamilies(settings.config_root, estimator_faults=_estimator_faults)
    faults = list(await families.faults())
    try:
        defaults = await families.resolve(AskedVersions())
    except NeverRetry as error:
        faults += [Fault.model_validate(fault) for fault in error.facts["faults"]]
    else:
        faults += [] if isinstance(defaults, ResolvedConfig) else defaults
    return list(dict.fromkeys(faults)), families.versions()


async def _estimator_faults(estimator: Estimator) -> Sequence[Fault]:
    from service.tasks.check_model import check_model  # noqa: PLC0415 - scikit-learn takes a second to import

    found = check_model(model=estimator.model_dump(mode="json"))
    return [Fault.model_validate(fault) for fault in found]


def fault_line(fault: Fault) -> str:
    """One fault in a line: where, what, and what is allowed."""
    where = f"{fault.file}:{fault.line or 1}: " if fault.file else ""
    allowed = f"; allowed: {fault.allowed}" if fault.allowed else ""
    return f"{where}{fault.message}{allowed}"
