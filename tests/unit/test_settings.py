"""Settings are read once, strictly: every fault at once, and never a value in a message."""

import ast
import os
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from config.settings import Settings, settings_with
from service.cli.configuration import settings_in_force

ROOMS = Path(__file__).parents[2]
WHOLE = {
    "CONFIG_ROOT": "/srv/config",
    "DATA_ROOT": "/srv/data",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": "postgresql://laurel:pass@database:5432/laurel",
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
}
Read = Callable[..., Settings]


@pytest.fixture
def read(own_environment: MutableMapping[str, str], tmp_path: Path) -> Read:
    """Read settings from these variables alone, in a folder without `.env`; None takes one away."""
    os.chdir(tmp_path)

    def settings(**variables: str | None) -> Settings:
        given = {name: value for name, value in {**WHOLE, **variables}.items() if value is not None}
        own_environment.clear()
        own_environment.update(given)
        return Settings()

    return settings


def faults(read: Read, **variables: str | None) -> dict[str, str]:
    """What is wrong, by the name of the variable, as the command line prints it."""
    with pytest.raises(ValidationError) as caught:
        read(**variables)
    return {"__".join(map(str, fault["loc"])).upper(): fault["msg"] for fault in caught.value.errors()}


class TestFaults:
    def test_five_settings_are_enough(self, read: Read) -> None:
        settings = read()

        assert settings.mlflow.alias == "prod"
        assert settings.inference_servers == ()

    def test_every_fault_is_told_at_once(self, read: Read) -> None:
        """Missing, malformed, out of bounds, misspelt, contradictory: one start tells them all."""
        found = faults(
            read,
            CONFIG_ROOT=None,
            DATABASE_URL="mysql://laurel@database/laurel",
            MLFLOW_TRACKING_URI="ftp://mlflow",
            MLFLOW_MODEL_NAME="a/b",
            WORKER__LEASE_SECONDS="0",
            WORKER__RETRY_SECONDS="61",
            WORKER__LEASE_SECOND="5",
            KAFKA__SECURITY_PROTOCOL="SASL_SSL",
            KAFKA__PARTITIONS="many",
            MLFLOW__USERNAME="laurel",
            GATE__MINIMUM_EFFECT="nan",
        )

        assert set(found) == {
            "CONFIG_ROOT",
            "DATABASE_URL",
            "MLFLOW_TRACKING_URI",
            "MLFLOW_MODEL_NAME",
            "WORKER__LEASE_SECONDS",
            "WORKER__RETRY_SECONDS_MAX",
            "WORKER__LEASE_SECOND",
            "KAFKA__SASL_MECHANISM",
            "KAFKA__SASL_USERNAME",
            "KAFKA__SASL_PASSWORD",
            "KAFKA__PARTITIONS",
            "MLFLOW__PASSWORD",
            "GATE__MINIMUM_EFFECT",
        }

    def test_all_that_is_needed_is_named_when_nothing_is_set(self, read: Read) -> None:
        assert set(faults(read, **dict.fromkeys(WHOLE))) == set(WHOLE)

    @pytest.mark.parametrize(
        "variables",
        [
            {"DATABASE_URL": "mysql://laurel:canary-7391@database/laurel"},
            {"DATABASE_URL": "postgresql://laurel:canary-7391@[database/laurel"},
            {"DATABASE_URL": "postgresql://laurel:canary-7391/x@database/laurel"},
            {"DATABASE_URL": "postgresql://laurel:canary-7391@database"},
            {"MLFLOW_TRACKING_URI": "http://[canary-7391]/"},
            {"MLFLOW_TRACKING_URI": "http://laurel:canary-7391@h℀/"},
            {"MLFLOW_TRACKING_URI": "http://laurel:canary-7391@mlflow"},
            {"MLFLOW_TRACKING_URI": "http://mlflow:canary-7391"},
            {"INFERENCE_API_URL": '["http://canary-7391"'},
            {"INFERENCE_API_URL": '["http://laurel:canary-7391@inference"]'},
            {"DVC__REMOTE_URL": "s3://key:canary-7391@bucket/path"},
            {"KAFKA__SASL_PASSWORD": "canary-7391"},
            {"KAFKA": '{"sasl_password": "canary-7391"}'},
            {"WORKER__ID": "canary-7391 "},
            {"CHILD__SEED": "canary-7391"},
            {"MLFLOW__TIMEOUT_SECONDS": "canary-7391"},
            {"LOG__LEVEL": "canary-7391"},
            {"MLFLOW_MODEL_NAME": "canary-7391/"},
        ],
        ids=" ".join,
    )
    def test_no_value_stands_in_a_message(self, read: Read, variables: dict[str, str]) -> None:
        with pytest.raises(ValidationError) as caught:
            read(**variables)

        messages = [fault["msg"] for fault in caught.value.errors()]
        assert "canary-7391" not in f"{caught.value} {messages}"

    def test_a_variable_that_bears_a_groups_name_is_a_fault_and_no_crash(self, read: Read) -> None:
        assert "one by one" in faults(read, LOG="info")["LOG"]

    def test_an_empty_variable_is_not_set(self, read: Read) -> None:
        settings = read(INFERENCE_API_URL="", KAFKA__SASL_PASSWORD="")

        assert settings.inference_servers == ()
        assert settings.kafka.sasl_password is None

    def test_no_duration_is_endless(self, read: Read) -> None:
        assert set(faults(read, CHILD__STEP_TIMEOUT_SECONDS="inf", WORKER__WAIT_BUDGET_SECONDS="inf")) == {
            "CHILD__STEP_TIMEOUT_SECONDS",
            "WORKER__WAIT_BUDGET_SECONDS",
        }


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            "http://169.254.169.254/latest",
            "http://169.254.170.2",
            "http://2852039166",
            "http://0xa9fea9fe",
            "http://0251.0376.0251.0376",
            "http://[::ffff:169.254.169.254]",
            "http://[fd00:ec2::254]",
            "http://[fe80::1]",
            "http://metadata.google.internal",
            "http://METADATA.google.internal.",
            "http://100.100.100.200",
        ],
    )
    def test_a_clouds_metadata_address_is_refused_in_every_spelling(self, read: Read, url: str) -> None:
        for name in ("MLFLOW_TRACKING_URI", "INFERENCE_API_URL", "DVC__REMOTE_URL"):
            assert "metadata" in " ".join(faults(read, **{name: url}).values())

    @pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "https://10.0.0.7/mlflow", "http://[::1]:5000"])
    def test_other_addresses_are_not(self, read: Read, url: str) -> None:
        assert read(MLFLOW_TRACKING_URI=url).mlflow_tracking_uri == url

    @pytest.mark.parametrize(
        "url",
        [
            "mlflow:5000",
            "file:///srv/mlruns",
            "http://",
            "http://m/?a=b",
            "http://m/#a",
            "http://m m",
            "http://m:0",
        ],
    )
    def test_what_is_no_plain_http_address_is_refused(self, read: Read, url: str) -> None:
        assert "MLFLOW_TRACKING_URI" in faults(read, MLFLOW_TRACKING_URI=url)

    def test_credentials_in_an_address_are_refused(self, read: Read) -> None:
        found = faults(
            read,
            MLFLOW_TRACKING_URI="http://user@mlflow",
            INFERENCE_API_URL="http://:token@inference",
            DVC__REMOTE_URL="https://user:word@storage/laurel",
        )

        assert all("credentials" in message for message in found.values())
        assert set(found) == {"MLFLOW_TRACKING_URI", "INFERENCE_API_URL__0", "DVC__REMOTE_URL"}

    def test_a_remote_is_a_folder_or_a_url_but_no_file_url(self, read: Read) -> None:
        assert "file://" in faults(read, DVC__REMOTE_URL="file:///srv/remote")["DVC__REMOTE_URL"]
        assert read(DVC__REMOTE_URL="s3://bucket/laurel").dvc.remote_url == "s3://bucket/laurel"
        assert read(DVC__REMOTE_URL="/srv/remote").dvc.remote_url == "/srv/remote"

    def test_folders_are_the_same_wherever_a_process_stands(self, read: Read) -> None:
        settings = read(DATA_ROOT="data", DVC__REMOTE_URL="remote")

        assert settings.data_root == Path.cwd() / "data"
        assert settings.dvc.remote_url == str(Path.cwd() / "remote")

    def test_inference_servers_are_one_address_or_a_list(self, read: Read) -> None:
        assert read(INFERENCE_API_URL="http://one:8000/").inference_servers == ("http://one:8000",)
        several = read(INFERENCE_API_URL='["http://one:8000", "http://two:8000"]')
        assert several.inference_servers == ("http://one:8000", "http://two:8000")
        second = faults(read, INFERENCE_API_URL='["http://one:8000", "two:8000"]')
        assert set(second) == {"INFERENCE_API_URL__1"}

    @pytest.mark.parametrize(
        "servers", ["kafka", "kafka:", "kafka:0", "kafka:70000", "user@kafka:9092", "a:1,,b:2"]
    )
    def test_brokers_are_host_and_port(self, read: Read, servers: str) -> None:
        assert "KAFKA_BOOTSTRAP_SERVERS" in faults(read, KAFKA_BOOTSTRAP_SERVERS=servers)

    def test_brokers_may_stand_apart(self, read: Read) -> None:
        assert read(KAFKA_BOOTSTRAP_SERVERS="a:1, [::1]:2").kafka_bootstrap_servers == "a:1,[::1]:2"

    def test_the_run_store_is_postgresql(self, read: Read) -> None:
        for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
            settings = read(DATABASE_URL=f"{scheme}://u:p@h/d")
            assert settings.sqlalchemy_url == "postgresql+psycopg://u:p@h/d"
        for url in ("sqlite:///laurel.db", "mysql://u:p@h/d", "h/d", "postgresql://h"):
            assert "DATABASE_URL" in faults(read, DATABASE_URL=url)


class TestSecrets:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://laurel:s3cr3t%2Fpass@database/laurel",
            "postgresql://database/laurel?user=laurel&password=s3cr3t%2Fpass",
        ],
    )
    def test_the_databases_password_is_known_as_it_is_sent(self, read: Read, url: str) -> None:
        """What is known can be kept out of every output."""
        known = read(DATABASE_URL=url).database_password
        assert known == "s3cr3t/pass"

    def test_a_database_without_a_password_has_none(self, read: Read) -> None:
        assert read(DATABASE_URL="postgresql://laurel@database/laurel").database_password is None

    def test_no_secret_is_shown(self, read: Read) -> None:
        secrets = {
            "DATABASE_URL": "postgresql://laurel:canary-1@database/laurel",
            "INFERENCE_INTERNAL_TOKEN": "canary-2",
            "MLFLOW__TOKEN": "canary-3",
            "KAFKA__SASL_PASSWORD": "canary-4",
        }
        settings = read(
            KAFKA__SECURITY_PROTOCOL="SASL_SSL",
            KAFKA__SASL_MECHANISM="SCRAM-SHA-512",
            KAFKA__SASL_USERNAME="laurel",
            **secrets,
        )

        assert "canary" not in f"{settings!r} {list(settings_in_force(settings))}"

    def test_sasl_is_whole_or_absent(self, read: Read) -> None:
        """A password that the protocol does not use would be a wish that nobody grants."""
        absent = faults(read, KAFKA__SECURITY_PROTOCOL="SASL_SSL", KAFKA__SASL_USERNAME="laurel")
        assert set(absent) == {"KAFKA__SASL_MECHANISM", "KAFKA__SASL_PASSWORD"}
        unused = {"KAFKA__SASL_PASSWORD": "word"}
        assert set(faults(read, **unused)) == set(unused)

    def test_mlflow_is_asked_in_one_way(self, read: Read) -> None:
        nobody = {"MLFLOW__PASSWORD": "word"}
        assert set(faults(read, **nobody)) == {"MLFLOW__PASSWORD"}
        both = {**nobody, "MLFLOW__USERNAME": "laurel", "MLFLOW__TOKEN": "token"}
        assert set(faults(read, **both)) == {"MLFLOW__TOKEN"}


class TestSources:
    def test_a_file_of_variables_is_read_and_the_environment_wins(self, read: Read) -> None:
        Path(".env").write_text("WORKER__ID=from-file\nGATE__METRIC=mae\n", encoding="utf-8")

        settings = read(WORKER__ID="from-environment")

        assert settings.worker.id == "from-environment"
        assert settings.gate.metric == "mae"

    def test_values_given_by_code_win_over_both(self, read: Read) -> None:
        read()
        assert settings_with(mlflow_model_name="other").mlflow_model_name == "other"

    def test_every_setting_is_used_and_says_what_it_means(self) -> None:
        """A knob that turns nothing is a lie."""
        read_in_service = {
            node.attr
            for path in (ROOMS / "service").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Attribute)
        } | {"inference_api_url", "database_url", "allow_foreign_champion"}  # by the settings' own properties

        for name, meaning in _leaves(Settings):
            assert name in read_in_service, f"nobody reads {name}"
            assert meaning, f"{name} does not say what it means"


def _leaves(group: type[BaseModel]) -> Iterator[tuple[str, str | None]]:
    for name, field in group.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _leaves(type(field.default))
        else:
            yield name, field.description
