"""Walking the hot path once before the first request: compiling its statements takes longer than they do."""

from datetime import UTC, datetime

from domain.announcement import Announcement
from domain.errors import TryLater
from domain.ledger import Cause, next_entry
from domain.lifecycle import NEXT_STEP, TRANSITIONS, Outcome, Step
from domain.request import ReceivedRequest
from domain.run import Run
from service.adapters.postgres.database import Database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.run_store import PostgresRunStore

_NOBODY = "laurel rehearsal"  # no model has this name: no claim but ours finds the run
_LEASE_SECONDS = 60.0
# How a run goes on from each state, up to the decision.
_WAY = {state: outcome for (state, outcome), to in TRANSITIONS.items() if to in NEXT_STEP}


async def dry_run(database: Database) -> None:
    """Take two runs to their ends, on a stage: nothing of them is left, and nobody is woken.

    Raises TryLater when the database does not answer.
    """
    async with database.stage() as stage:
        store, outbox = PostgresRunStore(stage), PostgresOutbox(stage, _NOBODY)
        entry = next_entry(
            _NOBODY, None, version=1, cause=Cause.GATE, reasons=("r",), actor=_NOBODY, at=datetime.now(UTC)
        )
        run = await _evaluated(store, "promoted")
        run = await store.advance(run, Outcome.WON, output={}, entry=entry)
        await store.advance(run, Outcome.PERSISTED, output={})
        run = await _evaluated(store, "declined")
        await store.advance(run, Outcome.LOST, output={}, announcements=[_announcement(run, Outcome.LOST)])
        await PostgresPromotionLedger(stage).unannounced(_NOBODY)
        await outbox.mark_sent([row.seq for row in await outbox.unsent(100)])


async def _evaluated(store: PostgresRunStore, identity: str) -> Run:
    request = ReceivedRequest(identity=identity, model_name=_NOBODY, payload={}, correlation_id=identity)
    await store.add(request)
    run = await store.claim(_NOBODY, _NOBODY, _LEASE_SECONDS)
    if run is None:
        raise TryLater("rehearsal_disturbed", "the rehearsal's own run was not there", waiting_on="postgres")
    await store.renew(run, _LEASE_SECONDS)
    run = await store.keep(run, "open_run", {"mlflow_run_id": identity})
    while run.next_step is not Step.DECIDE:
        outcome = _WAY[run.state]
        run = await store.begin(run)
        run = await store.advance(run, outcome, output={}, announcements=[_announcement(run, outcome)])
    return run


def _announcement(run: Run, outcome: Outcome) -> Announcement:
    event_id = f"rehearsal {run.run_id} {outcome}"
    return Announcement(event_id=event_id, topic="rehearsal", key=_NOBODY, headers={}, body="{}")
