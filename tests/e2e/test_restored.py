"""A backup of the run store comes back, and a second database meets the first one's registry and topics.

One story for all of it: two promotions and a restored copy need a worker and fits, 40 s on two cores. Backup,
restore and upgrade are the lines of the runbook, as they stand.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mlflow.tracking import MlflowClient
from structlog.testing import capture_logs

from domain import counterparts
from domain.counterparts import ALL_AGREE
from domain.errors import Stop
from domain.lifecycle import State
from service.adapters.postgres.schema import upgrade
from service.local.servers.databases import plain_url
from tests.e2e.deployment import Deployment, InProcess, worker_here
from tests.kit.runbook import typed
from tests.unit.cli.calls import Laurel
from tests.worlds.servers import PostgresServer

LOOKS = (("doctor",), ("status",), ("champion",), ("ledger", "status"))


@pytest.fixture
def first(small: Deployment) -> Deployment:
    """The one whose run store is restored."""
    return small


@pytest.fixture
def other_url(postgres_server: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Makes further databases: copies of one, or empty."""
    names: list[str] = []

    def make(template: str = "template1") -> str:
        names.append(f"test_{uuid.uuid4().hex}")
        with psycopg.connect(plain_url(postgres_server.url), autocommit=True) as connection:
            source = template.rpartition("/")[2].partition("?")[0]
            connection.execute(f'CREATE DATABASE "{names[-1]}" TEMPLATE "{source}"'.encode())
        return names[-1].join(postgres_server.url.rsplit("postgres", 1))

    yield make
    for name in names:
        postgres_server.drop_database(name)


def with_worker(deployment: Deployment, do: Callable[[InProcess], Awaitable[Any]]) -> Any:
    """Do something beside a worker, and end it."""

    async def beside() -> Any:
        async with worker_here(deployment) as worker:
            return await do(worker)

    return asyncio.run(beside())


def trained(deployment: Deployment, *versions: int) -> list[Any]:
    """The runs of these models, one after another, each announced if it won."""

    async def carry(_worker: InProcess) -> list[Any]:
        return [await deployment.carried({"model_version": version}) for version in versions]

    found: list[Any] = with_worker(deployment, carry)
    return found


def test_a_restored_run_store_promotes_nothing_until_a_person_goes_on(
    first: Deployment,
    other_url: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mlflow = MlflowClient(first.tracking_uri)
    assert [run.state for run in trained(first, 101)] == [State.COMPLETED]
    backup = replace(first, database_url=other_url("template1"))
    _brought_back(first, backup, tmp_path, other_url("template1"))
    since = datetime.now(UTC).isoformat()
    assert [run.state for run in trained(first, 111)] == [State.COMPLETED]

    laurel = Laurel(capsys, backup.environment)
    for look in LOOKS:
        ended = laurel(*look)
        assert ended.code == 1, look
        assert "laurel ledger accept" in " ".join((ended.out + ended.err).split()), look
    facts = laurel("ledger", "status", "--json").json
    assert (facts["agreement"], facts["ledger"]["generation"], facts["highest"]) == ("ledger_behind", 1, 2)
    assert (facts["topic"]["generation"], facts["registry"]["alias_generation"]) == (2, 2)

    with capture_logs() as logs:
        (declined,) = with_worker(backup, lambda worker: _stopped(backup, worker))
    assert declined.outputs["decide"]["verdict"]["decision"] == "INCONCLUSIVE"
    told = {entry["event"]: entry for entry in logs}
    assert (told["promotions_stopped"]["ledger"], told["promotions_stopped"]["seen"]) == (1, 2)
    assert told["requests_not_stored"]["up_to"] >= 1
    assert int(mlflow.get_model_version_by_alias(first.model, "prod").version) == 2
    assert len(mlflow.search_model_versions(f"name = '{first.model}'")) == 2

    dry = laurel("requests", "reread", "--since", since, "--dry-run", "--json").json
    assert (dry["counts"]["new"], dry["new"][0]["payload"]["model_version"]) == (1, 111)
    accepted = laurel("ledger", "accept", "--reason", "restored to the morning", "--json").json
    assert (accepted["added"]["generation"], accepted["added"]["version"]) == (3, 2)
    assert laurel("requests", "reread", "--since", since, "--json").json["counts"] == dry["counts"]
    assert "new" not in laurel("requests", "reread", "--since", since, "--json").json["counts"]
    assert laurel("champion").code == 0
    _an_alias_that_names_another_version_is_told(laurel, mlflow, first.model, monkeypatch)
    typed("## Upgrades", tmp_path, _plain_environment(backup))
    (won,) = trained(backup, 121)
    assert won.state is State.COMPLETED
    said = asyncio.run(backup.promotions(4))
    assert [(one["generation"], one["version"]) for one in said] == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert [one["cause"] for one in said] == ["gate", "gate", "recovery", "gate"]
    assert [one["previous_generation"] for one in said] == [None, 1, 1, 3]
    assert len({one["ledger_id"] for one in said}) == 1

    _another_database_is_refused(replace(first, database_url=other_url("template1")))
    _a_registry_without_the_head_is_told(laurel, mlflow, first.model)


def _brought_back(first: Deployment, backup: Deployment, folder: Path, other_mlflow: str) -> None:
    """Back up and restore by the lines of the runbook; MLflow's copy goes where nobody looks."""
    mlflow = first.database_url.rpartition("/")[0] + "/mlflow"
    place = folder / "backup"
    place.mkdir()
    typed("### Back up", place, {**_plain_environment(first), "MLFLOW_BACKEND": plain_url(mlflow)})
    assert len(list(place.iterdir())) == 4
    restored = {**_plain_environment(backup), "MLFLOW_BACKEND": plain_url(other_mlflow)}
    typed("### Restore", place, restored)


def _plain_environment(deployment: Deployment) -> dict[str, str]:
    return deployment.environment | {"DATABASE_URL": plain_url(deployment.database_url)}


async def _stopped(deployment: Deployment, worker: InProcess) -> list[Any]:
    runs = [await deployment.carried({"model_version": 131})]
    assert 'laurel_promotions_stopped{reason="ledger_behind"} 1.0' in worker.metrics.render().decode()
    return runs


def _an_alias_that_names_another_version_is_told(
    laurel: Laurel, mlflow: MlflowClient, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no worker is there to follow; a head of this moment would have time."""
    monkeypatch.setattr(counterparts, "_FOLLOWS_WITHIN", timedelta(0))
    mlflow.set_registered_model_alias(model, "prod", "1")
    differs = laurel("champion", "--json")
    mlflow.delete_registered_model_alias(model, "prod")
    missing = laurel("champion")
    mlflow.set_registered_model_alias(model, "prod", "2")
    assert (differs.code, missing.code, laurel("champion").code) == (1, 1, 0)
    assert differs.json["alias_differs"].startswith("the alias 'prod' names version 1, and the ledger's head")
    assert "the alias 'prod' does not exist, and the ledger's head is version 2" in missing.err


def _another_database_is_refused(second: Deployment) -> None:
    upgrade(second.database_url)
    with pytest.raises(Stop, match="another deployment manages this model") as refusal:
        trained(second)
    assert refusal.value.reason == "another_ledger"


def _a_registry_without_the_head_is_told(laurel: Laurel, mlflow: MlflowClient, model: str) -> None:
    """As an older copy of MLflow's database would be: without the newest version, and with an older alias."""
    mlflow.delete_model_version(model, "3")
    mlflow.set_registered_model_alias(model, "prod", "1")
    ended = laurel("champion")
    assert (ended.code, "head_missing" in ended.err) == (1, True)
    added = laurel("ledger", "accept", "--reason", "MLflow too", "--json").json["added"]
    assert (added["generation"], added["version"]) == (5, 1)
    status = laurel("ledger", "status")
    assert (status.code, f"generation 5: {ALL_AGREE}" in status.out) == (0, True)
