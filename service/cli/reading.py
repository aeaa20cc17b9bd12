"""Reading the settings and running a command's work: the one place where errors become exit codes."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer
from pydantic import ValidationError

from config.settings import Settings
from domain.errors import LaurelError, Stop, TryLater
from service.cli.console import Exit, err, fail, masked, say

T = TypeVar("T")


def read_settings() -> Settings:
    """Read the settings, or end with every fault at once and none of the values."""
    try:
        return Settings()
    except ValidationError as error:
        for name, fault in faults_in(error).items():
            say(f"{name}: {fault}", style="red", on=err)
        fail(
            Exit.USAGE,
            "the settings are not usable; set them in the environment or in a file .env here; "
            "`laurel config show` lists all of them",
        )
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"the file .env cannot be read: {type(error).__name__}")


def settings_or_none() -> Settings | None:
    """The settings, if they can be read."""
    try:
        return Settings()
    except (ValidationError, OSError, UnicodeDecodeError):
        return None


def faults_in(error: ValidationError) -> dict[str, str]:
    """What is wrong, by the variable's name; never a value."""
    found: dict[str, str] = {}
    for fault in error.errors(include_input=False, include_url=False):
        name = "__".join(str(part) for part in fault["loc"]).upper() or "settings"
        found[name] = _plain(fault["type"], fault["msg"])
    return found


def run(work: Coroutine[Any, Any, T], settings: Settings | None = None) -> T:
    """Run a command's work; an error that Laurel understands ends it with a sentence, never a traceback."""
    try:
        return asyncio.run(work)
    except LaurelError as error:
        fail(exit_of(error), masked(error.message, settings))
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def exit_of(error: LaurelError) -> Exit:
    """The exit code for an error, by the reaction that it asks for."""
    if isinstance(error, TryLater):
        return Exit.AWAY
    return Exit.USAGE if isinstance(error, Stop) else Exit.NO


def _plain(kind: str, message: str) -> str:
    return {"missing": "is not set", "extra_forbidden": "there is no such setting"}.get(
        kind, message.removeprefix("Value error, ")
    )
