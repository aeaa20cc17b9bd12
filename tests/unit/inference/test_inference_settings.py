"""The settings of the inference service: few are needed, and every fault is named at once."""

import os
from collections.abc import Callable, MutableMapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from config.inference_settings import InferenceSettings
from domain.errors import Stop
from service.cli.reading import faults_in
from service.serving.root import mask_of, open_inference

Read = Callable[..., InferenceSettings]


@pytest.fixture
def read(own_environment: MutableMapping[str, str], tmp_path: Path) -> Read:
    """Read settings from these variables alone, in a folder without `.env`."""
    os.chdir(tmp_path)

    def settings(**variables: str) -> InferenceSettings:
        own_environment.clear()
        own_environment.update(variables)
        return InferenceSettings()

    return settings


def test_the_address_of_mlflow_is_all_that_is_needed(read: Read) -> None:
    settings = read(MLFLOW_TRACKING_URI="http://mlflow:5000")
    assert (settings.inference.host, settings.inference.port) == ("127.0.0.1", 18082)
    assert (settings.mlflow_model_name, settings.mlflow.alias) == ("construction_cost_model", "prod")
    assert settings.inference_internal_token is None
    assert settings.inference.unknown_fields == "ignore"


def test_what_other_roles_are_told_is_no_fault(read: Read) -> None:
    """One file of variables may serve all roles."""
    settings = read(
        MLFLOW_TRACKING_URI="http://mlflow:5000", WORKER__ID="w", DATABASE_URL="x", INFERENCE_API_URL="y"
    )
    assert settings.mlflow_tracking_uri == "http://mlflow:5000"


def test_every_fault_is_named_at_once_and_no_value_is_told(read: Read) -> None:
    with pytest.raises(ValidationError) as caught:
        read(
            MLFLOW_MODEL_NAME="a/b",
            INFERENCE__PORT="70000",
            INFERENCE__PROT="1",
            INFERENCE__MAX_ROWS="none-of-yours",
            INFERENCE__TRUSTED_TYPES="os.system; rm",
        )
    assert faults_in(caught.value, InferenceSettings).keys() == {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_MODEL_NAME",
        "INFERENCE__PORT",
        "INFERENCE__PROT",
        "INFERENCE__MAX_ROWS",
        "INFERENCE__TRUSTED_TYPES__0",
    }
    assert "none-of-yours" not in str(faults_in(caught.value, InferenceSettings))


@pytest.mark.parametrize("given", ["a.B, c.d.E", '["a.B", "c.d.E"]', "a.B,c.d.E,"])
def test_trusted_types_are_names_with_commas_or_a_list(read: Read, given: str) -> None:
    settings = read(MLFLOW_TRACKING_URI="http://mlflow:5000", INFERENCE__TRUSTED_TYPES=given)
    assert settings.inference.trusted_types == ("a.B", "c.d.E")


def test_every_secret_is_known_to_the_mask(read: Read) -> None:
    settings = read(
        MLFLOW_TRACKING_URI="http://mlflow:5000",
        INFERENCE_INTERNAL_TOKEN="canary-one",  # noqa: S106 - a test's own
        MLFLOW__USERNAME="someone",
        MLFLOW__PASSWORD="canary-two",  # noqa: S106 - likewise
    )
    assert mask_of(settings)("canary-one canary-two") == "*** ***"


async def test_without_a_home_the_setting_for_the_cache_is_named(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose user id has no entry anywhere."""

    def no_entry(_: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    monkeypatch.setattr("pwd.getpwuid", no_entry)
    with pytest.raises(Stop, match="set INFERENCE__CACHE_FOLDER") as stop:
        async with open_inference(read(MLFLOW_TRACKING_URI="http://mlflow:5000")):
            pass
    assert stop.value.reason == "no_cache_folder"
