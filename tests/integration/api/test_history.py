"""Who was champion when, and why, over HTTP."""

from datetime import timedelta

import httpx
import pytest

from tests.contract.stores import following, on_postgres
from tests.worlds.api import ApiWorld, rejected, stored

FIRST = following(None, "any").at


@pytest.fixture
async def ledger(client: httpx.AsyncClient, world: ApiWorld) -> None:
    """Three generations, a minute each."""
    del client
    async with on_postgres(world.database_url, world.model) as stores:
        head = None
        for version in (1, 2, 1):
            minutes = head.generation if head else 0
            at = FIRST + timedelta(minutes=minutes)
            head = following(head, world.model, version=version, at=at, reasons=(f"reason {minutes}",))
            await stores.ledger.append(head)


@pytest.mark.usefixtures("ledger")
class TestChampions:
    async def test_they_are_listed_newest_first_page_after_page(self, client: httpx.AsyncClient) -> None:
        found, address = [], "/champions?limit=2"
        while address:
            page = (await client.get(address)).raise_for_status().json()
            found += [one["generation"] for one in page["champions"]]
            address = page["next"]
        assert found == [3, 2, 1]

    async def test_who_reigned_at_a_moment_is_one_or_none(self, client: httpx.AsyncClient) -> None:
        async def at(seconds: float) -> list[int]:
            moment = (FIRST + timedelta(seconds=seconds)).isoformat()
            answer = await client.get("/champions", params={"at": moment})
            return [one["generation"] for one in answer.raise_for_status().json()["champions"]]

        assert [await at(seconds) for seconds in (-1, 0, 59.9, 60, 9999)] == [[], [1], [1], [2], [3]]

    async def test_those_since_a_moment_keep_it_from_page_to_page(self, client: httpx.AsyncClient) -> None:
        since = (FIRST + timedelta(seconds=70)).isoformat()
        first = (await client.get("/champions", params={"since": since, "limit": 1})).json()
        second = (await client.get(first["next"])).json()
        assert [one["generation"] for page in (first, second) for one in page["champions"]] == [3, 2]
        assert second["next"] is None

    async def test_one_is_told_with_its_time(self, client: httpx.AsyncClient) -> None:
        second = (await client.get("/champions/2")).raise_for_status().json()
        assert (second["version"], second["reigned_seconds"], second["reasons"]) == (2, 60, ["reason 1"])
        missing = await client.get("/champions/9")
        assert (missing.status_code, missing.json()["reason"]) == (404, "not_found")

    async def test_a_model_is_explained_and_two_are_compared(self, client: httpx.AsyncClient) -> None:
        told = (await client.get("/explain/v1")).raise_for_status().json()
        assert told["answer"].startswith("Version 1 was made champion again by a rollback (generation 3)")
        assert told["generations"] == [3, 1]
        found = (await client.get("/compare", params={"a": "1", "b": "g2"})).raise_for_status().json()
        assert [found[side]["version"] for side in "ab"] == [1, 2]

    @pytest.mark.parametrize(
        "address",
        [
            "/champions?limit=101",
            "/champions?at=yesterday",
            "/champions?sinse=x",
            "/champions/x",
            "/compare?a=1",
        ],
    )
    async def test_what_is_not_a_question_is_refused(self, client: httpx.AsyncClient, address: str) -> None:
        assert (await client.get(address)).status_code == httpx.codes.UNPROCESSABLE_ENTITY


async def test_a_request_that_was_rejected_is_explained(client: httpx.AsyncClient, world: ApiWorld) -> None:
    key = {"Idempotency-Key": "nightly-17"}
    await client.post("/training-requests", json={"model_version": 99}, headers=key)
    waiting = (await client.get("/explain/nightly-17")).raise_for_status().json()
    async with on_postgres(world.database_url, world.model) as stores:
        await stored(stores.runs, world)  # type: ignore[arg-type] # it is PostgreSQL's
        await rejected(stores.runs, world)  # type: ignore[arg-type]
    ended = (await client.get("/explain/nightly-17")).raise_for_status().json()

    assert (waiting["answer"], waiting["promoted"]) == (
        "Not decided yet: no worker has read the request",
        None,
    )
    assert ended["answer"] == "Not promoted: the request was rejected: models/v99.yaml does not exist"


async def test_a_version_that_only_the_registry_could_know_waits_for_it(client: httpx.AsyncClient) -> None:
    """MLflow is away here."""
    answer = await client.get("/explain/v77")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE


async def test_without_a_token_nothing_is_told(client: httpx.AsyncClient) -> None:
    for address in ("/champions", "/champions/1", "/explain/1", "/compare?a=1&b=2"):
        answer = await client.get(address, headers={"Authorization": "Bearer nobody"})
        assert answer.status_code == httpx.codes.UNAUTHORIZED
