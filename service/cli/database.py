"""`laurel db`: the run store's schema."""

import typer

from service.adapters.postgres.schema import upgrade
from service.cli.console import AsJson, print_json, say
from service.cli.reading import read_settings, run

app = typer.Typer(help="The run store's schema.", no_args_is_help=True, add_completion=False)


@app.callback()
def database() -> None:
    """The run store's schema."""


@app.command("upgrade")
def upgrade_schema(*, as_json: AsJson = False) -> None:
    """Bring the schema to the version that this Laurel needs. Safe beside others, and safe to repeat."""
    settings = read_settings()

    async def work() -> None:
        upgrade(settings.sqlalchemy_url)

    run(work(), settings)
    if as_json:
        print_json({"upgraded": True})
    else:
        say("the schema is up to date")
