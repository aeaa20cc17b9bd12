"""Walking the hot path once before the first request: compiling its statements takes longer than they do."""

from datetime import UTC, datetime

from domain.announcement import Announcement
from domain.ledger import Cause, next_entry
from domain.lifecycle import Outcome
from domain.request import ReceivedRequest
from service.adapters.postgres.alias_writes import PostgresAliasWrites
from service.adapters.postgres.database import Database
from service.adapters.postgres.first_uses import PostgresFirstUses
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.run_store import PostgresRunStore

_NOBODY = "laurel rehearsal"  # no model has this name: no claim but ours finds the run
_REQUEST = ReceivedRequest(identity="rehearsal", model_name=_NOBODY, payload={}, correlation_id="rehearsal")
_ANNOUNCED = {
    Outcome.RESOLVED: False,
    Outcome.SPLIT: False,
    Outcome.VERSIONED: True,
    Outcome.TRAINED: False,
    Outcome.EVALUATED: True,
}


async def rehearse(database: Database) -> None:
    """Take a run through its states, on a stage: nothing of it is left, and nobody is woken.

    Raises TryLater when the database does not answer.
    """
    async with database.stage() as stage:
        store, outbox = PostgresRunStore(stage), PostgresOutbox(stage, _NOBODY)
        await store.add(_REQUEST)
        await store.wait_for_work(0)
        await _use_and_promote(stage)
        run = await store.claim(_NOBODY, _NOBODY, 60)
        if run is None:
            return
        await store.renew(run, 60)
        run = await store.keep(run, "open_run", {"mlflow_run_id": "none"})
        for outcome, announced in _ANNOUNCED.items():
            run = await store.begin(run)
            announcements = [_announcement(outcome)] if announced else []
            run = await store.advance(run, outcome, output={}, announcements=announcements)
        entry = next_entry(
            _NOBODY, None, version=1, cause=Cause.GATE, reasons=("r",), actor=_NOBODY, at=datetime.now(UTC)
        )
        run = await store.advance(run, Outcome.WON, output={}, entry=entry)
        await store.advance(run, Outcome.PERSISTED, output={})
        await PostgresPromotionLedger(stage).unannounced(_NOBODY)
        await store.chore_done(run.run_id, "status")
        await outbox.mark_sent([row.seq for row in await outbox.unsent(100)])


async def _use_and_promote(stage: Database) -> None:
    await PostgresFirstUses(stage, _NOBODY).record("models", "v1", "digest", "none")
    await PostgresFirstUses(stage, _NOBODY).known("models", "v1")
    await PostgresPromotionLedger(stage).head(_NOBODY)
    writes = PostgresAliasWrites(stage)
    number = await writes.open(_NOBODY, 1, _NOBODY)
    await writes.is_open(_NOBODY, 1)
    await writes.close(number)


def _announcement(outcome: Outcome) -> Announcement:
    return Announcement(event_id=outcome.value, topic="rehearsal", key=_NOBODY, headers={}, body="{}")
