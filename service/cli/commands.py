"""The commands, in the order in which a newcomer meets them."""

from importlib.metadata import version
from typing import Annotated, Final

import typer

from service.cli.lazy import Lazy, listing

_TRY, _ASK, _LOOK = "Try it", "Ask and follow", "Look"
_RUN, _KEEP = "Roles", "Look after it"

COMMANDS: Final = (
    Lazy("demo", "demo", "Play a model's whole life on the real servers, with the Ames house sales.", _TRY),
    Lazy(
        "up",
        "up",
        "Start Kafka, PostgreSQL, MLflow, a worker and the reload listener here, until Ctrl-C.",
        _TRY,
    ),
    Lazy(
        "request", "requests", "Publish a training request, and return once Kafka has acknowledged it.", _ASK
    ),
    Lazy("watch", "requests", "Print what Laurel announces, as any consumer would read it.", _ASK),
    Lazy("runs", "runs", "List runs: state, scores, verdict, seconds.", _LOOK),
    Lazy(
        "show",
        "runs",
        "Tell all about one run: each step with its time, the scores, the verdict and why.",
        _LOOK,
    ),
    Lazy("champion", "champions", "Say who is champion, since when and why, and who was before.", _LOOK),
    Lazy("status", "status", "Say who is champion, and whether every inference server serves it.", _LOOK),
    Lazy(
        "doctor",
        "doctor",
        "Look at every server, folder and file that Laurel needs; one line each, with the mend.",
        _LOOK,
    ),
    Lazy(
        "worker",
        "roles",
        "Take requests from Kafka and carry each through its lifecycle. Scale by starting more.",
        _RUN,
    ),
    Lazy(
        "reload-listener",
        "roles",
        "Bring every inference server to the champion, and say which one does not follow.",
        _RUN,
    ),
    Lazy(
        "inference",
        "inference",
        "Serve the champion: predictions over HTTP, and reloads when a model was promoted.",
        _RUN,
    ),
    Lazy(
        "api",
        "api",
        "Take training requests over HTTP, also by the routes of an orchestrator's REST API.",
        _RUN,
    ),
    Lazy(
        "notifier",
        "notifier",
        "Tell people of promotions, declines, failures and divergence: chat, mail, webhooks.",
        _RUN,
    ),
    Lazy(
        "adopt",
        "adoption",
        "Take over the champion, references and configuration that are there already.",
        _KEEP,
    ),
    Lazy(
        "repair",
        "repair",
        "Make an older Laurel's champion readable for others: the same model as a new, complete version.",
        _KEEP,
    ),
    Lazy(
        "ledger",
        "ledger",
        "The promotion ledger beside registry and topic: does it fit, and going on after a restore.",
        _KEEP,
    ),
    Lazy(
        "requests",
        "rereading",
        "Requests that Kafka still holds and a restored run store has lost.",
        _KEEP,
    ),
    Lazy("config", "configuration", "Settings and configuration files.", _KEEP),
    Lazy("topics", "topics", "Kafka topics.", _KEEP),
    Lazy("db", "database", "The run store's schema.", _KEEP),
    Lazy("dead-letters", "dead_letters", "Records that could not be read.", _KEEP),
)

EPILOG: Final = (
    'Exit codes: 0 done; 1 the answer is "no": a fault was found, a run was rejected or has failed, or '
    "something unexpected happened; 2 wrong usage or settings; 3 a service does not answer; 4 not found; "
    "130 ended by Ctrl-C.\n\n"
    "Settings come from the environment and from a file .env in the present folder; `laurel config show` "
    "lists them all. With --json one JSON document is printed on standard output (`watch`: one a line), and "
    "everything else on standard error."
)

app = typer.Typer(
    name="laurel",
    cls=listing(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        typer.echo(f"laurel {version('laurel-lifecycle')}")
        raise typer.Exit


@app.callback()
def laurel(
    *,
    told_version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Own a model's life from “please train” to “this is production, and every server runs it”."""
