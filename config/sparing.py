"""How a command does without the settings that it does not use."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from config.needs import CONFIG, DATA, KAFKA, MLFLOW, STORE
from config.settings import Settings

# What stands for a setting that a command does without: a use of it fails, and names the setting.
_STAND_INS: Final[Mapping[str, Any]] = {
    CONFIG: Path("/dev/null/CONFIG_ROOT is not set"),
    DATA: Path("/dev/null/DATA_ROOT is not set"),
    KAFKA: "kafka-bootstrap-servers.is-not-set.invalid:9092",
    STORE: SecretStr("postgresql://database-url.is-not-set.invalid/none"),
    MLFLOW: "http://mlflow-tracking-uri.is-not-set.invalid",
}


def settings_for(needed: Collection[str]) -> Settings:
    """Read every setting; of those without a default only the `needed` ones have to be set.

    Raises ValidationError with every fault.
    """
    try:
        return Settings()
    except ValidationError as error:
        unset = {str(fault["loc"][0]) for fault in error.errors() if fault["type"] == "missing"}
        spared = unset.difference(needed)
        if not spared:
            raise
    return Settings(**{name: _STAND_INS[name] for name in spared})


def is_set(settings: Settings, name: str) -> bool:
    """False for a setting that a command was given a stand-in for."""
    return bool(getattr(settings, name) != _STAND_INS[name])
