"""The commands, in the order in which a newcomer meets them."""

from typing import Annotated, Final

import typer

from service.cli.console import AsJson
from service.cli.lazy import ASKED_FOR_JSON, Lazy, listing

_TRY, _ASK, _LOOK = "Try it", "Request and follow", "Inspect"
_RUN, _KEEP = "Roles", "Operate"

COMMANDS: Final = (
    Lazy("demo", "demo", "Play a model's life on the real servers, with the Ames house sales.", _TRY),
    Lazy(
        "up",
        "up",
        "Start Kafka, PostgreSQL, MLflow, a worker and the reload listener here, until Ctrl-C.",
        _TRY,
    ),
    Lazy(
        "request", "requests", "Publish a training request, and return once Kafka has acknowledged it.", _ASK
    ),
    Lazy("watch", "requests", "Print Laurel's announcements, as any consumer would read them.", _ASK),
    Lazy(
        "cancel",
        "cancelling",
        "Cancel a run before it is evaluated: it ends FAILED, with the reason `cancelled`.",
        _ASK,
    ),
    Lazy(
        "retry",
        "cancelling",
        "Repeat the request of an ended run, in a new request that names it.",
        _ASK,
    ),
    Lazy("runs", "runs", "List runs: state, scores, verdict, seconds.", _LOOK),
    Lazy(
        "show",
        "runs",
        "Show one run in detail: each step with its time, the scores, the verdict and why.",
        _LOOK,
    ),
    Lazy(
        "champion", "champions", "Show the champion, since when and why, and the champions before it.", _LOOK
    ),
    Lazy(
        "history",
        "history",
        "List the champions: what, who, why, the gate's metric, and how long each reigned.",
        _LOOK,
    ),
    Lazy(
        "explain",
        "explaining",
        "Say why a model was promoted, or was not, and how it came to that.",
        _LOOK,
    ),
    Lazy(
        "compare",
        "comparing",
        "Compare two models: configuration, data, metrics on the same bytes, and shared training rows.",
        _LOOK,
    ),
    Lazy("status", "status", "Show the champion, and whether every inference server serves it.", _LOOK),
    Lazy(
        "workers",
        "workers",
        "List the workers of every model: host, version, start, current runs, last heartbeat.",
        _LOOK,
    ),
    Lazy(
        "doctor",
        "doctor",
        "Check every server, folder and file that Laurel needs; one line each, with the fix.",
        _LOOK,
    ),
    Lazy(
        "worker",
        "roles",
        "Take requests from Kafka and run each through its lifecycle. Scale by starting more.",
        _RUN,
    ),
    Lazy(
        "reload-listener",
        "roles",
        "Bring every inference server to the champion, and report each that does not follow.",
        _RUN,
    ),
    Lazy(
        "inference",
        "inference",
        "Serve the champion: predictions over HTTP, and reloads after promotions.",
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
        "Notify people of promotions, declines, failures and divergence: chat, mail, webhooks.",
        _RUN,
    ),
    Lazy(
        "rollback",
        "rollback",
        "Return production to an earlier generation: one entry of the ledger, which everything follows.",
        _KEEP,
    ),
    Lazy(
        "promote",
        "promote",
        "Promote a registered version, or the model of a run that the gate has declined.",
        _KEEP,
    ),
    Lazy(
        "hold",
        "holds",
        "Hold promotions: candidates are trained and judged, and none becomes champion.",
        _KEEP,
    ),
    Lazy("release", "holds", "Release promotions: the hold that stands is over.", _KEEP),
    Lazy("quarantine", "quarantine", "What was rolled back from, and is not promoted again.", _KEEP),
    Lazy(
        "adopt",
        "adoption",
        "Take over an existing champion, its references and configuration.",
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
        "Compare the promotion ledger with registry and topic; continue after a restore.",
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
    Lazy(
        "prune",
        "pruning",
        "Remove old rows of this model from PostgreSQL: announcements, and what declined runs left.",
        _KEEP,
    ),
    Lazy("dead-letters", "dead_letters", "Records that could not be read.", _KEEP),
    Lazy("completion", "completion", "Print the script that completes commands in a shell.", _KEEP),
    Lazy("version", "version", "Print the version.", _KEEP),
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
    rich_markup_mode=None,  # what draws boxes takes longer to import than all of this
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        from service.cli.version import installed

        typer.echo(f"laurel {installed()}")
        raise typer.Exit


@app.callback()
def laurel(
    context: typer.Context,
    *,
    as_json: AsJson = False,
    told_version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Own a model's life from "please train" to "this is production, and every server runs it"."""
    context.meta[ASKED_FOR_JSON] = as_json
