"""Reading the settings and running a command's work: the one place where errors become exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, TypeVar

import typer

from config.needs import EVERYTHING, NOTHING, PURPOSES
from domain.errors import LaurelError, Stop, TryLater
from service.cli.console import Exit, err, fail, masked, say

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_settings import BaseSettings

    from config.inference_settings import InferenceSettings
    from config.misspelt import Misspelt, Renamed
    from config.settings import Settings
    from service.runtime.secret_mask import Mask

    EitherSettings = Settings | InferenceSettings

T = TypeVar("T")

_USUAL = (700, 10, 10)  # as Python begins


def read_settings(*needed: str, model: bool = True) -> Settings:
    """Read the settings, or end with every fault at once and none of the values.

    `needed` are those without a default that the command uses, as in config/needs.py; without any, it uses
    all of them. With `model` the command is about a model: that nobody has named it is told.
    """
    settings = read_role_settings(*needed)
    say_cautions(settings, model=model)
    return settings


def read_role_settings(*needed: str) -> Settings:
    """Read the settings of a long-lived role, which tells its cautions in its log."""
    from config.settings import Settings
    from config.sparing import settings_for

    return read_as(
        lambda: settings_for(needed or EVERYTHING),
        Settings,
        "the settings are not usable; set them in the environment or in a file .env here; "
        "`laurel config show` lists all of them",
    )


def read_as(read: Callable[[], T], kind: type[BaseSettings], unusable: str) -> T:
    """Read one kind of settings, or end with every fault at once and this sentence."""
    from pydantic import ValidationError

    try:
        return read()
    except ValidationError as error:
        from service.cli.world_file import found_world

        faults = faults_in(error, kind)
        for slip in misspelt_in(kind):
            if slip.name not in faults:
                said = f"{slip.name}: there is no such setting; did you mean {slip.meant}?"
                say(said, style="yellow", on=err)
        for name, fault in faults.items():
            say(f"{name}: {fault}", style="red", on=err)
        fail(Exit.USAGE, unusable + found_world())
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"the file .env cannot be read: {type(error).__name__}")


def say_cautions(settings: EitherSettings, *, model: bool = True) -> None:
    """Say on standard error what may not be meant."""
    for caution in _cautions(settings, model=model):
        say(f"laurel: {caution}", style="yellow", on=err)


def begin_logging(settings: EitherSettings, mask: Mask, *, as_json: bool) -> None:
    """Log as the settings say, and write down what in them may not be meant."""
    import structlog

    from service.runtime.telemetry import configure_logging

    human = settings.log.format == "console" and not as_json
    configure_logging(mask, level=settings.log.level, human=human)
    for caution in _cautions(settings):
        structlog.get_logger("laurel.settings").warning("settings_doubtful", message=caution)


def _cautions(settings: EitherSettings, *, model: bool = True) -> list[str]:
    """What may not be meant: a name that is nearly a setting's, or a former one; an unnamed model."""
    kind = type(settings)
    found = [str(one) for one in (*misspelt_in(kind), *renamed_in(kind))]
    if model and "mlflow_model_name" not in settings.model_fields_set:
        name = settings.mlflow_model_name
        found.append(f"MLFLOW_MODEL_NAME is not set: the model is {name!r}, the name of an example")
    return found


def misspelt_in(kind: type[BaseSettings]) -> list[Misspelt]:
    """Variables of the environment and of .env that are nearly settings of this kind."""
    from config.misspelt import near_settings

    return near_settings(_variables(kind), kind)


def renamed_in(kind: type[BaseSettings]) -> list[Renamed]:
    """Variables of the environment and of .env that are settings of this kind by a former name."""
    from config.misspelt import renamed_settings

    return renamed_settings(_variables(kind), kind)


def _variables(kind: type[BaseSettings]) -> dict[str, str | None]:
    from pydantic_settings import DotEnvSettingsSource

    return {**DotEnvSettingsSource(kind).env_vars, **os.environ}


@contextmanager
def role_ends(name: str, logger: str, mask: Callable[[str], str]) -> Iterator[None]:
    """Report the end of a long-lived role twice: whole in the log, and in a sentence on the terminal."""
    import structlog

    gc.set_threshold(*_USUAL)  # a role lives long enough to gather what nobody needs
    try:
        yield
    except Stop as error:
        structlog.get_logger(logger).critical(error.reason, message=error.message)
        fail(Exit.USAGE, f"{name}: {mask(error.message)}")
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)  # into the log, whole
        raise


def settings_or_none() -> Settings | None:
    """The settings, if they can be read; what is not set leads nowhere."""
    from pydantic import ValidationError

    from config.sparing import settings_for

    try:
        return settings_for(NOTHING)
    except (ValidationError, OSError, UnicodeDecodeError):
        return None


def faults_in(error: ValidationError, kind: type[BaseSettings]) -> dict[str, str]:
    """What is wrong with settings of this kind, by the variable's name; never a value."""
    found: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False):
        name = "__".join(str(part) for part in fault["loc"]).upper() or "settings"
        no_such = fault["type"] == "extra_forbidden"
        found[name] = _no_such_setting(name, kind) if no_such else _plain(name, fault["type"], fault["msg"])
    return found


def _no_such_setting(name: str, kind: type[BaseSettings]) -> str:
    """Say it of a group's member, with the nearest one and all that there are."""
    from config.misspelt import former_names, setting_names
    from domain.wording import nearest

    now = {former.name: former.now for former in former_names(kind)}.get(name)
    if now is not None:
        return f"is the former name of {now}, which is set too: remove one of them"
    group, _, member = name.rpartition("__")
    members = [one.removeprefix(f"{group}__") for one in setting_names(kind) if one.startswith(f"{group}__")]
    near = nearest(member, members)
    meant = f"; did you mean {group}__{near}?" if near else "."
    return f"there is no such setting{meant} {group}__ has {', '.join(members)}"


def run(work: Coroutine[object, object, T], settings: Settings | None = None, *, away: str = "") -> T:
    """Run a command's work; an error that Laurel understands ends it with a sentence, never a traceback.

    `away` is what else to say when a service is away.
    """
    import asyncio

    try:
        return asyncio.run(work)
    except LaurelError as error:
        is_away = isinstance(error, TryLater)
        hint = (
            "; ".join(["", *([away] if away else ()), "`laurel doctor` checks every server"])
            if is_away
            else ""
        )
        fail(exit_of(error), masked(error.message, settings) + hint)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def run_quietly(work: Coroutine[object, object, T], settings: Settings, *, away: str = "") -> T:
    """Run work that logs: standard output is for the answer alone, so the lines go to standard error."""
    with redirect_stdout(sys.stderr):
        return run(work, settings, away=away)


def exit_of(error: LaurelError) -> Exit:
    """The exit code for an error, by the reaction that it asks for."""
    if isinstance(error, TryLater):
        return Exit.AWAY
    return Exit.USAGE if isinstance(error, Stop) else Exit.NO


def _plain(name: str, kind: str, message: str) -> str:
    if kind == "missing":
        purpose = PURPOSES.get(name.lower())
        return f"is not set: {purpose}" if purpose else "is not set"
    return message.removeprefix("Value error, ")
