"""The settings without a default, and what each is for."""

from collections.abc import Mapping
from typing import Final

CONFIG: Final = "config_root"
DATA: Final = "data_root"
KAFKA: Final = "kafka_bootstrap_servers"
STORE: Final = "database_url"
MLFLOW: Final = "mlflow_tracking_uri"

PURPOSES: Final[Mapping[str, str]] = {
    CONFIG: "the folder of active_config.yaml and of the four families",
    DATA: "the folder of processed/, splits/ and reference/",
    KAFKA: "the brokers that carry requests and announcements, as host:port",
    STORE: "the run store, as postgresql://user:password@host:port/name",
    MLFLOW: "the MLflow server, as http://host:port",
}
EVERYTHING: Final = frozenset(PURPOSES)
NOTHING: Final = ""  # what a command needs that uses none of them
