"""A backup of the run store comes back, and a second database meets the first one's registry and topics.

One story for all of it: two promotions and a restored copy need a worker and fits, 30 s on two cores.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mlflow.tracking import MlflowClient
from structlog.testing import capture_logs

from domain.errors import Stop
from domain.lifecycle import State
from service.adapters.postgres.schema import upgrade
from tests.chaos.world import write_models
from tests.e2e.deployment import Deployment, InProcess, worker_here
from tests.own_requests import begin_here
from tests.servers import KafkaServer, MlflowServer, PostgresServer
from tests.synthetic_world import write_world
from tests.unit.cli.calls import Laurel

LOOKS = (("doctor",), ("status",), ("champion",), ("ledger", "status"))


@pytest.fixture
def first(
    tmp_path: Path, kafka_server: KafkaServer, database_url: str, mlflow_server: MlflowServer
) -> Deployment:
    """A small deployment whose models become better and better."""
    world = write_world(tmp_path, rows=200)
    write_models(world.config_root)
    deployed = Deployment(world, kafka_server.bootstrap_servers, database_url, mlflow_server.tracking_uri)
    asyncio.run(begin_here(deployed.bootstrap_servers, deployed.model))
    return deployed


@pytest.fixture
def other_url(postgres_server: PostgresServer) -> Iterator[Callable[[str], str]]:
    """Makes further databases: copies of one, or empty."""
    names: list[str] = []

    def make(template: str = "template1") -> str:
        names.append(f"test_{uuid.uuid4().hex}")
        with psycopg.connect(_plain(postgres_server.url), autocommit=True) as connection:
            source = template.rpartition("/")[2].partition("?")[0]
            connection.execute(f'CREATE DATABASE "{names[-1]}" TEMPLATE "{source}"'.encode())
        return names[-1].join(postgres_server.url.rsplit("postgres", 1))

    yield make
    for name in names:
        postgres_server.drop_database(name)


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


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
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mlflow = MlflowClient(first.tracking_uri)
    assert [run.state for run in trained(first, 101)] == [State.COMPLETED]
    backup = replace(first, database_url=other_url(first.database_url))
    since = datetime.now(UTC).isoformat()
    assert [run.state for run in trained(first, 111)] == [State.COMPLETED]

    laurel = Laurel(monkeypatch, capsys, backup.environment)
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
    (won,) = trained(backup, 121)
    assert won.state is State.COMPLETED
    said = asyncio.run(backup.promotions(4))
    assert [(one["generation"], one["version"]) for one in said] == [(1, 1), (2, 2), (3, 2), (4, 3)]
    assert [one["cause"] for one in said] == ["gate", "gate", "recovery", "gate"]
    assert [one["previous_generation"] for one in said] == [None, 1, 1, 3]
    assert len({one["ledger_id"] for one in said}) == 1

    _another_database_is_refused(replace(first, database_url=other_url("template1")))
    _a_registry_without_the_head_is_told(laurel, mlflow, first.model)


async def _stopped(deployment: Deployment, worker: InProcess) -> list[Any]:
    runs = [await deployment.carried({"model_version": 131})]
    assert 'laurel_promotions_stopped{reason="ledger_behind"} 1.0' in worker.metrics.render().decode()
    return runs


def _another_database_is_refused(second: Deployment) -> None:
    upgrade(second.database_url)
    with pytest.raises(Stop, match="another deployment looks after this model") as refusal:
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
    assert laurel("ledger", "status").code == 0
