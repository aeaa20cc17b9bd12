"""Every knob of every role, read once from the environment (and `.env`), with safe defaults.

Flat names are those that a platform already sets; everything else is nested, `WORKER__LEASE_SECONDS`.
"""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.addresses import BootstrapServers, DatabaseUrl, Folder, HttpUrl, HttpUrls, password_in
from config.gateway_settings import ApiSettings, NotifierSettings
from config.setting_groups import (
    ChildSettings,
    DvcSettings,
    GateSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    MlflowSettings,
    ReloadSettings,
    RetentionSettings,
    SigningSettings,
    WorkerSettings,
)

T = TypeVar("T")


def _in_parts(value: object) -> object:
    if isinstance(value, str):
        raise ValueError("is a group: set its members one by one, as in WORKER__LEASE_SECONDS")  # noqa: TRY004 - pydantic's
    return value


def _model_name(value: str) -> str:
    if any(sign in value for sign in "/:\\") or not value.isprintable():
        raise ValueError("must be printable, without '/', ':' and '\\'")
    if not value.strip() or value == "." or value.startswith(".."):
        raise ValueError("must be a name that MLflow takes: not blank, not '.', and no '..' at its beginning")
    return value


Group = Annotated[T, NoDecode, BeforeValidator(_in_parts)]
ModelName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_model_name)]


class Settings(BaseSettings):
    """All settings. A bad value stops the start; every fault is listed at once, and no value is printed."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        env_ignore_empty=True,  # `NAME=` in a file of variables means "not set"
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    config_root: Folder = Field(description="folder of active_config.yaml and the four families")
    data_root: Folder = Field(description="folder of processed/, splits/ and reference/")
    kafka_bootstrap_servers: BootstrapServers = Field(description="host:port of the broker")
    database_url: DatabaseUrl = Field(description="postgresql://user:password@host:port/name")
    mlflow_tracking_uri: HttpUrl = Field(description="address of the MLflow server")
    mlflow_experiment: str = Field(
        default="construction_cost", min_length=1, max_length=256, description="experiment of every run"
    )
    mlflow_model_name: ModelName = Field(
        default="construction_cost_model", description="the registered model that this deployment manages"
    )
    inference_api_url: HttpUrls = Field(
        default=(), description="inference servers to reload, one address or a JSON list"
    )
    inference_internal_token: SecretStr | None = Field(
        default=None, description="bearer token of POST /reload"
    )
    allow_foreign_champion: bool = Field(
        default=False, description="short for MLFLOW__ALLOW_FOREIGN_CHAMPION: one of the two is enough"
    )

    worker: Group[WorkerSettings] = WorkerSettings()
    retention: Group[RetentionSettings] = RetentionSettings()
    child: Group[ChildSettings] = ChildSettings()
    kafka: Group[KafkaSettings] = KafkaSettings()
    mlflow: Group[MlflowSettings] = MlflowSettings()
    dvc: Group[DvcSettings] = DvcSettings()
    signing: Group[SigningSettings] = SigningSettings()
    gate: Group[GateSettings] = GateSettings()
    reload: Group[ReloadSettings] = ReloadSettings()
    api: Group[ApiSettings] = ApiSettings()
    notifier: Group[NotifierSettings] = NotifierSettings()
    http: Group[HttpSettings] = HttpSettings()
    log: Group[LogSettings] = LogSettings()

    @property
    def scores_foreign_champions(self) -> bool:
        """True when a champion that Laurel did not make may be loaded, under whichever name that was said."""
        return self.allow_foreign_champion or self.mlflow.allow_foreign_champion

    @property
    def inference_servers(self) -> tuple[str, ...]:
        """The servers to reload, as a tuple."""
        return self.inference_api_url

    @property
    def sqlalchemy_url(self) -> str:
        """The database address with the driver that Laurel uses."""
        _, _, rest = self.database_url.get_secret_value().partition("://")
        return f"postgresql+psycopg://{rest}"

    @property
    def database_password(self) -> str | None:
        """The password in the database address, to be kept out of every output."""
        return password_in(self.database_url.get_secret_value())


def settings_with(**values: Any) -> Settings:
    """Make settings from values alone, as the demo and the tests do; the environment fills the rest."""
    return Settings(**values)
