"""Old rows go, and what anybody may still ask about stays."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest

from domain.decisions import CannotDecide
from domain.errors import Stop
from domain.ledger import Cause
from domain.lifecycle import Outcome
from domain.ports.pruning import Pruned
from domain.promoting import require_judged
from domain.promotion_checks import Decision, NoChampion, Verdict
from domain.run import Run
from domain.run_form import RunForm
from domain.run_record import Decided
from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.database import open_database
from service.adapters.postgres.database_roles import grant_to_worker
from service.adapters.postgres.pruning import PostgresPruning
from service.cli.console import Exit
from service.local.servers.ports import free_port
from service.promotion.explainer import Explainer
from tests.contract.stores import (
    LONG,
    WAY_TO_EVALUATED,
    Stores,
    announcement,
    claimed,
    following,
    on_postgres,
    promoted,
    request,
)
from tests.integration.postgres_admin import as_user, ask, plain
from tests.unit.cli.calls import Laurel

MODEL: Final = "price"
_OLD: Final = timedelta(days=30)
_TRIPLE: Final = {"split_version": 1, "feature_version": 2, "model_version": 3}
_VERDICT: Final = Decided(
    verdict=Verdict(decision=Decision.DECLINE, reasons=("no better: \u0000",)), champion=NoChampion()
).model_dump(mode="json")
_AGED: Final = """
    UPDATE laurel.runs SET updated_at = updated_at - interval '40 days', pictures_done_at = now(),
        status_done_at = now() WHERE ended AND NOT payload LIKE '%fresh%';
    UPDATE laurel.listed_requests AS listed SET ended_at = runs.updated_at FROM laurel.runs
        WHERE runs.run_id = listed.run_id AND runs.ended;
    UPDATE laurel.outbox SET created_at = now() - interval '40 days', sent_at = now() - interval '40 days'
        WHERE coalesce(run_id, '') NOT IN (SELECT run_id FROM laurel.runs WHERE payload LIKE '%fresh%')
"""


async def _ended(stores: Stores, name: str, last: Outcome, **more: Any) -> Run:
    """Carry a run to an end; each step leaves something and announces something."""
    await stores.runs.add(request(MODEL, name).model_copy(update={"payload": {"for": name}}))
    run = await stores.runs.claim(MODEL, "w", LONG)
    assert run is not None
    for outcome in WAY_TO_EVALUATED:
        left = {"triple": _TRIPLE, "text": "x" * 3000, "odd": "\u0000"}
        told = [announcement(MODEL, f"{name} {outcome}")]
        run = await stores.runs.advance(run, outcome, output=left, announcements=told)
    return await stores.runs.advance(run, last, output=_VERDICT, **more)


async def _a_past(url: str) -> dict[str, Run]:
    """Declined, promoted, promoted by hand, fresh, and one that goes on."""
    async with on_postgres(url, MODEL) as stores:
        runs = {name: await _ended(stores, name, Outcome.LOST) for name in ("declined", "by hand", "fresh")}
        entry = following(None, MODEL, cause=Cause.OVERRIDE).model_copy(
            update={"run_id": runs["by hand"].run_id}
        )
        await stores.ledger.append(entry)
        await stores.ledger.announce(entry, promoted(entry))
        await stores.outbox.add(announcement(MODEL, "a hold"))
        await stores.runs.add(request(MODEL, "goes on"))
    with plain(url) as connection:
        connection.execute(_AGED.encode())
    return runs


def _left(url: str, run: Run) -> list[str]:
    rows = ask(url, "SELECT name FROM laurel.run_outputs WHERE run_id = %s ORDER BY name", run.run_id)
    return [name for (name,) in rows]


def _outbox(url: str) -> Sequence[Any]:
    return ask(url, "SELECT coalesce(run_id, topic), generation FROM laurel.outbox ORDER BY seq")


async def test_a_dry_run_says_what_goes_and_a_run_that_was_pruned_is_still_told_of(database_url: str) -> None:
    runs = await _a_past(database_url)
    whole = {name: _left(database_url, run) for name, run in runs.items()}
    before = _outbox(database_url)
    async with open_database(database_url) as database:
        pruning = PostgresPruning(database, MODEL)
        said = await pruning.events(_OLD, dry_run=True), await pruning.outputs(_OLD, dry_run=True)
        assert _outbox(database_url) == before
        assert (await pruning.events(_OLD), await pruning.outputs(_OLD)) == said
        assert (await pruning.events(_OLD), await pruning.outputs(_OLD)) == (Pruned(), Pruned())
    events, outputs = said
    assert (events.runs, events.rows) == (2, 2 * len(WAY_TO_EVALUATED))
    assert (outputs.runs, outputs.rows) == (1, len(WAY_TO_EVALUATED))
    assert outputs.bytes > 200
    assert _left(database_url, runs["declined"]) == ["decide", "pruned"]
    assert {name: _left(database_url, runs[name]) for name in ("by hand", "fresh")} == {
        name: whole[name] for name in ("by hand", "fresh")
    }
    gone = {runs[name].run_id for name in ("declined", "by hand")}
    assert _outbox(database_url) == [row for row in before if row[0] not in gone or row[1] is not None]
    await _assert_told(database_url, runs)


async def _assert_told(url: str, runs: dict[str, Run]) -> None:
    async with on_postgres(url, MODEL) as stores, open_database(url) as database:
        pruned = await stores.runs.get(runs["declined"].run_id)
        assert pruned is not None
        form = RunForm.of(MODEL, pruned)
        assert form.pruned_at is not None
        assert form.triple is not None
        assert form.triple.model_dump() == _TRIPLE
        assert form.decision == "DECLINE"
        assert (pruned.record.resolved, pruned.record.split) == (None, None)
        with pytest.raises(CannotDecide, match=r"was pruned at 20.*laurel retry"):
            require_judged(pruned)
        explainer = Explainer(MODEL, PostgresChampionHistory(database, MODEL), stores.runs)
        told = (await explainer.explain(pruned.run_id)).form(database.clock.now())
        assert "pruned at 20" in told.notes[-1]
        assert told.answer.startswith("Not promoted")
        assert len(told.steps) == len(WAY_TO_EVALUATED) + 1
        assert await stores.ledger.first_broken_generation(MODEL) is None


async def test_only_the_owner_of_the_tables_may_prune(database_url: str) -> None:
    """Whoever takes over a worker's role can delete no announcement that is still to be sent."""
    await _a_past(database_url)
    with plain(database_url) as connection:
        name = f"pruner_{connection.info.backend_pid}"
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'p'".encode())
        try:
            grant_to_worker(database_url, name)
            async with open_database(as_user(database_url, name, "p")) as database:
                pruning = PostgresPruning(database, MODEL)
                for prune in (pruning.events, pruning.outputs):
                    with pytest.raises(Stop, match="grant the missing right"):
                        await prune(_OLD)
        finally:
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


async def test_what_a_run_kept_early_stands_once_after_its_end_and_is_read_as_before(
    database_url: str,
) -> None:
    """A run that ends without a training keeps what it has, as does one whose training holds another."""
    early: dict[str, Any] = {"package": {"digest": "1", "odd": "\u0000"}, "logged_model": {"model_id": "m"}}
    trained: dict[str, Any] = {"package": early["package"], "model": early["logged_model"]}
    async with on_postgres(database_url, MODEL) as stores:
        for train, left in (
            (trained, ["train"]),
            (trained | {"package": {"digest": "2"}}, ["package", "train"]),
            (None, ["logged_model", "package"]),
        ):
            run = await claimed(stores, MODEL)
            for name, output in {**early, **({} if train is None else {"train": train})}.items():
                run = await stores.runs.keep(run, name, output)
            ended = await stores.runs.advance(run, Outcome.REFUSED)
            assert _left(database_url, run) == left
            assert await stores.runs.get(run.run_id) == ended
            assert ended.outputs.items() >= early.items()


def test_the_command_counts_then_prunes_and_a_pruned_run_says_so_when_it_is_shown(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declined = asyncio.run(_a_past(database_url))["declined"].run_id
    settings = {"DATABASE_URL": database_url, "MLFLOW_MODEL_NAME": MODEL, "RETENTION__EVENTS_DAYS": "30"}
    laurel = Laurel(capsys, settings)
    young = laurel("prune", "--dry-run", "--json").json
    assert (young["outputs_days"], young["outputs"]["rows"]) == (365, 0)
    laurel = Laurel(capsys, {**settings, "RETENTION__OUTPUTS_DAYS": "30"})
    assert laurel("prune", "--dry-run").out.count("would go: ") == 2
    said = laurel("prune", "--json").json
    assert (said["model_name"], said["dry_run"]) == (MODEL, False)
    assert (said["events"]["runs"], said["outputs"]["runs"]) == (2, 1)
    assert laurel("prune").code == Exit.DONE
    assert "pruned           at 20" in laurel("show", declined).out
    assert laurel("show", declined, "--json").json["pruned_at"] is not None
    assert laurel("runs", "--state", "declined", "--json").json[-1]["pruned_at"] is not None
    away = laurel("prune", DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/nowhere")
    assert away.code == Exit.AWAY


def test_two_counts_are_added() -> None:
    assert Pruned(runs=1, rows=2, bytes=3) + Pruned(rows=1) == Pruned(runs=1, rows=3, bytes=3)
