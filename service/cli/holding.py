"""Who holds a run, what it waits for, since when, and for how long at most."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from config.settings import Settings
from domain.fleet import is_silent, span
from domain.lifecycle import State
from domain.ports.workers import WORKER, HeardProcess, Hold
from domain.run import Run
from domain.values import Value
from domain.wording import iso_time
from service.lifecycle.looking import StoreLook


class Holding(Value):
    """What is known of a run that has not ended, at one moment by the database's clock."""

    hold: Hold
    holder: HeardProcess | None
    now: datetime


async def holding_of(look: StoreLook, run: Run) -> Holding | None:
    """Look who holds a run; None for one that has ended. Raises TryLater."""
    hold = None if run.ended else await look.workers.hold(run.run_id)
    if hold is None:
        return None
    holder = _holder(run, hold, await look.workers.heard())
    return Holding(hold=hold, holder=holder, now=look.clock.now())


def _holder(run: Run, hold: Hold, heard: Sequence[HeardProcess]) -> HeardProcess | None:
    own = (one for one in heard if (one.role, one.model_name) == (WORKER, run.model_name))
    return next((one for one in own if one.name == hold.owner), None)


def holding_facts(run: Run, found: Holding, settings: Settings) -> dict[str, object]:
    """The same as JSON."""
    hold, holder, until = found.hold, found.holder, _at_most_until(run, settings)
    return {
        "worker": hold.owner,
        "worker_host": holder and holder.host,
        "worker_pid": holder and holder.pid,
        "worker_silent_seconds": holder and round(holder.silent_seconds, 1),
        "lease_until": hold.lease_until and hold.lease_until.isoformat(),
        "lease_seconds": round(hold.lease_seconds, 1),
        "next_try_at": hold.not_before and hold.not_before.isoformat(),
        "waits_until_at_most": until and until.isoformat(),
    }


def holding_lines(run: Run, found: Holding, settings: Settings) -> dict[str, str]:
    """What `show` prints of it."""
    lines = {"worker": _told_worker(run, found)}
    if told := _told_wait(run, found, settings):
        lines["waits"] = told
    return lines


def _told_worker(run: Run, found: Holding) -> str:
    hold, holder = found.hold, found.holder
    if hold.owner is None:
        return f"none; the run is free to be taken{_since_asked(run, found)}"
    who = hold.owner
    if holder is not None:
        heard = f"silent for {span(holder.silent_seconds)}" if is_silent(holder) else "it lives"
        who = f"{holder.name} (pid {holder.pid} on {holder.host}, {heard})"
    if hold.held and hold.lease_until:
        return f"{who}; its lease lasts until {iso_time(hold.lease_until)} unless it is renewed"
    return f"{who} held it; its lease is over, and any worker may continue"


def _since_asked(run: Run, found: Holding) -> str:
    if run.state is not State.REQUESTED:
        return ""
    waited = (found.now - run.requested_at).total_seconds()
    return f", since {span(max(waited, 0.0))}; `laurel workers` lists those that could"


def _told_wait(run: Run, found: Holding, settings: Settings) -> str:
    again = found.hold.not_before
    tried = f"tried again at {iso_time(again)}" if again is not None and again > found.now else ""
    if run.waiting_on is None or run.waiting_since is None:
        return tried
    waited = (found.now - run.waiting_since).total_seconds()
    since = f"for {run.waiting_on}, since {iso_time(run.waiting_since)} ({span(max(waited, 0.0))})"
    until = _at_most_until(run, settings)
    most = f"until {iso_time(until)} at most" if until else "without a limit: it is promoted"
    return "; ".join(part for part in (since, most, tried) if part)


def _at_most_until(run: Run, settings: Settings) -> datetime | None:
    """When the wait is given up, by WORKER__WAIT_BUDGET_SECONDS as it is set here; None: never."""
    if run.waiting_since is None or run.waiting_on is None or run.state is State.PROMOTED:
        return None
    return run.waiting_since + timedelta(seconds=settings.worker.wait_budget_seconds)
