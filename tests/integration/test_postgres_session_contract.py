"""Whatever an administrator has set for the database or the role, a run lives its life as ever."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.engine import make_url

from domain.errors import Stop, TryLater
from domain.lifecycle import Outcome, State
from service.adapters.postgres.address import session_settings
from service.adapters.postgres.database import open_database
from service.adapters.postgres.database_roles import risks_of
from service.adapters.postgres.dry_run import dry_run
from service.adapters.postgres.engine import transaction
from service.adapters.postgres.errors import is_passing, translate
from service.adapters.postgres.schema import require_current, upgrade
from service.adapters.postgres.sessions import Sessions, require_sessions, sessions_to
from service.local.servers import databases
from service.runtime.clock import SystemClock
from tests.contract.stores import (
    LONG,
    MLFLOW_AWAY,
    WAY_TO_EVALUATED,
    Stores,
    announcement,
    brought_to,
    claim,
    claimed,
    following,
    on_postgres,
    stores_on,
)
from tests.harm.poolers import Mode, Pooler
from tests.integration.postgres_admin import as_user, ask, plain
from tests.worlds.servers import PostgresServer

TEXT = "é日本\\'"
# Each is something that a session may be set up with, and that would spoil reading, writing or a promise.
ODD: Mapping[str, Mapping[str, str]] = {
    "reading": {
        "client_encoding": "LATIN1",
        "datestyle": "German",
        "intervalstyle": "sql_standard",
        "timezone": "Asia/Kathmandu",
        "extra_float_digits": "-15",
        "bytea_output": "escape",
        "array_nulls": "off",
        "standard_conforming_strings": "off",
        "transform_null_equals": "on",
        "search_path": "nowhere, pg_catalog",
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "default_transaction_read_only": "on",
        "synchronous_commit": "off",
        "session_replication_role": "replica",
        "exit_on_error": "on",
        "lc_messages": "C",
    },
    "limits": {
        "client_encoding": "SQL_ASCII",
        "datestyle": "SQL, DMY",
        "intervalstyle": "iso_8601",
        "timezone": "America/St_Johns",
        "default_transaction_isolation": "repeatable read",
        "lock_timeout": "1",
        "transaction_timeout": "250",
        "idle_in_transaction_session_timeout": "250",
        "idle_session_timeout": "3000",
        "statement_timeout": "400",
        "client_min_messages": "debug5",
        "plan_cache_mode": "force_generic_plan",
        "debug_parallel_query": "regress",
        "jit_above_cost": "0",
        "work_mem": "64",
        "row_security": "off",
        "check_function_bodies": "off",
        "plpgsql.extra_errors": "all",
        "plpgsql.variable_conflict": "use_variable",
    },
}


@pytest.fixture(params=ODD)
def url(request: pytest.FixtureRequest, database_url: str) -> str:
    """A database whose sessions begin oddly; half of it is said of the role."""
    name, odd = make_url(database_url).database or "", ODD[request.param]
    with plain(database_url) as connection:
        for number, (setting, value) in enumerate(odd.items()):
            whose = "DATABASE {name}" if number % 2 else "ROLE CURRENT_USER IN DATABASE {name}"
            alter = sql.SQL(f"ALTER {whose} SET {{setting}} TO {{value}}")
            values = [sql.Literal(part.strip()) for part in value.split(",")]
            connection.execute(
                alter.format(
                    name=sql.Identifier(name),
                    setting=sql.Identifier(*setting.split(".")),
                    value=sql.SQL(", ").join(values),
                )
            )
    return database_url


async def live(stores: Stores, model: str) -> None:
    """Take a run through what a worker does with it, and look whether it is read as it was written."""
    run = await stores.runs.begin(await claimed(stores, model))
    await stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")
    await stores.runs.note_waiting(run, None, waiting_on=None)
    run = await stores.runs.keep(run, "open_run", {"mlflow_run_id": TEXT})
    run = await stores.runs.keep(run, "package", {TEXT: f"{TEXT}\0"})
    run = await brought_to(stores, run, *WAY_TO_EVALUATED)
    head = await stores.ledger.head(model)
    run = await stores.runs.advance(run, Outcome.WON, output={}, entry=following(head, model))
    await stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on="mlflow")
    again = await claim(stores, model)
    await stores.runs.renew(again, LONG)
    assert (again.fence, again.state, again.mlflow_run_id) == (2, State.PROMOTED, TEXT)
    assert again.outputs["package"] == {TEXT: f"{TEXT}\0"}
    assert abs(datetime.now(tz=UTC) - again.requested_at) < timedelta(minutes=5)
    await stores.outbox.add(announcement(model))
    assert [row.announcement.key for row in await stores.outbox.unsent(10)][-1:] == [model]
    assert await stores.outbox.oldest_age_seconds() > 0
    assert await stores.runs.search("10%_\\") == []


async def test_a_schema_is_made_and_a_run_lives_its_life(url: str) -> None:
    model = f"price {uuid.uuid4()}"
    assert await require_sessions(url)
    upgrade(url)
    require_current(url)
    async with on_postgres(url, model) as stores:
        await live(stores, model)
        assert await stores.outbox.try_to_be_the_relay()
    async with open_database(url) as database:
        await dry_run(database)


async def test_every_connection_is_set_up_alike_and_a_bare_one_is_not(url: str) -> None:
    """The pool's, one beside it, that of migrations and that of the embedded servers."""
    wanted = {
        name: setting.value
        for name, setting in session_settings(make_url(url).query, statement_seconds=5).items()
    }
    look = text(f"SELECT name, current_setting(name) FROM unnest(ARRAY{sorted(wanted)}) AS name")  # noqa: S608
    statement = str(look).encode()
    async with open_database(url) as database:
        pooled = await database.rows("look", look)
        alone = await (await (await database.connect_alone()).execute(statement)).fetchall()
    with transaction(url, "look") as connection:
        migrating = connection.execute(look).all()
    with databases.connect(url) as embedded:
        ours = embedded.execute(statement).fetchall()
    seen = [
        dict(map(tuple, rows)) for rows in ([tuple(row.values()) for row in pooled], alone, migrating, ours)
    ]
    theirs = {"statement_timeout", "idle_in_transaction_session_timeout", "search_path"}
    told = [{name: value for name, value in one.items() if name not in theirs} for one in seen]
    assert told[0] == told[1] == told[2] == told[3]
    assert [one["search_path"] for one in seen[:3]] == [""] * 3
    assert (told[0]["datestyle"], told[0]["client_encoding"]) == ("ISO, MDY", "UTF8")
    assert (told[0]["transaction_timeout"], told[0]["synchronous_commit"]) == ("0", "on")
    with plain(url) as bare:
        assert bare.execute("SHOW datestyle").fetchone() != ("ISO, MDY",)


async def test_a_pooler_in_session_mode_is_proved_on_sessions_that_begin_oddly(url: str) -> None:
    async with Pooler(url, Mode.SESSION) as pooler:
        assert not await require_sessions(pooler.url)


async def test_a_commit_that_waits_for_less_than_the_disk_on_purpose_stays_as_it_is(
    migrated_url: str,
) -> None:
    """`local` and `remote_write` are promises about replicas; only `off` loses what was committed here."""
    arguments = {"options": "-c synchronous_commit=local"}
    sessions = sessions_to(migrated_url, application="t", statement_seconds=5)
    connection = await Sessions({**sessions.arguments, **arguments}, sessions.settings).open({})
    async with connection:
        cursor = await connection.execute("SHOW synchronous_commit")
        assert await cursor.fetchone() == ("local",)


async def test_a_role_that_may_not_switch_the_triggers_on_again_is_refused_with_the_reason(
    migrated_url: str,
) -> None:
    user, name = f"weak_{uuid.uuid4().hex[:8]}", make_url(migrated_url).database
    ask(migrated_url, f"CREATE ROLE {user} LOGIN PASSWORD 's3cret'")
    ask(migrated_url, f"ALTER ROLE {user} IN DATABASE {name} SET session_replication_role = replica")
    async with open_database(as_user(migrated_url, user, "s3cret")) as database:
        with pytest.raises(Stop, match="session_replication_role"):
            await database.ping()


async def test_an_error_that_ends_its_session_is_nobodys_fault(migrated_url: str) -> None:
    """Of a class that would make a dead letter: whatever ends the session is the server's doing."""
    with pytest.raises(psycopg.Error) as ended:  # noqa: SIM117 - what is raised when the session is left
        with plain(migrated_url) as connection:
            connection.execute("SET exit_on_error = on").connection.execute("SELECT 'x'::int")
    assert (ended.value.sqlstate, ended.value.diag.severity_nonlocalized) == ("22P02", "FATAL")
    assert isinstance(translate(ended.value, "store a request"), TryLater)
    assert is_passing(ended.value)


async def test_times_are_by_the_servers_clock_however_wrong_the_machines_is(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = datetime.now(tz=UTC) - timedelta(hours=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: wrong)
    async with open_database(migrated_url) as database:
        assert database.clock.now() == wrong, "nothing is known of the server yet"
        model = f"price {uuid.uuid4()}"
        stores = stores_on(database, model)
        run = await stores.runs.begin(await claimed(stores, model))
        assert abs(database.clock.now() - run.updated_at) < timedelta(seconds=30)
    async with open_database(migrated_url) as database:
        await database.ping()
        assert database.clock.now() - wrong > timedelta(minutes=50)


def test_what_a_session_cannot_make_good_is_told(postgres_server: PostgresServer) -> None:
    """The tests' own server does not flush to the disk."""
    name = f"narrow_{uuid.uuid4().hex}"
    ask(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    told = [
        risk.found.partition(":")[0] for risk in risks_of(databases.database_url(postgres_server.url, name))
    ]
    postgres_server.drop_database(name)
    assert told == ["fsync is off", "full_page_writes is off", "the database's encoding is LATIN1"]
