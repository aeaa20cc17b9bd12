"""`laurel runs` and `laurel show`: what is, what was, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import STORE
from domain.lifecycle import State
from domain.wording import iso_time
from service.cli.console import AsJson, Column, Exit, clock_time, fail, print_json, print_table, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.asked_request import AskedRequest
    from domain.metrics import Score
    from domain.ports.run_store import RunReads
    from domain.run import Run, TransitionRecord
    from service.cli.holding import Holding

app = typer.Typer(add_completion=False)

STEP_COLUMNS: Final = (
    Column("at"),
    Column("from"),
    Column("to"),
    Column("seconds", "figure"),
    Column("claim", "figure"),
)


@app.command()
def runs(
    text: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="Only those with this id of a run, request or correlation."),
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most that many, newest first.")] = 20,
    state: Annotated[
        list[State] | None,
        typer.Option(
            metavar="STATE",
            case_sensitive=False,
            help=f"Only these, in upper or lower case; may be given again. One of {', '.join(State)}.",
        ),
    ] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only runs without an end.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs: state, scores, verdict, seconds."""
    from domain.run import known_by
    from service.adapters.postgres.run_reads import PostgresRunReads
    from service.cli.formatting import RUN_COLUMNS, run_facts, run_row
    from service.lifecycle.looking import open_look

    settings = read_settings(STORE)

    async def work() -> tuple[list[Run], datetime]:
        async with open_look(settings) as look:
            reads, wanted = PostgresRunReads(look.rows), tuple(state or ())
            if text is None:
                found = await reads.recent(settings.mlflow_model_name, limit, wanted, unfinished=unfinished)
            else:
                named = known_by(text, await reads.search(text))
                found = [one for one in named if _is_wanted(one, wanted, unfinished=unfinished)][:limit]
            return list(found), look.clock.now()

    found, now = run(work(), settings)
    if as_json:
        print_json([run_facts(one, now).model_dump(mode="json") for one in found])
    else:
        rows = [run_row(one, now) for one in found]
        print_table(f"runs of {settings.mlflow_model_name}", RUN_COLUMNS, rows)


def _is_wanted(run: Run, states: Sequence[State], *, unfinished: bool) -> bool:
    return (not states or run.state in states) and not (unfinished and run.ended)


@app.command()
def show(
    run_id: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="An id or its beginning: of the run, its request, correlation or MLflow run."
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Show one run in detail: each step with its time, the scores, the verdict and why."""
    from service.cli.formatting import known_pages, run_facts
    from service.cli.holding import holding_facts, holding_lines

    settings = read_settings(STORE)
    found, history, holding, now = run(_all_about(settings, run_id), settings)
    if as_json:
        transitions = [record.model_dump(mode="json") for record in history]
        pages = known_pages(found, settings)
        more = {"transitions": transitions, "outputs": dict(found.outputs), "mlflow_pages": pages}
        held = None if holding is None else holding_facts(found, holding, settings)
        print_json(run_facts(found, now).model_dump(mode="json") | more | {"holding": held})
        return
    _print_facts(found)
    lines = {} if holding is None else holding_lines(found, holding, settings)
    for name, text in {"retry of": found.payload.get("retry_of"), **lines}.items():
        if text:
            say(f"{name:<16} {text}", hang=17)
    for name, page in known_pages(found, settings).items():
        say(f"{name:<16} {page}", hang=17)
    _print_scores(found)
    _print_history(found, history)


async def _all_about(
    settings: Settings, text: str
) -> tuple[Run, Sequence[TransitionRecord], Holding | None, datetime]:
    from service.adapters.postgres.run_reads import PostgresRunReads
    from service.cli.holding import holding_of
    from service.lifecycle.looking import open_look

    async with open_look(settings) as look:
        reads = PostgresRunReads(look.rows)
        found = await one_run(reads, text, settings)
        history, now = await reads.history(found.run_id), look.clock.now()
        return found, history, await holding_of(look, found), now


async def one_run(runs: RunReads, text: str, settings: Settings) -> Run:
    """The one run that a text names, or the end with a sentence."""
    from domain.run import meant_by

    found = meant_by(text, await runs.search(text))
    if not found:
        asked = await _asked(text, settings)
        fail(Exit.NOT_FOUND, _unknown(text, asked, settings.mlflow_model_name))
    if len(found) > 1:
        ids = ", ".join(one.run_id for one in found[:5])
        more = f"give more of the id, or see `laurel runs {text}`"
        fail(Exit.NOT_FOUND, f"{text!r} fits {len(found)} runs: {ids}; {more}")
    return found[0]


async def _asked(text: str, settings: Settings) -> AskedRequest | None:
    from service.adapters.postgres.asked_requests import PostgresAskedRequests
    from service.adapters.postgres.database import open_database

    async with open_database(settings.sqlalchemy_url, application="laurel-cli") as database:
        return await PostgresAskedRequests(database, settings.mlflow_model_name).get(text)


def _unknown(text: str, asked: AskedRequest | None, model: str) -> str:
    if asked is not None:
        at = iso_time(asked.asked_at)
        return f"the request {text!r} was accepted at {at}, and no worker of model {model!r} has read it yet"
    return (
        f"no run matches {text!r}; `laurel runs` lists them. "
        f"If it was requested just now, no worker of model {model!r} has read it yet"
    )


_SHOWN = ("run_id", "state", "versions", "mlflow_run_id", "identity", "correlation_id", "waiting_on")


def _print_facts(found: Run) -> None:
    from domain.judged import Judged
    from service.cli.formatting import fault_line, run_facts, told_champion, told_fates

    facts = run_facts(found)
    known = facts.model_dump(mode="json")
    lines = {name.replace("_", " "): known[name] for name in _SHOWN}
    lines["versions"] = facts.versions and f"{facts.versions} (split/features/model)"
    lines["requested"] = f"{iso_time(found.requested_at)}, {_asked_by(found.payload)}"
    lines[facts.decision or ""] = "; ".join(facts.reasons or ())
    lines[facts.reason or ""] = facts.message or ""
    lines["judged by"] = str(Judged.of_run(found.record) or "")
    lines["rows"] = told_fates(facts.fates)
    lines["champion"] = told_champion(found)
    lines["pruned"] = str(found.record.pruned or "").removeprefix("pruned ")
    for name, text in lines.items():
        if name and text:
            say(f"{name:<16} {text}", hang=17)
    for warning in facts.warnings:
        say(f"{'warning':<16} {warning.message}", style="yellow", hang=17)
    for fault in facts.faults or ():
        say(f"  {fault_line(fault)}", style="red", hang=4)


def _asked_by(payload: Mapping[str, object]) -> str:
    who = payload.get("requested_by") or "requester unknown"
    return f"{who}: {payload['reason']}" if payload.get("reason") else str(who)


def _print_scores(found: Run) -> None:
    from domain.promotion_checks import Champion

    evaluated, trained = found.record.evaluated, found.record.trained
    if not evaluated or not trained:
        return
    scores = {"train": trained.package.train_score, **evaluated.candidate}
    if isinstance(evaluated.champion, Champion):
        scores["reference (champion)"] = evaluated.champion.score
    rows = [(name, score.rows, *_metrics(score)) for name, score in scores.items()]
    print_table("scores", score_columns(), rows)


def score_columns() -> tuple[Column, ...]:
    """The data, its rows, and each metric."""
    from domain.metrics import METRICS

    return (Column("data"), *(Column(name, "figure") for name in ("rows", *METRICS)))


def _metrics(score: Score) -> list[str]:
    from domain.metrics import METRICS

    numbers = map(score.number, METRICS)
    return ["-" if number is None else f"{number:.6g}" for number in numbers]


def _print_history(found: Run, history: Sequence[TransitionRecord]) -> None:
    times = [found.requested_at, *(record.at for record in history)]
    rows = [
        (
            clock_time(record.at),
            record.from_state,
            record.to_state,
            f"{(record.at - before).total_seconds():.3f}",
            record.fence,
        )
        for record, before in zip(history, times, strict=False)
    ]
    print_table("steps", STEP_COLUMNS, rows)
