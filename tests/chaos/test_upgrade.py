"""A worker of 0.1.0 and one of this version share the work, and each goes on where the other was killed.

Some 40 s, nearly all of it one test: a start of 0.1.0 imports everything anew, and each kill costs a lease.
It is one test because it asks about rows, events and models that one version left and the other finds.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import pytest

from domain.ledger import Cause
from domain.points import Point
from domain.run_actions import Actor
from service.adapters.postgres.database import open_database
from service.adapters.postgres.holds import PostgresHolds
from service.promotion.holding import PromotionHolding
from tests.chaos.fleet import Worker
from tests.chaos.released import CAUSES, Released, carried
from tests.chaos.world import BETTER_AND_BETTER, Chaos
from tests.kit.eventually import eventually
from tests.oracle.facts import Kind, Record, World

_KILLED_AT: Final = (
    pytest.param(Point.DECIDE_BEFORE_COMMIT, id="before it has decided"),
    pytest.param(Point.PERSIST_BEFORE_EFFECT, id="before it persists", marks=pytest.mark.soak),
)
_ANNA: Final = Actor(name="anna", door="api", proven=True)
_IN_THE_MIDDLE: Final = ("SPLIT", "VERSIONED", "TRAINED", "EVALUATED")
_OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Without our schema: the release before makes its own."""
    return empty_database_url


@pytest.fixture
def released(tmp_path: Path, world: Chaos) -> Iterator[Released]:
    """A worker of 0.1.0 that runs, with the settings that it knows."""
    known = {**world.deployment.environment}
    del known["WORKER__KEEP_RUN_PARTS"]
    worker = Released(tmp_path / "released", known)
    worker.role.start()
    yield worker
    worker.role.kill()


class Upgrade:
    """The world, the old worker, the new one, and requests that come for both."""

    def __init__(self, world: Chaos, old: Released, new: Worker) -> None:
        self.world, self.old, self.new = world, old, new
        self.models = cycle(BETTER_AND_BETTER[1:])

    async def work_until(self, seen: Callable[[], Any]) -> Any:
        """Keep two requests unfinished, so that neither worker is idle for long, until something is seen."""

        async def look() -> Any:
            if found := seen():
                return found
            if len(self.world.rows("SELECT FROM laurel.runs WHERE NOT ended")) < 2:
                await self.world.ask(next(self.models))
            return None

        return await eventually(look)

    def in_hand(self, worker: str, *states: str) -> str | None:
        """The run that a worker holds, in one of these states if any are given."""
        rows = self.world.rows(
            f"SELECT run_id, state FROM laurel.runs WHERE NOT ended AND owner = '{worker}'"  # noqa: S608
        )
        return next((str(run) for run, state in rows if not states or state in states), None)

    async def all_ended(self) -> World:
        """Wait for the end of every request so far."""
        asked = sum(sent.kind is Kind.VALID for sent in self.world.witness.sent)
        return await self.world.ended(asked)


@pytest.mark.parametrize("killed_at", _KILLED_AT)
async def test_a_rolling_upgrade_from_0_1_0_loses_and_doubles_nothing(
    world: Chaos, released: Released, killed_at: Point
) -> None:
    await _begun_by_0_1_0(world, released)
    (new,) = await world.fleet.running("new")
    upgrade = Upgrade(world, released, new)
    await _the_new_one_judges_the_old_one_s_champion(upgrade)
    await _the_old_one_promotes_nothing_past_a_hold(upgrade)
    await _the_old_one_goes_on_where_the_new_one_died(killed_at, upgrade)
    await _the_new_one_goes_on_where_the_old_one_died(upgrade)
    await world.put(b"{", kind=Kind.BAD)
    rested = await world.at_rest()
    assert {run.state for run in rested.runs} <= {"COMPLETED", "DECLINED"}
    _each_has_judged_the_other_s_champion(rested, released.carried(), carried(new.log))
    _events_have_only_grown(rested.late, released.carried(), carried(new.log))
    _a_new_start_of_0_1_0_is_refused(released)


async def _begun_by_0_1_0(world: Chaos, old: Released) -> None:
    """It makes the schema and the first champion, and sets a bad record aside."""
    assert {path.parents[1] for path in old.code_of("service", "domain", "handlers", "config")} == {
        old.folder
    }
    await eventually(lambda: '"event": "running"' in _told(old.role.log))
    await world.put(b"{", kind=Kind.BAD)
    await world.ask(BETTER_AND_BETTER[0])
    await world.ended(1)


async def _the_new_one_judges_the_old_one_s_champion(upgrade: Upgrade) -> None:
    """Its turn, since the old one is stopped."""
    upgrade.old.stop()
    await upgrade.world.ask(next(upgrade.models))
    await upgrade.all_ended()
    upgrade.old.wake()


async def _the_old_one_promotes_nothing_past_a_hold(upgrade: Upgrade) -> None:
    """It knows of no hold: the database refuses its promotion, and it waits until that is over."""
    world, old, new = upgrade.world, upgrade.old, upgrade.new
    async with open_database(world.where.database_url) as database:
        holds = PostgresHolds(database, world.where.model_name)
        holding = PromotionHolding(world.where.model_name, holds, database.clock)
        await holding.hold("a rolling upgrade", None, _ANNA)
        generations = len(world.rows("SELECT 1 FROM laurel.promotion_ledger"))
        new.stop()
        await world.ask(next(upgrade.models))
        await eventually(lambda: f"promotions of {world.where.model_name} are held" in _told(old.role.log))
        new.wake()
        assert len(world.rows("SELECT 1 FROM laurel.promotion_ledger")) == generations
        await holding.release(None, _ANNA)
    await upgrade.all_ended()
    assert len(world.rows("SELECT 1 FROM laurel.promotion_ledger")) == generations + 1


async def _the_old_one_goes_on_where_the_new_one_died(point: Point, upgrade: Upgrade) -> None:
    world, new = upgrade.world, upgrade.new
    world.declare(f"kill at {point}")
    world.orders.kill_at(point)
    await upgrade.work_until(lambda: not world.orders.armed())
    world.fired(f"kill at {point}")
    run = upgrade.in_hand("new")
    assert run is not None
    await upgrade.all_ended()
    assert run in upgrade.old.carried()
    new.start()
    await new.running()


async def _the_new_one_goes_on_where_the_old_one_died(upgrade: Upgrade) -> None:
    old = upgrade.old
    upgrade.world.declare("kill 0.1.0")
    run = await upgrade.work_until(lambda: upgrade.in_hand(old.name, *_IN_THE_MIDDLE))
    old.role.kill()
    upgrade.world.fired("kill 0.1.0")
    await upgrade.all_ended()
    assert run in carried(upgrade.new.log)
    assert run not in old.carried()


def _each_has_judged_the_other_s_champion(world: World, by_old: set[str], by_new: set[str]) -> None:
    made = {version: run.run_id for run in world.runs if (version := _decided(run.outputs)) is not None}
    judged = {
        run.run_id: made[version]
        for run in world.runs
        if (version := run.outputs["evaluate"]["champion"].get("version")) is not None
    }
    assert any(run in by_old and champion in by_new for run, champion in judged.items())
    assert any(run in by_new and champion in by_old for run, champion in judged.items())


def _decided(outputs: Any) -> int | None:
    version: int | None = outputs["decide"].get("version")
    return version


def _events_have_only_grown(records: Iterable[Record], by_old: set[str], by_new: set[str]) -> None:
    """Whatever field a reader of 0.1.0's events knows, it finds in this version's."""
    fields: dict[tuple[str, bool], set[str]] = {}
    for record in records:
        data = (
            json.loads(record.value or b"{}") if record.coordinates.topic != "training.requested.dlq" else {}
        )
        if (run := data.get("run_id")) in by_old | by_new:
            known = fields.setdefault((record.coordinates.topic, run in by_new), set())
            known.update(_paths(data))
    topics = {topic for topic, by_new in fields if by_new and (topic, False) in fields}
    assert topics >= {"split.completed", "model.evaluated", "model.promoted"}
    for topic in topics:
        assert fields[topic, False] - fields[topic, True] == set(), topic


def _paths(data: Any, before: str = "") -> Iterator[str]:
    if isinstance(data, dict):
        for name, value in data.items():
            yield f"{before}.{name}"
            yield from _paths(value, f"{before}.{name}")


def _a_new_start_of_0_1_0_is_refused(old: Released) -> None:
    """Its worker that ran goes on; whatever starts now meets a schema that is newer than it knows."""
    answer = old.laurel("runs", "--json")
    assert (answer.returncode, "schema is at version" in answer.stderr) == (2, True), answer.stderr


def _told(log: Path) -> str:
    return log.read_text(encoding="utf-8") if log.exists() else ""


def test_what_0_1_0_cannot_read_in_the_ledger_is_named_in_the_runbook() -> None:
    """A run in the hands of 0.1.0 fails at such an entry: it must have ended before one is made."""
    section = _OPERATIONS.read_text(encoding="utf-8").partition("## Upgrades")[2].partition("\n## ")[0]
    unknown = {cause.value for cause in Cause} - CAUSES
    assert [cause for cause in unknown if f"`{cause}`" not in section] == []
