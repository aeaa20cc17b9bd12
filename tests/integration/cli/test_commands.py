"""Commands on the real Kafka, PostgreSQL and MLflow: what they print, and what their exit code means.

Its cost: a process for each command, as a shell starts it.
"""

import asyncio
import os
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest
import typer
from mlflow import MlflowClient
from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from config.topics import TOPICS
from domain.events import DEAD_LETTER_TOPIC
from domain.record import Record, Unreadable
from domain.request import Coordinates, read_coordinates
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import KafkaDeadLetters
from service.adapters.kafka.requests import SentRequest
from service.cli import following, requests
from service.cli.console import Exit
from service.cli.findings import Finding
from service.cli.following import UnreadRequest
from service.cli.mlflow_findings import mlflow_findings
from service.runtime.metrics import Metrics
from tests.integration.cli.stories import (
    heard,
    left,
    promote_twice,
    refuse,
    refuse_after_all,
    wait_for_mlflow,
)
from tests.integration.postgres_admin import plain
from tests.kit.settings_of import settings_of
from tests.unit.cli.calls import KEPT, Laurel, spoken
from tests.worlds.servers import MlflowServer

ROOT = Path(__file__).parents[3]


def list_artifacts(uri: str, server: MlflowServer) -> list[FileInfo]:
    found: list[FileInfo] = get_artifact_repository(uri, tracking_uri=server.tracking_uri).list_artifacts()
    return found


class TestDoctor:
    def test_a_deployment_that_is_whole_is_well(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        heard(environment["DATABASE_URL"], model, "w")
        ended = laurel("doctor")

        assert ended.code == Exit.DONE, ended.out
        (warned,) = (line for line in ended.out.splitlines() if not line.startswith("ok"))
        assert warned.startswith("warn  postgresql"), "the tests' own server does not flush to the disk"
        assert "fsync is off" in warned
        assert "ALTER SYSTEM SET fsync = on" in warned.partition(" → ")[2]

    def test_a_deleted_experiment_is_named_with_its_mend(
        self, laurel: Laurel, environment: dict[str, str], mlflow_server: MlflowServer
    ) -> None:
        client, settings = MlflowClient(mlflow_server.tracking_uri), settings_of(environment)

        def found() -> Finding:
            return asyncio.run(mlflow_findings(settings))[0]

        assert "the first run creates it" in found().found
        number = client.create_experiment(settings.mlflow_experiment)
        assert found().ok
        client.delete_experiment(number)
        line = next(line for line in laurel("doctor").out.splitlines() if line[6:].startswith("exper"))
        assert line.startswith("FAIL")
        assert f"mlflow experiments restore --experiment-id {number}" in line.partition(" → ")[2]
        client.restore_experiment(number)
        assert found().ok

    def test_an_artifact_root_that_cannot_be_written_is_found_by_writing(
        self, environment: dict[str, str], mlflow_server: MlflowServer
    ) -> None:
        """Not even root writes into /proc. A probe leaves nothing where it can be written."""
        client, settings = MlflowClient(mlflow_server.tracking_uri), settings_of(environment)
        artifacts = asyncio.run(mlflow_findings(settings))[2]
        assert (artifacts.what, artifacts.ok) == ("artifacts", True)
        place = artifacts.found.partition(" ")[0]
        assert "laurel-doctor" not in {file.path for file in list_artifacts(place, mlflow_server)}
        client.create_experiment(settings.mlflow_experiment, artifact_location="file:///proc/laurel")
        artifacts = asyncio.run(mlflow_findings(settings))[2]
        assert not artifacts.ok
        assert artifacts.fix == "let MLflow's server, or the uploading client, read and write there"

    def test_a_dvc_remote_that_is_not_the_first_one_is_named_with_the_id_that_it_should_bear(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        remote = Path(environment["DATA_ROOT"], "dvc", "remote")
        with plain(environment["DATABASE_URL"]) as connection:
            connection.execute(
                "INSERT INTO laurel.remotes (model_name, address, remote_id, marked_at)"
                " VALUES (%s, %s, 'the-first', now())",
                (model, str(remote)),
            )
        remote.mkdir(parents=True)
        for written, mark in (("another", "FAIL"), ("another\nthe-first", "ok")):
            Path(remote, "laurel-remote-id").write_text(written)
            line = next(line for line in laurel("doctor").out.splitlines() if "dvc remote" in line)
            assert line.startswith(mark)
            assert ("it has another, not the-first" in line) == (mark == "FAIL")

    def test_a_schema_that_is_missing_is_mended_by_the_command_that_is_told(
        self, laurel: Laurel, environment: dict[str, str], empty_database_url: str
    ) -> None:
        environment["DATABASE_URL"] = empty_database_url

        def line() -> str:
            return next(line for line in laurel("doctor").out.splitlines() if "postgresql" in line)

        assert line().endswith("→ laurel db upgrade")
        assert laurel("runs").code == Exit.USAGE
        assert laurel("db", "upgrade").out == "the schema is up to date\n"
        assert laurel("db", "upgrade", "--json").json == {"upgraded": True}
        assert "the schema is this version's" in line()

    def test_topics_that_are_missing_are_named_with_the_command_that_makes_them(
        self, laurel: Laurel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("config.topics.TOPICS", {**TOPICS, "no.such.topic": {}})

        line = next(line for line in laurel("doctor").out.splitlines() if "kafka" in line)

        assert "no.such.topic" in line
        assert line.endswith("→ laurel topics ensure")


def test_topics_that_are_there_are_left_alone(laurel: Laurel) -> None:
    assert laurel("topics", "ensure").out.startswith("all ")
    assert laurel("topics", "ensure", "--json").json["made"] == []


class TestRequest:
    def test_a_request_is_acknowledged(self, laurel: Laurel) -> None:
        plain = laurel("request", "--model-version", 3)
        facts = laurel("request", "--request-id", "r1", "--json").json

        asked, follow = plain.out.splitlines()
        assert asked.startswith("published request ")
        assert follow == f"follow it: laurel show {asked.split()[2]}"
        assert facts["identity"] == "event:/laurel/cli r1"
        assert facts["coordinates"].startswith("training.requested/")

    def test_a_request_that_no_worker_stores_is_told_with_the_models_that_have_workers(
        self, laurel: Laurel, environment: dict[str, str], model: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(requests, "_STORED_SECONDS", 1.0)
        monkeypatch.setattr(following, "UNREAD_SECONDS", 0.0)

        alone = laurel("request", "--watch")
        left(environment["DATABASE_URL"], "theirs", partial(refuse, model="theirs", identity="one"))
        ended = laurel("request", "--watch", "--json")

        for one in (alone, ended):
            assert one.code == Exit.AWAY
            assert f"nobody has read this request of model '{model}'" in one.err
        assert "knows no worker of any model: start one with `laurel worker`" in alone.err
        assert "workers were seen of: 'theirs' (last seen 20" in ended.err

    def test_a_request_that_was_set_aside_is_told_with_the_reason_and_its_place(
        self, laurel: Laurel, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        facts = laurel("request", "--json").json
        place = read_coordinates(facts["coordinates"])
        assert place is not None
        sent = SentRequest(facts["request_id"], facts["identity"], facts["request_id"], place)
        unread = UnreadRequest(sent, settings_of(environment))
        asyncio.run(unread.refuse_set_aside())
        asyncio.run(set_aside(environment["KAFKA_BOOTSTRAP_SERVERS"], b"k", place))
        with pytest.raises(typer.Exit) as ended:
            asyncio.run(unread.refuse_set_aside())
        assert ended.value.exit_code == Exit.NO
        said = " ".join(capsys.readouterr().err.split())
        assert "the request was set aside as dead letter " in said
        assert ": not_json: no " in said

    def test_an_id_that_came_with_another_payload_is_not_followed_to_the_other_s_end(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        identity = "event:/laurel/cli again"
        left(environment["DATABASE_URL"], model, partial(refuse, model=model, identity=identity))

        ended = laurel("request", "--watch", "--request-id", "again", "--model-version", 2)

        assert ended.code == Exit.NO
        assert "again came before with another payload, which stands" in ended.err
        assert "REJECTED" not in ended.out

    def test_watching_tells_what_is_waited_for_and_fails_with_the_run(
        self, environment: dict[str, str], model: str
    ) -> None:
        name, url = str(uuid.uuid4()), environment["DATABASE_URL"]
        identity = f"event:/laurel/cli {name}"
        with subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "service.cli", "request", "--watch", "--request-id", name],
            env={key: os.environ[key] for key in KEPT & set(os.environ)} | environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline().startswith(f"published request {name}")
            left(url, model, partial(wait_for_mlflow, model=model, identity=identity))
            lines = iter(watching.stdout.readline, "")
            assert next(line for line in lines if "waits for mlflow since" in line)
            left(url, model, partial(refuse_after_all, identity=identity))
            rest = list(lines)

        assert watching.returncode == Exit.NO
        assert any("REJECTED" in line for line in rest)
        assert any("models/v9.yaml does not exist; allowed: 1, 2, 3" in line for line in rest)

    def test_the_same_request_again_is_followed_to_the_same_end(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        identity = "event:/laurel/cli again"
        left(environment["DATABASE_URL"], model, partial(refuse, model=model, identity=identity))

        ended = laurel("request", "--watch", "--json", "--request-id", "again")

        assert ended.code == Exit.NO
        assert ended.json["run"]["state"] == "REJECTED"


class TestLooking:
    def test_runs_are_listed_and_one_is_shown_by_the_beginning_of_its_id(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        for identity in ("one", "two"):
            left(environment["DATABASE_URL"], model, partial(refuse, model=model, identity=identity))

        listed = laurel("runs", "--json").json
        table = laurel("runs", "--state", "REJECTED").out
        shown = laurel("show", listed[0]["run_id"][:13])

        assert [run["identity"] for run in listed] == ["two", "one"]
        assert all(run["run_id"][:8] in table for run in listed)
        assert shown.code == Exit.DONE
        assert listed[0]["run_id"] in shown.out
        assert "models/v9.yaml does not exist; allowed: 1, 2, 3" in shown.out
        assert laurel("show", "one", "--json").json["transitions"][0]["to_state"] == "REJECTED"
        assert [run["identity"] for run in laurel("runs", "tw", "--json").json] == ["two"]
        assert laurel("runs", "tw", "--unfinished", "--json").json == []
        assert laurel("runs", "--unfinished", "--json").json == []

    def test_a_run_is_listed_and_shown_without_the_library_that_builds_statements(
        self, environment: dict[str, str], model: str
    ) -> None:
        left(environment["DATABASE_URL"], model, partial(refuse, model=model, identity="one"))

        for words in (["runs"], ["show", "one"]):
            told, modules = spoken(words, **environment)
            assert "REJECTED" in told
            assert "psycopg" in modules
            assert not modules & {"sqlalchemy", "prometheus_client", "aiokafka"}

    def test_what_is_not_found_has_a_code_of_its_own(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        for identity in ("one", "two"):
            left(environment["DATABASE_URL"], model, partial(refuse, model=model, identity=identity))

        assert laurel("show", "zzzz").code == Exit.NOT_FOUND
        assert laurel("runs", "zzzz", "--json").json == []
        assert laurel("show", "").code == Exit.NOT_FOUND
        assert laurel("champion").code == Exit.NOT_FOUND
        assert laurel("dead-letters", "show", "9/9").code == Exit.NOT_FOUND

    def test_champions_are_told_with_their_reasons_even_while_mlflow_is_away(
        self, laurel: Laurel, environment: dict[str, str], model: str
    ) -> None:
        left(environment["DATABASE_URL"], model, partial(promote_twice, model=model))

        ended = laurel("champion")
        away = laurel("champion", MLFLOW_TRACKING_URI="http://127.0.0.1:9")

        assert ended.code == Exit.NO
        assert "head_missing: the ledger's head, generation 2, is version 2" in " ".join(ended.err.split())
        assert "alias 'prod' does not exist" in ended.out
        assert ended.out.index("reason 2") < ended.out.index("reason 1")
        assert away.code == Exit.AWAY
        assert "reason 2" in away.out
        facts = laurel("champion", "--json").json
        assert [entry["version"] for entry in facts["generations"]] == [1, 2]
        assert facts["broken_at"] is None
        lost = next(line for line in laurel("doctor").out.splitlines() if line[6:].startswith("champion"))
        assert lost.startswith("FAIL")
        assert f"the registry has lost {model} version 2" in lost
        assert "laurel ledger accept" in lost


ELSEWHERE = Coordinates(topic="training.requested", partition=0, offset=7, timestamp_ms=1_700_000_000_000)


async def set_aside(bootstrap: str, key: bytes, place: Coordinates = ELSEWHERE) -> None:
    """A record that could not be read, as the worker's desk writes it."""
    desk = KafkaDeadLetters(KafkaConnection(bootstrap), DEAD_LETTER_TOPIC, metrics=Metrics())
    record = Record(coordinates=place, key=key, value=b"{\x1b[31m", headers=())
    await desk.add([(record, Unreadable(reason="not_json", detail="no \x1b[31m JSON"))])
    await desk.stop()


def test_a_dead_letter_is_listed_shown_and_sent_back(
    laurel: Laurel, environment: dict[str, str], model: str
) -> None:
    asyncio.run(set_aside(environment["KAFKA_BOOTSTRAP_SERVERS"], model.encode()))

    (letter,) = [one for one in laurel("dead-letters", "list", "--json").json if one["key"] == model]
    place = letter["place"].partition("@")[0].removeprefix(f"{DEAD_LETTER_TOPIC}/")
    table = laurel("dead-letters", "list").out
    shown = laurel("dead-letters", "show", place)
    sent = laurel("dead-letters", "requeue", place, "--json")

    assert place in table
    assert "\x1b" not in table + shown.out
    assert shown.json == letter
    assert sent.code == Exit.DONE
    assert sent.json["requeued_to"].startswith("training.requested/")
