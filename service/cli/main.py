"""The commands, in the order in which a newcomer meets them."""

import typer

from service.cli import configuration, dead_letters, doctor, laptop, requests, roles, runs, servers

app = typer.Typer(
    name="laurel",
    help="Owns a model's life from “please train” to “this is production, and every server runs it”.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for module in (laptop, roles, requests, runs, doctor):
    module.register(app)
app.add_typer(configuration.app, name="config")
app.add_typer(servers.topics, name="topics")
app.add_typer(servers.database, name="db")
app.add_typer(dead_letters.app, name="dead-letters")


def main() -> None:
    """Run the command line."""
    app()
