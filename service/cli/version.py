"""`laurel version`."""

from importlib.metadata import version as version_of

import typer

from service.cli.console import AsJson, print_json, say

app = typer.Typer(add_completion=False)


@app.command()
def version(*, as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": installed()})
    else:
        say(f"laurel {installed()}")


def installed() -> str:
    """The version that is installed."""
    return version_of("laurel-lifecycle")
