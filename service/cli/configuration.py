"""`laurel config`: what is in force and where from, and whether every configuration file is usable."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import typer
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from config.settings import Settings
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.model_definition import Estimator
from domain.resolved_config import ResolvedConfig
from domain.version_triple import AskedVersions
from service.adapters.files.config_families import FileConfigFamilies
from service.cli.console import AsJson, Column, Exit, err, fail, print_json, print_table, say
from service.cli.reading import faults_in, read_settings

app = typer.Typer(help="Settings and configuration files.", no_args_is_help=True, add_completion=False)

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
    try:
        settings, faults = Settings(), {}
    except ValidationError as error:
        settings, faults = None, faults_in(error)
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"the file .env cannot be read: {type(error).__name__}")
    rows = list(settings_in_force(settings, faults))
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    columns = (Column("name"), Column("value", "text"), Column("from"), Column("meaning", "text", spare=1))
    print_table("settings", columns, (row[:4] for row in rows))
    for row in rows:
        if row.fault:
            say(f"{row.name}: {row.fault}", style="red", on=err)


def settings_in_force(
    settings: Settings | None, faults: Mapping[str, str] | None = None
) -> Iterator[Setting]:
    """Every setting, flat, as the environment would name it.

    Without usable `settings` the values are those that are set, except for faulty ones, which nobody shows.
    """
    left, given = dict(faults or {}), _given()
    for name, setting in _flat(Settings, settings, given):
        yield setting._replace(value="", fault=left.pop(name)) if name in left else setting
    for name, fault in left.items():  # what is set, but is no setting, or a group
        yield Setting(name, "", given.get(name, ("", ""))[1], "", fault)


def _given() -> dict[str, tuple[str, str]]:
    """The raw value and the origin of each variable that is set; the environment wins."""
    sources = ((".env", DotEnvSettingsSource(Settings)), ("environment", EnvSettingsSource(Settings)))
    return {
        name.upper(): (value or "", origin)
        for origin, source in sources
        for name, value in source.env_vars.items()
    }


def _flat(
    group: type[BaseModel], values: BaseModel | None, given: Mapping[str, tuple[str, str]], prefix: str = ""
) -> Iterator[tuple[str, Setting]]:
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


def _shown(value: Any, *, secret: bool) -> str:
    if value is None or value in ("", (), {}):
        return ""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if secret and "://" not in text:
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
def check(*, as_json: AsJson = False) -> None:
    """Check active_config.yaml and every file of the four families; name each fault with its line."""
    settings = read_settings()
    faults, versions = asyncio.run(config_faults(settings))
    questions = list(config_families(settings).questions(settings.gate.metric))
    if as_json:
        told = {"faults": faults, "questions": questions}
        print_json(
            {name: [one.model_dump() for one in found] for name, found in told.items()}
            | {"versions": versions}
        )
    else:
        _print_check(settings, faults, versions)
        for question in questions:
            say(f"question: {fault_line(question)}", style="yellow")
    if faults:
        raise typer.Exit(Exit.NO)


def _print_check(settings: Settings, faults: Sequence[Fault], versions: Mapping[str, Sequence[int]]) -> None:
    rows = [(family, ", ".join(map(str, usable)) or "none") for family, usable in versions.items()]
    print_table(f"usable in {settings.config_root}", (Column("family"), Column("versions", "text")), rows)
    for fault in faults:
        say(fault_line(fault), style="red")
    if not faults:
        say("every file is usable", style="green")


async def config_faults(settings: Settings) -> tuple[Sequence[Fault], Mapping[str, Sequence[int]]]:
    """Every fault in the configuration files, and the versions that can be used."""
    families = config_families(settings)
    faults = list(await families.faults())
    try:
        defaults = await families.resolve(AskedVersions())
    except NeverRetry as error:
        faults += [Fault.model_validate(fault) for fault in error.facts.get("faults", ())]
    else:
        faults += [] if isinstance(defaults, ResolvedConfig) else defaults
    return _once(faults), families.versions()


def config_families(settings: Settings) -> FileConfigFamilies:
    """The configuration files, judged in this process."""
    return FileConfigFamilies(settings.config_root, estimator_faults=_estimator_faults)


def _once(faults: Iterable[Fault]) -> list[Fault]:
    return list({fault_line(fault): fault for fault in faults}.values())


async def _estimator_faults(estimator: Estimator) -> Sequence[Fault]:
    from service.tasks.check_model import check_model  # noqa: PLC0415 - scikit-learn takes a second to import

    found = check_model(model=estimator.model_dump(mode="json"))
    return [Fault.model_validate(fault) for fault in found]


def fault_line(fault: Fault) -> str:
    """One fault in a line: where, what, and what is allowed."""
    where = f"{fault.file}:{fault.line or 1}: " if fault.file else ""
    allowed = f"; allowed: {fault.allowed}" if fault.allowed else ""
    return f"{where}{fault.message}{allowed}"
