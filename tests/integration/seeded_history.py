"""A long history in the database, made in bulk, and how the database answers each question about it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.ledger_reads import PostgresLedgerReads
from service.adapters.postgres.one_session import OneSession, open_one_session
from service.adapters.postgres.rows import NO_PARAMETERS, Row
from service.adapters.postgres.run_reads import PostgresRunReads

MODEL: Final = "price"
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)

# A generation a minute. The triggers, which read the whole chain at each insert, stand aside meanwhile.
_LEDGER: Final = """
    INSERT INTO laurel.promotion_ledger
        (model_name, generation, version, cause, previous_hash, hash, content, since)
    SELECT %(model)s, number, number, 'gate', repeat('0', 64), repeat('1', 64), json_build_object(
        'model_name', %(model)s::text, 'generation', number, 'version', number, 'cause', 'gate',
        'model_uri', 'models:/price/' || number, 'previous_hash', repeat('0', 64), 'run_id', 'run-' || number,
        'reasons', json_build_array('because'), 'actor', 'worker', 'at', since
    )::text, since
    FROM generate_series(1, %(generations)s::bigint) AS number,
        LATERAL (SELECT %(began)s::timestamptz + number * interval '1 minute' AS since) AS made
"""
_RUNS: Final = """
    INSERT INTO laurel.runs (
        run_id, model_name, identity, identity_digest, payload, correlation_id, causation_id, mlflow_run_id,
        state)
    SELECT 'run-' || number, %(model)s, 'event:/a ' || number,
        encode(sha256(convert_to('event:/a ' || number, 'UTF8')), 'hex'), '{"requested_by": "ada"}',
        'correlation-' || number, 'request-' || number, 'mlflow-' || number, 'DECLINED'
    FROM generate_series(1, %(runs)s::bigint) AS number
"""
_OUTPUTS: Final = """
    INSERT INTO laurel.run_outputs SELECT 'run-' || number, 'resolve', '{}'
    FROM generate_series(1, %(runs)s::bigint) AS number
"""
_TRANSITIONS: Final = """
    INSERT INTO laurel.run_transitions
    SELECT 'run-' || number, 1, 'EVALUATED', 'DECLINED', 'lost', 1, now()
    FROM generate_series(1, %(runs)s::bigint) AS number
"""
_OUTBOX: Final = """
    INSERT INTO laurel.outbox (event_id, topic, key, generation, headers, body, sent_at)
    SELECT 'promoted-' || number, 'model.promoted', %(model)s, number, '{}', '{}', now()
    FROM generate_series(1, %(generations)s::bigint) AS number
    UNION ALL
    SELECT 'reloaded-' || number, 'inference.reloaded', %(model)s, NULL, '{}', json_build_object(
        'model_name', %(model)s::text, 'replica', 'a', 'url', 'a', 'address', NULL, 'generation', number,
        'version', number, 'seconds_since_promotion', 1, 'listener', 'b', 'confirmed_generation', number,
        'mlflow_run_id', NULL)::text, now()
    FROM generate_series(1, %(generations)s::bigint) AS number
"""
_LOSSES: Final = """
    INSERT INTO laurel.champion_losses SELECT %(model)s, number, 1
    FROM generate_series(1, %(generations)s::bigint) AS number
"""
_ASKED: Final = """
    INSERT INTO laurel.asked_requests
        (model_name, request_id, identity_digest, payload, door, asked_by, asked_at)
    SELECT %(model)s, 'asked-' || number, repeat('0', 64), '{}', 'api', 'ada', now()
    FROM generate_series(1, %(generations)s::bigint) AS number
"""
_SEED: Final = (_LEDGER, _RUNS, _OUTPUTS, _TRANSITIONS, _OUTBOX, _LOSSES, _ASKED)
_GUARDS: Final = "ALTER TABLE laurel.promotion_ledger {} TRIGGER USER"
Question = Callable[[], Awaitable[object]]


def seed(connection: psycopg.Connection[Any], *, generations: int, runs: int) -> None:
    """Make a history of so many generations and runs."""
    sizes = {"model": MODEL, "generations": generations, "runs": runs, "began": BEGAN}
    connection.execute(_GUARDS.format("DISABLE").encode())
    for statement in _SEED:
        connection.execute(statement.encode(), sizes)
    connection.execute(_GUARDS.format("ENABLE").encode())
    connection.execute("VACUUM ANALYZE")


class Explained:
    """`RowSource` that keeps the plan of each statement that it runs."""

    def __init__(self, session: OneSession) -> None:
        self._session = session
        self.clock = session.clock
        self.plans: dict[str, str] = {}

    async def rows(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Sequence[Row]:
        explained = await self._session.rows(doing, f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", parameters)
        self.plans[doing] = "\n".join(str(row["QUERY PLAN"]) for row in explained)
        return await self._session.rows(doing, statement, parameters)

    async def row(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Row | None:
        return next(iter(await self.rows(doing, statement, parameters)), None)


async def plans(url: str, generation: int) -> dict[str, str]:
    """Ask all that the commands and pages of the history ask, about a generation; give each one's plan."""
    async with open_one_session(url, application="t", timeout_seconds=60.0) as session:
        asked = Explained(session)
        found: dict[str, str] = {}
        for name, question in questions(asked, generation).items():
            asked.plans.clear()
            assert await question(), name
            found |= {f"{name}: {doing}": plan for doing, plan in asked.plans.items()}
        return found


def questions(asked: Explained, generation: int) -> dict[str, Question]:
    """By name; each one has an answer."""
    history, runs = PostgresChampionHistory(asked, MODEL), PostgresRunReads(asked)
    ledger = PostgresLedgerReads(asked)
    at = BEGAN + timedelta(minutes=generation)
    return {
        "the newest": lambda: history.page(20),
        "those before": lambda: history.page(20, before=generation),
        "those since": lambda: history.page(20, since=at),
        "older ones since": lambda: history.page(20, since=at, before=generation + 100),
        "who reigned": lambda: history.at(at),
        "a generation": lambda: history.generation(generation),
        "a version": lambda: history.of_version(generation),
        "when it was shown": lambda: history.shown_at(generation),
        "its replicas": lambda: history.replicas(generation),
        "its losses": lambda: history.losses(generation),
        "the ledger's head": lambda: ledger.head(MODEL),
        "the ledger's end": lambda: ledger.last(MODEL, 20),
        "an entry": lambda: ledger.entry(MODEL, generation),
        "the entry of a version": lambda: ledger.of_version(MODEL, generation),
        "a request": lambda: history.accepted_at(f"asked-{generation}"),
        "a run by its request": lambda: runs.search(f"request-{generation}"),
        "a run by its identity": lambda: runs.search(f"event:/a {generation}"),
        "a run by MLflow's id": lambda: runs.find(f"mlflow-{generation}"),
        "a run": lambda: runs.get(f"run-{generation}"),
        "its steps": lambda: runs.history(f"run-{generation}"),
    }
