"""What stands behind the alias becomes what is served: R03, R04 and R07 without the HTTP door."""

import json
from pathlib import Path

import pytest

from domain.errors import TryLater
from service.inference.reloading import Guard, Status
from tests.integration.inference.loading_world import Replica
from tests.registered_models import ROWS, ModelShelf


@pytest.fixture
def replica(shelf: ModelShelf, tmp_path: Path) -> Replica:
    return Replica(shelf, tmp_path / "cache")


async def test_the_champion_is_loaded_with_everything_that_travels_with_it(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]]
) -> None:
    version = await shelf.promote(packages[0], 7)
    outcome = await replica.reloader.reload()
    model = replica.serving.model
    assert outcome.status is Status.RELOADED
    assert model is outcome.model
    assert model is not None
    assert (model.version, model.generation, model.run_id) == (version.version, 7, version.mlflow_run_id)
    assert (model.feature_version, model.contract.target) == (1, "price")
    assert model.features.columns == ("size", "floors", "kind", "grade")
    recorded = json.loads(packages[0]["laurel/training_ranges.json"])
    assert model.ranges == {name: tuple(span) for name, span in recorded.items()}
    assert set(model.ranges) == {"size", "floors"}
    assert len(replica.answers()) == len(ROWS)


async def test_an_older_generation_is_refused_the_same_is_no_news_the_alias_may_lag(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]]
) -> None:
    sixth = await shelf.register(packages[0], 6)
    seventh = await shelf.promote(packages[1], 7)
    await replica.reloader.reload(Guard(7, seventh.version))
    kept = replica.serving.model

    outdated = await replica.reloader.reload(Guard(6, sixth.version.version))
    same = await replica.reloader.reload(Guard(7, seventh.version))
    await shelf.point(sixth)
    lagging = await replica.reloader.reload(Guard(8, 9))

    assert [outdated.status, same.status, lagging.status] == [
        Status.OUTDATED,
        Status.ALREADY_SERVED,
        Status.ALIAS_BEHIND,
    ]
    assert replica.serving.model is kept


async def test_without_a_guard_the_alias_decides_even_backwards(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]]
) -> None:
    first = await shelf.register(packages[0], 1)
    await shelf.promote(packages[1], 2)
    await replica.reloader.reload()
    await shelf.point(first)
    outcome = await replica.reloader.reload()
    assert outcome.status is Status.RELOADED
    assert replica.served == (first.version.version, 1)


async def test_without_an_alias_there_is_no_champion(replica: Replica) -> None:
    with pytest.raises(TryLater) as refusal:
        await replica.reloader.reload()
    assert refusal.value.reason == "no_champion"
    assert replica.serving.model is None
