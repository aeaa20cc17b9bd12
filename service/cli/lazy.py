"""A command that is imported when it is used: the list of commands needs only its name and first line."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Lazy(TyperCommand):
    """Stands for a command, or for a group of them, of the Typer app in a module beside this one.

    `summary` is the first line of the command's help, which a test compares.
    """

    def __init__(self, name: str, module: str, summary: str, panel: str) -> None:
        super().__init__(name, help=summary, rich_help_panel=panel)
        self._module = module

    def loaded(self) -> Any:
        """Import the module, and return the command itself."""
        command = get_command(import_module(f"{__package__}.{self._module}").app)
        return command.commands.get(str(self.name), command) if isinstance(command, TyperGroup) else command

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """Hand the arguments to the command itself: from here on this one is out of it."""
        return self.loaded().make_context(info_name, args, parent, **extra)


def listing(commands: Sequence[Lazy]) -> type[TyperGroup]:
    """A group of these commands, in this order."""

    class Listing(TyperGroup):
        """The commands that are imported when they are used."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            for command in commands:
                self.add_command(command)

        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's signature
            """In the order in which they are given."""
            return [str(command.name) for command in commands]

    return Listing
