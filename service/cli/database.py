"""`laurel db`: the run store's schema."""

from typing import Annotated

import typer

from config.needs import STORE
from service.cli.console import AsJson, print_json, say
from service.cli.lazy import Group
from service.cli.reading import read_settings, run

app = typer.Typer(cls=Group, help="The run store's schema.", no_args_is_help=True, add_completion=False)


@app.callback()
def database() -> None:
    """The run store's schema."""


@app.command("upgrade")
def upgrade_schema(*, as_json: AsJson = False) -> None:
    """Bring the schema to the version that this Laurel needs. Safe beside others, and safe to repeat."""
    from service.adapters.postgres.schema import upgrade
    from service.adapters.postgres.sessions import require_sessions

    settings = read_settings(STORE, model=False)

    async def work() -> None:
        await require_sessions(settings.sqlalchemy_url)
        upgrade(settings.sqlalchemy_url)

    run(work(), settings)
    if as_json:
        print_json({"upgraded": True})
    else:
        say("the schema is up to date")


@app.command("grant")
def grant(
    role: Annotated[str, typer.Argument(help="An existing role, as which workers connect.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Let a role that does not own the schema work with it: it may add to the ledger, and never change it."""
    from service.adapters.postgres.database_roles import grant_to_worker
    from service.adapters.postgres.sessions import require_sessions

    settings = read_settings(STORE, model=False)

    async def work() -> None:
        await require_sessions(settings.sqlalchemy_url)
        grant_to_worker(settings.sqlalchemy_url, role)

    run(work(), settings)
    if as_json:
        print_json({"granted_to": role})
    else:
        say(f"{role} may do what workers do")
