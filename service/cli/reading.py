"""Reading the settings and running a command's work: the one place where errors become exit codes."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
import typer
from pydantic import ValidationError

from config.settings import Settings
from domain.errors import LaurelError, Stop, TryLater
from service.cli.console import Exit, err, fail, masked, say

T = TypeVar("T")


def read_settings() -> Settings:
    """Read the settings, or end with every fault at once and none of the values."""
    return read_as(
        Settings,
        "the settings are not usable; set them in the environment or in a file .env here; "
        "`laurel config show` lists all of them",
    )


def read_as(kind: Callable[[], T], unusable: str) -> T:
    """Read a role's kind of settings, or end with every fault at once and this sentence."""
    try:
        return kind()
    except ValidationError as error:
        for name, fault in faults_in(error).items():
            say(f"{name}: {fault}", style="red", on=err)
        fail(Exit.USAGE, unusable)
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.USAGE, f"the file .env cannot be read: {type(error).__name__}")


@contextmanager
def role_ends(name: str, logger: str, mask: Callable[[str], str]) -> Iterator[None]:
    """Tell the end of a long-lived role twice: whole in the log, and in a sentence to whoever started it."""
    try:
        yield
    except Stop as error:
        structlog.get_logger(logger).critical(error.reason, message=error.message)
        fail(Exit.USAGE, f"{name}: {mask(error.message)}")
    except Exception as error:
        sys.excepthook(type(error), error, error.__traceback__)  # into the log, whole
        raise


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
        hint = "; `laurel doctor` looks at every server" if isinstance(error, TryLater) else ""
        fail(exit_of(error), masked(error.message, settings) + hint)
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
