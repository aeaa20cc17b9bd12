"""`laurel runs` and `laurel show`: what is, what was, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from config.settings import Settings
from domain.lifecycle import State, Step
from domain.run import Run, TransitionRecord
from service.app import open_reading
from service.cli.console import AsJson, Column, Exit, fail, local_time, print_json, print_table, say
from service.cli.reading import read_settings, run
from service.cli.shown import RUN_COLUMNS, run_facts, run_row, told_champion, told_fates
from service.mlflow_pages import pages_of

app = typer.Typer(add_completion=False)


@app.command()
def runs(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most that many, newest first.")] = 20,
    state: Annotated[list[State] | None, typer.Option(help="Only these; may be given again.")] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only runs without an end.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs: state, scores, verdict, seconds."""
    settings = read_settings()

    async def work() -> tuple[list[Run], datetime]:
        async with open_reading(settings) as reading:
            found = await reading.store.recent(
                settings.mlflow_model_name, limit, tuple(state or ()), unfinished=unfinished
            )
            return list(found), reading.database.clock.now()

    found, now = run(work(), settings)
    if as_json:
        print_json([run_facts(one, now) for one in found])
    else:
        rows = [run_row(one, now) for one in found]
        print_table(f"runs of {settings.mlflow_model_name}", RUN_COLUMNS, rows)


@app.command()
def show(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id or its beginning, or its MLflow run.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell all about one run: each step with its time, the scores, the verdict and why."""
    settings = read_settings()
    found, history, now = run(_one(settings, run_id), settings)
    if as_json:
        transitions = [record.model_dump(mode="json") for record in history]
        pages = dict(pages_of(found, settings.mlflow_tracking_uri))
        facts = run_facts(found, now) | {"transitions": transitions, "outputs": dict(found.outputs)}
        print_json(facts | {"mlflow_pages": pages})
        return
    _print_facts(found)
    for name, page in pages_of(found, settings.mlflow_tracking_uri):
        say(f"{name:<16} {page}", hang=17)
    _print_scores(found)
    _print_history(found, history)


async def _one(settings: Settings, text: str) -> tuple[Run, list[TransitionRecord], datetime]:
    async with open_reading(settings) as reading:
        found = await reading.store.find(text)
        if not found:
            fail(Exit.NOT_FOUND, f"no run begins with, or belongs to, {text!r}; `laurel runs` lists them")
        if len(found) > 1:
            ids = ", ".join(one.run_id for one in found[:5])
            fail(Exit.NOT_FOUND, f"{text!r} fits {len(found)} runs: {ids}; give more of the id")
        history = await reading.store.history(found[0].run_id)
        return found[0], list(history), reading.database.clock.now()


_SHOWN = ("run_id", "state", "versions", "mlflow_run_id", "identity", "correlation_id", "waiting_on")


def _print_facts(found: Run) -> None:
    facts = run_facts(found)
    lines = {name.replace("_", " "): facts[name] for name in _SHOWN}
    lines["versions"] = facts["versions"] and f"{facts['versions']} (split/features/model)"
    lines["asked for"] = f"{local_time(found.requested_at)}, {_asked_by(found.payload)}"
    lines[facts["decision"] or ""] = "; ".join(facts["reasons"] or ())
    lines[facts["reason"] or ""] = facts["message"] or ""
    lines["rows"] = told_fates(facts["fates"])
    lines["champion"] = told_champion(found)
    for name, text in lines.items():
        if name and text:
            say(f"{name:<16} {text}", hang=17)
    for warning in facts["warnings"]:
        say(f"{'warning':<16} {warning['message']}", style="yellow", hang=17)
    for fault in facts["faults"] or ():
        allowed = f"; allowed: {fault['allowed']}" if fault.get("allowed") else ""
        say(f"  {fault['message']}{allowed}", style="red", hang=4)


def _asked_by(payload: Mapping[str, Any]) -> str:
    who = payload.get("requested_by") or "nobody said by whom"
    return f"{who}: {payload['reason']}" if payload.get("reason") else str(who)


def _print_scores(found: Run) -> None:
    evaluated, trained = found.outputs.get(Step.EVALUATE), found.outputs.get(Step.TRAIN)
    if not evaluated or not trained:
        return
    scores = {"train": trained["package"]["train_score"], **evaluated["candidate"]}
    champion = evaluated["champion"].get("score")
    if champion:
        scores["reference (champion)"] = champion
    rows = [(name, score["rows"], *_metrics(score)) for name, score in scores.items()]
    figures = [Column(name, "figure") for name in ("rows", "rmsle", "mae", "r2")]
    print_table("scores", (Column("data"), *figures), rows)


def _metrics(score: dict[str, Any]) -> list[str]:
    return [
        f"{score['metrics'][name]:.6g}" if name in score["metrics"] else "-"
        for name in ("rmsle", "mae", "r2")
    ]


def _print_history(found: Run, history: list[TransitionRecord]) -> None:
    times = [found.requested_at, *(record.at for record in history)]
    rows = [
        (
            local_time(record.at, "%H:%M:%S.%f")[:-3],
            record.from_state,
            record.to_state,
            f"{(record.at - before).total_seconds():.3f}",
            record.fence,
        )
        for record, before in zip(history, times, strict=False)
    ]
    columns = (Column("at"), Column("from"), Column("to"), Column("seconds", "figure"))
    print_table("steps", (*columns, Column("claim", "figure")), rows)
