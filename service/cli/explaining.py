"""`laurel explain`: why a model was promoted, or was not, and how it came to that, in one screen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from config.needs import MLFLOW, STORE
from domain.wording import iso_time
from service.cli.console import AsJson, Column, Exit, fail, masked, print_json, print_table, say
from service.cli.reading import read_settings, run

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.promotion_checks import Check
    from domain.story import ReplicaStoryForm, StoryForm
    from service.promotion.explainer import Explainer

app = typer.Typer(add_completion=False)

CHECK_COLUMNS: Final = (Column("check"), Column("passed"), Column("what it saw", "text"))
DATA_COLUMNS: Final = (Column("data"), Column("rows", "figure"), Column("sha256"), Column("dvc", spare=1))
_WIDE: Final = 11

Subject = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="A generation (12 or g12), a version (v12), or an id of a run or a request, or its beginning.",
    ),
]


@app.command()
def explain(subject: Subject, *, as_json: AsJson = False) -> None:
    """Say why a model was promoted, or was not, and how it came to that.

    The first line is the answer. Then come the request, versions, data, checks with their figures, the alias,
    the inference servers, faults and waits. A bare number is a generation, or else a version.
    """
    settings = read_settings(MLFLOW, STORE)
    story = run(_story(settings, subject), settings)
    if as_json:
        print_json(story.model_dump(mode="json"))
    else:
        _print(story)


@asynccontextmanager
async def opened_explainer(settings: Settings) -> AsyncIterator[tuple[Explainer, datetime]]:
    """Open what tells of champions and runs; it ends the command when a text means nothing, or too much."""
    from service.adapters.postgres.champion_history import PostgresChampionHistory
    from service.adapters.postgres.run_reads import PostgresRunReads
    from service.lifecycle.looking import open_look
    from service.lifecycle.registry import open_registry
    from service.promotion.explainer import Explainer, NothingFits

    model = settings.mlflow_model_name
    async with open_look(settings) as look, open_registry(settings) as registry:
        history, runs = PostgresChampionHistory(look.rows, model), PostgresRunReads(look.rows)
        try:
            yield Explainer(model, history, runs, registry), look.clock.now()
        except NothingFits as error:
            fail(Exit.NOT_FOUND, masked(error.message, settings))


async def _story(settings: Settings, subject: str) -> StoryForm:
    async with opened_explainer(settings) as (explainer, now):
        return (await explainer.explain(subject)).form(now)


def _print(story: StoryForm) -> None:
    say(story.answer, style="bold", hang=2)
    for name, text in _lines(story):
        if text:
            say(f"{name:<{_WIDE}} {text}", hang=_WIDE + 1)
    if story.data:
        rows = [(name, part.rows, part.sha256[:12], part.dvc_hash) for name, part in story.data.items()]
        print_table("data", DATA_COLUMNS, rows)
    if story.checks:
        print_table("the gate's checks", CHECK_COLUMNS, map(_check, story.checks))


def _check(check: Check) -> tuple[object, ...]:
    return check.name, "yes" if check.passed else "NO", check.detail


def _lines(story: StoryForm) -> Iterator[tuple[str, str]]:
    yield "asked about", story.asked_for
    yield "request", _request(story)
    yield from _run(story)
    yield from _reign(story)
    for replica in story.replicas:
        yield "replica", _replica(replica)
    for noticed in story.losses:
        yield "lost", f"its version was gone from the registry, noticed at {iso_time(noticed)}"
    for note in story.notes:
        yield "note", note


def _replica(replica: ReplicaStoryForm) -> str:
    seconds = replica.seconds_since_promotion
    after = "" if seconds is None else f" {seconds:.1f} s after the promotion"
    what = "serves it" if replica.serves else "did not serve it"
    return f"{replica.replica} {what}{after}{f': {replica.detail}' if replica.detail else ''}"


def _request(story: StoryForm) -> str:
    if story.requested_at is None:
        return ""
    who = story.request.get("requested_by") or "requester unknown"
    why = f": {story.request['reason']}" if story.request.get("reason") else ""
    return f"{iso_time(story.requested_at)}, {who}{why}"


def _run(story: StoryForm) -> Iterator[tuple[str, str]]:
    run = story.run
    if run is None:
        return
    triple = run.triple
    yield "run", f"{run.run_id} {run.state.value}; MLflow run {run.mlflow_run_id or 'none'}"
    if triple is not None:
        versions = triple.split_version, triple.feature_version, triple.model_version
        yield "versions", "split {}, features {}, model {}".format(*versions)
    yield "verdict", "; ".join([run.decision or "", *(run.reasons or ())]) if run.decision else ""
    yield "metric", _metric(story)
    yield "steps", ", ".join(f"{step.step} {step.seconds:.1f} s" for step in story.steps)
    yield "failure", f"{run.reason}: {run.message}" if run.reason else ""
    for fault in run.faults or ():
        yield "fault", fault.message + (f"; allowed: {fault.allowed}" if fault.allowed else "")
    waits = f"for {run.waiting_on}" if run.waiting_on else ""
    yield "waits", f"{waits}, attempt {story.attempts}" if waits else ""
    yield from _past_waits(story)
    for warning in run.warnings:
        yield "warning", warning.message


def _past_waits(story: StoryForm) -> Iterator[tuple[str, str]]:
    if story.waits_left_out:
        yield "held up", f"{story.waits_left_out} times before what follows"
    for wait in story.waits:
        since, seconds = iso_time(wait.since), f"{(wait.until - wait.since).total_seconds():.1f} s"
        if wait.waiting_on is None:
            begun = "once" if wait.attempts == 1 else f"{wait.attempts} times"
            said = f"{wait.call} was begun {begun} in vain ({wait.reason}), at {since}; again {seconds} later"
        else:
            tries = "1 try" if wait.attempts == 1 else f"{wait.attempts} tries"
            said = f"{wait.call} waited {seconds} for {wait.waiting_on} ({wait.reason}; {tries}) from {since}"
        yield "held up", said


def _metric(story: StoryForm) -> str:
    from domain.judged import figure

    run = story.run
    if run is None or run.metric is None:
        return ""
    return f"{run.metric} {figure(run.candidate_metric)}, champion {figure(run.champion_metric)}"


def _reign(story: StoryForm) -> Iterator[tuple[str, str]]:
    reign = story.reign
    if reign is None:
        return
    until = f"until {iso_time(datetime.fromisoformat(reign.until))}" if reign.until else "it is the champion"
    since = iso_time(datetime.fromisoformat(reign.since))
    yield "generation", f"{reign.generation}, {reign.cause.value} by {reign.actor}: since {since}, {until}"
    told = story.run is not None and story.run.reasons == reign.reasons  # as its verdict
    yield "why", "" if told else "; ".join(reign.reasons)
    yield "alias", f"followed at {iso_time(story.shown_at)}" if story.shown_at else "has not followed yet"
    others = [str(one) for one in story.generations if one != reign.generation]
    yield "also", f"version {reign.version} was also generation {', '.join(others)}" if others else ""
