"""`laurel ledger`: what registry and topic say of the promotion ledger, and how a person goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from config.needs import CONFIG, KAFKA, MLFLOW, STORE
from service.cli.console import AsJson, Column, Exit, fail, print_json, print_table, say
from service.cli.lazy import Group
from service.cli.reading import read_settings, run, run_quietly

if TYPE_CHECKING:
    from config.settings import Settings
    from domain.counterparts import Announced, Comparison
    from service.promotion.recovery import AcceptedRecovery, Recovery
    from service.promotion.survey import Survey

app = typer.Typer(
    cls=Group,
    help="Compare the promotion ledger with registry and topic; continue after a restore.",
    no_args_is_help=True,
    add_completion=False,
)

LEDGER_COLUMNS = (
    Column("side"),
    Column("generation", "figure"),
    Column("version", "figure"),
    Column("ledger", spare=2),
    Column("run", spare=1),
    Column("it says", "text"),
)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Say what ledger, registry, topic and inference servers each hold, and whether it fits.

    The exit code is 1 when something does not fit: then promotions stop, and the sentence names the way out.
    """
    from domain.counterparts import Agreement, alias_gap

    settings = read_settings(KAFKA, MLFLOW, STORE)
    survey = run(_surveyed(settings), settings)
    said, now = survey.said, datetime.now(tz=UTC)
    named = said.alias_version.version if said.alias_version else None
    gap = alias_gap(said.head, named, settings.mlflow.alias, now)
    if as_json:
        print_json(_facts(settings, survey))
    else:
        rows = [_ledger_row(survey), *_registry_rows(survey), _topic_row(survey), *_replica_rows(survey)]
        print_table(f"the promotion ledger of {settings.mlflow_model_name}", LEDGER_COLUMNS, rows)
        if survey.comparison.agreement is Agreement.OK and not gap:
            say(survey.comparison.message, style="green")
    end(survey.comparison, as_json=as_json)
    if gap:
        fail(Exit.NO, gap)


@app.command()
def accept(
    *,
    reason: Annotated[str, typer.Option(help="Why, for later readers of the ledger.")],
    as_json: AsJson = False,
) -> None:
    """Go on with this ledger as it is: one entry above every number that was ever used.

    The entry has the cause `recovery`, names what was lost, and keeps the version that the alias names. The
    model belongs to this ledger from then on. Where everything fits, nothing is done.
    """
    if not reason.strip():
        fail(Exit.USAGE, "--reason is empty: say why, for later readers of the ledger")
    settings = read_settings(CONFIG, KAFKA, MLFLOW, STORE)
    done = run_quietly(_accepted(settings, reason), settings)
    if as_json:
        print_json(_accepted_facts(settings, done))
    else:
        say(_sentence(done))
    if done.unshown:
        fail(Exit.AWAY, f"the generation is recorded; a worker moves the alias to it: {done.unshown}")


def end(found: Comparison, *, as_json: bool) -> None:
    """End with the sentence if something does not fit."""
    from domain.counterparts import Agreement

    if not found.fits:
        fail(Exit.NO, f"{found.agreement}: {found.message}")
    if found.agreement is Agreement.NOT_ANCHORED and not as_json:
        say(found.message)


@asynccontextmanager
async def opened(settings: Settings, actor: str) -> AsyncIterator[Recovery]:
    """Open everybody that is asked."""
    from service.adapters.kafka.announcements import KafkaAnnouncements
    from service.lifecycle.settings_values import kafka_connection
    from service.lifecycle.workbench import open_world, recovery_in
    from service.rollout.replica_clients import open_servers

    announcements = KafkaAnnouncements(kafka_connection(settings))
    async with open_world(settings, actor) as world, open_servers(settings) as servers:
        yield recovery_in(world, announcements, servers)


async def _surveyed(settings: Settings) -> Survey:
    from service.cli.agreement import surveyed
    from service.rollout.replica_clients import open_servers

    async with open_servers(settings) as servers:
        return await surveyed(settings, servers)


async def _accepted(settings: Settings, reason: str) -> AcceptedRecovery:
    from service.cli.acting import acting
    from service.lifecycle.preflight import require_roots

    require_roots({"CONFIG_ROOT": settings.config_root})
    async with opened(settings, acting("laurel ledger accept")) as recovery:
        return await recovery.accept(reason)


def _facts(settings: Settings, survey: Survey) -> dict[str, object]:
    from domain.convergence import ReplicaForm

    said, found = survey.said, survey.comparison
    head, alias, newest = said.head, said.alias_version, _newest(survey)
    return {
        "model": settings.mlflow_model_name,
        "agreement": found.agreement.value,
        "fits": found.fits,
        "message": found.message,
        "highest": survey.highest,
        "ledger": {
            "ledger_id": said.ledger_id,
            "generation": said.generation,
            "version": head and head.version,
            "mlflow_run_id": head and head.mlflow_run_id,
            "hash": head and head.hash,
            "broken_at": said.broken,
        },
        "registry": {
            "ledger_id": said.marked,
            "alias_version": alias and alias.version,
            "alias_generation": (alias and alias.generation) or None,
            "head_run_id": said.head_version and said.head_version.mlflow_run_id,
            "holds_head": said.head_version is not None,
            "highest_generation": survey.registry_highest,
        },
        "topic": newest and newest.model_dump(mode="json"),
        "replicas": [
            {"server": replica.name, **served.model_dump(), **ReplicaForm.of(replica, served).model_dump()}
            for replica, served in survey.replicas
        ],
    }


def _newest(survey: Survey) -> Announced | None:
    """The newest announcement that the topic holds."""
    return max(survey.announced, key=lambda one: one.generation, default=None)


def _ledger_row(survey: Survey) -> tuple[object, ...]:
    said, head = survey.said, survey.said.head
    if head is None:
        return "ledger", None, None, said.ledger_id, None, "it is empty"
    broken = f"broken at generation {said.broken}" if said.broken else f"{head.cause.value}, it is consistent"
    return "ledger", head.generation, head.version, said.ledger_id, head.mlflow_run_id, broken


def _registry_rows(survey: Survey) -> list[tuple[object, ...]]:
    said = survey.said
    rows: list[tuple[object, ...]] = []
    for side, version in (("registry, alias", said.alias_version), ("registry, head", said.head_version)):
        if version is None:
            rows.append((side, None, None, said.marked, None, "there is none"))
            continue
        tagged = "" if version.generation else "it names no generation"
        run_id = version.mlflow_run_id
        rows.append((side, version.generation or None, version.version, said.marked, run_id, tagged))
    return rows


def _topic_row(survey: Survey) -> tuple[object, ...]:
    newest = _newest(survey)
    if newest is None:
        return "model.promoted", None, None, None, None, "no announcement of this model"
    count = f"{len(survey.announced)} announcements"
    return "model.promoted", newest.generation, newest.version, newest.ledger_id, None, count


def _replica_rows(survey: Survey) -> list[tuple[object, ...]]:
    return [
        (replica.name, served.generation, served.version, None, served.run_id, "")
        for replica, served in survey.replicas
    ]


def _accepted_facts(settings: Settings, done: AcceptedRecovery) -> dict[str, object]:
    from domain.announcement import generation_facts

    found, entry = done.survey.comparison, done.entry
    return {
        "model": settings.mlflow_model_name,
        "agreement": found.agreement.value,
        "message": found.message,
        "added": entry and generation_facts(entry),
        "not_shown_yet": done.unshown or None,
    }


def _sentence(done: AcceptedRecovery) -> str:
    if done.entry is None:
        return f"nothing to accept: {done.survey.comparison.message}"
    entry = done.entry
    return f"version {entry.version} goes on as generation {entry.generation}; {entry.reasons[-1]}"
