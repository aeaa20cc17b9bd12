"""Whatever is done in whatever order: fakes and PostgreSQL give the same answers and end with equal rows."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.announcement import Announcement
from domain.errors import LaurelError
from domain.lifecycle import TRANSITIONS, Outcome
from domain.run import Run
from tests.contract.stores import (
    LONG,
    MLFLOW_AWAY,
    Stores,
    announcement,
    following,
    in_memory,
    on_postgres,
    promoted,
    request,
)
from tests.fakes.memory import Memory

_TIMES = {"requested_at", "updated_at"}
_LEASES = st.sampled_from([0.0, LONG, LONG, LONG])
_WAYS = {state: [outcome for known, outcome in TRANSITIONS if known is state] for state, _ in TRANSITIONS}

Act = Callable[[Stores, str, Run | None], Awaitable[Any]]


@dataclass(frozen=True)
class Step:
    """One thing to do; `holder` picks one of the runs that were claimed so far, the newest ones first."""

    name: str
    act: Act
    holder: int = 0

    def __repr__(self) -> str:
        return f"{self.name} by {self.holder}"


def _held(name: str, act: Callable[[Stores, Run], Awaitable[Any]]) -> st.SearchStrategy[Step]:
    async def with_run(stores: Stores, _: str, run: Run | None) -> Any:
        return None if run is None else await act(stores, run)

    return st.integers(0, 3).map(lambda holder: Step(name, with_run, holder))


def _free(name: str, act: Callable[[Stores, str], Awaitable[Any]]) -> Step:
    async def without_run(stores: Stores, model: str, _: Run | None) -> Any:
        return await act(stores, model)

    return Step(name, without_run)


def _add(identity: int, version: int) -> Step:
    return _free(
        f"add {identity} {version}", lambda s, m: s.runs.add(request(m, str(identity), model_version=version))
    )


def _claim(worker: str, lease: float) -> Step:
    return _free(f"claim {worker} {lease}", lambda s, m: s.runs.claim(m, f"{m} {worker}", lease))


def _advance(choice: int, output: int | None, told: int, holder: int, *, enters: bool) -> Step:
    async def act(stores: Stores, model: str, run: Run | None) -> Any:
        if run is None:
            return None
        ways = _WAYS.get(run.state) or list(Outcome)
        outcome = ways[choice % len(ways)]
        head = await stores.ledger.head(model)
        return await stores.runs.advance(
            run,
            outcome,
            output=None if output is None else {"b": output, "a": {}},
            announcements=[
                announcement(model, event_id=f"{model} {run.identity} {outcome} {n}") for n in range(told)
            ],
            entry=following(head, model, version=told + 1) if enters else None,
        )

    return Step(f"advance {choice} {output} {told} {enters}", act, holder)


async def _append(stores: Stores, model: str) -> None:
    await stores.ledger.append(following(await stores.ledger.head(model), model))


async def _announce(stores: Stores, model: str) -> None:
    for entry in await stores.ledger.unannounced(model):
        await stores.ledger.announce(entry, promoted(entry))


async def _send(stores: Stores, model: str) -> list[str]:
    rows = await stores.outbox.unsent(2)
    await stores.outbox.mark_sent([row.seq for row in rows])
    return [row.announcement.event_id.removeprefix(model) for row in rows]


def _told_of(run: Run) -> Announcement:
    return announcement(run.model_name, event_id=f"{run.model_name} {run.identity} {run.state} cancelled")


_WORKERS = st.sampled_from(["anna", "bert"])
_SERVICES = st.sampled_from([None, "mlflow", "disk"])

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(_add, st.integers(0, 2), st.integers(0, 1)),
    st.builds(_claim, _WORKERS, _LEASES),
    st.builds(_claim, _WORKERS, _LEASES),
    st.builds(
        _advance,
        st.integers(0, 1),
        st.none() | st.integers(),
        st.integers(0, 2),
        st.integers(0, 3),
        enters=st.booleans(),
    ),
    _held("begin", lambda s, run: s.runs.begin(run)),
    _held("renew", lambda s, run: s.runs.renew(run, LONG)),
    _held("renew for nothing", lambda s, run: s.runs.renew(run, 0.0)),
    _held("cancel", lambda s, run: s.runs.cancel(run, MLFLOW_AWAY, (_told_of(run),))),
    _held("release", lambda s, run: s.runs.release(run)),
    _held("keep", lambda s, run: s.runs.keep(run, "package", {"attempts": run.attempts})),
    _held("open", lambda s, run: s.runs.keep(run, "open_run", {"mlflow_run_id": f"{run.fence}"})),
    _SERVICES.flatmap(
        lambda service: _held(
            f"postpone for {service}",
            lambda s, run: s.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on=service),
        )
    ),
    _SERVICES.flatmap(
        lambda service: _held(
            f"wait for {service}", lambda s, run: s.runs.note_waiting(run, MLFLOW_AWAY, waiting_on=service)
        )
    ),
    _held("chore", lambda s, run: s.runs.job_done(run.run_id, "status")),
    _WORKERS.map(
        lambda worker: _free(f"release all of {worker}", lambda s, m: s.runs.release_all(f"{m} {worker}"))
    ),
    st.just(_free("append", _append)),
    st.just(_free("announce", _announce)),
    st.just(_free("send", _send)),
)


class World:
    """One side: its stores, and the runs that were claimed there."""

    def __init__(self, stores: Stores, model: str) -> None:
        self._stores = stores
        self._model = model
        self._claimed: list[Run] = []

    async def do(self, step: Step) -> Any:
        """Do it, and say what came of it in words that both sides share."""
        run = self._claimed[-1 - step.holder % len(self._claimed)] if self._claimed else None
        try:
            result = await step.act(self._stores, self._model, run)
        except LaurelError as error:
            return type(error).__name__, error.reason
        if isinstance(result, Run):
            self._claimed.append(result)
            return _shape(result)
        return result

    async def rows(self) -> Any:
        """Everything that is there in the end."""
        runs = await self._stores.runs.recent(self._model, 100)
        histories = [await self._stores.runs.history(run.run_id) for run in runs]
        outbox = await self._stores.outbox.unsent(100)
        return (
            [_shape(run) for run in runs],
            [[record.model_dump(exclude={"run_id", "at"}) for record in history] for history in histories],
            [row.announcement for row in outbox],
            await self._stores.ledger.entries(self._model),
            await self._stores.ledger.unannounced(self._model),
            [run.identity for run in await self._stores.runs.ended_without(self._model, "status", 100)],
        )


def _shape(run: Run) -> Mapping[str, Any]:
    """A run without what differs from store to store: its id, and the times."""
    shape = run.model_dump(exclude={"run_id", "waiting_since", *_TIMES})
    return {**shape, "waits": run.waiting_since is not None}


@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
def test_the_fakes_answer_as_postgresql_does(migrated_url: str, steps: list[Step]) -> None:
    asyncio.run(_compare(migrated_url, steps))


async def _compare(url: str, steps: list[Step]) -> None:
    model = f"agreeing {uuid.uuid4()}"
    async with on_postgres(url, model) as stores:
        fake, real = World(in_memory(Memory(), model), model), World(stores, model)
        for step in steps:
            assert await fake.do(step) == await real.do(step), step
        assert await fake.rows() == await real.rows()
