"""`laurel ledger`: what registry and topic say of the promotion ledger, and how a person goes on."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import structlog
import typer

from config.settings import Settings
from domain.counterparts import Agreement, Announced, Comparison
from service.adapters.kafka.announcements import KafkaAnnouncements
from service.app import open_world
from service.cli.console import AsJson, Column, Exit, fail, print_json, print_table, say
from service.cli.reading import read_settings, run
from service.listener import open_servers
from service.recovery import Accepted, Recovery, Survey
from service.roots import require_roots
from service.settings_values import kafka_connection

app = typer.Typer(
    help="The promotion ledger beside registry and topic: does it fit, and going on after a restore.",
    no_args_is_help=True,
    add_completion=False,
)

_COLUMNS = (
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
    settings = read_settings()
    survey = run(_surveyed(settings), settings)
    if as_json:
        print_json(_facts(settings, survey))
    else:
        rows = [_ledger_row(survey), *_registry_rows(survey), _topic_row(survey), *_replica_rows(survey)]
        print_table(f"the promotion ledger of {settings.mlflow_model_name}", _COLUMNS, rows)
    end(survey.comparison)


@app.command()
def accept(
    *,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the ledger later.")],
    as_json: AsJson = False,
) -> None:
    """Go on with this ledger as it is: one entry above every number that was ever used.

    The entry has the cause `recovery`, names what was lost, and keeps the version that the alias names. The
    model belongs to this ledger from then on. Where everything fits, nothing is done.
    """
    if not reason.strip():
        fail(Exit.USAGE, "--reason is empty: say why, for whoever reads the ledger later")
    settings = read_settings()
    # Standard output is for the answer alone.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    done = run(_accepted(settings, reason), settings)
    if as_json:
        print_json(_accepted_facts(settings, done))
    else:
        say(_sentence(done))
    if done.unshown:
        fail(Exit.AWAY, f"the generation is recorded; a worker brings the alias to it: {done.unshown}")


def end(found: Comparison) -> None:
    """End with the sentence if something does not fit."""
    if not found.fits:
        fail(Exit.NO, f"{found.agreement}: {found.message}")
    if found.agreement is Agreement.NOT_ANCHORED:
        say(found.message)


@asynccontextmanager
async def opened(settings: Settings, actor: str) -> AsyncIterator[Recovery]:
    """Open everybody that is asked."""
    announcements = KafkaAnnouncements(kafka_connection(settings))
    async with open_world(settings, actor) as world, open_servers(settings) as servers:
        yield Recovery(world, announcements, servers)


async def _surveyed(settings: Settings) -> Survey:
    async with opened(settings, "laurel ledger status") as recovery:
        return await recovery.survey()


async def _accepted(settings: Settings, reason: str) -> Accepted:
    require_roots({"CONFIG_ROOT": settings.config_root})
    async with opened(settings, "laurel ledger accept") as recovery:
        return await recovery.accept(reason)


def _facts(settings: Settings, survey: Survey) -> dict[str, Any]:
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
            {"server": replica.name, "version": served.version, "generation": served.generation}
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
    broken = (
        f"broken at generation {said.broken}" if said.broken else f"{head.cause.value}, it holds together"
    )
    return "ledger", head.generation, head.version, said.ledger_id, head.mlflow_run_id, broken


def _registry_rows(survey: Survey) -> list[tuple[object, ...]]:
    said = survey.said
    rows: list[tuple[object, ...]] = []
    for side, version in (("registry, alias", said.alias_version), ("registry, head", said.head_version)):
        if version is None:
            rows.append((side, None, None, said.marked, None, "there is none"))
            continue
        tagged = "" if version.generation else "no generation is noted there"
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


def _accepted_facts(settings: Settings, done: Accepted) -> dict[str, Any]:
    found, entry = done.survey.comparison, done.entry
    return {
        "model": settings.mlflow_model_name,
        "agreement": found.agreement.value,
        "message": found.message,
        "added": entry and entry.model_dump(mode="json"),
        "not_shown_yet": done.unshown or None,
    }


def _sentence(done: Accepted) -> str:
    if done.entry is None:
        return f"nothing to accept: {done.survey.comparison.message}"
    entry = done.entry
    return f"version {entry.version} goes on as generation {entry.generation}; {entry.reasons[-1]}"
