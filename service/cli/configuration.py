"""`laurel config`: what is in force and where from, and whether every configuration file is usable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import typer

from domain.errors import NeverRetry
from service.cli.console import AsJson, Column, Exit, err, fail, print_json, print_table, say
from service.cli.lazy import Group
from service.cli.reading import faults_in, misspelt_in, renamed_in

if TYPE_CHECKING:
    from pydantic import BaseModel

    from config.settings import Settings
    from domain.faults import Fault
    from domain.model_types import Estimator
    from service.adapters.files.config_families import FileConfigFamilies

app = typer.Typer(
    cls=Group, help="Settings and configuration files.", no_args_is_help=True, add_completion=False
)

SETTING_COLUMNS: Final = (
    Column("name"),
    Column("value", "text"),
    Column("from"),
    Column("meaning", "text", spare=1),
)
_HIDDEN: Final = "********"


class Setting(NamedTuple):
    """One setting as it is shown; `origin` is environment, .env, default or missing."""

    name: str
    value: str
    origin: str
    meaning: str
    fault: str = ""


@app.command("show")
def show(*, as_json: AsJson = False) -> None:
    """Print every setting in force and where it comes from, and what is missing; secrets are masked."""
    from pydantic import ValidationError

    from config.settings import Settings

    try:
        settings, faults = Settings(), {}
    except ValidationError as error:
        settings, faults = None, faults_in(error, Settings)
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"the file .env cannot be read: {type(error).__name__}")
    slips = misspelt_in(Settings)
    faults = {slip.name: f"there is no such setting; did you mean {slip.meant}?" for slip in slips} | faults
    for renamed in renamed_in(Settings):
        say(f"laurel: {renamed}", style="yellow", on=err)
    rows = list(settings_in_force(settings, faults))
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    print_table("settings", SETTING_COLUMNS, (row[:4] for row in rows))
    for row in rows:
        if row.fault:
            say(f"{row.name}: {row.fault}", style="red", on=err)


def settings_in_force(
    settings: Settings | None, faults: Mapping[str, str] | None = None
) -> Iterator[Setting]:
    """Every setting, flat, as the environment would name it.

    Without usable `settings` the values are those that are set, except for faulty ones, which nobody shows.
    """
    from config.misspelt import former_names
    from config.settings import Settings

    left, given = dict(faults or {}), _given()
    now = {former.name: former.now for former in former_names(Settings) if former.name not in left}
    by_name = {now.get(name, name): whence for name, whence in given.items()}
    for name, setting in _flat(Settings, settings, by_name):
        yield setting._replace(value="", fault=left.pop(name)) if name in left else setting
    for name, fault in left.items():  # what is set, but is no setting, or a group
        yield Setting(name, "", given.get(name, ("", ""))[1], "", fault)


def _given() -> dict[str, tuple[str, str]]:
    """The raw value and the origin of each variable that is set; the environment wins."""
    from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

    from config.settings import Settings

    sources = ((".env", DotEnvSettingsSource(Settings)), ("environment", EnvSettingsSource(Settings)))
    return {
        name.upper(): (value or "", origin)
        for origin, source in sources
        for name, value in source.env_vars.items()
    }


def _flat(
    group: type[BaseModel], values: BaseModel | None, given: Mapping[str, tuple[str, str]], prefix: str = ""
) -> Iterator[tuple[str, Setting]]:
    from pydantic import BaseModel, SecretStr
    from pydantic_core import PydanticUndefined

    for name, field in group.model_fields.items():
        full = f"{prefix}{name}".upper()
        value = getattr(values, name, None)
        if isinstance(field.default, BaseModel):
            yield from _flat(type(field.default), value, given, f"{full}__")
            continue
        raw, origin = given.get(full, ("", ""))
        if values is None:
            value = raw if origin else None if field.default is PydanticUndefined else field.default
        secret = SecretStr.__name__ in str(field.annotation)
        origin = origin or ("missing" if field.default is PydanticUndefined else "default")
        yield full, Setting(full, _shown(value, secret=secret), origin, field.description or "")


def _shown(value: object, *, secret: bool) -> str:
    from pydantic import SecretStr

    if value is None or value in ("", (), {}):
        return ""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if secret and "://" not in str(text):
        return _HIDDEN
    many = text if isinstance(text, tuple) else (text,)
    return ", ".join(_without_password(str(one)) if "://" in str(one) else str(one) for one in many)


def _without_password(url: str) -> str:
    """An address with its password masked, wherever it stands; one that cannot be taken apart is hidden."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        known = f"{parts.username}:{_HIDDEN}@" if parts.password is not None else f"{parts.username}@"
        netloc = f"{known}{host}" if "@" in parts.netloc else host
        asked = [(name, _HIDDEN if _is_secret(name) else value) for name, value in parse_qsl(parts.query)]
        return urlunsplit((parts.scheme, netloc, parts.path, urlencode(asked, safe="*/"), ""))
    except ValueError:
        return _HIDDEN


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("password", "secret", "key", "token", "sig"))


@app.command("check")
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="Default: CONFIG_ROOT."),
    ] = None,
    *,
    master: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Check this Parquet file against the defaults."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check active_config.yaml and every file of the four families; name each fault with its line.

    It needs no server, and no setting but the folder. With --master the data are checked against the default
    contract, and split; of every model definition it is said whether it could learn from them. The exit code
    is 1 for a fault, and when the default model cannot learn from the master.
    """
    from service.cli.checking import checked

    checked(folder, master, as_json=as_json)


async def faults_and_versions(
    families: FileConfigFamilies, settings: Settings | None
) -> tuple[Sequence[Fault], Mapping[str, Sequence[int]], Sequence[Fault]]:
    """Every fault in the configuration files, the versions that can be used, and slow formats that are kept.

    Without `settings` the run store is not asked which contracts were used.
    """
    from domain.faults import Fault
    from domain.resolved_config import FAMILIES, ResolvedConfig
    from domain.values import AskedVersions
    from service.cli.slow_formats import sorted_slow_formats

    judged = [one async for one in families.judged()]
    slow, kept = await sorted_slow_formats(families, settings)
    faults = [*(fault for one in judged for fault in one.faults), *slow]
    try:
        defaults = await families.resolve(AskedVersions())
    except NeverRetry as error:
        faults += [Fault.model_validate(fault) for fault in error.facts.get("faults", ())]
    else:
        faults += [] if isinstance(defaults, ResolvedConfig) else defaults
    faulty = {fault.file for fault in slow}
    sound = [one.use for one in judged if not one.faults and one.broken_contract is None]
    usable = [use for use in sound if f"{use.family}/{use.name}.yaml" not in faulty]
    versions: dict[str, list[int]] = {
        family: [int(use.name[1:]) for use in usable if use.family == family] for family in FAMILIES
    }
    return _once(faults), versions, kept


def config_families(root: Path) -> FileConfigFamilies:
    """The configuration files, judged in this process."""
    from service.adapters.files.config_families import FileConfigFamilies

    return FileConfigFamilies(root, estimator_faults=_estimator_faults)


def _once(faults: Iterable[Fault]) -> list[Fault]:
    return list({fault_line(fault): fault for fault in faults}.values())


async def _estimator_faults(estimator: Estimator) -> Sequence[Fault]:
    from service.lifecycle.steps.check_model_job import check_model

    return check_model(estimator).faults


def fault_line(fault: Fault, below: str = "") -> str:
    """One fault in a line: where, what, and what is allowed; `below` begins the file's path."""
    where = f"{below}{fault.file}:{fault.line or 1}: " if fault.file else ""
    allowed = f"; allowed: {fault.allowed}" if fault.allowed else ""
    return f"{where}{fault.message}{allowed}"
