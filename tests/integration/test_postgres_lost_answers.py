"""A connection that ends in the middle: what was committed is found again, nothing is done twice (C08)."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from domain.errors import GenerationTaken
from domain.lifecycle import Outcome
from domain.ports.notices import Claimed, NoticeClaim
from domain.ports.run_store import Added
from domain.run import Run
from service.adapters.postgres.schema import upgrade
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
    promoted,
    request,
)
from tests.harm.proxies import Fault, FaultProxy, cut_request, lost
from tests.harm.wire_formats import Match, postgres
from tests.integration.postgres_admin import ask, proxied
from tests.worlds.servers import PostgresServer

HARMS: dict[str, Callable[[Match], Fault]] = {
    "answer lost": lambda match: lost(match, times=1),
    "answer lost three times": lambda match: lost(match, times=3),
    "request cut": lambda match: cut_request(match, times=1),
}


@dataclass
class Scene:
    """A model's stores behind a proxy; `aside` goes past it, to set the scene up and to look at it."""

    model: str
    url: str
    proxy: FaultProxy
    stores: Stores
    aside: Stores

    def ask(self, what: str, table: str = "runs") -> Sequence[tuple[Any, ...]]:
        """Read rows of the model past our own code."""
        return ask(self.url, f"SELECT {what} FROM laurel.{table} WHERE model_name = %s", self.model)  # noqa: S608


@pytest.fixture(scope="module")
def migrated_url(postgres_server: PostgresServer) -> Iterator[str]:
    name = f"lost_answers_{uuid.uuid4().hex}"
    url = postgres_server.create_database(name)
    upgrade(url)
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
async def scene(migrated_url: str) -> AsyncIterator[Scene]:
    model = f"price {uuid.uuid4()}"
    async with (
        proxied(migrated_url) as (proxy, url),
        on_postgres(url, model) as stores,
        on_postgres(migrated_url, model) as aside,
    ):
        yield Scene(model, migrated_url, proxy, stores, aside)


async def _add(scene: Scene) -> None:
    assert await scene.stores.runs.add(request(scene.model, "one")) is Added.NEW
    assert scene.ask("count(*)") == [(1,)]


async def _add_known(scene: Scene) -> None:
    await scene.aside.runs.add(request(scene.model, "one"))
    assert await scene.stores.runs.add(request(scene.model, "one")) is Added.KNOWN


async def _claim(scene: Scene) -> None:
    for _ in range(2):
        await scene.aside.runs.add(request(scene.model))
    run = await claim(scene.stores, scene.model)
    assert (run.fence, run.owner) == (1, "w")
    assert sorted(scene.ask("fence, owner")) == [(0, None), (1, "w")]


async def _renew(scene: Scene) -> None:
    run = await claimed(scene.aside, scene.model, lease=20)
    await scene.stores.runs.renew(run, LONG)
    assert scene.ask("lease_until > clock_timestamp() + interval '30 s'") == [(True,)]


async def _release(scene: Scene) -> None:
    await scene.stores.runs.release(await claimed(scene.aside, scene.model))
    assert (await claim(scene.aside, scene.model)).fence == 2


async def _release_all(scene: Scene) -> None:
    for _ in range(2):
        await claimed(scene.aside, scene.model, worker=scene.model)
    assert await scene.stores.runs.release_all(scene.model) == 2


async def _begin(scene: Scene) -> None:
    run = await scene.stores.runs.begin(await claimed(scene.aside, scene.model))
    assert run.attempts == 1
    assert await _now(scene, run) == run


async def _keep(scene: Scene) -> None:
    run = await scene.stores.runs.keep(await claimed(scene.aside, scene.model), "package", {"digest": "1"})
    assert run.outputs == {"package": {"digest": "1"}}
    assert await _now(scene, run) == run


async def _open(scene: Scene) -> None:
    run = await claimed(scene.aside, scene.model)
    run = await scene.stores.runs.keep(run, "open_run", {"mlflow_run_id": "m"})
    assert run.mlflow_run_id == "m"
    assert await _now(scene, run) == run


async def _advance(scene: Scene) -> None:
    told = [announcement(scene.model), announcement(scene.model)]
    run = await claimed(scene.aside, scene.model)
    moved = await scene.stores.runs.advance(run, Outcome.RESOLVED, output={"a": 1}, announcements=told)
    assert moved.outputs == {"resolve": {"a": 1}}
    assert await _now(scene, run) == moved
    assert len(await scene.aside.runs.history(run.run_id)) == 1
    assert [row.announcement for row in await scene.aside.outbox.unsent(10)] == told


async def _end(scene: Scene) -> None:
    run = await claimed(scene.aside, scene.model)
    ended = await scene.stores.runs.advance(run, Outcome.GAVE_UP, failure=MLFLOW_AWAY)
    assert await _now(scene, run) == ended
    assert (ended.owner, ended.failure) == (None, MLFLOW_AWAY)


async def _promote(scene: Scene) -> None:
    run = await brought_to(scene.aside, await claimed(scene.aside, scene.model), *WAY_TO_EVALUATED)
    entry = following(None, scene.model)
    won = await scene.stores.runs.advance(run, Outcome.WON, entry=entry)
    assert await _now(scene, run) == won
    assert await scene.aside.ledger.entries(scene.model) == [entry]


async def _promote_second(scene: Scene) -> None:
    run = await brought_to(scene.aside, await claimed(scene.aside, scene.model), *WAY_TO_EVALUATED)
    await scene.aside.ledger.append(following(None, scene.model, version=9))
    with pytest.raises(GenerationTaken):
        await scene.stores.runs.advance(run, Outcome.WON, entry=following(None, scene.model))
    assert await _now(scene, run) == run


async def _postpone(scene: Scene) -> None:
    run = await scene.aside.runs.begin(await scene.aside.runs.begin(await claimed(scene.aside, scene.model)))
    await scene.stores.runs.postpone(run, 0.0, MLFLOW_AWAY, waiting_on="mlflow")
    again = await claim(scene.aside, scene.model)
    assert (again.attempts, again.waiting_on) == (1, "mlflow")


async def _note_waiting(scene: Scene) -> None:
    run = await claimed(scene.aside, scene.model)
    await scene.stores.runs.note_waiting(run, MLFLOW_AWAY, waiting_on="mlflow")
    assert (await _now(scene, run)).waiting_on == "mlflow"


async def _append(scene: Scene) -> None:
    entry = following(None, scene.model)
    await scene.stores.ledger.append(entry)
    assert await scene.aside.ledger.entries(scene.model) == [entry]


async def _append_second(scene: Scene) -> None:
    first = following(None, scene.model, version=9)
    await scene.aside.ledger.append(first)
    with pytest.raises(GenerationTaken):
        await scene.stores.ledger.append(following(None, scene.model))
    assert await scene.aside.ledger.entries(scene.model) == [first]


async def _announce(scene: Scene) -> None:
    entry = following(None, scene.model)
    await scene.aside.ledger.append(entry)
    await scene.stores.ledger.announce(entry, promoted(entry))
    assert [row.announcement for row in await scene.aside.outbox.unsent(10)] == [promoted(entry)]
    assert await scene.aside.ledger.unannounced(scene.model) == []


async def _report(scene: Scene) -> None:
    told = announcement(scene.model)
    await scene.stores.outbox.add(told)
    assert [row.announcement for row in await scene.aside.outbox.unsent(10)] == [told]


async def _mark(scene: Scene) -> None:
    for _ in range(2):
        await scene.aside.outbox.add(announcement(scene.model))
    first, second = await scene.aside.outbox.unsent(10)
    await scene.stores.outbox.mark_sent([first.seq])
    assert await scene.aside.outbox.unsent(10) == [second]


async def _first_use(scene: Scene) -> None:
    assert await scene.stores.first_uses.record("splits", "v1", "one", "run") == "one"
    assert await scene.aside.first_uses.known("splits", "v1") == "one"


async def _alias_write(scene: Scene) -> None:
    """A second record would stay open for ever, and hide what a person does."""
    number = await scene.stores.alias_writes.open(scene.model, 7, "w")
    assert scene.ask("number", "alias_writes") == [(number,)]


async def _notice(scene: Scene) -> None:
    claim = NoticeClaim(event_id="event", channel="json-1", claim_id="ours")
    assert await scene.stores.notices.claim(claim, LONG) is Claimed.MINE
    assert await scene.aside.notices.again(claim)


async def _alias_read_back(scene: Scene) -> None:
    number = await scene.aside.alias_writes.open(scene.model, 7, "w")
    await scene.stores.alias_writes.close(number)
    assert not await scene.aside.alias_writes.is_open(scene.model, 7)


async def _now(scene: Scene, run: Run) -> Run:
    now = await scene.aside.runs.get(run.run_id)
    assert now is not None
    return now


Act = Callable[[Scene], Awaitable[Any]]
# What is done, and a text of the statement whose connection ends.
ACTS: dict[str, tuple[Act, str]] = {
    "add": (_add, "insert into laurel.runs"),
    "add what is known": (_add_known, "insert into laurel.runs"),
    "look up what is known": (_add_known, "select laurel.runs.run_id, laurel.runs.payload"),
    "claim": (_claim, "with runnable"),
    "renew": (_renew, "set lease_until"),
    "release": (_release, "set owner"),
    "release all": (_release_all, "set owner"),
    "begin": (_begin, "set attempts"),
    "keep": (_keep, "with kept_for"),
    "keep the MLflow run": (_open, "with kept_for"),
    "advance": (_advance, "moved as"),
    "end": (_end, "moved as"),
    "promote": (_promote, "moved as"),
    "promote too late": (_promote_second, "moved as"),
    "postpone": (_postpone, "update laurel.runs"),
    "note a wait": (_note_waiting, "update laurel.runs"),
    "append": (_append, "insert into laurel.promotion_ledger"),
    "append too late": (_append_second, "insert into laurel.promotion_ledger"),
    "announce": (_announce, "insert into laurel.outbox"),
    "report": (_report, "insert into laurel.outbox"),
    "mark sent": (_mark, "update laurel.outbox"),
    "first use": (_first_use, "insert into laurel.first_uses"),
    "notice": (_notice, "insert into laurel.notifications"),
    "alias write": (_alias_write, "insert into laurel.alias_writes"),
    "alias read back": (_alias_read_back, "update laurel.alias_writes"),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS.keys())
@pytest.mark.parametrize(("act", "statement"), ACTS.values(), ids=ACTS.keys())
async def test_a_write_whose_connection_ends_is_done_once_and_answered_truly(
    scene: Scene, act: Act, statement: str, harm: Callable[[Match], Fault]
) -> None:
    fault = scene.proxy.add(harm(postgres(statement)))
    await act(scene)
    assert fault.hits >= 1
