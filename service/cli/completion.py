"""`laurel completion`: what a shell needs to complete commands, options and states."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from service.cli.console import AsJson, print_json

PROGRAM: Final = "laurel"
VARIABLE: Final = "_LAUREL_COMPLETE"  # the shell asks through it

app = typer.Typer(add_completion=False)


class ShellName(StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command()
def completion(
    shell: Annotated[
        ShellName, typer.Argument(help="The shell that reads the script.", case_sensitive=False)
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Print the script that completes commands in a shell.

    No file is written: redirect it to where your shell looks, or evaluate it at the shell's start.
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # it is how Typer itself

    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)
    if as_json:
        print_json({"shell": shell.value, "script": script})
    else:
        typer.echo(script)


def prepare_answers() -> None:
    """Let the library answer what a shell asks."""
    from typer.completion import completion_init  # type: ignore[attr-defined] # likewise

    completion_init()
