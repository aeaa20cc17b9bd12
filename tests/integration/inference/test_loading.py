"""What stands behind the alias becomes what is served: R03, R04 and R07 without the HTTP door."""

import json
from pathlib import Path

import pytest

from domain.errors import TryLater
from service.serving.reloading import Guard, Status, UnknownGeneration
from tests.worlds.loading import Replica
from tests.worlds.registered_models import ROWS, ModelShelf


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


async def test_a_generation_in_a_tag_pins_no_server_to_its_version(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]]
) -> None:
    """Whoever writes to MLflow can write any number there; what the listener says counts."""
    lying = await shelf.promote(packages[0], 10**15)
    await replica.reloader.reload()
    assert replica.served == (lying.version, 10**15)
    model = replica.serving.model
    assert model is not None
    told = await replica.reloader.reload(Guard(1, lying.version))
    assert (told.status, replica.served) == (Status.RELOADED, (lying.version, 1))
    assert told.model.predict is model.predict, "nothing is loaded anew for a number"

    second = await shelf.promote(packages[1], 10**14)
    await replica.reloader.reload()
    third = await shelf.promote(packages[2], 2)
    await replica.reloader.reload(Guard(2, third.version))
    late = await replica.reloader.reload(Guard(1, second.version))
    assert (late.status, replica.served) == (Status.OUTDATED, (third.version, 2))


@pytest.mark.parametrize("borne", [None, 2])
async def test_a_generation_that_no_worker_wrote_is_refused_and_pins_no_server(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]], borne: int | None
) -> None:
    """Who may ask for predictions may ask for reloads, too: what counts is what the registry bears."""
    first = await shelf.promote(packages[0], 1)
    await replica.reloader.reload(Guard(1, first.version))
    second = await shelf.promote(packages[1], borne)
    for generation in (3, 10**15):
        with pytest.raises(UnknownGeneration, match=f"generation {generation}"):
            await replica.reloader.reload(Guard(generation, second.version))
    assert replica.served == (first.version, 1)

    await shelf.registry.tag_version(shelf.model_name, second.version, {"laurel.generation": "3"})
    told = await replica.reloader.reload(Guard(3, second.version))
    assert (told.status, replica.served) == (Status.RELOADED, (second.version, 3))


async def test_a_server_without_a_model_refuses_a_generation_of_the_future(
    shelf: ModelShelf, replica: Replica, packages: list[dict[str, bytes]]
) -> None:
    first = await shelf.promote(packages[0], 1)
    with pytest.raises(UnknownGeneration, match="says 1"):
        await replica.reloader.reload(Guard(2, first.version))
    await replica.reloader.reload()
    assert replica.served == (first.version, 1)


async def test_without_an_alias_there_is_no_champion(replica: Replica) -> None:
    with pytest.raises(TryLater) as refusal:
        await replica.reloader.reload()
    assert refusal.value.reason == "no_champion"
    assert replica.serving.model is None
