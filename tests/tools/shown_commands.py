"""The commands of Laurel that a document shows, and what is wrong with each."""

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

from typer.main import get_command

from service.cli.commands import app
from service.cli.lazy import Lazy

_SPANS: Final = re.compile(r"^```(?:sh|console)\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_PREFIXES: Final = ("docker compose exec worker ", "KEEP=1 ")


def shown_commands(text: str) -> Iterator[list[str]]:
    """Every `laurel …` of a Markdown text, in code blocks and in spans, as words."""
    for block, span in _SPANS.findall(text):
        for line in (block or span).splitlines():
            command = line.partition("  #")[0].strip()
            for prefix in _PREFIXES:
                command = command.removeprefix(prefix)
            if command.startswith("laurel "):
                yield shlex.split(command)


def shown_targets(text: str) -> set[str]:
    """Every `make …` of a Markdown text."""
    found = set()
    for block, span in _SPANS.findall(text):
        for line in (block or span).splitlines():
            words = line.partition("#")[0].removeprefix("KEEP=1 ").split()
            if words[:1] == ["make"]:
                found |= {word for word in words[1:] if "=" not in word}
    return found


def fault_in(words: list[str]) -> str | None:
    """Say what the command line would not know; None for a command that it takes."""
    command: Any = get_command(app)
    rest = words[1:]
    while hasattr(command, "commands"):
        if not rest or rest[0].startswith("-"):
            break
        name, *rest = rest
        if name not in command.commands:
            return f"there is no command {name!r} in {shlex.join(words)}"
        command = command.commands[name]
        command = command.loaded() if isinstance(command, Lazy) else command
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [
        word
        for word in rest
        if word.startswith("-") and word.partition("=")[0] not in {*known, "--help", "-h"}
    ]
    return f"{shlex.join(words)} has no {unknown[0]}" if unknown else None
