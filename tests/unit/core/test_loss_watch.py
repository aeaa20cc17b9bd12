"""A champion's version that is gone is announced once for each loss, whoever notices it."""

from collections.abc import MutableMapping
from typing import Any

from domain.events import ChampionMissing
from service.promotion.loss_watch import LossWatch
from tests.fakes.champion_history import FakeChampionLosses
from tests.kit.builders import MODEL
from tests.worlds.stage import Stage


def watch(stage: Stage) -> LossWatch:
    return LossWatch(MODEL, stage.ledger, stage.registry, FakeChampionLosses(stage.memory), stage.clock, 30.0)


def told(stage: Stage) -> list[ChampionMissing]:
    rows = [
        row.announcement for row in stage.memory.outbox if row.announcement.topic == ChampionMissing.topic
    ]
    return [ChampionMissing.model_validate_json(one.body) for one in rows]


async def test_a_champion_that_is_there_is_nothing_to_tell(stage: Stage) -> None:
    await watch(stage).look()
    await stage.done(0.5)
    await watch(stage).look()
    assert told(stage) == []


async def test_a_loss_is_told_once_by_however_many_looks(
    stage: Stage, logs: list[MutableMapping[str, Any]]
) -> None:
    await stage.done(0.5)
    lost = stage.registry.versions[MODEL].pop()
    for _ in range(3):
        await watch(stage).look()
    assert [(one.generation, one.version, one.loss) for one in told(stage)] == [(1, 1, 1)]
    assert "champion_missing" in {line["event"] for line in logs}

    stage.registry.versions[MODEL].append(lost)
    await watch(stage).look()
    stage.registry.versions[MODEL].clear()
    await watch(stage).look()
    assert [one.loss for one in told(stage)] == [1, 2]
