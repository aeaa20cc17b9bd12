"""`laurel runs`, `laurel show` and `laurel champion`: what is, what was, and why."""

from typing import Annotated, Any

import typer

from config.settings import Settings
from domain.ledger import LedgerEntry, first_broken_link
from domain.lifecycle import State, Step
from domain.run import Run, TransitionRecord
from service.app import open_reading
from service.cli.console import AsJson, Exit, fail, out, print_json, print_table, read_settings, run
from service.cli.shown import RUN_COLUMNS, run_facts, run_row


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("runs", rich_help_panel="Look")(runs)
    app.command("show", rich_help_panel="Look")(show)
    app.command("champion", rich_help_panel="Look")(champion)


def runs(
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most that many, newest first.")] = 20,
    state: Annotated[list[State] | None, typer.Option(help="Only these; may be given again.")] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only runs without an end.")] = False,
    as_json: AsJson = False,
) -> None:
    """List runs: state, scores, verdict, seconds."""
    settings = read_settings()

    async def work() -> list[Run]:
        async with open_reading(settings) as reading:
            found = await reading.store.recent(
                settings.mlflow_model_name, limit, tuple(state or ()), unfinished=unfinished
            )
            return list(found)

    found = run(work(), settings)
    if as_json:
        print_json([run_facts(one) for one in found])
    else:
        print_table(f"runs of {settings.mlflow_model_name}", RUN_COLUMNS, map(run_row, found))


def show(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id or its beginning, or its MLflow run.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Tell all about one run: each step with its time, the data, the scores, the verdict and why."""
    settings = read_settings()
    found, history = run(_one(settings, run_id), settings)
    if as_json:
        transitions = [record.model_dump(mode="json") for record in history]
        print_json(run_facts(found) | {"transitions": transitions, "outputs": dict(found.outputs)})
        return
    _print_facts(found)
    _print_history(found, history)


async def _one(settings: Settings, text: str) -> tuple[Run, list[TransitionRecord]]:
    async with open_reading(settings) as reading:
        found = await reading.store.find(text)
        if not found:
            fail(Exit.NOT_FOUND, f"no run begins with, or belongs to, {text!r}; `laurel runs` lists them")
        if len(found) > 1:
            ids = ", ".join(one.run_id for one in found[:5])
            fail(Exit.NOT_FOUND, f"{text!r} fits {len(found)} runs: {ids}; give more of the id")
        return found[0], list(await reading.store.history(found[0].run_id))


def _print_facts(found: Run) -> None:
    facts = run_facts(found)
    for name in ("run_id", "state", "versions", "mlflow_run_id", "identity", "correlation_id", "waiting_on"):
        if facts[name]:
            out.print(f"[bold]{name:<16}[/] {facts[name]}")
    for reason in facts["reasons"] or ():
        out.print(f"[bold]{facts['decision']:<16}[/] {reason}")
    if facts["reason"]:
        out.print(f"[bold red]{facts['reason']:<16}[/] {facts['message']}")
    for fault in facts["faults"] or ():
        out.print(f"  {fault['field']}: {fault['message']}; allowed: {fault['allowed'] or '-'}")
    _print_scores(found)


def _print_scores(found: Run) -> None:
    evaluated, trained = found.outputs.get(Step.EVALUATE), found.outputs.get(Step.TRAIN)
    if not evaluated or not trained:
        return
    scores = {"train": trained["package"]["train_score"], **evaluated["candidate"]}
    champion = evaluated["champion"].get("score")
    if champion:
        scores["reference (champion)"] = champion
    rows = [(name, score["rows"], *_metrics(score)) for name, score in scores.items()]
    print_table("scores", ("data", "rows", "rmsle", "mae", "r2"), rows)


def _metrics(score: dict[str, Any]) -> list[str]:
    return [
        f"{score['metrics'][name]:.6g}" if name in score["metrics"] else "-"
        for name in ("rmsle", "mae", "r2")
    ]


def _print_history(found: Run, history: list[TransitionRecord]) -> None:
    times = [found.requested_at, *(record.at for record in history)]
    rows = [
        (
            record.seq,
            record.from_state,
            record.to_state,
            f"{(record.at - before).total_seconds():.3f}",
            record.fence,
        )
        for record, before in zip(history, times, strict=False)
    ]
    print_table("steps", ("seq", "from", "to", "seconds", "claim"), rows)


def champion(*, as_json: AsJson = False) -> None:
    """Say who is champion, since when and why, and who was before; checks the ledger's chain."""
    settings = read_settings()
    entries, alias = run(_champions(settings), settings)
    broken = first_broken_link(entries)
    if as_json:
        print_json(
            {
                "model": settings.mlflow_model_name,
                "alias_version": alias,
                "broken_at": broken,
                "generations": [entry.model_dump(mode="json") for entry in entries],
            }
        )
    else:
        _print_champions(settings, entries, alias)
    if broken is not None:
        fail(Exit.NO, f"the ledger's chain is broken at generation {broken}: an entry was changed or removed")
    if not entries:
        raise typer.Exit(Exit.NOT_FOUND)


async def _champions(settings: Settings) -> tuple[list[LedgerEntry], int | None]:
    async with open_reading(settings) as reading:
        entries = await reading.ledger.entries(settings.mlflow_model_name)
        return list(entries), await reading.registry.alias_version(settings.mlflow_model_name)


def _print_champions(settings: Settings, entries: list[LedgerEntry], alias: int | None) -> None:
    rows = [
        (
            entry.generation,
            entry.version,
            entry.cause.value,
            entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            (entry.run_id or "")[:8],
            entry.reasons[0],
        )
        for entry in reversed(entries)
    ]
    columns = ("generation", "version", "cause", "since", "run", "why")
    print_table(f"champions of {settings.mlflow_model_name}", columns, rows)
    out.print(f"the registry's alias {settings.mlflow.alias!r} names version {alias or 'none'}")
