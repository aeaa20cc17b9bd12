"""A command that is imported when it is used: the list of commands needs only its name and first line."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from service.cli.examples import examples_of

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer.core import TyperOption

JSON: Final = "--json"
ASKED_FOR_JSON: Final = "laurel.json"  # in what a command's context shares with those below it


class Group(TyperGroup):
    """A group of commands, whose own help option is read without a library."""

    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """Where nobody asks for help it says no by itself: else the library imports pydantic to ask."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


class Lazy(TyperCommand):
    """Stands for a command, or for a group of them, of the Typer app in a module beside this one.

    `summary` is the first line of the command's help, which a test compares.
    """

    def __init__(self, name: str, module: str, summary: str, panel: str) -> None:
        super().__init__(name, help=summary, rich_help_panel=panel)
        self._module = module
        self.summary, self.panel = summary, panel

    def loaded(self) -> Command:
        """Import the module, and return the command itself."""
        name, command = str(self.name), get_command(import_module(f"{__package__}.{self._module}").app)
        if isinstance(command, TyperGroup):
            command = command.commands.get(name, command)
        _dress(command, name)
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: Context | None = None, **extra: object
    ) -> Context:
        """Hand the arguments to the command itself: from here on this one is out of it."""
        command = self.loaded()
        asked = parent is not None and parent.meta.get(ASKED_FOR_JSON, False)
        while isinstance(command, TyperGroup) and args[:1] == [JSON]:
            args, asked = args[1:], True
        defaults = {"default_map": _json_in(command)} if asked else {}
        return command.make_context(info_name, args, parent, **defaults, **extra)


def _json_in(command: Command) -> dict[str, object]:
    """Defaults by which this command, and each one below it, answers in JSON."""
    if isinstance(command, TyperGroup):
        return {name: _json_in(member) for name, member in command.commands.items()}
    return {"as_json": True}


def _dress(command: Command, path: str) -> None:
    """Plain help, which needs no library to be drawn, with examples at its end."""
    if isinstance(command, TyperGroup | TyperCommand):
        command.rich_markup_mode = None
    if isinstance(command, TyperGroup):
        for name, member in command.commands.items():
            _dress(member, f"{path} {name}")
    else:
        command.epilog = examples_of(path)


def listing(commands: Sequence[Lazy]) -> type[Group]:
    """A group of these commands, in this order, under the headings of their panels."""

    class Listing(Group):
        """The commands that are imported when they are used."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            for command in commands:
                self.add_command(command)

        def list_commands(self, ctx: Context) -> list[str]:  # noqa: ARG002 - the library's signature
            """In the order in which they are given."""
            return [str(command.name) for command in commands]

        def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 - likewise
            """Each with its whole first line."""
            for panel in dict.fromkeys(command.panel for command in commands):
                rows = [(str(one.name), one.summary) for one in commands if one.panel == panel]
                with formatter.section(panel):
                    formatter.write_dl(rows)

    return Listing
