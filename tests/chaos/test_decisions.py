"""A person's decision is cut short at each of its points: a repeat, or the reconciler, brings it to its end.

Its cost: a process for each kill, and two worlds with three registered models each.
"""

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from domain.errors import TryLater
from service.lifecycle.worker_parts import reconciler_in
from tests.chaos.figures import FIGURES
from tests.chaos.orders import Orders
from tests.chaos.person import CASES, PROMOTING, announced, assert_whole, decide, entries_of
from tests.chaos.points import FOLDER_VARIABLE
from tests.kit.settings_of import settings_of
from tests.kit.warm_starts import Nursery
from tests.worlds.registered_models import open_shelf
from tests.worlds.reigns import declined, opened

KILLED: Final = -9


async def test_a_killed_decision_is_finished_by_its_repeat_or_by_the_reconciler(
    environment: dict[str, str], tmp_path: Path, nursery: Nursery, packages: list[dict[str, bytes]]
) -> None:
    """Case C01, for what a person orders: `kill -9` at each point of each command."""
    orders, settings = Orders(tmp_path / "chaos"), settings_of(environment)
    uri, model = environment["MLFLOW_TRACKING_URI"], environment["MLFLOW_MODEL_NAME"]
    async with opened(environment) as world:
        async with open_shelf(uri, tmp_path / "candidate", model) as shelf:
            await declined(world, shelf, packages[3])
        for number, case in enumerate(CASES):
            before, told = await entries_of(world), announced(environment)
            orders.kill_at(case.point)
            key = f"key {number}"
            words = {"command": case.command, "about": case.about, "key": key}
            variables = {**environment, FOLDER_VARIABLE: str(orders.folder)}
            with (tmp_path / "person.log").open("ab") as log:
                child = nursery.fork("tests.chaos.person:run", words, variables, log.fileno())
            assert await child.end() == KILLED, (case, (tmp_path / "person.log").read_text(encoding="utf-8"))

            made = await entries_of(world)
            assert len(made) - len(before) == (case.is_made and case.command in PROMOTING), case
            if case.command not in PROMOTING:
                assert (announced(environment) != told) == case.is_made, case
            if case.by_reconciler:
                await reconciler_in(world, world.projector(), 0).look()
                await assert_whole(world, environment)
            for _ in range(1 + case.is_last_of_its_command):
                assert await decide(world, settings, case.command, case.about, key) == ""
                await assert_whole(world, environment)
            after = await entries_of(world)
            assert len(after) - len(before) == (case.command in PROMOTING), case
            assert announced(environment) != told, case
            FIGURES.add("decisions killed and finished", 1)
        assert set(orders.killed()) == {case.point for case in CASES}
        assert [entry.version for entry in after[3:]] == [2, 1, 2, 3, 2, 1, 4]
        assert await world.registry.version(model, 5) is None, "it was registered once"
        assert await world.holds.open() is None


NOBODY: Final = "127.0.0.1:9"
_KAFKA_AWAY: Final = {"KAFKA_BOOTSTRAP_SERVERS": NOBODY}
_MLFLOW_AWAY: Final = {"MLFLOW_TRACKING_URI": f"http://{NOBODY}"}
_STORE_AWAY: Final = {"DATABASE_URL": f"postgresql+psycopg://a:b@{NOBODY}/c"}


class Away(NamedTuple):
    """A command while services are away; `waiting_on` is what it waits for, if it is not done."""

    command: str
    about: int
    without: dict[str, str]
    waiting_on: str = ""


AWAY: Final = (
    Away("hold", 0, _STORE_AWAY, "postgres"),
    Away("hold", 0, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("release", 0, _STORE_AWAY, "postgres"),
    Away("release", 0, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("rollback", 2, _STORE_AWAY, "postgres"),
    Away("rollback", 2, _KAFKA_AWAY, "kafka"),
    Away("lift", 3, _STORE_AWAY, "postgres"),
    Away("lift", 3, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("promote", 3, _STORE_AWAY, "postgres"),
    Away("promote", 3, _KAFKA_AWAY, "kafka"),
    Away("promote", 3, _MLFLOW_AWAY, "mlflow"),
)


async def test_a_decision_waits_for_what_it_needs_and_for_nothing_else(environment: dict[str, str]) -> None:
    """What is refused has changed nothing, and its repeat under the same key succeeds."""
    async with opened(environment) as world:
        for number, case in enumerate(AWAY):
            before, told = await entries_of(world), announced(environment)
            words = (case.command, case.about, f"key {case.command}")
            without = environment | case.without
            if not case.waiting_on:
                async with opened(without) as cut_off:
                    assert await decide(cut_off, settings_of(without), *words) == "", case
                assert announced(environment) != told
                continue
            with pytest.raises(TryLater) as refused:
                async with opened(without) as cut_off:
                    await decide(cut_off, settings_of(without), *words)
            assert (refused.value.waiting_on, await entries_of(world)) == (case.waiting_on, before), case
            assert announced(environment) == told
            if number + 1 == len(AWAY) or AWAY[number + 1].command != case.command:
                assert await decide(world, settings_of(environment), *words) == "", case
                await assert_whole(world, environment)
